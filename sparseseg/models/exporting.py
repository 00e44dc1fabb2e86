"""A model as one ONNX file: grey values in, labels and probabilities out.

The whole recipe is in it: grey curve, filters, three views and their average, and the
forest where the model answers by it, without annotated slices. The shape of the patch is
fixed.
"""

import copy
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sparseseg.boxes import Box, Triple
from sparseseg.classes import BACKGROUND
from sparseseg.data.atomic import replacing
from sparseseg.data.intensity import GreyCurve
from sparseseg.data.optional import library
from sparseseg.data.volume import Volume
from sparseseg.engine.mixing import combined, needs
from sparseseg.engine.model import Model
from sparseseg.engine.segment import best_method
from sparseseg.errors import UserError
from sparseseg.recipes.scene import Scene, mirrored

_RECIPE = "three-view"
EXTRA = "export"
OUTPUTS = ("labels", "probabilities")
_MOST = 2**22
"""Voxels of a patch."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How the labels of the file differ from those of the model, on one patch."""

    voxels: int
    differing: int
    probability: float
    """The largest difference."""


def export_onnx(model: Model, path: Path, patch: Triple) -> Compared:
    """Write an ONNX file, and compare what onnxruntime makes of it with the model.

    `image` is float32 c, z, y, x as a file holds it, with the voxel size of the model;
    `scale` is zero and unit of each channel (see the metadata). `labels` are z, y, x,
    `probabilities` k, z, y, x. Raises `UserError` for a model or patch that cannot be
    exported, and where a library is missing.
    """
    if path.suffix.lower() != ".onnx":
        raise UserError(
            "an ONNX file is written as NAME.onnx, got {name!r}", name=path.name
        )
    check_exportable(model, patch)
    onnx = library("onnx", "ONNX", "onnx", extra=EXTRA)
    whole = Whole(model, patch).eval()
    image, scale = example_of(model, patch)
    with replacing(path) as beside:
        write_program(whole, {"image": image, "scale": scale}, OUTPUTS, beside)
        file = onnx.load(str(beside))
        onnx.helper.set_model_props(file, {"sparseseg": json.dumps(_facts(model))})
        onnx.save(file, str(beside))
        return compared(whole, beside, {"image": image, "scale": scale})


def write_program(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], path: Path
) -> None:
    """Write what a module computes of such inputs as an ONNX file, weights included."""
    library("onnxscript", "ONNX", "onnxscript", extra=EXTRA)
    library("onnxruntime", "ONNX", "onnxruntime", extra=EXTRA)
    given = tuple(inputs.values())
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        program = torch.export.export(module, given, strict=False)
        torch.onnx.export(
            program,
            given,
            str(path),
            dynamo=True,
            input_names=list(inputs),
            output_names=list(outputs),
            external_data=False,
            optimize=False,  # takes minutes, and onnxruntime does it when it loads
            verbose=False,
        )


def check_exportable(model: Model, patch: Triple) -> None:
    """Raise `UserError` for a model or a patch that cannot be a program."""
    if model.plan.recipe != _RECIPE:
        raise UserError(
            "only models of the recipe {recipe} are exported as ONNX so far, and this "
            "one is of {plan_recipe}: keep the .safetensors file",
            recipe=_RECIPE,
            plan_recipe=model.plan.recipe,
        )
    if model.plan.network.get("coordinates"):
        raise UserError(
            "this model is told where in the volume a voxel lies, and a patch cannot say "
            "that: train it without the option coordinates"
        )
    if min(patch) < 1 or np.prod(patch) > _MOST:
        words = " x ".join(map(str, patch))
        raise UserError(
            "a patch has 1 to {most:,} voxels, got {words}", most=_MOST, words=words
        )


