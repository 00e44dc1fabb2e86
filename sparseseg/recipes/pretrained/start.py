"""From a model of other classes and channels to the start of a training on these."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from sparseseg.classes import BACKGROUND, ClassTable, LabelClass
from sparseseg.recipes.cases import Case, named, outputs_of
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.pretrained.folds import Folds
from sparseseg.recipes.pretrained.inference import Inference, Normaliser
from sparseseg.recipes.recipe import Trained


def planned(
    parent: Trained, cases: Sequence[Case], options: Mapping[str, object]
) -> tuple[Plan, ClassTable, list[int | None]]:
    """Return plan and classes, and the row of the parent's heads for each output.

    A row is None where the output is new to the parent.
    """
    outputs = outputs_of(cases)
    plan = _plan(parent.plan, cases[0][0].channels, outputs)
    plan = replace(plan, options=dict(options))
    table = named(cases, ClassTable(()))
    known = dict(zip(outputs, _rows(parent, outputs, table, cases), strict=True))
    rows, table = _with_unpainted(parent, known, table)
    return replace(plan, outputs=tuple(rows)), table, list(rows.values())


def _plan(plan: Plan, channels: int, outputs: tuple[int, ...]) -> Plan:
    """Return a parent's plan for one network, other classes and channels."""
    inference = Inference.from_json(plan.inference)
    known = inference.normalisers[:channels]
    # What the parent never saw is normalised by itself.
    added = (Normaliser(kind="z-score"),) * (channels - len(known))
    inference = replace(inference, normalisers=(*known, *added), regions=False)
    curves = (*plan.curves, *plan.curves[-1:] * channels)[:channels]
    return replace(
        plan,
        outputs=outputs,
        curves=curves,
        network={**plan.network, "folds": 1},
        inference=inference.to_json(),
    )


def _rows(
    parent: Trained,
    outputs: tuple[int, ...],
    table: ClassTable,
    cases: Sequence[Case],
) -> list[int | None]:
    """Return the parent's row for each output: by name, or by number if unnamed.

    Of outputs that overlap none is taken over: they mean something else.
    """
    if Inference.from_json(parent.plan.inference).regions:
        return [None] * len(outputs)
    by_name = {entry.name.lower(): entry.number for entry in parent.table.classes}
    has_names = any(labels.has_names for _, labels in cases)
    rows: list[int | None] = []
    for value in outputs:
        wanted: int | None = value
        if value != BACKGROUND and has_names:
            wanted = by_name.get(table[value].name.lower())
        there = wanted in parent.plan.outputs
        rows.append(parent.plan.outputs.index(wanted) if there and wanted else None)
    return rows


def _with_unpainted(
    parent: Trained, known: dict[int, int | None], table: ClassTable
) -> tuple[dict[int, int | None], ClassTable]:
    """Add the classes that the parent knows and nobody has painted, if they fit.

    On a few slices not every class may be there; what the parent knows of it stays, under
    the number that the annotation has for its name, or else under its own if that is
    free. Nothing is added where no painted class is one of the parent's.
    """
    if not any(known[v] is not None for v in known if v != BACKGROUND):
        return known, table
    places = {v: row for row, v in enumerate(parent.plan.outputs)}
    own = {entry.name.lower(): entry.number for entry in table.classes}
    keys = {entry.key for entry in table.classes}
    rows, added = dict(known), []
    for entry in parent.table.classes:
        number = own.get(entry.name.lower(), entry.number)
        is_named = entry.name.lower() in own
        if entry.number in places and (is_named or number not in table.numbers):
            rows.setdefault(number, places[entry.number])
            added += [] if is_named else [_with_free_key(entry, keys)]
    background = [v for v in rows if v == BACKGROUND]
    order = [*background, *sorted(v for v in rows if v != BACKGROUND)]
    classes = sorted((*table.classes, *added), key=lambda entry: entry.number)
    return {v: rows[v] for v in order}, ClassTable(tuple(classes))


def _with_free_key(entry: LabelClass, taken: Collection[str]) -> LabelClass:
    return replace(entry, key="") if entry.key in taken else entry


def take_over(network: nn.Module, old: nn.Module, rows: Sequence[int | None]) -> None:
    """Copy all weights, the rows of the heads that are known, and fit the first layer."""
    assert isinstance(network, Folds)
    assert isinstance(old, Folds)
    known: Mapping[str, Tensor] = old.first.state_dict()
    with torch.no_grad():
        for name, tensor in network.first.state_dict().items():
            source = known[name]
            if name.startswith("heads."):
                for row, place in enumerate(rows):
                    if place is not None:
                        tensor[row] = source[place]
            elif tensor.shape == source.shape:
                tensor.copy_(source)
            else:
                # Other channels: each is seen as the mean of the known ones was.
                share = source.shape[1] / tensor.shape[1]
                tensor.copy_(source.mean(1, keepdim=True).expand_as(tensor) * share)
        network.fresh.copy_(torch.tensor([place is None for place in rows]))
