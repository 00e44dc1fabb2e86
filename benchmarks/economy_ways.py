"""Ways to choose the next slice to annotate, of which `economy.py` compares some.

The later ones are further parts of a proposal for `suggest`: each changes what `doubtful`
does in one thing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import volumes
from looks import Looks
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.stats import spearmanr

from sparseseg.data.numbering import to_annotation
from sparseseg.evaluation.gain import (
    CoarseGrid,
    Plane,
    best_planes,
    gains,
    reach_of,
)
from sparseseg.evaluation.suggesting import Doubts, sides_of, suggested

# What a slice costs a person: to get there, and each pixel of an outline.
SECONDS_A_SLICE, SECONDS_A_PIXEL = 10.0, 0.1
_OF_LOOKS = 1.0  # of the gain by distance and doubt
_NOISE = 1.0  # of the logarithm of a gain, over the number of slices that were added
_LATEST = 4  # slices on which the doubts are compared with the errors
_EVERY = 8  # of the annotated slices, one of so many is chosen in another way


class Predicted(Protocol):
    """What a learner says of a volume."""

    @property
    def labels(self) -> NDArray[np.uint8]:
        """0 for background, else classes (z, y, x)."""
        ...

    @property
    def uncertainty(self) -> NDArray[np.float32] | None:
        """0 where it is sure (z, y, x)."""
        ...


@dataclass(eq=False)
class State:
    """What is known when the next slice is chosen."""

    case: volumes.Case
    known: list[Plane]
    found: Predicted
    rng: np.random.Generator
    agreements: list[float] = field(default_factory=list)
    """Of the latest slices, the rank correlation of doubts and errors."""

    @property
    def blank(self) -> list[Plane]:
        """The slices that are not annotated."""
        every = ((a, i) for a, n in enumerate(self.case.truth.shape) for i in range(n))
        return [plane for plane in every if plane not in self.known]

    @cached_property
    def grid(self) -> CoarseGrid:
        """The cells that stand for all voxels."""
        return CoarseGrid.of(self.case.volume.shape, sides_of(self.case.volume.spacing))

    @property
    def doubts(self) -> Doubts | None:
        """Where the prediction may be wrong."""
        assert self.found.uncertainty is not None
        return Doubts.of(
            self.grid,
            prediction=self.found.labels,
            uncertainty=self.found.uncertainty,
            annotation=self.case.annotation,
        )

    @property
    def gains(self) -> dict[Plane, float]:
        """What each blank slice adds, as `suggest` has it."""
        doubts = self.doubts
        error = None if doubts is None else doubts.joined
        return gains(self.grid, error, self.known, reach_of(self.grid, self.known))

    def paint(self, plane: Plane) -> None:
        """Annotate a whole slice from the truth, and compare it with what was doubted."""
        self.agreements.append(self._agreement(plane))
        at = (slice(None),) * plane[0] + (plane[1],)
        truth = self.case.truth[at]
        self.case.annotation[at] = to_annotation(truth, unlabelled=-1, background=0)
        self.known.append(plane)

    def _agreement(self, plane: Plane) -> float:
        assert self.found.uncertainty is not None
        free = of(self.case.annotation, plane) == 0
        wrong = of(self.found.labels, plane) != of(self.case.truth, plane)
        doubt = of(self.found.uncertainty, plane)[free]
        if len(np.unique(wrong[free])) < 2 or not np.ptp(doubt):
            return 0.0
        return float(spearmanr(doubt, wrong[free]).statistic)


def interval(state: State) -> Plane:
    """Take the axes in turn, and halve the largest gap of each."""
    axis = len(state.known) % 3
    length = state.case.truth.shape[axis]
    there = sorted(index for a, index in state.known if a == axis)
    ends = [-1 - there[0], *there, 2 * length - 1 - there[-1]]  # mirrored at the ends
    gaps = np.diff(ends)
    place = int(gaps.argmax())
    index = (ends[place] + ends[place + 1]) // 2
    if (axis, min(length - 1, max(0, index))) in state.known:
        return randomly(state)
    return axis, min(length - 1, max(0, index))


def gaps(state: State) -> Plane:
    """Take the slice that is far from all others."""
    (best,) = best_planes(state.grid, None, state.known, 1)
    return best


def ours(state: State) -> Plane:
    """Take what `suggest` names first."""
    (best,) = suggested(state.grid, state.known, count=1, doubts=state.doubts, names={})
    return best.axis, best.index


def doubtful(state: State) -> Plane:
    """Take what `suggest` names where it goes by doubts and gaps together."""
    return _largest(state.gains)


def randomly(state: State) -> Plane:
    """Take any slice."""
    return _one_of(state.blank, state.rng)


def foreground(state: State) -> Plane:
    """Take any slice on which the truth has a class."""
    there = [plane for plane in state.blank if of(state.case.truth, plane).any()]
    return _one_of(there or state.blank, state.rng)


def entropy(state: State) -> Plane:
    """Take the slice with the largest mean entropy."""
    doubt = state.found.uncertainty
    assert doubt is not None
    means = [doubt.mean(tuple(b for b in range(3) if b != a)) for a in range(3)]
    return max(state.blank, key=lambda plane: means[plane[0]][plane[1]])


def looks(state: State) -> Plane:
    """Count what no annotated slice looks like as well."""
    seen = Looks.of(state.case.volume.array, state.grid)
    found, new = state.gains, seen.gains(state.known)
    most, newest = max(found.values()), max(new.values())
    return _largest(
        {
            plane: gain / most + _OF_LOOKS * new[plane] / newest
            for plane, gain in found.items()
        }
    )


def timed(state: State) -> Plane:
    """Take what adds most for each second of painting, by what is predicted there."""
    labels = state.found.labels
    return _largest({p: g / seconds(labels, p) for p, g in state.gains.items()})


def noisy(state: State) -> Plane:
    """Add Gumbel noise, less and less, to the logarithm of what a slice adds."""
    added = max(1, len(state.known) - 2)
    noise = _NOISE / added * state.rng.gumbel(size=len(state.gains))
    pairs = zip(state.gains.items(), noise, strict=True)
    return _largest({p: np.log(max(g, 1e-12)) + extra for (p, g), extra in pairs})


def trusted(state: State) -> Plane:
    """Trust the doubts by a power: their rank correlation with the latest errors."""
    doubts = state.doubts
    latest = state.agreements[-_LATEST:]
    power = float(np.clip(np.mean(latest), 0, 1)) if latest else 1.0
    error = None if doubts is None else doubts.joined**power
    return _largest(
        gains(state.grid, error, state.known, reach_of(state.grid, state.known))
    )


def _at_times(another: Callable[[State], Plane]) -> Callable[[State], Plane]:
    """Choose every eighth slice in another way."""

    def choose(state: State) -> Plane:
        is_turn = (len(state.known) + 1) % _EVERY == 0
        return another(state) if is_turn else doubtful(state)

    return choose


WAYS: dict[str, Callable[[State], Plane]] = {
    "ours": ours,
    "doubtful": doubtful,
    "gaps": gaps,
    "interval": interval,
    "random": randomly,
    "foreground": foreground,
    "entropy": entropy,
    "looks": looks,
    "timed": timed,
    "noisy": noisy,
    "trusted": trusted,
    "any at times": _at_times(randomly),
    "gap at times": _at_times(gaps),
}
USUAL = ("ours", "gaps", "interval", "random", "foreground", "entropy")


def of(array: NDArray[Any], plane: Plane) -> NDArray[Any]:
    """Return the values of a slice."""
    return np.take(array, plane[1], plane[0])


def seconds(labels: NDArray[Any], plane: Plane) -> float:
    """Return what a slice costs: to get there, and its outlines."""
    there = of(labels, plane)
    outline = sum(
        np.count_nonzero((there == n) & ~binary_erosion(there == n))
        for n in np.unique(there)
        if n
    )
    return float(SECONDS_A_SLICE + SECONDS_A_PIXEL * outline)


def _largest(found: dict[Plane, float]) -> Plane:
    return max(found, key=lambda plane: found[plane])


def _one_of(planes: Sequence[Plane], rng: np.random.Generator) -> Plane:
    return planes[int(rng.integers(len(planes)))]
