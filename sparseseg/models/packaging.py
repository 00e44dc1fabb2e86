"""A model as a package of BioImage.IO: a description, an ONNX program and an example."""

import hashlib
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

from sparseseg.boxes import Triple
from sparseseg.data.atomic import replacing
from sparseseg.data.units import PIXEL
from sparseseg.engine.looks import SHARES, Look, looks_of
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.exporting import (
    Compared,
    Whole,
    answers_of,
    check_exportable,
    example_of,
    write_program,
)

FORMAT = "0.5.3"
_PROGRAM, _IMAGE, _ANSWER = "weights.onnx", "test_input.npy", "test_output.npy"
_README, _COVER = "README.md", "cover.png"
_OPSET = 20
_MOST_HALO = 24  # what the planes of the network see beyond a voxel
_UNITS = {
    "nm": "nanometer",
    "um": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
}
_UNET = "10.1007/978-3-319-24574-4_28"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a person has to say of a model before others can use it."""

    authors: tuple[str, ...]
    licence: str
    """An identifier of SPDX, such as CC-BY-4.0."""
    name: str


def export_package(model: Model, path: Path, patch: Triple, about: About) -> Compared:
    """Write a package, and compare the program in it with the model on an example.

    The program maps `image` (1, c, z, y, x) to probabilities (1, k, z, y, x) in blocks
    of `patch`, whose border is halo. Where grey values belong to their volume, the
    description asks for its percentiles, and the unit is that of the training volumes.
    Raises `UserError` for a model that cannot be exported, or what is missing.
    """
    _check(path, about)
    check_exportable(model, patch)
    block = _Batched(model, patch).eval()
    image = _example(model, patch, block)
    with tempfile.TemporaryDirectory(prefix="sparseseg-") as temporary:
        folder = Path(temporary)
        program = folder / _PROGRAM
        write_program(block, {"image": image}, ("probabilities",), program)
        answer = answers_of(program, {"image": image})[0]
        # The example of a package is what comes before its preprocessing.
        shown = image * 100 if _is_by_volume(model) else image
        np.save(folder / _IMAGE, shown.numpy())
        np.save(folder / _ANSWER, answer)
        _picture(image.numpy()[0], answer[0]).save(folder / _COVER)
        (folder / _README).write_text(_readme(model, patch), encoding="utf-8")
        described = _described(model, patch, about, folder)
        text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
        (folder / "rdf.yaml").write_text(text, encoding="utf-8")
        with replacing(path) as beside, zipfile.ZipFile(beside, "w") as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name, zipfile.ZIP_DEFLATED)
    own = block(image)[0].detach().numpy()
    differing = int((own.argmax(1) != answer.argmax(1)).sum())
    return Compared(int(np.prod(patch)), differing, float(np.abs(own - answer).max()))


def _check(path: Path, about: About) -> None:
    if path.suffix.lower() != ".zip":
        raise UserError(
            "a package is written as NAME.zip, got {name!r}", name=path.name
        )
    if not about.authors or not about.licence:
        raise UserError(
            "a package of BioImage.IO names its authors and its licence: give --author "
            "and --licence, such as CC-BY-4.0"
        )


class _Batched(nn.Module):
    """The recipe as a function of a block: probabilities of a batch of one."""

    def __init__(self, model: Model, patch: Triple) -> None:
        super().__init__()
        self.whole = Whole(model, patch)
        self.scale: Tensor
        self.register_buffer("scale", torch.tensor(scales_of(model)))

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (self.whole(image[0], self.scale)[1][None],)


def scales_of(model: Model) -> list[list[float]]:
    """Return zero and unit of each channel, as the program gets its grey values.

    Where these belong to their volume, 0 and 1 are its 1st and 99th percentile then, and
    the unit is how bright the training volumes are between both.
    """
    looks = looks_of(model.history)
    return [
        [0.0, _unit(looks, channel) if rule == "volume" else 1.0]
        for channel, rule in enumerate(model.plan.rules)
    ]


def _unit(looks: Sequence[Look], channel: int) -> float:
    known = [look.quantiles[channel] for look in looks if look.quantiles[channel:]]
    units = [
        (np.trapezoid(q, SHARES) / (SHARES[-1] - SHARES[0]) - q[0]) / (q[-1] - q[0])
        for q in known
        if q and q[-1] > q[0]
    ]
    if not units:
        raise UserError(
            "the model does not know how the volumes of its training look, which a "
            "package needs: train it again with this version"
        )
    return float(np.mean(units))


def _is_by_volume(model: Model) -> bool:
    return "volume" in model.plan.rules


def _example(model: Model, patch: Triple, block: _Batched) -> Tensor:
    """Return a batch of one block that takes all of each curve."""
    image, _ = example_of(model, patch)
    if not _is_by_volume(model):
        return image[None]
    low, high = torch.quantile(image.flatten(1), torch.tensor([0.01, 0.99]), 1)
    line = (slice(None), None, None, None)
    found: Tensor = (image - low[line]) / (high - low)[line]
    return found[None]


def _described(
    model: Model, patch: Triple, about: About, folder: Path
) -> dict[str, Any]:
    plan = model.plan
    channels = [f"channel{number}" for number in range(plan.channels)]
    names = {entry.number: entry.name for entry in model.table.classes}
    outputs = [names.get(n, "background") for n in plan.classes]
    halo = [min(_MOST_HALO, side // 4) for side in patch]
    return {
        "type": "model",
        "format_version": FORMAT,
        "name": about.name,
        "description": f"Segments {', '.join(names.values())}",
        "authors": [{"name": author} for author in about.authors],
        "license": about.licence,
        "cite": [{"text": _paper(model), "doi": _UNET}],
        "tags": ["segmentation", "3d", "sparseseg", plan.recipe],
        "documentation": _file(folder, _README),
        "covers": [_file(folder, _COVER)],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [
            {
                "id": "image",
                "axes": [
                    {"type": "batch", "size": 1},
                    {"type": "channel", "channel_names": channels},
                    *_space(model, patch),
                ],
                "data": {"type": "float32"},
                "test_tensor": _file(folder, _IMAGE),
                "preprocessing": _preprocessing(model),
            }
        ],
        "outputs": [
            {
                "id": "probabilities",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": outputs},
                    *(
                        {
                            "type": "space",
                            "id": axis,
                            "size": {"tensor_id": "image", "axis_id": axis},
                            **({"halo": edge} if edge else {}),
                            **_measure(model, place),
                        }
                        for place, (axis, edge) in enumerate(
                            zip("zyx", halo, strict=True)
                        )
                    ),
                ],
                "data": {"type": "float32", "range": [0.0, 1.0]},
                "test_tensor": _file(folder, _ANSWER),
            }
        ],
        "weights": {"onnx": {**_file(folder, _PROGRAM), "opset_version": _OPSET}},
        "config": {"sparseseg": {"history": _plain(model.history)}},
    }


def _paper(model: Model) -> str:
    """Return what is cited for the recipe of a model."""
    return f"{model.recipe.card.title}: {model.recipe.card.paper}"


def _preprocessing(model: Model) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [
        {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
    ]
    if _is_by_volume(model):
        steps.append(
            {
                "id": "scale_range",
                "kwargs": {
                    "axes": ["z", "y", "x"],
                    "min_percentile": 100 * SHARES[0],
                    "max_percentile": 100 * SHARES[-1],
                },
            }
        )
    return steps


def _space(model: Model, patch: Triple) -> list[dict[str, Any]]:
    return [
        {"type": "space", "id": axis, "size": side, **_measure(model, place)}
        for place, (axis, side) in enumerate(zip("zyx", patch, strict=True))
    ]


def _measure(model: Model, place: int) -> dict[str, Any]:
    """Return the voxel size along an axis, if it is known."""
    if model.plan.unit == PIXEL:
        return {}
    side = model.plan.spacing[place]
    return {"scale": side, "unit": _UNITS[model.plan.unit]}


def _file(folder: Path, name: str) -> dict[str, str]:
    content = (folder / name).read_bytes()
    return {"source": name, "sha256": hashlib.sha256(content).hexdigest()}


def _plain(history: Mapping[str, Any]) -> Any:
    """Return where a model came from: its parent and licence, and no more."""
    kept = ("derived_from", "trained")
    return {name: history[name] for name in kept if name in history}


def _readme(model: Model, patch: Triple) -> str:
    sides = " x ".join(map(str, patch))
    names = ", ".join(entry.name for entry in model.table.classes)
    grey = (
        "Grey values are scaled by the 1st and 99th percentile of the volume. sparseseg "
        "itself uses the mean of what is bright, so labels may differ a little.\n"
        if _is_by_volume(model)
        else "Grey values are taken as they are.\n"
    )
    return (
        f"# Segmentation of {names}\n\nLearned from a few annotated slices with "
        f"sparseseg. The program takes blocks of {sides} voxels.\n\n{grey}\n"
        "## Validation\n\nLook at the labels of a few slices of your own volume before "
        "you use the others.\n"
    )


def _picture(image: np.ndarray, answer: np.ndarray) -> Image.Image:
    """Return the middle slice beside what was found in it."""
    grey = image[0, image.shape[1] // 2]
    low, high = float(grey.min()), float(grey.max())
    tone = np.uint8(255) * ((grey - low) / max(high - low, 1e-6))
    found = answer.argmax(0)[image.shape[1] // 2]
    shown = 255 * found / max(1, len(answer) - 1)
    both = np.concatenate([tone, shown], 1).astype(np.uint8)
    picture = Image.fromarray(both)
    return picture.resize((4 * picture.width, 4 * picture.height))
