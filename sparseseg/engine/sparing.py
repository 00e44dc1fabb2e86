"""Which annotated slice can be spared: learning goes on without it."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.slices import AnnotatedSlice
from sparseseg.recipes import Scene

# A slice is left out only on an axis where two others remain to be learned from.
FEWEST = 3
# Of what a slice shows of a class, others have to show this share.
_SHARE = 0.25

Slices = frozenset[AnnotatedSlice]
NONE: Slices = frozenset()
_AXES = range(3)


def spared(
    scenes: Sequence[Scene],
    place: int,
    old: Slices = NONE,
    *,
    learned: Collection[int] = _AXES,
) -> Slices:
    """Return the slice of one scene that is missed least, or none.

    It is `old` where that can still be spared, or else the one nearest to the middle of
    the axis with most slices, where each class that it shows is also on others. Slices
    across an axis that is not `learned` come first: they cost nothing.
    """
    scene = scenes[place]
    totals = counts(scenes)
    held = {(where.axis, where.index) for where in old}
    there = [n for n, w in enumerate(scene.slices) if (w.axis, w.index) in held]
    for number in (*there, *_inner_first(scene, learned)):
        if not _only_there(scene, number, totals).any():
            return frozenset([scene.slices[number]])
    return NONE


def spared_volumes(scenes: Sequence[Scene]) -> list[int]:
    """Return the places of the volumes whose classes the others show as well."""
    totals = counts(scenes)
    places = []
    for place in range(len(scenes) if len(scenes) > 1 else 0):
        own = np.array(scenes[place].counts)
        if own.any() and not ((own > 0) & (totals - own < _SHARE * own)).any():
            places.append(place)
    return places


def counts(scenes: Sequence[Scene]) -> NDArray[np.intp]:
    """Return the labelled pixels of each output, over all slices."""
    totals: NDArray[np.intp] = np.sum([scene.counts for scene in scenes], axis=0)
    return totals


def axes_of(scenes: Sequence[Scene]) -> set[int]:
    """Return the axes across which slices were annotated."""
    return {where.axis for scene in scenes for where in scene.slices}


def longest(scene: Scene, among: Collection[int] = _AXES) -> list[int]:
    """Return the places of the slices across that of some axes which has most of them."""
    axes = [
        [n for n, where in enumerate(scene.slices) if where.axis == axis]
        for axis in among
    ]
    return max(axes, key=len, default=[])


def only_on(scenes: Sequence[Scene], output: int) -> AnnotatedSlice | None:
    """Return the slice that shows nearly all there is of an output, if one does."""
    totals = counts(scenes)
    for scene in scenes:
        for number, where in enumerate(scene.slices):
            if _only_there(scene, number, totals)[output]:
                return where
    return None


def _inner_first(scene: Scene, learned: Collection[int]) -> Iterator[int]:
    """Yield inner slices, middle first: across an axis not learned, then the longest one."""
    unlearned = [axis for axis in _AXES if axis not in learned]
    for numbers in (longest(scene, unlearned), longest(scene)):
        if len(numbers) >= FEWEST:
            middle = len(numbers) // 2
            yield from sorted(numbers[1:-1], key=lambda n: abs(n - numbers[middle]))


def _only_there(
    scene: Scene, number: int, totals: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Return of which outputs a slice shows nearly all."""
    own = np.array([len(places) for places in scene.places[number]])
    few: NDArray[np.bool_] = (own > 0) & (totals - own < _SHARE * own)
    return few
