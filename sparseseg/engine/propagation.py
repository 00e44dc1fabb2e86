"""What the annotation alone says of a volume: interpolated, or spread along the image.

Interpolation fills in between annotated slices. A random walker (Grady, IEEE PAMI 2006)
starts from each voxel and prefers steps between similar grey values; the voxel gets the
class that the walker most likely meets first. Neither needs training. The walk is on a
grid so coarse that it takes seconds; near a slice the outlines of the slice are finer.
"""

import zlib
from collections.abc import Generator, Hashable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn import functional as F

from sparseseg.boxes import Box, Triple
from sparseseg.data.intensity import GreyCurve, is_ct, plane_sample, spanning
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.source import Source
from sparseseg.recipes import Scene
from sparseseg.recipes.guidance import BORDER
from sparseseg.recipes.kept import Kept
from sparseseg.work import retold

_NODES = 100_000
_CONTRAST = 600.0  # how much less a walker steps across a difference of grey values
_PLANES = 48  # that are looked at for the darkest and the brightest grey value
_LEAST = 1e-4  # of a step, so that no voxel is cut off
_TOLERANCE = 1e-3
_MOST_ROUNDS = 500
_READ = 4  # planes of a slab of nodes, of what lies on disk
_ROUNDS = 10  # between two chances to do something else
# Of a class at 1 and the others at -1, this leaves the others 2% to share.
_SHARPNESS = 2.0


def interpolated(scene: Scene, box: Box) -> Tensor:
    """Return the guidance of all annotated slices as probabilities (k, z, y, x)."""
    inside = scene.guide(box)[1:]
    return (inside * _SHARPNESS).softmax(0)


class Walk:
    """The class probabilities of a whole volume, on a coarse grid."""

    def __init__(self, scene: Scene, found: Tensor) -> None:
        self.found = found
        self._scene = scene
        anisotropy = scene.plan.anisotropy
        self._cell = cell_of(scene.volume.shape, anisotropy)
        self._reach = max(c * a for c, a in zip(self._cell, anisotropy, strict=True))

    def __call__(self, box: Box) -> Tensor:
        """Return the probabilities (k, z, y, x) of a box inside the volume."""
        found = self.found
        for axis, cell in enumerate(self._cell):
            found = _along(found, axis + 1, box.start[axis], box.stop[axis], cell)
        near = self._scene.guide(box)[0]
        away = BORDER / near.clamp_min(1e-6) - BORDER
        share = (1 - away / self._reach).clamp(0, 1)
        return found + share * (interpolated(self._scene, box) - found)


