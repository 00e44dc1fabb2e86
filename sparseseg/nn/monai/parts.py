"""What networks of MONAI are made of: convolution, normalisation, activation."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

Sides = tuple[int, ...]
Named = str | Sequence[Any]
"""A name, or a name with arguments: ("leakyrelu", {"negative_slope": 0.1})."""

# Their arguments are typed apart for two and three dimensions.
CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
UP: dict[int, Any] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
POOL: dict[int, Any] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_INSTANCE: dict[int, Any] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_BATCH: dict[int, Any] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_MOST_LEVELS = 12
_MOST_WIDTH = 4096
_MOST_SIDE = 15

_ACTIVATIONS: dict[str, tuple[Callable[..., nn.Module], frozenset[str]]] = {
    "relu": (nn.ReLU, frozenset({"inplace"})),
    "leakyrelu": (nn.LeakyReLU, frozenset({"negative_slope", "inplace"})),
    "prelu": (nn.PReLU, frozenset({"num_parameters", "init"})),
    "elu": (nn.ELU, frozenset({"alpha", "inplace"})),
    "gelu": (nn.GELU, frozenset()),
    "swish": (nn.SiLU, frozenset({"inplace"})),
}
_NORMS = {
    "instance": frozenset({"affine", "eps"}),
    "batch": frozenset({"affine", "eps", "momentum"}),
    "group": frozenset({"num_groups", "affine", "eps"}),
}


def activation(what: Named) -> nn.Module:
    """Return an activation; raise `ValueError` for one that is not known."""
    name, arguments = _named(what)
    make, known = _ACTIVATIONS.get(name, (None, frozenset()))
    if make is None or not set(arguments) <= known:
        raise ValueError(f"the activation {what!r} is not known")
    return make(**arguments)


def norm(what: Named, channels: int, dims: int) -> nn.Module:
    """Return a normalisation; raise `ValueError` for one that is not known."""
    name, arguments = _named(what)
    if not set(arguments) <= _NORMS.get(name, frozenset()):
        raise ValueError(f"the normalisation {what!r} is not known")
    if name == "group":
        return nn.GroupNorm(num_channels=channels, **{"num_groups": 1, **arguments})
    found: nn.Module | None = None
    if name in ("instance", "batch"):
        found = (_BATCH if name == "batch" else _INSTANCE)[dims](channels, **arguments)
    if found is None:
        raise ValueError(f"the normalisation {what!r} is not known")
    return found


class Network(nn.Module):
    """A network that maps images (n, c, ...) to a tuple of logits."""

    outputs: int
    width: int
    """Features of the first level."""
    multiple: Sides
    """What the sides of an image have to be multiples of."""


class Convolution(nn.Sequential):
    """`conv`, and behind it `adn`: what the ordering names of N and A (D only trains)."""

    def __init__(
        self,
        conv: nn.Module,
        width: int,
        dims: int,
        *,
        act: Named = "prelu",
        normal: Named | None = "instance",
        ordering: str = "NDA",
    ) -> None:
        super().__init__(OrderedDict(conv=conv))
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if not set(ordering) <= set("NDA") or len(set(ordering)) != len(ordering):
            raise ValueError(f"the order {ordering!r} of normalisation and activation")
        for letter in ordering:
            if letter == "N" and normal is not None:
                parts["N"] = norm(normal, width, dims)
            if letter == "A":
                parts["A"] = activation(act)
        self.add_module("adn", nn.Sequential(parts))


class Bare(nn.Sequential):
    """A layer by the name `conv`, or another one, with nothing behind it."""

    def __init__(self, layer: nn.Module, name: str = "conv") -> None:
        super().__init__(OrderedDict({name: layer}))


def same(dims: int, source: int, width: int, kernel: Any, **more: Any) -> nn.Module:
    """Return a convolution that keeps the size where its stride is 1."""
    sides = spread(kernel, dims)
    padding = tuple((side - 1) // 2 for side in sides)
    made: nn.Module = CONV[dims](source, width, sides, padding=padding, **more)
    return made


def spread(value: Any, dims: int) -> Sides:
    """Return one whole number for each axis; raise `ValueError` for what is none."""
    values = [value] * dims if isinstance(value, int) else list(value)
    if len(values) != dims:
        raise ValueError(f"{value} in {dims} dimensions")
    return tuple(whole("kernels and strides", values, _MOST_SIDE))


def check_dims(dims: Any) -> int:
    """Raise `ValueError` unless a network has two or three dimensions."""
    if dims not in CONV or isinstance(dims, bool):
        raise ValueError(f"a network of {dims} dimensions")
    return int(dims)


def widths_of(values: Sequence[Any], least: int = 2) -> list[int]:
    """Raise `ValueError` for too few or too many levels, or features."""
    if not least <= len(values) <= _MOST_LEVELS:
        raise ValueError(f"a network of {len(values)} levels")
    return whole("features", values, _MOST_WIDTH)


def whole(name: str, values: Sequence[Any], most: int) -> list[int]:
    """Return whole numbers from 1 to `most`; raise `ValueError` for others."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{name} are whole numbers, got {value!r}")
        if not 1 <= value <= most:
            raise ValueError(f"{name} go from 1 to {most}, got {value}")
    return list(values)


def product(steps: Sequence[Sides], dims: int) -> Sides:
    """Return what the sides of an image are divided by, over all levels."""
    sides = [1] * dims
    for step in steps:
        sides = [side * more for side, more in zip(sides, step, strict=True)]
    return tuple(sides)


def nothing_else(arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raise `ValueError` for an argument that is not known, or has another value.

    Dropout is taken with any value: it only acts while a network learns.
    """
    for name, value in arguments.items():
        if name.startswith("dropout"):
            continue
        if name not in defaults or defaults[name] != value:
            raise ValueError(f"the argument {name}={value!r} is not known")


def one(logits: Tensor) -> tuple[Tensor, ...]:
    """Return the logits as all networks here do: of all heads, of which this has one."""
    return (logits,)


def _named(what: Named) -> tuple[str, dict[str, Any]]:
    parts = [what] if isinstance(what, str) else list(what)
    name, arguments = parts[0], parts[1] if len(parts) > 1 else {}
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        raise ValueError(f"{what!r} is no name with arguments")
    if not all(isinstance(value, bool | int | float) for value in arguments.values()):
        raise ValueError(f"{what!r} has arguments that are no numbers")
    return name.lower(), dict(arguments)
