"""New models: from nothing, as a recipe plans, or from a model that is there."""

from collections.abc import Sequence

import torch

from sparseseg import recipes
from sparseseg.classes import ClassTable
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Segmentation
from sparseseg.engine.training import train
from sparseseg.models.opening import open_model
from sparseseg.recipes import Case, Trained
from sparseseg.recipes.cases import check, named, outputs_of
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
        return _adopted(parent, cases, settings)
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


def _adopted(parent: Model, cases: Sequence[Case], settings: TrainSettings) -> Model:
    """Return a model that starts from another one, of this volume's classes."""
    torch.manual_seed(settings.seed)
    known = Trained(parent.plan, parent.network, parent.table)
    begun = parent.recipe.adopt(known, cases, settings.options)
    if begun is known:
        return parent
    model = Model(begun.plan, begun.table, network=begun.network)
    if _keeps_numbers(parent.table, model.table):
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
