"""A model as one ONNX file: grey values in, labels and probabilities out.

The whole recipe is in it (`models.whole`). The shape of the patch is fixed.
"""

import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparseseg.boxes import Triple
from sparseseg.data.atomic import replacing
from sparseseg.data.optional import library
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.whole import Whole

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
    whole = Whole.of(model).eval()
    image, scale = example_of(model, patch)
    inputs = {"image": image, "scale": scale}
    # This takes minutes, and who ends it meanwhile wants nothing beside the result.
    with tempfile.TemporaryDirectory(prefix="sparseseg-") as folder:
        program = Path(folder) / path.name
        write_program(whole, inputs, OUTPUTS, program)
        file = onnx.load(str(program))
    onnx.helper.set_model_props(file, {"sparseseg": json.dumps(_facts(model))})
    with replacing(path) as beside:
        onnx.save(file, str(beside))
        return compared(whole, beside, inputs)


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
    check_program(model)
    if min(patch) < 1 or np.prod(patch) > _MOST:
        words = " x ".join(map(str, patch))
        raise UserError(
            "a patch has 1 to {most:,} voxels, got {words}", most=_MOST, words=words
        )


def check_program(model: Model) -> None:
    """Raise `UserError` for a model that cannot be a program, whatever the patch."""
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
