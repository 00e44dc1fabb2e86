"""A trained network with all it needs to predict, and its one file."""

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sparseseg import recipes
from sparseseg.classes import ClassTable
from sparseseg.data.atomic import replacing
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.looks import looks_of
from sparseseg.engine.output import Output
from sparseseg.engine.score.evidence import elsewhere_of, evidence_of
from sparseseg.engine.segment import Job, Segmentation, finished, segment
from sparseseg.engine.unlike import unlike
from sparseseg.errors import Note, UserError
from sparseseg.language import say
from sparseseg.nn.device import PLAIN, Precision
from sparseseg.nn.guided_unet import GuidedUNet
from sparseseg.postprocessing import Rule, clean, read_rules
from sparseseg.progress import Method, by_class_of
from sparseseg.recipes import Plan, Recipe
from sparseseg.settings.options import read_options

FORMAT = 1
_KEY = "sparseseg"


class Model:
    """A plan, its network, its classes and how it came to be.

    `network` holds the weights to predict with; training keeps them up to date.
    `memory` is how many bytes a tile of a prediction may take, if that is limited;
    `rules` are lines that its predictions are cleaned up with.
    """

    def __init__(
        self,
        plan: Plan,
        table: ClassTable,
        *,
        network: nn.Module | None = None,
        history: Mapping[str, Any] | None = None,
    ) -> None:
        self.plan = plan
        self.table = table
        self.network = (network or self.recipe.network(plan)).eval()
        self.history: dict[str, Any] = dict(history or {})
        self.precision: Precision = PLAIN
        self.memory: int | None = None
        self.rules: tuple[str, ...] = ()

    @property
    def recipe(self) -> Recipe:
        """The recipe that this model follows."""
        return recipes.get(self.plan.recipe)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    @property
    def parameters(self) -> int:
        """The number of trainable weights."""
        return sum(weight.numel() for weight in self.network.parameters())

    @property
    def by_class(self) -> dict[int, Method]:
        """Which method each class is taken from, by its value, where they differ."""
        return by_class_of(self.history)

    def grow(self, outputs: tuple[int, ...], table: ClassTable) -> None:
        """Take in classes that were painted later, keeping the weights that still fit.

        Rows of the head are kept only where nothing else changes with the classes. The
        outputs that there were stay in their order, whatever comes before or after them.
        """
        old = self.network.state_dict()
        first = outputs.index(self.plan.outputs[0])
        self.plan = self.plan.with_outputs(outputs)
        self.table = table
        fresh = self.recipe.network(self.plan)
        new = fresh.state_dict()
        rows = all(new[name].shape[1:] == old[name].shape[1:] for name in new)
        fresh.load_state_dict(
            {name: _kept(old[name], new[name], first if rows else None) for name in new}
        )
        self.network = fresh.to(self.device).eval()

    def choose(self, options: Mapping[str, Any]) -> None:
        """Choose options of the recipe anew, as far as they matter to a prediction.

        Raises `UserError` for an option that there is not.
        """
        chosen = read_options(self.recipe.card.options, options).to_json()
        given = {name: chosen[name] for name in options}
        self.plan = replace(self.plan, options={**self.plan.options, **given})

    def at_depth(self, depth: int) -> "Model":
        """Return a copy of this model, pruned to a depth of UNet++.

        It says what the head at that depth says, and computes nothing else. Raises
        `UserError` where there is no such head.
        """
        depths = self.recipe.depths(self.plan)
        if depth not in depths:
            there = ", ".join(map(str, depths)) or say("none: leave --depth out")
            raise UserError(
                "a model of {recipe} has no depth {depth}, it has {there}",
                recipe=self.plan.recipe,
                depth=depth,
                there=there,
            )
        plan = self.recipe.pruned(self.plan, depth)
        network = self.recipe.network(plan)
        known = self.network.state_dict()
        network.load_state_dict({name: known[name] for name in network.state_dict()})
        pruned = Model(plan, self.table, network=network.to(self.device))
        pruned.history = {**self.history, "depth": depth}
        pruned.precision = self.precision
        pruned.rules = self.rules
        return pruned

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one .safetensors file, atomically; the description is its metadata."""
        target = Path(path)
        if target.suffix != ".safetensors":
            raise UserError(
                "a model is saved as NAME.safetensors, got {name!r}", name=target.name
            )
        description = {
            "format": FORMAT,
            "plan": self.plan.to_json(),
            "classes": self.table.to_json(),
            "history": self.history,
            "rules": list(self.rules),
        }
        tensors = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self.network.state_dict().items()
        }
        with replacing(target) as beside:
            save_file(tensors, beside, metadata={_KEY: json.dumps(description)})

    def predict(
        self, volume: Volume, labels: SparseLabels | None = None
    ) -> Segmentation:
        """Return labels, probabilities, uncertainty and the likely Dice of a volume.

        With the annotation of that volume the prediction follows it, by the method that
        did best on slices that were left out; without, as on a new volume, the image
        alone decides. Labels are cleaned up by the rules of the model. See
        `sparseseg.engine.segment`. Raises `UserError` for a volume that the model or its
        rules do not fit.
        """
        if words := self.unlike(volume):
            warnings.warn(words, Note, stacklevel=2)
        job = Job(extras=frozenset({"uncertainty", "probabilities"}))
        found = finished(segment(self, volume, job, labels=labels))
        if found.doubt:
            warnings.warn(found.doubt, Note, stacklevel=2)
        return found

    def unlike(self, volume: Volume) -> str:
        """Say where a volume is far from what this model was trained on; else ""."""
        return unlike(self.plan, looks_of(self.history), volume)

    def cleaned(
        self, out: Output, rules: Sequence[Rule], volume: Volume
    ) -> NDArray[np.uint8]:
        """Return the labels of a prediction by this model, cleaned up by rules."""
        if not rules:
            return out.labels
        found = () if out.probabilities is None else out.probabilities
        classes = self.plan.classes[: len(found)]
        return clean(
            out.labels,
            rules,
            spacing=volume.spacing,
            unit=volume.unit,
            probabilities=dict(zip(classes, found, strict=True)),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Model":
        """Read a model; nothing in the file is executed.

        Raises `UserError` for a file that is missing, cut off, or not such a model.
        """
        source = Path(path)
        return cls.rebuilt(*_read(source), name=source.name)

    @classmethod
    def rebuilt(
        cls, description: Mapping[str, Any], tensors: Mapping[str, Tensor], *, name: str
    ) -> "Model":
        """Make a model of its description and weights, which a file of `name` holds.

        Raises `UserError` where they do not fit each other.
        """
        try:
            plan = Plan.from_json(description["plan"])
            _check_weights(plan, tensors)
            model = cls(plan, ClassTable.from_json(description["classes"]))
            model.network.load_state_dict(tensors)
            model.history = dict(description.get("history") or {})
            looks_of(model.history)  # complains if it cannot be read
            by_class_of(model.history)  # as well
            evidence_of(model.history)
            elsewhere_of(model.history)
            model.rules = tuple(map(str, description.get("rules", ())))
            read_rules(model.rules, model.table)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                "{name} is a damaged sparseseg model "
                "({first_line}): save or fetch it again",
                name=name,
                first_line=_first_line(error),
            ) from error
        return model


def _check_weights(plan: Plan, tensors: Mapping[str, Tensor]) -> None:
    """Raise `ValueError` for weights of another network than that of the plan.

    The network has no memory here: what a plan asks for may be more than there is. It
    may have parts that are younger than the weights.
    """
    with torch.device("meta"):
        network = recipes.get(plan.recipe).network(plan)
    wanted = network.state_dict()
    younger = network.younger if isinstance(network, GuidedUNet) else set()
    for name in sorted((wanted.keys() - younger) | tensors.keys()):
        sizes = [tuple(t[name].shape) if name in t else None for t in (wanted, tensors)]
        if sizes[0] != sizes[1]:
            raise ValueError(f"{name}: {sizes[1]}, should be {sizes[0]}")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise UserError("there is no model {path}: check the path", path=path)
    try:
        path.open("rb").close()  # else a file that may not be read is told as missing
    except OSError as error:
        raise UserError(
            "cannot read the model {path}: {strerror}",
            path=path,
            strerror=error.strerror,
        ) from error
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {}).get(_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, OSError) as error:
        raise UserError(
            "{name} is not a readable model ({first_line}): "
            "give a .safetensors file that sparseseg saved",
            name=path.name,
            first_line=_first_line(error),
        ) from error
    if not isinstance(description, dict):
        raise UserError(
            "{name} holds weights, but no sparseseg model: "
            "give a .safetensors file that sparseseg saved",
            name=path.name,
        )
    if description.get("format") != FORMAT:
        raise UserError(
            "{name} has format {format!r} and this version "
            "reads {known}: update sparseseg",
            name=path.name,
            format=description.get("format"),
            known=FORMAT,
        )
    return description, tensors


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _kept(old: Tensor, new: Tensor, first: int | None) -> Tensor:
    """Return the old tensor where it fits the new one, or its rows from `first` on."""
    if old.shape == new.shape:
        return old
    result = new.clone()
    if first is not None:
        result[first : first + len(old)] = old.to(new.device)
    return result
