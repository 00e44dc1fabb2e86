"""Where a volume is far from what a model was trained on, in words that say what to do."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.data.intensity import GreyCurve, plane_sample
from sparseseg.data.labels import SparseLabels
from sparseseg.data.units import PIXEL, Spacing
from sparseseg.data.volume import Volume
from sparseseg.engine.looks import SHARES, Look, orientation, quantiles
from sparseseg.language import say, say_count
from sparseseg.recipes import Plan

# Voxels that differ by less are met in training, by augmentation or by chance.
FAR = 2.0
# Of the voxels, so many may be darker or brighter than all that was learned from.
_BEYOND = 0.2
_PLANES = 9
# How far quantiles may move, as a share of the range of grey values. Volumes of one kind
# were at most 0.16 apart; those that are mirrored are told by less.
MOVED = 0.35
_MIRRORED = 0.2
# A contrast is clear that is at least this share of the range of grey values.
_CLEAR = 0.1
# Of the foreground that was annotated, less than this share is as good as nothing.
_NOTHING = 0.01
_LEAST = 0.01  # of the annotated voxels; less foreground may well be missing


def unlike(plan: Plan, looks: Sequence[Look], volume: Volume) -> str:
    """Say where a volume is far from what a model of this plan was trained on; else "".

    Voxel size, orientation and grey values are compared, with the `looks` of the volumes
    that it learned from where they are known. A few planes are looked at.
    """
    remarks = [_voxels(plan, volume), _orientation(looks, volume)]
    if volume.channels == plan.channels:
        for channel in range(plan.channels):
            remarks.append(_grey(plan, looks, volume, channel))
    return _joined(volume, remarks)


def unknown_classes(known: Sequence[int], labels: SparseLabels) -> str:
    """Say which annotated classes a model does not predict; "" if it knows them all."""
    named = {*labels.counts()} - {BACKGROUND, *known}
    if not named:
        return ""
    return say_count(
        "the model does not know class {numbers} of the annotation, and predicts other "
        "classes there: train it further with this annotation",
        "the model does not know classes {numbers} of the annotation, and predicts other "
        "classes there: train it further with this annotation",
        len(named),
        numbers=", ".join(map(str, sorted(named))),
    )


def unlike_result(
    plan: Plan,
    looks: Sequence[Look],
    volume: Volume,
    labels: NDArray[np.uint8],
    table: ClassTable,
) -> str:
    """Say where a segmentation is unlike the annotation of the training; else "".

    It is told where nothing was found, and where a class is darker than the background
    that was brighter in all volumes of the training, or brighter that was darker.
    """
    if not looks:
        return ""
    found = sum(int(np.count_nonzero(plane)) for plane in labels) / labels.size
    learned = min(look.foreground for look in looks)
    if learned >= _LEAST and found < _NOTHING * learned:
        return _joined(volume, [_empty(found, learned)])
    if volume.channels != plan.channels or BACKGROUND not in plan.outputs:
        return ""
    return _joined(volume, _contrasts(plan, looks, volume, labels, table))


def _joined(volume: Volume, remarks: "Sequence[str] | Iterator[str]") -> str:
    name = volume.name or say("the volume")
    sentences = (
        say("{name} {remark}", name=name, remark=remark) for remark in remarks if remark
    )
    return say("; also, ").join(sentences)


def _voxels(plan: Plan, volume: Volume) -> str:
    if plan.unit == PIXEL:
        return ""
    known = f"{_edges(plan.stored_spacing)} {plan.unit}"
    if volume.unit == PIXEL:
        return say(
            "has no voxel size, and the model was trained on voxels of {known}: the "
            "prediction is only right if its voxels have the same size",
            known=known,
        )
    sides = volume.spacing_in(plan.unit)
    ratios = [a / b for a, b in zip(sides, plan.stored_spacing, strict=True)]
    if max(*ratios, *(1 / ratio for ratio in ratios)) < FAR:
        return ""
    return say(
        "has voxels of {edges} {unit}, and the model was trained on voxels "
        "of {known}: resample it if the prediction is bad",
        edges=_edges(sides),
        unit=plan.unit,
        known=known,
    )


def _orientation(looks: Sequence[Look], volume: Volume) -> str:
    own = orientation(volume)
    known = list(dict.fromkeys(look.orientation for look in looks))
    if not own or not known or "" in known or own in known:
        return ""
    return say(
        "is stored as {own}, and the model was trained on {known}: "
        "reorient it if the prediction is bad",
        own=own,
        known=", ".join(known),
    )


def _grey(plan: Plan, looks: Sequence[Look], volume: Volume, channel: int) -> str:
    where = (
        say(" in channel {channel}", channel=channel + 1) if plan.channels > 1 else ""
    )
    if plan.rules[channel] == "fixed":
        sample = plane_sample(volume.array, channel, planes=_PLANES)
        return _values(plan.curves[channel], sample, where)
    return _spread(looks, quantiles(volume, channel), channel, where)


def _values(curve: GreyCurve, sample: NDArray[np.float64], where: str) -> str:
    """Compare grey values with a curve that follows those of the training.

    A curve of two knots is a window or a fixed range, and says nothing of them.
    """
    knots = curve.knots
    if len(knots) <= 2 or not sample.size:
        return ""
    beyond = np.mean((sample < knots[0]) | (sample > knots[-1]))
    dark, low, high, bright = np.quantile(sample, (0.001, 0.01, 0.99, 0.999))
    # Even of a nearly empty volume some voxels leave the first quarter.
    quarter = len(knots) // 4
    if beyond <= _BEYOND and dark <= knots[-1 - quarter] and bright >= knots[quarter]:
        return ""
    return say(
        "has grey values of {low:.4g} to {high:.4g}{where}, and the model was trained on "
        "{least:.4g} to {most:.4g}: bring them to the same scale, or annotate a "
        "slice of this volume and train on",
        low=low,
        high=high,
        where=where,
        least=knots[0],
        most=knots[-1],
    )


def _spread(
    looks: Sequence[Look], own: tuple[float, ...], channel: int, where: str
) -> str:
    """Compare how grey values are spread over their range, which no camera changes."""
    known = [look.quantiles[channel] for look in looks if look.quantiles[channel:]]
    if not own or not all(known) or not known:
        return ""
    places = within_range(own)
    others = [within_range(part) for part in known]
    nearest = min(others, key=lambda other: apart(places, other))
    moved, mirrored = (apart(seen, nearest) for seen in (places, 1 - places[::-1]))
    share = int(np.abs(places - nearest).argmax())
    words = say(
        "has {share:.0%} of its voxels in the darkest {places:.0%} of its "
        "range of grey values{where}, and the training had them in the darkest "
        "{nearest:.0%}",
        share=SHARES[share],
        places=places[share],
        where=where,
        nearest=nearest[share],
    )
    if moved > _MIRRORED and mirrored < moved / 2:
        return say(
            "{words}: invert its grey values if dark and bright are exchanged",
            words=words,
        )
    if moved > MOVED:
        return say(
            "{words}: annotate a slice of it and train on if the prediction is bad",
            words=words,
        )
    return ""


def within_range(values: tuple[float, ...]) -> NDArray[np.float64]:
    """Return quantiles as places between the first (0) and the last (1)."""
    places = np.array(values) - values[0]
    return places / places[-1] if places[-1] > 0 else places


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return by how much quantiles within a range differ at most."""
    return float(np.abs(one - other).max())