class Whole(nn.Module):
    """The recipe as a function of grey values alone."""

    def __init__(self, model: Model, patch: Triple) -> None:
        super().__init__()
        network: Any = copy.deepcopy(model.network).cpu()
        # A tensor's values are not known while a graph is made, and choose the views.
        views = network.views.tolist()
        del network.views
        network.__dict__["views"] = _Known(views)
        self.network = network
        self._plan, self._recipe, self._patch = model.plan, model.recipe, patch
        self._method = best_method(model, is_annotated=False)
        numbers = [0 if n == BACKGROUND else n for n in model.plan.outputs]
        self.numbers: Tensor
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.int64))

    def forward(self, image: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return labels (z, y, x) and probabilities (k, z, y, x) of a patch."""
        curves = zip(self._plan.curves, image, scale, strict=True)
        grey = torch.stack([_mapped(*one) for one in curves])
        empty = np.zeros((self._plan.channels, *self._patch), np.uint8)
        scene = _Graph(self._plan, Volume(empty), mapped=grey)
        box = Box.whole(self._patch)
        found = self._recipe.probabilities(self.network, scene, box)
        if needs(self._method, "trees"):
            trees = self._recipe.forest(self.network, scene, box)
            found = combined(self._method, {"trees": trees, "unguided": found})
        return self.numbers[found.argmax(0)].to(torch.uint8), found


@dataclass(frozen=True, slots=True)
class _Known:
    """Stands for a small tensor whose values are constants of the graph."""

    values: list[float]

    def tolist(self) -> list[float]:
        """Return the values."""
        return self.values


@dataclass(frozen=True, eq=False)
class _Graph(Scene):
    """A scene whose grey values are a tensor of the graph."""

    keeps: ClassVar[bool] = False
    mapped: Tensor | None = None

    def grey(self, box: Box) -> Tensor:
        found = self.mapped
        assert found is not None
        edges = zip(box.start, box.stop, self.volume.shape, strict=True)
        for axis, edge in enumerate(edges, 1):
            found = found.index_select(axis, torch.from_numpy(mirrored(*edge)))
        return found


def _mapped(curve: GreyCurve, channel: Tensor, scale: Tensor) -> Tensor:
    """Return a channel through its curve, as `GreyCurve` does: a sum of ramps."""
    zero, unit = scale.double()
    grey = (channel.double() - zero) / unit
    grey = torch.where(torch.isnan(grey), torch.full_like(grey, curve.knots[0]), grey)
    total = torch.full_like(grey, curve.values[0])
    ends = zip(
        curve.knots, curve.knots[1:], curve.values, curve.values[1:], strict=False
    )
    for low, high, start, stop in ends:
        total = total + (grey - low).clamp(0, high - low) * (
            (stop - start) / (high - low)
        )
    return total.float()


def example_of(model: Model, patch: Triple) -> tuple[Tensor, Tensor]:
    """Return grey values that take all of each curve, smooth as an image is."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, int(np.prod(patch))).reshape(patch)
    noisy = np.clip(ramp + rng.normal(0, 0.05, patch), 0, 1)
    channels = [
        np.interp(noisy, np.linspace(0, 1, len(curve.knots)), curve.knots)
        for curve in model.plan.curves
    ]
    image = torch.from_numpy(np.stack(channels).astype(np.float32))
    return image, torch.tensor([[0.0, 1.0]] * model.plan.channels)


def _facts(model: Model) -> dict[str, Any]:
    plan = model.plan
    return {
        "axes": {"image": "czyx", "labels": "zyx", "probabilities": "kzyx"},
        "spacing": list(plan.spacing),
        "unit": plan.unit,
        "classes": model.table.to_json(),
        "outputs": list(plan.outputs),
        "grey": list(plan.rules),
        "scale": (
            "zero and unit of each channel: 0 and 1 where grey is fixed; where it is "
            "volume, zero is the 1st percentile of the volume, and unit the mean of what is "
            "brighter, cut at its 99.5th percentile, minus zero"
        ),
        "history": model.history,
    }


def compared(module: nn.Module, path: Path, inputs: Mapping[str, Tensor]) -> Compared:
    """Compare what onnxruntime makes of a file with what a module answers."""
    with torch.no_grad():
        own, own_probabilities = (part.numpy() for part in module(*inputs.values()))
    labels, probabilities = answers_of(path, inputs)
    return Compared(
        int(own.size),
        int((labels != own).sum()),
        float(np.abs(probabilities - own_probabilities).max()),
    )


def answers_of(path: Path, inputs: Mapping[str, Tensor]) -> list[Any]:
    """Return what onnxruntime makes of a file."""
    runtime = library("onnxruntime", "ONNX", "onnxruntime", extra=EXTRA)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    found: list[Any] = session.run(None, {n: t.numpy() for n, t in inputs.items()})
    return found
