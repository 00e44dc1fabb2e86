"""How a model that came from elsewhere is applied: the switches of the one predictor."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal, get_args

Kind = Literal["ct", "z-score", "unit", "rgb", "none"]
Orientation = Literal["stored", "ras", "slices-first"]
Resampling = Literal["nnunet-v1", "nnunet-v2", "linear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Normaliser:
    """What is done to the grey values of one channel.

    "ct" clips to low..high, subtracts the mean and divides by the deviation of the
    training set; "z-score" takes mean and deviation of the volume itself, `masked` only
    where any channel is not 0; "unit" maps the volume's range to 0..1, "rgb" divides by
    255 and "none" leaves the values alone.
    """

    kind: Kind
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    deviation: float = 1.0
    masked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """Where published predictors differ; the defaults are those of nnU-Net v2."""

    normalisers: tuple[Normaliser, ...]
    """One a channel."""
    resampling: Resampling = "nnunet-v2"
    resample_first: bool = False
    """Whether grey values are resampled before they are normalised."""
    orientation: Orientation = "stored"
    """How the volume is turned first: not at all, to right-anterior-superior, or so
    that slices come first."""
    axes: tuple[int, int, int] = (0, 1, 2)
    """The axis of the turned volume that is the network's z, y and x."""
    crop: bool = True
    """Whether borders that are 0 in all channels are cut away."""
    flat: bool = False
    """Whether the network looks at planes; z is then not resampled."""
    average: Literal["logits", "probabilities"] = "logits"
    sums: Literal["float16", "float32"] = "float16"
    """The precision of the sums over windows and folds."""
    peak: float = 10.0
    """The weight at the centre of a window."""
    root: bool = False
    """Whether weights are the cube root of a Gaussian."""
    weigh_alone: bool = True
    """Whether the only window of a volume is weighted as well."""
    whole_strides: bool = False
    """Whether the volume is padded until windows stand exactly half a patch apart."""
    padding: float = 0.0
    """The normalised grey value beyond the volume."""
    mirror: tuple[int, ...] = (0, 1, 2)
    """The axes that the model may be shown mirrored."""
    regions: bool = False
    """Whether outputs overlap: each is a sigmoid, and later ones are painted over."""

    def __post_init__(self) -> None:
        _check(self)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists, numbers and words."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Inference":
        """Rebuild it; raise `ValueError` or `TypeError` for what is none."""
        normalisers = tuple(Normaliser(**entry) for entry in data["normalisers"])
        z, y, x = map(int, data["axes"])
        mirror = tuple(map(int, data["mirror"]))
        return cls(
            **{
                **data,
                "normalisers": normalisers,
                "axes": (z, y, x),
                "mirror": mirror,
            }
        )


def _check(inference: Inference) -> None:
    choices: Sequence[tuple[str, Any]] = [
        (inference.resampling, Resampling),
        (inference.orientation, Orientation),
        (inference.average, Literal["logits", "probabilities"]),
        (inference.sums, Literal["float16", "float32"]),
        *((normaliser.kind, Kind) for normaliser in inference.normalisers),
    ]
    for value, known in choices:
        if value not in get_args(known):
            raise ValueError(f"{value!r} is none of {', '.join(get_args(known))}")
    if sorted(inference.axes) != [0, 1, 2]:
        raise ValueError(f"axes {inference.axes}")
    if not set(inference.mirror) <= {0, 1, 2}:
        raise ValueError(f"mirror {inference.mirror}")
    numbers = [inference.peak, inference.padding]
    for n in inference.normalisers:
        numbers += [n.low, n.high, n.mean, n.deviation]
    if not all(isfinite(number) for number in numbers):
        raise ValueError("a number that is not finite")