def _empty(found: float, learned: float) -> str:
    return say(
        "has a class on {found:.2%} of its voxels, and the annotated voxels of the "
        "training had one on {learned:.0%}: annotate a slice of it and train on, if it "
        "shows the structures",
        found=found,
        learned=learned,
    )


def _contrasts(
    plan: Plan,
    looks: Sequence[Look],
    volume: Volume,
    labels: NDArray[np.uint8],
    table: ClassTable,
) -> Iterator[str]:
    """Yield a remark for each class whose contrast is the other way round."""
    places = np.unique(np.linspace(0, len(labels) - 1, _PLANES).round().astype(int))
    seen = np.stack([labels[z] for z in places])
    for channel in range(plan.channels):
        grey = _planes(volume, channel, places)
        for number in (value for value in plan.classes if value):
            own = _contrast(grey, seen, number)
            learned = [_learned_contrast(look, number, channel) for look in looks]
            known = [value for value in learned if value is not None]
            if own is None or not known:
                continue
            nearest = min(known, key=lambda value: abs(value - own))
            if nearest * own < 0 and min(abs(own), abs(nearest)) > _CLEAR:
                yield say(
                    "shows {name} {than} than the background, and "
                    "the training showed it {others}: look at the prediction "
                    "before you use it",
                    name=table[number].name,
                    than=_than(own),
                    others=_than(nearest),
                )


def _planes(
    volume: Volume, channel: int, places: NDArray[np.intp]
) -> NDArray[np.float32]:
    planes = [volume.array[channel : channel + 1, z : z + 1][0] for z in places]
    with np.errstate(over="ignore"):  # what float32 does not hold is no number here
        return np.concatenate([np.asarray(plane, np.float32) for plane in planes])


def _contrast(
    grey: NDArray[np.float32], labels: NDArray[np.uint8], number: int
) -> float | None:
    """Return how much brighter a class is than the background, or None if unknown.

    It is a share of the range of grey values.
    """
    known = np.isfinite(grey)
    member, background = grey[known & (labels == number)], grey[known & (labels == 0)]
    if not (member.size and background.size):
        return None
    low, high = np.quantile(grey[known], (SHARES[0], SHARES[-1]))
    if high <= low:
        return None
    step = np.median(member) - np.median(background)
    return float(step / (high - low))


def _learned_contrast(look: Look, number: int, channel: int) -> float | None:
    """Return how much brighter a class was, as a share of the range; None if unknown."""
    known = {number, BACKGROUND} <= set(look.medians)
    if not known or not look.quantiles[channel:] or not look.quantiles[channel]:
        return None
    values = look.quantiles[channel]
    step = look.medians[number][channel] - look.medians[BACKGROUND][channel]
    return step / (values[-1] - values[0]) if values[-1] > values[0] else None


def _than(contrast: float) -> str:
    if contrast > 0:
        return say("{share:.0%} brighter", share=contrast)
    return say("{share:.0%} darker", share=-contrast)


def _edges(spacing: Spacing) -> str:
    return " x ".join(f"{side:g}" for side in spacing)
