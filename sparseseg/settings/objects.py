"""How objects are told apart, and surfaces made: declared once for Python and flags."""

from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Literal

from sparseseg.errors import UserError
from sparseseg.language import say

MESH_ENDINGS = (".stl", ".ply", ".obj")

Method = Literal["parts", "touching", "slices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSettings:
    """Lengths are in the unit of the volume, volumes in its cube.

    Raises `UserError` for a value out of range.
    """

    method: Annotated[
        Method,
        {
            "help": say(
                "'parts' takes what hangs together, 'touching' also divides what "
                "touches, such as nuclei, and 'slices' joins the parts of each slice along z"
            )
        },
    ] = "touching"
    size: Annotated[
        float,
        {
            "help": say(
                "the usual diameter of an object, for 'touching'; 0 estimates it"
            )
        },
    ] = 0.0
    smoothness: Annotated[
        float,
        {"help": say("how much of a dent, in diameters, does not divide an object")},
    ] = 0.1
    overlap: Annotated[
        float,
        {
            "help": say(
                "for 'slices': the share of the smaller part that has to overlap"
            )
        },
    ] = 0.5
    smallest: Annotated[
        float,
        {
            "help": say(
                "the volume below which an object is left out; 0 takes a fiftieth of the "
                "median of each class"
            )
        },
    ] = 0.0

    def __post_init__(self) -> None:
        _check("size", self.size, 0, float("inf"))
        _check("smoothness", self.smoothness, 0, 1)
        _check("overlap", self.overlap, 0, 1)
        _check("smallest", self.smallest, 0, float("inf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshSettings:
    """How a surface is made; `UserError` for a value out of range."""

    smooth: Annotated[
        float,
        {"help": say("by how much the surface is smoothed, in the unit of the volume")},
    ] = 0.0
    keep: Annotated[
        float, {"help": say("the share of the triangles that is kept, above 0 up to 1")}
    ] = 1.0

    def __post_init__(self) -> None:
        if not (self.smooth >= 0 and isfinite(self.smooth)):
            raise UserError(
                "smooth must be 0 or more, got {smooth:g}", smooth=self.smooth
            )
        if not 0 < self.keep <= 1:
            raise UserError(
                "keep must be above 0 and at most 1, got {keep:g}", keep=self.keep
            )


def _check(name: str, value: float, low: float, high: float) -> None:
    if not (low <= value <= high and isfinite(value)):
        limit = (
            say("from {low:g} to {high:g}", low=low, high=high)
            if isfinite(high)
            else say("{low:g} or more", low=low)
        )
        raise UserError(
            "{name} must be {limit}, got {value:g}", name=name, limit=limit, value=value
        )
