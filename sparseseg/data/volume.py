"""A 3-D image with what its file says of it: voxel size, unit and orientation."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import ClassTable
from sparseseg.data.source import Source
from sparseseg.data.units import PIXEL, Spacing, convert
from sparseseg.errors import UserError


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Volume:
    """A checked image; `from_array` makes one from an array without channels.

    Raises `UserError` for an array that is not c, z, y, x, has no voxel, or holds
    neither integers nor real numbers, and for impossible spacing.
    """

    array: Source
    """Intensities; axes c, z, y, x; never copied."""
    spacing: Spacing = (1.0, 1.0, 1.0)
    """Voxel size z, y, x in `unit`."""
    unit: str = PIXEL
    """nm, um, mm, cm, m or pixel."""
    affine: NDArray[np.float64] | None = None
    """Voxel (x, y, z, 1) to world as in the NIfTI file it came from."""
    frame: NDArray[np.float64] | None = None
    """Voxel (x, y, z, 1) to a space of the file's own, in `unit`, where no world is known:
    good for nothing but to compare two volumes of this space."""
    name: str = ""
    channel_names: tuple[str, ...] = ()
    header: bytes = b""
    """The NIfTI header as read: what is written back keeps its codes and units."""
    origin: str = ""
    """The DICOM folder or file and series that it was read from, as FOLDER#UID."""
    is_cropped: bool = False
    """Whether slices at its ends that hold no label are left out, as in DICOM SEG."""
    classes: ClassTable = field(default_factory=ClassTable)
    """What the numbers mean, where a file of labels says so."""

    def __post_init__(self) -> None:
        _check_array(self.array)
        _check_spacing(self.spacing)
        for matrix in (self.affine, self.frame):
            if matrix is not None:
                _check_affine(matrix)
        if self.channel_names and len(self.channel_names) != self.channels:
            raise UserError(
                "there are {channels} channels, but {count} channel names",
                channels=self.channels,
                count=len(self.channel_names),
            )

    @classmethod
    def from_array(
        cls,
        array: NDArray[Any],
        *,
        spacing: Spacing = (1.0, 1.0, 1.0),
        unit: str = PIXEL,
        name: str = "",
        channel_axis: int | None = None,
    ) -> "Volume":
        """Make a volume of a z, y, x array, or of one with a channel axis."""
        return cls(channels_first(array, channel_axis), spacing, unit, name=name)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The number of voxels along z, y, x."""
        _, z, y, x = self.array.shape
        return z, y, x

    def spacing_in(self, unit: str) -> Spacing:
        """Return the voxel size in a unit; as it is where one of both is not known."""
        if PIXEL in (self.unit, unit):
            return self.spacing
        z, y, x = (convert(side, self.unit, unit) for side in self.spacing)
        return z, y, x

    @property
    def channels(self) -> int:
        """The number of channels."""
        return int(self.array.shape[0])


def channels_first(array: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """Return a c, z, y, x view of an array; `UserError` for one that is not 3-D."""
    spatial = array.ndim - (channel_axis is not None)
    if spatial == 2:
        raise UserError(
            "the image is 2-D, {shape}, and a volume is needed: "
            "save its slices as one stack",
            shape=array.shape,
        )
    if spatial != 3:
        raise UserError(
            "the image has shape {shape}: give three axes z, y, x, "
            "or four and say which one holds the channels",
            shape=array.shape,
        )
    return array[None] if channel_axis is None else np.moveaxis(array, channel_axis, 0)


def _check_array(array: Source) -> None:
    if array.ndim != 4:
        raise UserError(
            "a volume has axes c, z, y, x, got shape {shape}", shape=array.shape
        )
    if 0 in array.shape:
        raise UserError(
            "the image has no voxels: its shape is {shape}", shape=array.shape[1:]
        )
    if array.dtype.kind not in "buif":
        raise UserError(
            "the image holds {dtype} values: "
            "save it with integer or floating point intensities",
            dtype=array.dtype,
        )


def _check_spacing(spacing: Spacing) -> None:
    if not all(isfinite(size) and size > 0 for size in spacing):
        raise UserError(
            "spacing must be three positive sizes z, y, x, got {spacing}",
            spacing=spacing,
        )


def _check_affine(affine: NDArray[np.float64]) -> None:
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise UserError("the affine must be a 4 x 4 matrix of finite numbers")
    if np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise UserError(
            "the affine puts all voxels of an axis into one place: correct the "
            "orientation in the header of the file"
        )
