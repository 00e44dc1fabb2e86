"""A model as a package of BioImage.IO: a description, weights and an example.

The weights are there twice: as an ONNX program, which any program runs, and as a state
dict of `models.whole.block_network`, for those who have sparseseg.
"""

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sparseseg.boxes import Triple
from sparseseg.data.atomic import replacing
from sparseseg.engine.looks import SHARES, Look, looks_of
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.exporting import (
    Compared,
    answers_of,
    check_exportable,
    example_of,
    write_program,
)
from sparseseg.models.package_description import (
    ANSWER,
    COVER,
    IMAGE,
    PROGRAM,
    STATE,
    About,
    is_by_volume,
    write_description,
)
from sparseseg.models.whole import Block, Whole

_COLUMN = (slice(None), None, None, None)


def export_package(model: Model, path: Path, patch: Triple, about: About) -> Compared:
    """Write a package, and compare the program in it with the model on an example.

    Its weights map `image` (1, c, z, y, x) to probabilities (1, k, z, y, x) in blocks
    of `patch`, whose border is halo. Where grey values belong to their volume, the
    description asks for its percentiles, and the unit is that of the training volumes.
    Raises `UserError` for a model that cannot be exported, or what is missing.
    """
    _check(path, about)
    check_exportable(model, patch)
    block = Block(Whole.of(model), scales_of(model)).eval()
    image = _example(model, patch)
    with tempfile.TemporaryDirectory(prefix="sparseseg-") as temporary:
        folder = Path(temporary)
        answer = _write_weights(folder, block, image)
        # The example of a package is what comes before its preprocessing.
        shown = image * 100 if is_by_volume(model) else image
        np.save(folder / IMAGE, shown.numpy())
        np.save(folder / ANSWER, answer)
        _picture(image.numpy()[0], answer[0]).save(folder / COVER)
        write_description(model, block, patch, about, folder)
        with replacing(path) as beside, zipfile.ZipFile(beside, "w") as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name, zipfile.ZIP_DEFLATED)
    own = block(image)[0].detach().numpy()
    differing = int((own.argmax(1) != answer.argmax(1)).sum())
    return Compared(int(np.prod(patch)), differing, float(np.abs(own - answer).max()))


def _write_weights(folder: Path, block: Block, image: Tensor) -> np.ndarray:
    """Write the weights in both forms; return what the program answers to an image."""
    torch.save(dict(block.state_dict()), folder / STATE)
    program = folder / PROGRAM
    write_program(block, {"image": image}, ("probabilities",), program)
    answer: np.ndarray = answers_of(program, {"image": image})[0]
    return answer


def _check(path: Path, about: About) -> None:
    if path.suffix.lower() != ".zip":
        raise UserError(
            "a package is written as NAME.zip, got {name!r}", name=path.name
        )
    if not about.authors or not about.licence:
        raise UserError(
            "a package of BioImage.IO names its authors and its licence: give "
            "{authors} and {licence}, such as A. Maker and CC-BY-4.0",
            authors="About.authors",
            licence="About.licence",
        )


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


def _example(model: Model, patch: Triple) -> Tensor:
    """Return a batch of one block that takes all of each curve."""
    image, _ = example_of(model, patch)
    if not is_by_volume(model):
        return image[None]
    low, high = torch.quantile(image.flatten(1), torch.tensor([0.01, 0.99]), 1)
    found: Tensor = (image - low[_COLUMN]) / (high - low)[_COLUMN]
    return found[None]


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
