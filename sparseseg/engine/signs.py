"""Signs that a segmentation is wrong, where no truth is known: what to look at first."""

from collections.abc import Sequence
from math import log
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box
from sparseseg.data.units import PIXEL
from sparseseg.data.volume import Volume
from sparseseg.engine.looks import Look, detail_of, looks_of, quantiles
from sparseseg.engine.predictor import Predictor, network_probabilities
from sparseseg.engine.unlike import FAR, MOVED, apart, within_range
from sparseseg.language import say
from sparseseg.recipes import Plan
from sparseseg.recipes.scene import Scene

_SLICES = 3
"""Across each axis."""
# Detail with so many times the odds is as far as a volume is that gets a note: nineteen
# volumes of five kinds were at most 0.96 of it apart, and noise of 1.5 standard deviations
# put them 1.05 away at least.
_DETAIL = 2.3
# Of the annotated slices, many more voxels are of a class than of a whole volume.
_CONTENT = 20.0


class _Segmenter(Predictor, Protocol):
    history: dict[str, Any]


def signs_of(
    model: _Segmenter, volume: Volume, labels: NDArray[np.uint8]
) -> dict[str, float | None]:
    """Return `disagreement` and `distance` of a segmented volume; None if not known."""
    looks = looks_of(model.history)
    return {
        "disagreement": disagreement(model, volume, labels),
        "distance": distance(model.plan, looks, volume, labels),
    }


def disagreement(
    model: Predictor, volume: Volume, labels: NDArray[np.uint8]
) -> float | None:
    """Return how far single views are from the labels that all views gave together.

    A network of planes sees a slice along its own axis only, where the labels are the
    mean of three views: 1 less the Dice of both, over three slices across each axis
    through what was found. None for other networks, and where nothing was found.
    """
    views = getattr(model.network, "views", None)
    if views is None or sum(float(weight) > 0 for weight in views) < 2:
        return None
    scene = Scene.of(model.plan, volume, device=model.device)
    both = total = 0
    for box in _slices(labels, [float(weight) for weight in views]):
        found = network_probabilities(model, scene, box).cpu().numpy()
        index = model.recipe.decided(model.plan, found)
        seen = np.array(model.plan.classes, np.uint8)[index]
        shown = np.asarray(labels[box.slices])
        both += 2 * int(np.count_nonzero((seen == shown) & (shown > 0)))
        total += int(np.count_nonzero(seen)) + int(np.count_nonzero(shown))
    return 1 - both / total if total else None


def distance(
    plan: Plan, looks: Sequence[Look], volume: Volume, labels: NDArray[np.uint8]
) -> float | None:
    """Return how far a volume is from those that the model learned from.

    1 is as far as volumes are that get a note. The largest of `distances` counts. None
    if nothing is known.
    """
    return max(distances(plan, looks, volume, labels).values(), default=None)


def distances(
    plan: Plan, looks: Sequence[Look], volume: Volume, labels: NDArray[np.uint8]
) -> dict[str, float]:
    """Return by its name how far each known look of a volume is from the training's."""
    channels = range(volume.channels if volume.channels == plan.channels else 0)
    greys = [_of_grey(looks, volume, channel) for channel in channels]
    parts = {
        say("voxel size"): _of_voxels(plan, volume),
        say("spread of grey values"): _largest(greys),
        say("fine detail"): _of_detail(looks, volume),
        say("amount of what was found"): _of_content(looks, labels),
    }
    return {name: part for name, part in parts.items() if part is not None}


def _largest(parts: Sequence[float | None]) -> float | None:
    return max((part for part in parts if part is not None), default=None)


def _slices(labels: NDArray[np.uint8], views: Sequence[float]) -> list[Box]:
    """Return slices at equal distances through what was found, across each view's axis."""
    planes = [np.asarray(plane) > 0 for plane in labels]
    lines = [
        np.array([plane.any() for plane in planes]),
        np.any([plane.any(1) for plane in planes], 0),
        np.any([plane.any(0) for plane in planes], 0),
    ]
    boxes = []
    for axis, line in enumerate(lines):
        there = np.flatnonzero(line)
        if not there.size or views[axis] <= 0:
            continue
        steps = np.linspace(there[0], there[-1], _SLICES + 2).round().astype(int)
        middle = np.unique(steps[1:-1]).tolist()
        boxes += [Box.plane(labels.shape, axis, index) for index in middle]
    return boxes


def _of_voxels(plan: Plan, volume: Volume) -> float | None:
    if PIXEL in (plan.unit, volume.unit):
        return None
    sides = zip(volume.spacing_in(plan.unit), plan.stored_spacing, strict=True)
    return max(abs(log(a / b)) for a, b in sides) / log(FAR)


def _of_grey(looks: Sequence[Look], volume: Volume, channel: int) -> float | None:
    own = quantiles(volume, channel)
    known = [look.quantiles[channel] for look in looks if look.quantiles[channel:]]
    if not own or not known or not all(known):
        return None
    places = within_range(own)
    return min(apart(places, within_range(other)) for other in known) / MOVED


def _of_detail(looks: Sequence[Look], volume: Volume) -> float | None:
    known = [look.detail for look in looks if len(look.detail) == volume.channels]
    own = detail_of(volume) if known else ()
    ratios = [
        max(_ratio(_odds(a), _odds(b)) for a, b in zip(own, other, strict=True))
        for other in known
    ]
    return min(ratios) / log(_DETAIL) if ratios else None


def _of_content(looks: Sequence[Look], labels: NDArray[np.uint8]) -> float | None:
    known = [look.foreground for look in looks if look.foreground > 0]
    if not known:
        return None
    found = sum(int(np.count_nonzero(plane)) for plane in labels) / labels.size
    return min(_ratio(found, other) for other in known) / log(_CONTENT)


def _odds(share: float) -> float:
    return share / max(1 - share, 1e-6)


def _ratio(one: float, other: float) -> float:
    """Return the logarithm of how many times the larger one is."""
    least = 1e-6
    return abs(log(max(one, least) / max(other, least)))
