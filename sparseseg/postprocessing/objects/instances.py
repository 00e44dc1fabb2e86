"""Objects of a class: what hangs together, what touches, and what runs through slices.

Label arrays are z, y, x. Objects get the numbers 1, 2, ... over all classes, as uint32.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import cc3d
import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage.segmentation import watershed

from sparseseg.data.units import Spacing
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.postprocessing.regions import Labels, Mask, components
from sparseseg.settings.objects import ObjectSettings

Instances = NDArray[np.uint32]

_REACH = 0.3
"""In diameters: no two centres of objects lie nearer than this along an axis."""
_DUST = 0.02
"""Of the median number of voxels; chosen on one volume of nuclei, checked on others."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The objects of a volume."""

    instances: Instances
    """0 outside of all objects."""
    classes: NDArray[np.integer[Any]]
    """Of object 1, 2, ..."""
    sizes: tuple[float, ...]
    """The usual diameter by which each class was divided; 0 where none was used."""
    left_out: int
    """How many objects were too small."""


def find_objects(
    labels: Labels,
    *,
    spacing: Spacing,
    settings: ObjectSettings | None = None,
    classes: Sequence[int] = (),
) -> Found:
    """Tell the objects of classes apart; without `classes`, those of all but 0.

    Raises `UserError` where none of the classes has a voxel.
    """
    steps = list(finding(labels, spacing=spacing, settings=settings, classes=classes))
    return steps[-1]


def finding(
    labels: Labels,
    *,
    spacing: Spacing,
    settings: ObjectSettings | None = None,
    classes: Sequence[int] = (),
) -> Iterator[Found]:
    """Do the same class by class, and yield what is found after each."""
    chosen = settings or ObjectSettings()
    wanted = list(classes) or [int(n) for n in np.unique(labels) if n != 0]
    instances = np.zeros(labels.shape, np.uint32)
    owners: list[int] = []
    sizes: list[float] = []
    left_out = 0
    for number in wanted:
        mask = labels == number
        if not mask.any():
            raise UserError(_missing(number, labels))
        numbers, size = _divided(mask, spacing, chosen)
        kept, small = _kept(numbers, chosen.smallest / prod(spacing))
        instances[kept > 0] = kept[kept > 0] + len(owners)
        owners += [number] * int(kept.max())
        sizes.append(size)
        left_out += small
        yield Found(instances, np.array(owners, int), tuple(sizes), left_out)
    if not wanted:
        raise UserError("the labels hold no class: nothing but 0")


def _missing(number: int, labels: Labels) -> str:
    there = ", ".join(str(n) for n in np.unique(labels)[:8])
    return say(
        "no voxel has class {number}: choose from {there}", number=number, there=there
    )


def _divided(
    mask: Mask, spacing: Spacing, settings: ObjectSettings
) -> tuple[NDArray[Any], float]:
    if settings.method == "parts":
        return components(mask).numbers, 0.0
    if settings.method == "slices":
        return _linked(mask, settings.overlap), 0.0
    return _touching(mask, spacing, settings)


def _touching(
    mask: Mask, spacing: Spacing, settings: ObjectSettings
) -> tuple[NDArray[Any], float]:
    """Divide a mask by a watershed of the distance to its surface (Beucher 1979).

    The distance is smoothed, and an object grows from each of its peaks. What no peak
    reaches is an object of its own.
    """
    # What fills the volume has no other surface than the volume's.
    is_full = bool(mask.all())
    depth = edt.edt(
        np.ascontiguousarray(mask), anisotropy=tuple(spacing), black_border=is_full
    )
    size = settings.size or _usual_size(depth)
    sigma = [settings.smoothness * size / side for side in spacing]
    smooth = ndimage.gaussian_filter(depth, sigma)
    reach = [2 * max(1, int(_REACH * size / side)) + 1 for side in spacing]
    peaks = (smooth == ndimage.maximum_filter(smooth, size=reach)) & mask
    seeds = components(peaks).numbers.astype(np.int32)
    found: NDArray[Any] = watershed(-smooth, seeds, mask=mask)
    rest = components(mask & (found == 0)).numbers
    return np.where(rest > 0, rest + found.max(), found), size


def _usual_size(depth: NDArray[np.float32]) -> float:
    """Return twice the depth of the peaks; half of the volume lies in smaller balls."""
    peaks = depth[(depth == ndimage.maximum_filter(depth, size=3)) & (depth > 0)]
    radii = np.sort(peaks).astype(float)
    volumes = np.cumsum(radii**3)
    return float(2 * radii[np.searchsorted(volumes, volumes[-1] / 2)])


def _linked(mask: Mask, overlap: float) -> NDArray[Any]:
    """Join the parts of neighbouring z slices that overlap by a share of the smaller."""
    numbers = np.zeros(mask.shape, np.int64)
    count = 0
    for z, plane in enumerate(mask):
        parts = cc3d.connected_components(
            np.ascontiguousarray(plane).view(np.uint8), connectivity=8
        )
        numbers[z][plane] = parts[plane].astype(np.int64) + count
        count += int(parts.max())
    areas = np.bincount(numbers.ravel(), minlength=count + 1)
    links = [_links(a, b, areas, overlap) for a, b in pairwise(numbers)]
    pairs = np.concatenate([*links, np.zeros((2, 0), np.int64)], axis=1)
    graph = coo_matrix((np.ones(pairs.shape[1]), tuple(pairs)), shape=(count + 1,) * 2)
    _, joined = connected_components(graph, directed=False)
    found: NDArray[Any] = np.where(mask, joined[numbers], 0)
    return found


def _links(
    one: NDArray[Any], other: NDArray[Any], areas: NDArray[Any], overlap: float
) -> NDArray[np.int64]:
    both = (one > 0) & (other > 0)
    pairs, counts = np.unique(
        np.stack([one[both], other[both]]), axis=1, return_counts=True
    )
    smaller = np.minimum(areas[pairs[0]], areas[pairs[1]])
    linked: NDArray[np.int64] = pairs[:, counts >= overlap * smaller]
    return linked


def _kept(numbers: NDArray[Any], least: float) -> tuple[NDArray[np.uint32], int]:
    """Return objects of so many voxels at least, and how many others there were.

    The numbers run from 1 without gaps. Without `least`, what has less than a fiftieth
    of the median is dust: dust itself only lowers the median.
    """
    counts = np.bincount(numbers.ravel().astype(np.int64))
    counts[0] = 0
    there = counts > 0
    keep = there & (counts >= (least or _DUST * np.median(counts[there])))
    new = np.where(keep, np.cumsum(keep), 0).astype(np.uint32)
    return new[numbers], int(there.sum() - keep.sum())
