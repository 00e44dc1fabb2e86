"""Which answer is shown: what all slices that were left out say together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sparseseg.engine.mixing import SHARES
from sparseseg.engine.told import SliceAnswers
from sparseseg.progress import Method


def together(
    held: Sequence[SliceAnswers], turns: Sequence[SliceAnswers]
) -> list[SliceAnswers]:
    """Return what was told of all slices, of each once.

    `held` are slices that the network itself has not seen, `turns` those where parts of it
    stand in for it: of a slice of both, the network's own answer counts.
    """
    known = {_place(one) for one in held}
    return [*held, *(one for one in turns if _place(one) not in known)]


def worths(
    told: Sequence[SliceAnswers], measures: Mapping[Method, Mapping[str, Any]]
) -> dict[Method, float]:
    """Return how good each method is likely to be: the probability (0..1) of the truth.

    It is the geometric mean over the pixels of a class, and then over the classes: a few
    strokes tell more by how sure a method is than by how many pixels are right, and a
    method that is sure of an error errs elsewhere too. Of a few pixels nearly alike methods
    cannot be told apart: there a mean of two is trusted more, as its parts err in other
    places. Interpolation, which is never sure, counts only where it is right more often
    than all others, by the `measures` of the same slices.
    """
    if not measures:
        return {}
    counts = np.sum([one.counts for one in told], axis=0)
    there = counts > 0
    found: dict[Method, float] = {}
    for method in measures:
        surprise = np.sum([one.surprise[method] for one in told], axis=0)
        mean = (surprise[there] / counts[there]).mean()
        trust = _TRUST / (1 + counts.sum() / _FEW) * (len(SHARES[method]) > 1)
        found[method] = float(np.exp(trust - mean))
    others = [m["mean_iou"] for method, m in measures.items() if method != _UNSURE]
    # Where no slice shows a class there is no IoU, and nothing is above it.
    if _UNSURE in found and not measures[_UNSURE]["mean_iou"] > max(others):
        del found[_UNSURE]
    return found


_UNSURE: Method = "interpolation"
_TRUST = 0.1  # in a mean of two, if there are no pixels
_FEW = 1000  # pixels, of which it is half


def _place(one: SliceAnswers) -> tuple[int, int, int]:
    return id(one.volume), one.where.axis, one.where.index
