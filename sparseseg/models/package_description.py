"""What a package of BioImage.IO says of a model, and the page to read with it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from sparseseg.boxes import Triple
from sparseseg.data.units import PIXEL
from sparseseg.engine.looks import SHARES
from sparseseg.engine.model import Model
from sparseseg.models.whole import Block, block_network

FORMAT = "0.5.3"
DESCRIPTION = "rdf.yaml"
PROGRAM, STATE = "weights.onnx", "weights.pt"
IMAGE, ANSWER = "test_input.npy", "test_output.npy"
COVER = "cover.png"
_README, _ENVIRONMENT = "README.md", "environment.yaml"
_OPSET = 20
_MOST_HALO = 24  # what the planes of the network see beyond a voxel
_KEPT = ("derived_from", "trained", "learned_from")
"""Of the history: where the model came from, and how the volumes looked; no files."""
_UNITS = {
    "nm": "nanometer",
    "um": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
}
_UNET = "10.1007/978-3-319-24574-4_28"

_Said = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a person has to say of a model before others can use it."""

    authors: tuple[str, ...]
    licence: str
    """An identifier of SPDX, such as CC-BY-4.0."""
    name: str


def write_description(
    model: Model, block: Block, patch: Triple, about: About, folder: Path
) -> None:
    """Write the description beside weights, examples and cover, which it names."""
    (folder / _README).write_text(_readme(model, patch), encoding="utf-8")
    (folder / _ENVIRONMENT).write_text(_yaml(_environment()), encoding="utf-8")
    said = described(model, block, patch, about, folder)
    (folder / DESCRIPTION).write_text(_yaml(said), encoding="utf-8")


def is_by_volume(model: Model) -> bool:
    """Tell whether grey values belong to their volume, in any channel."""
    return "volume" in model.plan.rules


def described(
    model: Model, block: Block, patch: Triple, about: About, folder: Path
) -> _Said:
    """Return the description of a package whose other files are in a folder."""
    names = ", ".join(entry.name for entry in model.table.classes)
    return {
        "type": "model",
        "format_version": FORMAT,
        "name": about.name,
        "description": f"Segments {names}",
        "authors": [{"name": author} for author in about.authors],
        "license": about.licence,
        "cite": [{"text": _paper(model), "doi": _UNET}],
        "tags": ["segmentation", "3d", "sparseseg", model.plan.recipe],
        "documentation": _file(folder, _README),
        "covers": [_file(folder, COVER)],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [_input(model, patch, folder)],
        "outputs": [_output(model, patch, folder)],
        "weights": _weights(block, folder),
        "config": {"sparseseg": _own(model)},
    }


def _paper(model: Model) -> str:
    """Return what is cited for the recipe of a model."""
    return f"{model.recipe.card.title}: {model.recipe.card.paper}"


def _input(model: Model, patch: Triple, folder: Path) -> _Said:
    channels = [f"channel{number}" for number in range(model.plan.channels)]
    space = [
        {"type": "space", "id": axis, "size": side, **_measure(model, place)}
        for place, (axis, side) in enumerate(zip("zyx", patch, strict=True))
    ]
    return {
        "id": "image",
        "axes": [
            {"type": "batch", "size": 1},
            {"type": "channel", "channel_names": channels},
            *space,
        ],
        "data": {"type": "float32"},
        "test_tensor": _file(folder, IMAGE),
        "preprocessing": _preprocessing(model),
    }


def _output(model: Model, patch: Triple, folder: Path) -> _Said:
    names = {entry.number: entry.name for entry in model.table.classes}
    outputs = [names.get(number, "background") for number in model.plan.classes]
    edges = zip("zyx", patch, strict=True)
    space = [_answered(model, place, *edge) for place, edge in enumerate(edges)]
    return {
        "id": "probabilities",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": outputs},
            *space,
        ],
        "data": {"type": "float32", "range": [0.0, 1.0]},
        "test_tensor": _file(folder, ANSWER),
    }


def _answered(model: Model, place: int, axis: str, side: int) -> _Said:
    """Return an axis of the answer, of which a border is cut off."""
    edge = min(_MOST_HALO, side // 4)
    return {
        "type": "space",
        "id": axis,
        "size": {"tensor_id": "image", "axis_id": axis},
        **({"halo": edge} if edge else {}),
        **_measure(model, place),
    }


def _preprocessing(model: Model) -> list[_Said]:
    steps: list[_Said] = [{"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}]
    if is_by_volume(model):
        ends = {
            "axes": ["z", "y", "x"],
            "min_percentile": 100 * SHARES[0],
            "max_percentile": 100 * SHARES[-1],
        }
        steps.append({"id": "scale_range", "kwargs": ends})
    return steps


def _measure(model: Model, place: int) -> _Said:
    """Return the voxel size along an axis, if it is known."""
    if model.plan.unit == PIXEL:
        return {}
    side = model.plan.spacing[place]
    return {"scale": side, "unit": _UNITS[model.plan.unit]}


def _weights(block: Block, folder: Path) -> _Said:
    architecture = {
        "callable": block_network.__name__,
        "import_from": block_network.__module__,
        "kwargs": block.arguments(),
    }
    state = {
        **_file(folder, STATE),
        "architecture": architecture,
        "pytorch_version": _torch_version(),
        "dependencies": _file(folder, _ENVIRONMENT),
    }
    program = {
        **_file(folder, PROGRAM),
        "opset_version": _OPSET,
        "parent": "pytorch_state_dict",
    }
    return {"pytorch_state_dict": state, "onnx": program}


def _torch_version() -> str:
    return str(torch.__version__).partition("+")[0]


def _environment() -> _Said:
    """Return what conda needs for the state dict."""
    needed = [f"pytorch={_torch_version()}", "pip", {"pip": ["sparseseg"]}]
    return {"channels": ["conda-forge", "nodefaults"], "dependencies": needed}


def _own(model: Model) -> _Said:
    """Return what sparseseg reads again, beside the weights."""
    history = {name: model.history[name] for name in _KEPT if name in model.history}
    found: _Said = {
        "history": history,
        "classes": model.table.to_json(),
        "rules": list(model.rules),
    }
    return found


def _file(folder: Path, name: str) -> dict[str, str]:
    content = (folder / name).read_bytes()
    return {"source": name, "sha256": hashlib.sha256(content).hexdigest()}


def _yaml(values: _Said) -> str:
    plain = json.loads(json.dumps(values))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return text


def _readme(model: Model, patch: Triple) -> str:
    sides = " x ".join(map(str, patch))
    names = ", ".join(entry.name for entry in model.table.classes)
    grey = (
        "Grey values are scaled by the 1st and 99th percentile of the volume. sparseseg "
        "itself uses the mean of what is bright, so labels may differ a little.\n"
        if is_by_volume(model)
        else "Grey values are taken as they are.\n"
    )
    return (
        f"# Segmentation of {names}\n\nLearned from a few annotated slices with "
        f"sparseseg. The weights take blocks of {sides} voxels. The ONNX program needs "
        "no other file; the state dict needs sparseseg, where its network is.\n\n"
        f"{grey}\n"
        "## Validation\n\nLook at the labels of a few slices of your own volume before "
        "you use the others.\n"
    )
