"""Lengths and volumes as people write them: in a unit of length, or in voxels."""

from dataclasses import dataclass
from math import ceil, isfinite, prod

from sparseseg.data.units import PIXEL, Spacing, convert
from sparseseg.errors import UserError

VOXELS = "voxels"


@dataclass(frozen=True, slots=True)
class VoxelGrid:
    """The voxel size z, y, x of a volume, and its unit."""

    spacing: Spacing = (1.0, 1.0, 1.0)
    unit: str = PIXEL

    def __post_init__(self) -> None:
        if not all(isfinite(side) and side > 0 for side in self.spacing):
            raise UserError(
                "spacing must be above 0 along z, y, x, got {spacing}",
                spacing=self.spacing,
            )

    def in_units(self, unit: str) -> Spacing:
        """Return the voxel size in a unit of length; 1 in "voxels"."""
        if unit == VOXELS:
            return 1.0, 1.0, 1.0
        check_unit(unit, self.unit)
        z, y, x = (convert(side, self.unit, unit) for side in self.spacing)
        return z, y, x


@dataclass(frozen=True, slots=True)
class Length:
    """So many nm, um, mm, cm, m or voxels."""

    value: float
    unit: str

    def __post_init__(self) -> None:
        _check_positive(self.value, str(self))

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"

    def in_steps(self, grid: VoxelGrid) -> tuple[int, ...]:
        """Return how many voxels z, y, x it reaches at most."""
        return tuple(ceil(self.value / side) for side in grid.in_units(self.unit))


@dataclass(frozen=True, slots=True)
class Size:
    """So many nm3, um3, mm3, cm3, m3 or voxels; `unit` is that of the length."""

    value: float
    unit: str

    def __post_init__(self) -> None:
        _check_positive(self.value, str(self))

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}{'' if self.unit == VOXELS else 3}"

    def in_voxels(self, grid: VoxelGrid) -> float:
        """Return how many voxels have this volume."""
        return self.value / prod(grid.in_units(self.unit))


def check_unit(unit: str, of_volume: str) -> None:
    """Raise `UserError` for a length in a volume whose voxel size is not known."""
    if unit != VOXELS and of_volume == PIXEL:
        raise UserError(
            "the volume has no voxel size in {unit}: give the amount in voxels",
            unit=unit,
        )


def _check_positive(value: float, words: str) -> None:
    if not 0 < value < float("inf"):
        raise UserError("an amount must be more than 0, got {words}", words=words)
