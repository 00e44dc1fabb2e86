"""How a model that came from elsewhere is applied: the switches of the one predictor."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal, get_args

from sparseseg.recipes.pretrained import steps as grey_steps
from sparseseg.recipes.pretrained.steps import Step

Kind = Literal["ct", "z-score", "unit", "rgb", "none"]
Orientation = Literal["stored", "ras", "slices-first"]
Resampling = Literal["nnunet-v1", "nnunet-v2", "linear", "monai", "none"]
Weights = Literal["gaussian", "root", "product", "even", "last"]
Sides = tuple[int, int, int]


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
    steps: tuple[Step, ...] = ()
    """What is done after that, one after the other."""
    resampling: Resampling = "nnunet-v2"
    """Linear from corner to corner, as "monai" does it, or not at all, among others."""
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
    weights: Weights = "gaussian"
    """How the voxels of a window count: by a Gaussian, the cube root of one, a product of
    Gaussians along the axes, all the same, or the last window alone."""
    overlap: float = 0.5
    """How much of a window the next one covers, where steps are fixed."""
    fixed_steps: bool = False
    """Whether windows stand in steps of the same length, and only the last one closer."""
    halo: Sides = (0, 0, 0)
    """What is cut away from each side of an answer, so that only insides count."""
    least: Sides | None = None
    """The smallest window, where a small volume may be shown in one smaller than the
    patch; its sides grow in `step`."""
    step: Sides = (1, 1, 1)
    weigh_alone: bool = True
    """Whether the only window of a volume is weighted as well."""
    whole_strides: bool = False
    """Whether the volume is padded until windows stand exactly half a patch apart."""
    padding: float = 0.0
    """The normalised grey value beyond the volume."""
    edge: Literal["value", "mirror"] = "value"
    """Whether there is the same value beyond the volume, or its mirror image."""
    mirror: tuple[int, ...] = (0, 1, 2)
    """The axes that the model may be shown mirrored."""
    regions: bool = False
    """Whether outputs overlap: each is a sigmoid, and later ones are painted over."""
    activation: Literal["usual", "none"] = "usual"
    """Whether the network's answers are logits, or probabilities already."""
    activate_first: bool = False
    """Whether answers become probabilities before they are resampled."""

    def __post_init__(self) -> None:
        _check(self)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists, numbers and words."""
        described = {**asdict(self), "steps": list(map(grey_steps.to_json, self.steps))}
        plain: dict[str, Any] = json.loads(json.dumps(described))
        return plain

    @property
    def by_blocks(self) -> bool:
        """Whether a volume can be prepared block by block."""
        masked = any(normaliser.masked for normaliser in self.normalisers)
        return not (masked or self.steps or self.resampling in ("monai", "none"))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Inference":
        """Rebuild it; raise `ValueError` or `TypeError` for what is none."""
        given = dict(data)
        if given.pop("root", False):  # what earlier versions wrote
            given["weights"] = "root"
        given["normalisers"] = tuple(Normaliser(**n) for n in data["normalisers"])
        given["mirror"] = tuple(map(int, data["mirror"]))
        given["steps"] = tuple(map(grey_steps.from_json, data.get("steps", ())))
        for name in ("axes", "halo", "least", "step"):
            if given.get(name) is not None:
                given[name] = _sides(given[name])
        return cls(**given)


def _sides(values: Sequence[Any]) -> Sides:
    z, y, x = map(int, values)
    return z, y, x


def _check(inference: Inference) -> None:
    choices: Sequence[tuple[str, Any]] = [
        (inference.resampling, Resampling),
        (inference.orientation, Orientation),
        (inference.average, Literal["logits", "probabilities"]),
        (inference.sums, Literal["float16", "float32"]),
        (inference.weights, Weights),
        (inference.edge, Literal["value", "mirror"]),
        (inference.activation, Literal["usual", "none"]),
        *((normaliser.kind, Kind) for normaliser in inference.normalisers),
    ]
    for value, known in choices:
        if value not in get_args(known):
            raise ValueError(f"{value!r} is none of {', '.join(get_args(known))}")
    if sorted(inference.axes) != [0, 1, 2]:
        raise ValueError(f"axes {inference.axes}")
    if not set(inference.mirror) <= {0, 1, 2}:
        raise ValueError(f"mirror {inference.mirror}")
    _check_windows(inference)
    numbers = [inference.peak, inference.padding]
    for n in inference.normalisers:
        numbers += [n.low, n.high, n.mean, n.deviation]
    if not all(isfinite(number) for number in numbers):
        raise ValueError("a number that is not finite")


def _check_windows(inference: Inference) -> None:
    if not 0 <= inference.overlap < 1:
        raise ValueError(f"windows that overlap by {inference.overlap}")
    least = inference.least or (1, 1, 1)
    if min(inference.halo) < 0 or min(*least, *inference.step) < 1:
        raise ValueError(
            f"halo {inference.halo}, windows from {least} in steps of {inference.step}"
        )
