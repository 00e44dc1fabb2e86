"""Which annotated slices are left out together, and which of them first."""

from collections.abc import Collection, Sequence

from sparseseg.data.slices import AnnotatedSlice
from sparseseg.data.volume import Volume
from sparseseg.recipes import Scene

Fold = tuple[Scene, frozenset[AnnotatedSlice]]
"""Slices of a scene that are left out together."""

_FEWEST, _MOST = 3, 5
_SINGLE = 9  # slices are few enough for a fold each
# Of strokes on many planes, so many slices are judged: each takes time.
_MOST_OF_A_FOLD = 6


def folds(
    slices: Sequence[AnnotatedSlice], *, single: int = _SINGLE
) -> list[frozenset[AnnotatedSlice]]:
    """Deal slices out so that a fold has at most one of each axis, as far as that goes.

    Up to `single` slices are left out one at a time. Of more there are as many folds as
    the axis with most slices has slices, three at least and five at most. Slices that lie
    side by side go to different folds.
    """
    longest = max((sum(w.axis == axis for w in slices) for axis in range(3)), default=0)
    count = max(_FEWEST, min(_MOST, longest))
    if len(slices) <= single:
        count = len(slices)
    return [frozenset(slices[place::count]) for place in range(count)]


def outermost(slices: Collection[AnnotatedSlice]) -> frozenset[AnnotatedSlice]:
    """Return the first and the last slice across each axis."""
    by_axis = [[w for w in slices if w.axis == axis] for axis in range(3)]
    return frozenset(
        end(across, key=lambda where: where.index)
        for across in by_axis
        if across
        for end in (min, max)
    )


def in_turn(
    scenes: Sequence[Scene],
    *,
    single: int = _SINGLE,
    first: Collection[tuple[Volume, AnnotatedSlice]] = (),
) -> list[Fold]:
    """Return the folds of all scenes, those with the slices of `first` before all others.

    Whoever stops early has looked at slices of all axes and volumes, at inner ones before
    the outermost.
    """
    dealt = [(s, fold) for s in scenes for fold in folds(s.slices, single=single)]
    golden = (5**0.5 - 1) / 2
    spread = sorted(range(len(dealt)), key=lambda place: place * golden % 1)

    def later(fold: Fold) -> tuple[bool, bool]:
        scene, slices = fold
        is_first = any(v is scene.volume and where in slices for v, where in first)
        return not is_first, not slices.isdisjoint(outermost(scene.slices))

    return sorted((dealt[place] for place in spread), key=later)


def judged(fold: frozenset[AnnotatedSlice]) -> list[AnnotatedSlice]:
    """Return the slices of a fold that are looked at: those with most labels."""
    ranked = sorted(fold, key=lambda where: (-where.voxels, where.axis, where.index))
    return sorted(ranked[:_MOST_OF_A_FOLD], key=lambda where: (where.axis, where.index))
