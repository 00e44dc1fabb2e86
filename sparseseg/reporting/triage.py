"""Which volumes of a batch to look at first."""

from collections.abc import Iterable, Mapping
from typing import Any

from sparseseg.reporting.entry import VolumeEntry


def worst_first(entries: Iterable[VolumeEntry]) -> list[VolumeEntry]:
    """Return what became of volumes, those first that need a person most.

    First those that failed, then those with a note: there, an estimate says nothing.
    Then by the Dice against a truth, where there is one, or else by all signs together.
    """
    return sorted(entries, key=_place)


def worry(facts: Mapping[str, Any]) -> float:
    """Return how much there is to fear of a prediction; nothing is 0.

    The estimated Dice that is missing to 1, what single views differ, and what the
    distance from the training is beyond the usual are added up.
    """
    estimate, differ = facts.get("estimated_dice"), facts.get("disagreement")
    beyond = max(0.0, float(facts.get("distance") or 0.0) - 1)
    missing = 1.0 if estimate is None else 1 - float(estimate)
    return missing + float(differ or 0.0) + beyond


def scores_of(entry: VolumeEntry) -> Mapping[str, Any]:
    """Return what was measured against a truth; nothing if there is none."""
    found: Mapping[str, Any] = (entry.facts or {}).get("scores") or {}
    return found


def _place(entry: VolumeEntry) -> tuple[int, float, str]:
    if entry.facts is None:
        return 0, 0.0, entry.name
    score = scores_of(entry).get("mean_dice")
    if score is not None:
        return 2, float(score), entry.name
    group = 1 if entry.note else 2
    return group, 1 - worry(entry.facts), entry.name
