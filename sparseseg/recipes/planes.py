"""For 2-D networks: crops of annotated slices, and prediction plane by plane."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sparseseg.boxes import Box, Triple
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.scene import Scene, mirrored

# Planes whose pixels are more than this much longer than wide are not looked at.
FLATTEST = 3.0
_TILE_VOXELS = 32_000_000
_PIXELS = 1_000_000  # of all planes that are shown to a network at once

Probabilities = Callable[[Tensor], Tensor]


class PlaneWise(nn.Module):
    """A 2-D network, and how much each view z, y, x of a volume counts."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.views: Tensor
        self.register_buffer("views", torch.ones(3))

    def forward(self, planes: Tensor) -> object:
        """Return what the network returns for planes (n, c, y, x)."""
        return self.net(planes)


def view_weights(scenes: Sequence[Scene]) -> list[float]:
    """Return how much each view counts: those annotated, by how square pixels are.

    Where the option `views` is "z", that view alone counts, if it is annotated.
    """
    annotated = {where.axis for scene in scenes for where in scene.slices}
    if scenes[0].plan.options.get("views") == "z" and 0 in annotated:
        return [1.0, 0.0, 0.0]
    squareness = _squareness(scenes[0].plan.anisotropy)
    weights = [
        squareness[axis]
        if axis in annotated and squareness[axis] >= 1 / FLATTEST
        else 0.0
        for axis in range(3)
    ]
    # Where only flat planes were annotated, they have to do.
    return weights if any(weights) else [float(axis in annotated) for axis in range(3)]


def viewed_axes(scenes: Sequence[Scene]) -> Collection[int]:
    """Return the axes across which planes are looked at."""
    return [axis for axis, weight in enumerate(view_weights(scenes)) if weight > 0]


