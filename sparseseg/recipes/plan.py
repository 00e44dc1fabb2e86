"""What a recipe decided for one set of volumes: all that rebuilds network and inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, get_args

from sparseseg.boxes import Triple
from sparseseg.classes import BACKGROUND
from sparseseg.data.intensity import (
    AS_STORED,
    GreyCurve,
    GreyRule,
    GreyScale,
    own_scale,
)
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.settings.cards import current_name

MAX_OUTPUTS = 255


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Saved with the weights; plain numbers only, so that it is JSON."""

    recipe: str
    outputs: tuple[int, ...]
    """The annotation value that each output of the network stands for."""
    spacing: tuple[float, float, float]
    """Voxel size z, y, x of the training volumes, in `unit`."""
    unit: str
    curves: tuple[GreyCurve, ...]
    """From grey values to the network's, one a channel."""
    grey: tuple[GreyRule, ...] = ()
    """What the curves start from, one a channel: the grey values of the file where it is
    "fixed", those on the volume's own scale where it is "volume"; empty if all are fixed."""
    patch: Triple
    """Voxels z, y, x that a training patch reads."""
    network: Mapping[str, Any]
    """The arguments of the recipe's network."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What a person chose of the recipe."""
    inference: Mapping[str, Any] = field(default_factory=dict)
    """How a model that came from elsewhere is applied."""

    @property
    def channels(self) -> int:
        """The number of image channels."""
        return len(self.curves)

    @property
    def anisotropy(self) -> tuple[float, float, float]:
        """Voxel size along z, y, x of a volume as multiples of the smallest."""
        least = min(self.spacing)
        z, y, x = (side / least for side in self.stored_spacing)
        return z, y, x

    @property
    def stored_spacing(self) -> tuple[float, float, float]:
        """Voxel size along z, y, x of a volume, where the network has other axes."""
        axes = self.inference.get("axes", (0, 1, 2))
        z, y, x = (self.spacing[axes.index(axis)] for axis in range(3))
        return z, y, x

    @property
    def classes(self) -> tuple[int, ...]:
        """What a prediction writes for each output: 0 for background."""
        return tuple(0 if value == BACKGROUND else value for value in self.outputs)

    @property
    def rules(self) -> tuple[GreyRule, ...]:
        """What the curve of each channel starts from."""
        fixed: GreyRule = "fixed"
        return self.grey or (fixed,) * self.channels

    def scales(self, volume: Volume) -> tuple[GreyScale, ...]:
        """Return the scale that the curves start from, one a channel of a volume."""
        return tuple(
            own_scale(volume.array, channel) if rule == "volume" else AS_STORED
            for channel, rule in enumerate(self.rules)
        )

    def curves_for(self, volume: Volume) -> tuple[GreyCurve, ...]:
        """Return the curves for the grey values of a volume as they are stored."""
        scales = self.scales(volume)
        return tuple(c.on(s) for c, s in zip(self.curves, scales, strict=True))

    def with_outputs(self, outputs: Sequence[int]) -> "Plan":
        """Return a plan for other classes."""
        return replace(self, outputs=tuple(outputs))

    def check(self, volume: Volume) -> None:
        """Raise `UserError` for a volume whose channels are not those of training."""
        if volume.channels != self.channels:
            raise UserError(
                "the model was trained on {channels} channel(s) and "
                "{name} has {volume_channels}: "
                "choose an image with the same channels",
                channels=self.channels,
                name=volume.name or say("the image"),
                volume_channels=volume.channels,
            )

    def to_json(self) -> dict[str, Any]:
        """Return plain lists, numbers and words."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Plan":
        """Rebuild a plan; raise `UserError` for one that no recipe has written."""
        try:
            return cls(
                recipe=current_name(str(data["recipe"])),
                outputs=_outputs(data["outputs"]),
                spacing=_triple(float, data["spacing"]),
                unit=str(data["unit"]),
                curves=_curves(data["curves"]),
                grey=_rules(data.get("grey", ()), len(data["curves"])),
                patch=_triple(int, data["patch"]),
                network=dict(data["network"]),
                options=dict(data.get("options", {})),
                inference=dict(data.get("inference", {})),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(
                "the model's description is damaged ({error}): train or fetch it again",
                error=error,
            ) from error


def _triple(kind: type, values: Sequence[Any]) -> tuple[Any, Any, Any]:
    z, y, x = (kind(value) for value in values)
    if not all(0 < value < float("inf") for value in (z, y, x)):
        raise ValueError(f"{values} is not positive")
    return z, y, x


def _outputs(values: Sequence[Any]) -> tuple[int, ...]:
    outputs = tuple(int(value) for value in values)
    if len(set(outputs)) != len(outputs) or not 0 < len(outputs) <= MAX_OUTPUTS:
        raise ValueError(f"outputs {outputs}")
    if not all(1 <= value <= BACKGROUND for value in outputs):
        raise ValueError(f"outputs {outputs}")
    return outputs


def _curves(data: Sequence[Any]) -> tuple[GreyCurve, ...]:
    if not data:
        raise ValueError("no grey curve")
    return tuple(_curve(curve) for curve in data)


def _rules(names: Sequence[str], channels: int) -> tuple[GreyRule, ...]:
    if len(names) not in (0, channels) or not set(names) <= set(get_args(GreyRule)):
        raise ValueError(f"grey rules {list(names)} of {channels} channels")
    rules: tuple[Any, ...] = tuple(names)
    return rules


def _curve(data: Mapping[str, Sequence[Any]]) -> GreyCurve:
    knots, values = (tuple(map(float, data[name])) for name in ("knots", "values"))
    if len(knots) != len(values) or len(knots) < 2 or sorted(knots) != list(knots):
        raise ValueError("a grey curve whose knots do not rise")
    return GreyCurve(knots, values)
