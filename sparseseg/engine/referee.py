"""Which answer is shown: what all slices that were left out say together."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from sparseseg.engine.mixing import SHARES, Part
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


def is_crossed(told: Sequence[SliceAnswers]) -> bool:
    """Tell whether slices lie across more than one axis."""
    return len({one.where.axis for one in told}) > 1


def between_others(told: Sequence[SliceAnswers]) -> list[SliceAnswers]:
    """Return those of parallel slices that lie between others, if some do and some do not.

    An outermost slice that is left out is farther from all others than a voxel ever is
    from the nearest slice, with nothing beyond it. It tells too little good of what is led
    by slices.
    """
    inner = [one for one in told if not one.is_outermost]
    return [] if is_crossed(told) or len(inner) == len(told) else inner


def mostly(
    first: Mapping[Method, float], other: Mapping[Method, float]
) -> dict[Method, float]:
    """Return the worths that both have: a geometric mean in which the first counts most.

    Where they have no method in common it is the other one.
    """
    found = {
        method: worth**_MOST * other[method] ** (1 - _MOST)
        for method, worth in first.items()
        if method in other
    }
    return found or dict(other)


def answered_twice(
    held: Sequence[SliceAnswers], turns: Sequence[SliceAnswers]
) -> tuple[list[SliceAnswers], list[SliceAnswers]]:
    """Return the slices of both, as the network told of them and as its stand-ins did."""
    turned = {_place(one): one for one in turns}
    own = [one for one in held if _place(one) in turned]
    return own, [turned[_place(one)] for one in own]


def worths(
    told: Sequence[SliceAnswers],
    ious: Mapping[Method, float],
    gains: Mapping[Method, float] | None = None,
) -> dict[Method, float]:
    """Return how good each method is likely to be: near 0 to 1.

    It is the geometric mean of two. The first is the probability of the truth, as the
    geometric mean over the pixels of a class, and then over the classes: a few strokes
    tell more by how sure a method is than by how many pixels are right, and a method
    that is sure of an error errs elsewhere too. Of a few pixels nearly alike methods
    cannot be told apart: there a mean of two is trusted more, as its parts err in other
    places. The second is the mean IoU of the same slices, `ious`: of whole slices it
    tells more, for a network is surer than it is right. `gains` are added to it: what a
    method itself has more than its stand-in (see `gained`). Interpolation counts only
    where its IoU is far above all others: it is never sure, and on a few strokes looks
    good by chance. On whole slices trees alone look better than they are between them:
    they count where few pixels were painted, or where they are far ahead. The mean of
    mostly a walker counts where the walker is not far behind, and then the walker alone
    does not. A walker that finds much less than the best counts in no mean.
    Where all fail on whole slices, or on parallel ones, these are too far from each other
    to tell anything: then only this mean is returned, which stays closest to slices.
    """
    if not ious:
        return {}
    found = _worth_by_method(told, ious, gains or {})
    pixels = sum(one.target.size for one in told)
    can_tell = is_crossed(told) and pixels <= _STROKED
    if not can_tell and max(ious.values()) < _FAILED:
        nearest = [method for method in _NEAREST if method in found]
        if nearest:
            return {nearest[0]: found[nearest[0]]}
    return _counting(found, ious, pixels)


def _worth_by_method(
    told: Sequence[SliceAnswers],
    ious: Mapping[Method, float],
    gains: Mapping[Method, float],
) -> dict[Method, float]:
    counts = np.sum([one.counts for one in told], axis=0)
    there = counts > 0
    found: dict[Method, float] = {}
    for method, iou in ious.items():
        surprise = np.sum([one.surprise[method] for one in told], axis=0)
        mean = (surprise[there] / counts[there]).mean()
        trust = _TRUST / (1 + counts.sum() / _FEW) * (len(SHARES[method]) > 1)
        right = _number(iou) + gains.get(method, 0.0)
        share = (max(right, 0.0) + _LEAST) / (1 + _LEAST)
        found[method] = float((np.exp(trust - mean) * share) ** 0.5)
    return found


def _counting(
    found: Mapping[Method, float], ious: Mapping[Method, float], pixels: int
) -> dict[Method, float]:
    """Leave those methods out that may only look good on the left-out pixels."""
    left = dict(found)
    others = [iou for method, iou in ious.items() if method != "interpolation"]
    best = max(others, default=0.0)
    if _is_lost(ious.get("walker", best), best):
        # What finds little makes a mean less sure, and by that alone look better.
        left = {m: worth for m, worth in left.items() if "walker" not in SHARES[m]}
    elif "near" in found:
        # Of the two the mean was the better one on 47 of 49 volumes and layouts.
        left.pop("walker" if _walks_well(found) else "near", None)
    if others and not ious.get("interpolation", 0.0) > best + _FAR_ABOVE:
        left.pop("interpolation", None)
    beside = [w for method, w in left.items() if method not in ("trees", "near")]
    is_few = pixels <= _STROKED
    if beside and not is_few and left.get("trees", 0.0) < _FAR_AHEAD * max(beside):
        left.pop("trees", None)
    return left


def _is_lost(walker: float, best: float) -> bool:
    """Tell whether a walker finds much less than the best, by their mean IoU.

    Where even the best finds little, slices tell less of the walker.
    """
    return best >= _FAILED and walker < best * min(best**2, _LOST)


def _walks_well(found: Mapping[Method, float]) -> bool:
    """Tell whether a walker is not far behind what is learned."""
    learned = max(found.get("network", 0.0), found.get("forest", 0.0))
    return found.get("walker", 0.0) >= _NOT_FAR_BEHIND * learned


def of_each_class(
    ious: Mapping[Method, Mapping[int, float]],
    pixels: Mapping[int, int],
    general: Method,
    *,
    lone: Collection[int],
    is_crossed: bool,
) -> dict[int, Method]:
    """Return the method that each class is taken from, by its value; most often `general`.

    `ious` are of all left-out slices, by class, and `pixels` how many of them are of a class:
    few tell little. It is another method where that one is far better at a class: grey
    values may tell bone, and only its place what lies within it. A class that nothing finds
    on parallel slices is taken from what stays closest to them, unless it is too small to
    go on until there. Where slices cross nothing can find a `lone` class, which is on a
    single one: it is taken from a mean of the network, which this slice leads to it, and a
    walker, which counts twice.
    """
    counting = [method for method in ious if method != "interpolation"]
    nearest = [method for method in _NEAREST if method in ious]
    found: dict[int, Method] = dict.fromkeys(pixels, general)
    for value, count in pixels.items():
        right = {method: ious[method][value] for method in counting}
        best = max(right, key=lambda method: right[method])
        more = right[best] - ious[general][value]
        if right[best] < _FAILED:
            if is_crossed and value in lone and "walked" in ious:
                found[value] = "walked"
            elif not is_crossed and nearest and count > _FEW_OF_CLASS:
                found[value] = nearest[0]
        elif more * count / (count + _FEW_OF_CLASS) > _FAR_BETTER:
            found[value] = best
    return found


def agreed(worths: Mapping[Method, float], pixels: int) -> dict[Method, float]:
    """Return how near each method (0 to 1) is to what all mean together.

    Of few left-out pixels the highest worth is often luck. All methods are means of the
    same parts, so that their own mean, each weighted by its worth, is one of these parts
    as well; the method nearest to it is right more surely than the luckiest. The more
    pixels there are, the more the best one counts.
    """
    if not worths:
        return {}
    doubt = _DOUBT + _DOUBT_OF_FEW / (1 + pixels / _STROKED)
    top = max(worths.values())
    weights = {m: (worth / top) ** (1 / doubt) for m, worth in worths.items()}
    total = sum(weights.values())
    mean: Counter[str] = Counter()
    for method, weight in weights.items():
        for part, share in _parts(method).items():
            mean[part] += weight / total * share
    return {
        method: round(1 - sum(abs(mean[p] - parts.get(p, 0.0)) for p in mean) / 2, 6)
        for method, parts in zip(worths, map(_parts, worths), strict=True)
    }


def _parts(method: Method) -> dict[str, float]:
    """Return the shares of a method; trees are the same part beside a network."""
    shares = SHARES[method].items()
    return {"trees" if part == "beside" else part: share for part, share in shares}


def gained(
    own: Mapping[Method, float],
    stand_ins: Mapping[Method, float],
    pixels: int,
    *,
    is_crossed: bool,
) -> dict[Method, float]:
    """Return what methods will have more in mean IoU than their stand-ins.

    Both were asked of the same slices. Of few pixels little is believed, and the rest is
    what is usual: only a network has a stand-in, which lacks the correction by its U-Net.
    Where slices cross, a network learns on after it was asked; parallel ones, and few
    pixels, are soon known by heart.
    """
    trust = pixels / (pixels + _FEW_OF_BOTH)
    more = trust * _LEARNS_ON if is_crossed else 0.0
    found: dict[Method, float] = {}
    for method, shares in SHARES.items():
        usual = _USUAL * sum(shares.get(part, 0.0) for part in _STOOD_IN_FOR)
        seen = _number(own.get(method, 0.0)) - _number(stand_ins.get(method, 0.0))
        learned = more * shares.get("network", 0.0)
        found[method] = trust * seen + (1 - trust) * usual + learned
    return found


_NEAREST: tuple[Method, ...] = ("near", "walked")  # a recipe without trees has no first
_MOST = 0.8  # from 0.75 to 0.9 the same is chosen on 28 cases
_FAILED = 0.2  # in mean IoU; measured on four of seventeen cases
_TRUST = 0.1  # in a mean of two, if there are no pixels
_FEW = 1000  # pixels, of which it is half
# Measured on 29 cases: a difference of 0.1, or of few pixels, is often chance.
_FAR_BETTER, _FEW_OF_CLASS = 0.15, 500  # in IoU; pixels, of which half is believed
_USUAL = 0.03
_LEARNS_ON = 0.02
_STROKED = 5000  # pixels: more than strokes on a few slices have
_FAR_ABOVE = 0.2  # in mean IoU
_FAR_AHEAD = 1.1  # times the next worth
_LOST = 0.55  # of the best IoU; drawn on sixty cases
_NOT_FAR_BEHIND = 0.85  # of it; measured on fifty cases
# Measured on 25 volumes and layouts: how far worths are believed.
_DOUBT, _DOUBT_OF_FEW = 0.02, 0.2
_FEW_OF_BOTH = 5000  # pixels of strokes on one slice say next to nothing of a network
_STOOD_IN_FOR: tuple[Part, ...] = ("network", "unguided")
_LEAST = 0.05  # so that a method without a hit still differs from another one


def _number(iou: float) -> float:
    """Return 0 where no slice shows a class, and so no IoU is known."""
    return 0.0 if np.isnan(iou) else iou


def _place(one: SliceAnswers) -> tuple[int, int, int]:
    return id(one.volume), one.where.axis, one.where.index
