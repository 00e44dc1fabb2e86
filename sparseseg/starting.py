"""New models: from nothing, as a recipe plans, or from a model that is there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sparseseg import recipes
from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.cases import check, named, outputs_of
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Segmentation
from sparseseg.engine.training import train
from sparseseg.errors import UserError
from sparseseg.models.opening import open_model
from sparseseg.recipes import Case, Plan
from sparseseg.recipes.pretrained import Inference, Normaliser
from sparseseg.recipes.pretrained.folds import Folds
from sparseseg.settings.cards import PRETRAINED
from sparseseg.settings.options import read_options
from sparseseg.settings.training import TrainSettings


def create(cases: Sequence[Case], settings: TrainSettings) -> Model:
    """Check volumes and annotations, and return a new model to be trained on them.

    It follows the recipe of the settings, or starts from their `parent`. Raises
    `UserError` before any long work for what cannot be learned from.
    """
    outputs = outputs_of(cases)
    if settings.parent:
        parent = open_model(settings.parent)
        check(cases, outputs)
        return _started(parent, cases, outputs, settings)
    recipe = recipes.get(settings.recipe)
    check(cases, outputs)
    torch.manual_seed(settings.seed)
    options = read_options(recipe.card.options, settings.options)
    plan = recipe.plan(cases, outputs, options)
    model = Model(plan, named(cases, ClassTable(())))
    recipe.start(model.network, plan)
    return model


def fit(
    cases: Sequence[Case], *, model: Model | None = None, **settings: object
) -> Model:
    """Train to the end and return the model; the settings are those of TrainSettings.

    `model` is trained further if it is given.
    """
    chosen = TrainSettings(**settings)  # type: ignore[arg-type]
    model = model or create(cases, chosen)
    for _ in train(model, cases, chosen):
        pass
    return model


def segment(
    volume: Volume,
    labels: SparseLabels,
    *,
    model: Model | None = None,
    **settings: object,
) -> Segmentation:
    """Train on one annotated volume and return it segmented.

    The settings are those of TrainSettings; `model` is trained further if it is given.
    The method is the one that did best on slices that were left out.
    """
    trained = fit([(volume, labels)], model=model, **settings)
    return trained.predict(volume, labels)


def _started(
    parent: Model,
    cases: Sequence[Case],
    outputs: tuple[int, ...],
    settings: TrainSettings,
) -> Model:
    """Return a model that starts from another one, of this volume's classes."""
    if parent.plan.recipe != PRETRAINED.name:
        if settings.options:
            raise UserError(
                f"the model follows the recipe {parent.plan.recipe}, and a further training "
                "keeps its options: leave --option out"
            )
        return parent
    torch.manual_seed(settings.seed)
    options = read_options(parent.recipe.card.options, settings.options)
    plan = _plan(parent.plan, cases[0][0].channels, outputs)
    plan = replace(plan, options=options.to_json())
    table = named(cases, ClassTable(()))
    known = dict(zip(outputs, _rows(parent, outputs, table, cases), strict=True))
    rows, table = _with_unpainted(parent, known, table)
    plan = replace(plan, outputs=tuple(rows))
    model = Model(plan, table)
    _take_over(model, parent, list(rows.values()))
    if _keeps_numbers(parent.table, table):
        model.rules = parent.rules
    model.history["parent"] = dict(parent.history)
    if "derived_from" in parent.history:
        model.history["derived_from"] = parent.history["derived_from"]
    return model


def _keeps_numbers(known: ClassTable, table: ClassTable) -> bool:
    """Tell whether each class of a parent has its number still: rules may name it."""
    return all(entry.number in table.numbers for entry in known.classes) and all(
        table[entry.number].name == entry.name for entry in known.classes
    )


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
    parent: Model,
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
    parent: Model, known: dict[int, int | None], table: ClassTable
) -> tuple[dict[int, int | None], ClassTable]:
    """Add the classes that the parent knows and nobody has painted, if they fit.

    On a few slices not every class may be there; what the parent knows of it stays.
    Nothing is added where no painted class is one of the parent's.
    """
    painted = [v for v in known if v != BACKGROUND and known[v] is not None]
    names = {entry.name.lower() for entry in table.classes}
    added = [
        entry
        for entry in parent.table.classes
        if painted and entry.number not in known and entry.name.lower() not in names
    ]
    places = {v: row for row, v in enumerate(parent.plan.outputs)}
    rows = {**known, **{entry.number: places[entry.number] for entry in added}}
    background = [v for v in rows if v == BACKGROUND]
    order = [*background, *sorted(v for v in rows if v != BACKGROUND)]
    classes = sorted((*table.classes, *added), key=lambda entry: entry.number)
    return {v: rows[v] for v in order}, ClassTable(tuple(classes))


def _take_over(model: Model, parent: Model, rows: Sequence[int | None]) -> None:
    """Copy all weights, the rows of the heads that are known, and fit the first layer."""
    network, old = model.network, parent.network
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
