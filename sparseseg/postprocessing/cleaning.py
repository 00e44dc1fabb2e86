"""Cleaning a prediction up by rules, and the rules of the published systems."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import ClassTable
from sparseseg.data.units import PIXEL, Spacing, canonical
from sparseseg.errors import UserError
from sparseseg.postprocessing.amounts import VoxelGrid, check_unit
from sparseseg.postprocessing.grammar import read_rule
from sparseseg.postprocessing.rules import (
    DropBelow,
    KeepAbove,
    KeepWithin,
    Probabilities,
    Rule,
    RuleInputs,
)

PRESETS = {
    # KiTS, 1 kidney and 2 tumour. Zhao and Zeng 2019 say that there are at most two
    # kidneys and that a tumour touches one; the order of the steps is our reading.
    "mssunet": ("keep 2 largest of 1 or 2", "keep 2 touching 1"),
    # LiTS, 1 liver and 2 tumour, after the released code of Li et al. 2018. It also
    # cuts the tumour to a coarse liver from another network; here the one that is kept
    # stands for it.
    "hdenseunet": (
        "keep 1 above 0.5",
        "keep 2 above 0.9",
        "keep 1 largest of 1 or 2",
        "fill holes of 2 over 1",
        "fill holes of 1 or 2",
    ),
}
"""The rules of a recipe's paper, by the recipe's name, for the numbers of its data."""

Rules = str | Iterable[str | Rule]
NONE = "none"


def clean(
    labels: NDArray[np.uint8],
    rules: Rules,
    *,
    table: ClassTable | None = None,
    spacing: Spacing = (1.0, 1.0, 1.0),
    unit: str = PIXEL,
    probabilities: Probabilities | None = None,
) -> NDArray[np.uint8]:
    """Return a prediction cleaned up by rules, one after the other.

    Components hang together by faces, edges and corners, and are looked for in the whole
    volume, which takes about 10 bytes for each voxel of the box that holds the class.

    Parameters
    ----------
    labels
        z, y, x, 0 for background; it is left as it is.
    rules
        Like "keep 2 largest of kidney", or the name of a recipe for those of its paper.
    table
        What the names of classes in the rules mean; numbers need none.
    spacing, unit
        The voxel size z, y, x of the volume, for sizes and distances.
    probabilities
        Of each class by its number, z, y, x; for the rules "keep A above P".

    Raises
    ------
    UserError
        For a rule that there is not, or that lacks what it needs.
    """
    given = RuleInputs(VoxelGrid(spacing, canonical(unit)), probabilities or {})
    _check(labels, given)
    chosen = read_rules(rules, table)
    check_rules(chosen, given.grid.unit)
    cleaned = labels.copy()
    for rule in chosen:
        rule.apply(cleaned, given)
    return cleaned


def read_rules(rules: Rules, table: ClassTable | None = None) -> tuple[Rule, ...]:
    """Make rules of their words; a recipe's name stands for those of its paper."""
    lines = (rules,) if isinstance(rules, str) else rules
    return tuple(rule for line in lines for rule in _expanded(line, table))


def chosen_rules(given: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """Return the lines that are given, or else a model's own; "none" stands for none."""
    if not given:
        return tuple(own)
    return () if tuple(given) == (NONE,) else tuple(given)


def check_rules(rules: Iterable[Rule], unit: str) -> None:
    """Raise `UserError` for an amount that a volume in this unit cannot tell."""
    for rule in rules:
        match rule:
            case DropBelow(size=amount) | KeepWithin(distance=amount):
                check_unit(amount.unit, unit)
            case _:
                pass


def needs_probabilities(rules: Iterable[Rule]) -> bool:
    """Tell whether a rule looks at probabilities."""
    return any(isinstance(rule, KeepAbove) for rule in rules)


def _check(labels: NDArray[np.uint8], given: RuleInputs) -> None:
    if labels.ndim != 3 or not labels.size or labels.dtype.kind not in "ui":
        raise UserError(
            "labels must be integers with axes z, y, x, got {dtype} of shape {shape}",
            dtype=labels.dtype,
            shape=labels.shape,
        )
    for number, array in given.probabilities.items():
        if array.shape != labels.shape:
            raise UserError(
                "the probabilities of class {number} have shape {shape}, the "
                "labels have {labels_shape}: give those of this prediction",
                number=number,
                shape=array.shape,
                labels_shape=labels.shape,
            )


def _expanded(line: str | Rule, table: ClassTable | None) -> Iterable[Rule]:
    if not isinstance(line, str):
        return (line,)
    return [read_rule(text, table) for text in PRESETS.get(line.strip(), (line,))]
