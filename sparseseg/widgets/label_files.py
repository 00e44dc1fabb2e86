"""What a file says of labels: whether it holds any, and what their numbers mean."""

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import ClassTable
from sparseseg.data.files import read
from sparseseg.errors import UserError
from sparseseg.widgets.layer_kinds import CLASSES

if TYPE_CHECKING:
    from napari.layers import Layer

_PLANES = 7
_MOST_CLASSES = 255
_NAMES = re.compile(
    r"label|mask|segmentation|annotation|prediction|truth|(^|[^a-z])(seg|gt)([^a-z]|$)"
)
# In labels nearly each voxel has a neighbour of its class (0.87 to 1 in those at hand).
# In images the bright ones have none, because of noise (0 to 0.27). A name that says
# what it is needs less.
_IN_AREAS, _IN_AREAS_WITH_NAME = 0.7, 0.4
_SIDE = 256


def holds_labels(array: NDArray[Any], name: str) -> bool:
    """Tell whether z, y, x voxels look like labels: whole numbers from 0, in areas.

    Only the middle of some planes is looked at.
    """
    planes = _some_planes(array)
    if planes.dtype.kind == "b" or not _are_numbers_of_classes(planes):
        return planes.dtype.kind == "b"
    if _NAMES.search(name.lower()):
        return not planes.any() or _share_in_areas(planes) > _IN_AREAS_WITH_NAME
    few = len(np.unique(planes)) <= _MOST_CLASSES
    return few and bool(planes.any()) and _share_in_areas(planes) > _IN_AREAS


def classes_of(layer: "Layer") -> ClassTable:
    """Return the classes that a layer names, or else the file that it came from."""
    known = ClassTable.from_json(layer.metadata.get(CLASSES, []))
    if known.classes or not layer.source.path:
        return known
    with suppress(UserError):
        return read(layer.source.path).classes
    return ClassTable()


def _are_numbers_of_classes(planes: NDArray[Any]) -> bool:
    is_whole = np.isfinite(planes).all() and (planes == np.trunc(planes)).all()
    return bool(is_whole and planes.min() >= 0)


def _some_planes(array: NDArray[Any]) -> NDArray[Any]:
    indices = np.linspace(0, array.shape[0] - 1, _PLANES).round().astype(int)
    middle = tuple(
        slice(max(0, (n - _SIDE) // 2), (n + _SIDE) // 2) for n in array.shape[1:]
    )
    return np.stack([np.asarray(array[(z, *middle)]) for z in np.unique(indices)])


def _share_in_areas(planes: NDArray[Any]) -> float:
    """Return the share of voxels with an equal neighbour, each value counting the same."""
    alike = np.zeros(planes.shape, bool)
    rows = planes[:, 1:] == planes[:, :-1]
    columns = planes[..., 1:] == planes[..., :-1]
    alike[:, 1:] |= rows
    alike[:, :-1] |= rows
    alike[..., 1:] |= columns
    alike[..., :-1] |= columns
    values, where = np.unique(planes[planes > 0], return_inverse=True)
    counts = np.bincount(where, minlength=len(values))
    return float((np.bincount(where, alike[planes > 0]) / counts).mean())
