"""What a BioImage.IO description says of input and output, in its formats 0.4 and 0.5."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparseseg.boxes import Triple
from sparseseg.data.units import PIXEL, UNKNOWN, Spacing, measured
from sparseseg.errors import UserError

_PLAIN_NAME = re.compile(r"(channel|c)?[_ ]?\d*", re.IGNORECASE)
_KINDS = {"batch": "b", "channel": "c"}
_WANTED = {2: 512, 3: 96}
"""How large the windows are at least, where a model takes any size."""
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a tensor."""

    kind: str
    """One of b, c, z, y, x."""
    least: int | None = None
    """The smallest size; None where another tensor tells it."""
    step: int = 0
    """What it grows by; 0 where the size is fixed."""
    halo: int = 0
    names: tuple[str, ...] = ()
    scale: float = 1.0
    unit: str = ""
    differs: bool = False
    """Whether the output is larger or smaller than the input here."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or an output."""

    axes: tuple[Axis, ...]
    described: Mapping[str, Any]

    @property
    def order(self) -> str:
        """The axes, for example bczyx."""
        return "".join(axis.kind for axis in self.axes)

    @property
    def space(self) -> tuple[Axis, ...]:
        """The axes z, y, x, or y, x."""
        return tuple(self[kind] for kind in "zyx" if kind in self.order)

    @property
    def dims(self) -> int:
        """How many axes of space there are."""
        return len(self.space)

    @property
    def places(self) -> list[int]:
        """Where the axes n, c, (z,) y, x are; -1 for one that is missing."""
        wanted = "bczyx" if self.dims == 3 else "bcyx"
        return [self.order.find(kind) for kind in wanted]

    @property
    def channels(self) -> int:
        """How many channels there are."""
        if "c" not in self.order:
            return 1
        axis = self["c"]
        return len(axis.names) or int(axis.least or 0)

    @property
    def names(self) -> dict[int, str]:
        """Names of channels that say something."""
        found = self["c"].names if "c" in self.order else ()
        return {i: n for i, n in enumerate(found) if not _PLAIN_NAME.fullmatch(n)}

    def __getitem__(self, kind: str) -> Axis:
        return self.axes[self.order.index(kind)]


def tensor_of(described: Mapping[str, Any]) -> Tensor:
    """Read a tensor of either format; raise `UserError` for axes that are not known."""
    given = described["axes"]
    axes = _letters(described) if isinstance(given, str) else map(_axis, given)
    tensor = Tensor(tuple(axes), described)
    kinds = set(tensor.order)
    if len(kinds) < len(tensor.order) or not set("yx") <= kinds <= set("bczyx"):
        raise UserError(
            "the model has the axes {order!r}, and sparseseg needs y, x and "
            "may take b, c and z: this model cannot be read",
            order=tensor.order[:20],
        )
    return tensor


def windows_of(source: Tensor, answer: Tensor) -> tuple[Triple, Triple, Triple, Triple]:
    """Return patch, smallest window, its steps and the halo: z, y, x.

    Raises `UserError` where the answer has another size than the image.
    """
    if [a.kind for a in source.space] != [a.kind for a in answer.space] or any(
        axis.differs for axis in answer.space
    ):
        raise UserError(
            "the answer of the model has another size than its image, which is not known "
            "here: this model cannot be read"
        )
    sides = [(1, 1, 1, 0)] if source.dims == 2 else []
    for axis, there in zip(source.space, answer.space, strict=True):
        sides.append(_side_of(axis, there.halo, _WANTED[source.dims]))
    patch, least_, step_, halo = (
        _triple(values) for values in zip(*sides, strict=True)
    )
    return patch, least_, step_, halo


def _side_of(axis: Axis, halo: int, wanted: int) -> tuple[int, int, int, int]:
    """Return the patch, at least `wanted`, the smallest window, its step and the halo."""
    least, step = int(axis.least or 0), axis.step
    if not 1 <= least <= _LARGEST or not 0 <= step <= _LARGEST:
        raise UserError(
            "the model takes images of {least} voxels in steps of {step} along "
            "{kind}: sizes go from 1 to {largest}",
            least=least,
            step=step,
            kind=axis.kind,
            largest=_LARGEST,
        )
    if least + step <= 2 * halo:
        raise UserError(
            "the model cuts {halo} voxels from each side of {least} along "
            "{kind}, and nothing is left: this model cannot be used",
            halo=halo,
            least=least,
            kind=axis.kind,
        )
    more = -(-max(0, wanted - least) // step) * step if step else 0
    return least + more, least, max(1, step), halo


def spacing_of(source: Tensor) -> tuple[Spacing, str]:
    """Return voxel size and unit; those of unknown voxels if they are not told."""
    known = [measured(axis.scale, axis.unit) for axis in source.space]
    units = {unit for _, unit in known}
    if len(units) != 1 or PIXEL in units or any(size <= 0 for size, _ in known):
        return UNKNOWN
    sides = [size for size, _ in known]
    z, y, x = sides if len(sides) == 3 else (sides[0], *sides)
    return (z, y, x), units.pop()


def _axis(given: Mapping[str, Any]) -> Axis:
    """Read an axis of the format 0.5."""
    kind = str(given.get("type"))
    if kind == "space":
        return _space(given)
    if kind not in _KINDS:
        raise UserError(
            "the model has an axis of type {kind!r}, and sparseseg knows batch, "
            "channel and space: this model cannot be read",
            kind=kind[:30],
        )
    names = given.get("channel_names", ())
    size = given.get("size")
    return Axis(
        _KINDS[kind],
        least=size if isinstance(size, int) else None,
        names=tuple(str(name)[:76] for name in names),
    )


def _space(given: Mapping[str, Any]) -> Axis:
    size = given.get("size")
    least, step, differs = None, 0, False
    if isinstance(size, int):
        least = size
    elif isinstance(size, Mapping) and "min" in size:
        least, step = int(size["min"]), int(size["step"])
    elif isinstance(size, Mapping):
        differs = bool(size.get("offset", 0))
    return Axis(
        str(given.get("id", ""))[:1],
        least,
        step,
        int(given.get("halo") or 0),
        scale=float(given.get("scale") or 1.0),
        unit=str(given.get("unit") or ""),
        differs=differs,
    )


def _letters(described: Mapping[str, Any]) -> list[Axis]:
    """Read the axes of the format 0.4."""
    order = str(described["axes"])
    shape = described.get("shape", ())
    count = len(order)
    least: Sequence[Any] = [None] * count
    steps: Sequence[Any] = [0] * count
    differs = [False] * count
    if isinstance(shape, Mapping) and "min" in shape:
        least, steps = shape["min"], shape["step"]
    elif isinstance(shape, Mapping):
        scales, offsets = shape.get("scale", ()), shape.get("offset", ())
        differs = [
            s not in (1, None) or o != 0 for s, o in zip(scales, offsets, strict=True)
        ]
        # Of channels, the size is told so: 0 times that of the input, and an offset.
        least = [round(2 * o) or None for o in offsets]
    else:
        least = shape
    halo = described.get("halo") or [0] * count
    return [
        Axis(kind, size, int(step or 0), int(edge), differs=other)
        for kind, size, step, edge, other in zip(
            order, least, steps, halo, differs, strict=True
        )
    ]


def _triple(values: Sequence[int]) -> Triple:
    z, y, x = values
    return z, y, x
