"""Grey curves that give each annotated class its share of the contrast."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.intensity import (
    AS_STORED,
    GreyCurve,
    GreyRule,
    channel_of,
    equalising,
    is_ct,
    own_scale,
    painted_greys,
)
from sparseseg.recipes.cases import Case, channels_of
from sparseseg.settings.cards import GreyChoice

_SAMPLES = 50_000


def rules_for(cases: Sequence[Case], choice: GreyChoice) -> tuple[GreyRule, ...]:
    """Return the rule of each channel; "auto" keeps Hounsfield units as they are."""
    return tuple(
        _rule(channel, choice)
        for channel in channels_of([volume for volume, _ in cases])
    )


def balanced_curves(
    cases: Sequence[Case], outputs: Sequence[int], rules: Sequence[GreyRule]
) -> tuple[GreyCurve, ...]:
    """Fit a curve for each channel, on the scale that its rule starts from.

    It is half straight: where equalising alone makes it flat or steep, filters of its
    values average noise badly (measured on twelve kinds of data and annotation).
    """
    return tuple(
        equalising(
            [_balanced(case, channel, outputs, rule) for case in cases]
        ).straighter()
        for channel, rule in enumerate(rules)
    )


def _rule(channels: Sequence[NDArray[Any]], choice: GreyChoice) -> GreyRule:
    if choice == "auto":
        return "fixed" if all(map(is_ct, channels)) else "volume"
    return choice


def _balanced(
    case: Case, channel: int, outputs: Sequence[int], rule: GreyRule
) -> NDArray[np.float64]:
    """Return as many grey values of the whole volume as of each class, by a rule."""
    volume, labels = case
    rng = np.random.default_rng(0)
    grey = channel_of(volume.array, channel)
    parts = [grey.reshape(-1)[rng.integers(0, grey.size, _SAMPLES)]]
    for value in outputs:
        members = painted_greys(volume.array, channel, labels.array, [value])
        if members.size:
            parts.append(members[rng.integers(0, members.size, _SAMPLES)])
    scale = own_scale(volume.array, channel) if rule == "volume" else AS_STORED
    return scale(np.concatenate(parts))