def mixed(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Return the geometric mean of two answers (k, z, y, x); `share` is the first's."""
    logs = (part.clamp_min(_DOUBT).log() for part in (first, second))
    return (share * next(logs) + (1 - share) * next(logs)).softmax(0)


_DOUBT = 1e-3  # an answer that is sure may be wrong


def walked_through(
    walking: Generator[None, None, Walk],
) -> Generator[float, None, Walk]:
    """Let a walk tell that it goes on, as work that cannot say how far it is."""
    return retold(walking, lambda _: 0.0)


def remembered(scene: Scene) -> Generator[None, None, Walk]:
    """Return the walk of a scene, which is made anew only where something changed.

    A walk does not depend on what a network learned, so that scores which leave out the
    same slices again and again make it once.
    """
    known = _MET.get(scene.volume, "walks") or {}
    key = _key(scene)
    if key not in known:
        made = yield from walk(scene)
        latest = list(known.items())[1 - _WALKS :]
        known = {**dict(latest), key: made.found}
        _MET.keep(scene.volume, "walks", known)
    return Walk(scene, known[key])


_MET: Kept[dict[Hashable, Tensor]] = Kept()
# Of a volume: one without each fold, one without each slice that is judged, one with all.
_WALKS = 12


def _key(scene: Scene) -> Hashable:
    """Return all that a walk depends on, beside the grey values of the volume."""
    marks = [(str(p.where), zlib.crc32(p.target.tobytes())) for p in scene.planes]
    plan = scene.plan
    return plan.outputs, plan.anisotropy, scene.curves, scene.device, tuple(marks)


def walk(scene: Scene) -> Generator[None, None, Walk]:
    """Spread the annotation of a scene; yield now and then, and return the answer."""
    anisotropy = scene.plan.anisotropy
    cell = cell_of(scene.volume.shape, anisotropy)
    grey = yield from _grid(scene, cell)
    seeds = _seeds(scene, cell, tuple(grey.shape[1:]))
    sides = [c * a for c, a in zip(cell, anisotropy, strict=True)]
    graph = _graph(grey, sides)
    found = yield from _met(graph, seeds.reshape(len(seeds), -1))
    probabilities = torch.from_numpy(found.reshape(seeds.shape)).to(scene.device)
    return Walk(scene, probabilities)


def cell_of(shape: Triple, anisotropy: Sequence[float]) -> Triple:
    """Return how many voxels z, y, x a node stands for: about a cube."""
    cell = [1, 1, 1]
    while np.prod([-(-n // c) for n, c in zip(shape, cell, strict=True)]) > _NODES:
        sides = [c * a for c, a in zip(cell, anisotropy, strict=True)]
        cell[int(np.argmin(sides))] += 1
    return cell[0], cell[1], cell[2]


def _grid(scene: Scene, cell: Triple) -> Generator[None, None, NDArray[np.float32]]:
    """Return the grey values (c, z, y, x) of the nodes, which do not change by painting."""
    channels = range(scene.volume.channels)
    curves = tuple(_curve(scene, channel) for channel in channels)
    key = curves, cell
    found = _GRIDS.get(scene.volume, key)
    if found is None:
        found = yield from _coarse(scene.volume.array, curves, cell)
        _GRIDS.keep(scene.volume, key, found)
    return found


_GRIDS: Kept[NDArray[np.float32]] = Kept()


def _coarse(
    array: Source, curves: Sequence[GreyCurve], cell: Triple
) -> Generator[None, None, NDArray[np.float32]]:
    """Return the mean grey values (c, z, y, x) of each node, slab by slab.

    Of an array on disk, only the middle planes of a slab are read.
    """
    depth = array.shape[1]
    most = _READ if isinstance(array, OnDisk) else depth
    slabs = []
    for first in range(0, depth, cell[0]):
        thick = min(cell[0], depth - first)
        begin = first + max(0, thick - most) // 2
        slab = np.asarray(array[:, begin : begin + min(most, thick), :, :])
        parts = zip(curves, slab, strict=True)
        grey = torch.from_numpy(np.stack([curve(part) for curve, part in parts]))
        size = (grey.shape[1], *cell[1:])
        slabs.append(F.avg_pool3d(grey[None], size, ceil_mode=True)[0])
        yield
    found: NDArray[np.float32] = torch.cat(slabs, 1).numpy()
    return found


def _curve(scene: Scene, channel: int) -> GreyCurve:
    """Return the curve that brings a channel to 0..1, as a walker goes by it.

    Steps are equal, because the curve of a network spreads the noise where many voxels
    are alike. In Hounsfield units organs share a small part of the range: there it is the
    network's curve that tells them apart.
    """
    sample = plane_sample(scene.volume.array, channel, planes=_PLANES)
    if sample.size and is_ct(sample):
        return scene.curves[channel].reaching(0.0, 1.0)
    return spanning([sample], 0.0, 1.0)


def _seeds(scene: Scene, cell: Triple, shape: Sequence[int]) -> NDArray[np.float32]:
    """Return the share (k, z, y, x) of each class of what is labelled of a node."""
    counts = np.zeros((len(scene.plan.outputs), *shape), np.float32)
    for plane in scene.planes:
        axis = plane.where.axis
        rows, columns = np.nonzero(plane.target >= 0)
        places = [rows, columns]
        places.insert(axis, np.full_like(rows, plane.where.index))
        z, y, x = (p // c for p, c in zip(places, cell, strict=True))
        np.add.at(counts, (plane.target[rows, columns], z, y, x), 1)
    shares: NDArray[np.float32] = counts / np.maximum(counts.sum(0), 1)
    return shares


def _graph(grey: NDArray[np.float32], sides: Sequence[float]) -> sparse.csr_array:
    """Return how readily a walker steps between any two nodes that touch."""
    shape = grey.shape[1:]
    size = int(np.prod(shape))
    number = np.arange(size).reshape(shape)
    ends, weights = [], []
    for axis, side in enumerate(sides):
        square = np.square(np.diff(grey, axis=axis + 1)).sum(0)
        weights.append((np.exp(-_CONTRAST * square) + _LEAST).ravel() / side**2)
        here = np.take(number, range(shape[axis] - 1), axis).ravel()
        there = np.take(number, range(1, shape[axis]), axis).ravel()
        ends.append((here, there))
    one, other = (np.concatenate(part) for part in zip(*ends, strict=True))
    weight = np.concatenate(weights).astype(np.float32)
    half = sparse.coo_array((weight, (one, other)), shape=(size, size)).tocsr()
    return half + half.T


def _met(
    graph: sparse.csr_array, seeds: NDArray[np.float32]
) -> Generator[None, None, NDArray[np.float32]]:
    """Return the probability (k, nodes) of each class by conjugate gradients."""
    free = np.flatnonzero(seeds.sum(0) == 0)
    found = seeds.copy()
    fixed = np.flatnonzero(seeds.sum(0) > 0)
    if not len(free):
        return found
    degree = graph.sum(1)[free].astype(np.float32)[:, None]
    rows = graph[free]
    inner = rows[:, free]
    x = np.repeat(seeds[:, fixed].mean(1)[None], len(free), 0)
    residue = rows[:, fixed] @ seeds[:, fixed].T - (degree * x - inner @ x)
    step = residue / degree
    norm = _products(residue, step)
    enough = _TOLERANCE**2 * norm
    for number in range(_MOST_ROUNDS):
        if number % _ROUNDS == 0:
            yield
        ahead = degree * step - inner @ step
        length = norm / np.maximum(_products(step, ahead), 1e-30)
        x += length * step
        residue -= length * ahead
        turned = residue / degree
        last, norm = norm, _products(residue, turned)
        if (norm <= enough).all():
            break
        step = turned + norm / np.maximum(last, 1e-30) * step
    found[:, free] = x.T.clip(0, 1)
    found /= np.maximum(found.sum(0), 1e-6)
    return found


def _products(one: NDArray[np.float32], other: NDArray[np.float32]) -> Any:
    """Return the inner product of each class's column (nodes, k), by one pass."""
    return np.einsum("nk,nk->k", one, other)


def _along(found: Tensor, axis: int, start: int, stop: int, cell: int) -> Tensor:
    """Interpolate linearly between the middles of nodes along one axis."""
    last = found.shape[axis] - 1
    at = (torch.arange(start, stop, device=found.device) + 0.5) / cell - 0.5
    at = at.clamp(0, last)
    low = at.floor().long()
    shape = [-1 if other == axis else 1 for other in range(found.ndim)]
    share = (at - low).view(shape)
    before = found.index_select(axis, low)
    after = found.index_select(axis, (low + 1).clamp_max(last))
    return before + share * (after - before)