def crop_side(scenes: Sequence[Scene], most: int, multiple: int) -> int:
    """Return the side of a square crop: no larger than the planes make sense of."""
    longest = max(max(scene.volume.shape) for scene in scenes)
    return min(most // multiple, -(-longest // multiple)) * multiple


def draw_crop(
    scenes: Sequence[Scene], side: int, rng: np.random.Generator, *, beside: int = 0
) -> tuple[Tensor, Tensor]:
    """Draw a square crop (c, rows, columns) of an annotated slice, and its target.

    A slice is drawn by the root of its labelled pixels, then a class that is on it and
    a pixel of that class, round which the crop lies. Grey values are mirrored at the
    volume's end; targets are unlabelled there.
    """
    views = view_weights(scenes)
    planes = [
        (scene, number)
        for scene in scenes
        for number, plane in enumerate(scene.planes)
        if views[plane.where.axis] > 0
    ]
    sizes = np.sqrt([sum(map(len, scene.places[number])) for scene, number in planes])
    scene, number = planes[rng.choice(len(planes), p=sizes / sizes.sum())]
    plane = scene.planes[number]
    kinds = [places for places in scene.places[number] if len(places)]
    at = np.unravel_index(
        int(rng.choice(kinds[rng.integers(len(kinds))])), plane.target.shape
    )
    quarter = side // 4
    start = [int(place - rng.integers(quarter, side - quarter)) for place in at]
    box = _standing(plane.where.axis, plane.where.index, start, side)
    # The slice's own labels alone: other slices cross it in lines that it knows better.
    alone = scene.without(set(scene.slices) - {plane.where})
    target = alone.target(box).squeeze(plane.where.axis)
    return with_neighbours(scene, box, plane.where.axis, beside)[0], target


def with_neighbours(scene: Scene, box: Box, axis: int, beside: int) -> Tensor:
    """Return the planes (n, c * (1 + 2 * beside), rows, columns) of a box across axis.

    Each plane is stacked with those before and after it, in order; the first and last
    of the volume stand in for those beyond.
    """
    first, last = box.start[axis], box.stop[axis]
    low = max(0, first - beside)
    high = min(scene.volume.shape[axis], last + beside)
    grey = scene.grey(_between(box, axis, low, high))
    places = torch.arange(first, last)[:, None] + torch.arange(-beside, beside + 1)
    places = (places.clamp(low, high - 1) - low).to(scene.device)
    return grey.movedim(axis + 1, 0)[places].flatten(1, 2)


def plane_probabilities(
    predict: Probabilities,
    scene: Scene,
    box: Box,
    *,
    views: Sequence[float],
    multiple: int = 1,
    beside: int = 0,
) -> Tensor:
    """Return (k, z, y, x) of a box, averaged over the views.

    Each plane is shown whole, mirrored up to a multiple of `multiple`, so that the
    answer does not depend on the box; of a single slice its own view alone is taken.
    """
    flat = [axis for axis in range(3) if box.shape[axis] == 1 and views[axis] > 0]
    if flat:
        views = [float(axis == flat[0]) for axis in range(3)]
    total = torch.zeros(len(scene.plan.outputs), *box.shape, device=scene.device)
    for axis, share in enumerate(views):
        if share > 0:
            view = _View(scene, axis, multiple, beside)
            total += share / sum(views) * view.probabilities(predict, box)
    return total


def tile_of(plan: Plan, shape: Triple) -> Triple:
    """Return slabs across z, as thick as memory allows: planes are shown whole."""
    rows = max(1, _TILE_VOXELS // (len(plan.outputs) * shape[1] * shape[2]))
    return min(shape[0], rows), shape[1], shape[2]


def planes_read(
    scene: Scene, box: Box, *, views: Sequence[float], beside: int = 0
) -> Box:
    """Return the whole planes, and those beside them, that the views of a box show."""
    seen = [axis for axis, share in enumerate(views) if share > 0]
    whole = Box.whole(scene.volume.shape)
    if len(seen) != 1:
        return whole
    (axis,) = seen
    first, last = box.start[axis] - beside, box.stop[axis] + beside
    return _between(whole, axis, first, last).clip(scene.volume.shape)


@dataclass(frozen=True, slots=True)
class _View:
    scene: Scene
    axis: int
    multiple: int
    beside: int

    def probabilities(self, predict: Probabilities, box: Box) -> Tensor:
        """Return the probabilities (k, z, y, x) of a box, some planes at a time."""
        first, last = box.start[self.axis], box.stop[self.axis]
        whole = _between(Box.whole(self.scene.volume.shape), self.axis, first, last)
        sides = [n for axis, n in enumerate(whole.shape) if axis != self.axis]
        count = max(1, _PIXELS // (sides[0] * sides[1]))
        outputs, device = len(self.scene.plan.outputs), self.scene.device
        found = torch.empty(outputs, *box.shape, device=device)
        inner = list(box.relative_to(whole).slices)
        inner[self.axis] = slice(None)
        for place in range(0, last - first, count):
            begin = first + place
            slab = _between(whole, self.axis, begin, min(begin + count, last))
            planes = with_neighbours(self.scene, slab, self.axis, self.beside)
            answer = predict(self._padded(planes)).float()
            answer = answer[..., : sides[0], : sides[1]].movedim(0, self.axis + 1)
            found.narrow(self.axis + 1, place, answer.shape[self.axis + 1]).copy_(
                answer[(slice(None), *inner)]
            )
        return found

    def _padded(self, planes: Tensor) -> Tensor:
        for axis in (2, 3):
            size = planes.shape[axis]
            wanted = -(-size // self.multiple) * self.multiple
            if wanted > size:
                places = torch.from_numpy(mirrored(0, wanted, size)).to(planes.device)
                planes = planes.index_select(axis, places)
        return planes


def _squareness(anisotropy: Sequence[float]) -> list[float]:
    sides = [
        [a for other, a in enumerate(anisotropy) if other != axis] for axis in range(3)
    ]
    return [min(pair) / max(pair) for pair in sides]


def _standing(axis: int, index: int, start: Sequence[int], side: int) -> Box:
    low, high = list(start), [at + side for at in start]
    low.insert(axis, index)
    high.insert(axis, index + 1)
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _between(box: Box, axis: int, first: int, last: int) -> Box:
    """Return the box with other ends along one axis."""
    start, stop = list(box.start), list(box.stop)
    start[axis], stop[axis] = first, last
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
