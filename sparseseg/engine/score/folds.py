"""Which annotated slices are left out together."""

from collections.abc import Sequence

from sparseseg.data.slices import AnnotatedSlice

_FEWEST, _MOST = 3, 5
_SINGLE = 6  # slices are few enough for a fold each
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


def judged(fold: frozenset[AnnotatedSlice]) -> list[AnnotatedSlice]:
    """Return the slices of a fold that are looked at: those with most labels."""
    ranked = sorted(fold, key=lambda where: (-where.voxels, where.axis, where.index))
    return sorted(ranked[:_MOST_OF_A_FOLD], key=lambda where: (where.axis, where.index))
