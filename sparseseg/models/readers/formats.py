"""Which adapter reads a file or folder: told by what is in it, not by its name."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.models.readers import (
    bioimageio,
    mlperf_kits19,
    monai_bundle,
    nnunet_v1,
    nnunet_v2,
)
from sparseseg.models.readers.foreign import ForeignFacts
from sparseseg.models.store.archives import extract, members, open_archive

_Reader = Callable[[Path, ForeignFacts], Model]

_FOLDERS: tuple[tuple[Callable[[Path], bool], _Reader], ...] = (
    (nnunet_v2.is_folder, nnunet_v2.read),
    (nnunet_v1.is_folder, nnunet_v1.read),
    (monai_bundle.is_folder, monai_bundle.read),
    (bioimageio.is_folder, bioimageio.read),
)
_DEEPEST = 6
_MOST_FOLDERS = 2000
_NEEDED = (
    "plans.json",
    "dataset.json",
    f"fold_*/{nnunet_v2.CHECKPOINT}",
    "plans.pkl",
    f"/{nnunet_v1.CHECKPOINT}",
    f"/{nnunet_v1.CHECKPOINT}.pkl",
    "configs/*.json",
    "configs/*.yaml",
    "configs/*.yml",
    f"models/{monai_bundle.WEIGHTS}",
    *bioimageio.NAMES,
    ".pt",
    ".pth",
    ".onnx",
    ".npy",
)


def read_model(path: Path, given: ForeignFacts | None = None) -> Model:
    """Read a model of any known format: a file, a folder, or a zip archive of one.

    Nothing in it is executed. Raises `UserError` for what is missing, damaged, hostile
    or of a format or network that is not known.
    """
    given = given or ForeignFacts()
    if path.name in bioimageio.NAMES and path.is_file():
        path = path.parent
    if path.is_dir():
        return _read_folder(path, given)
    if not path.is_file():
        raise UserError("there is no model {path}: check the path", path=path)
    if path.suffix == ".safetensors":
        return Model.load(path)
    if path.suffix == ".zip":
        return _read_archive(path, given)
    if mlperf_kits19.is_file(path):
        return mlperf_kits19.read(path, given)
    raise UserError(
        "{name} is no model of a known format: give a .safetensors file of "
        "sparseseg, a folder or .zip archive of nnU-Net, MONAI or BioImage.IO, or the "
        ".pth checkpoint of MLPerf",
        name=path.name,
    )


def _read_archive(path: Path, given: ForeignFacts) -> Model:
    with (
        open_archive(path) as archive,
        tempfile.TemporaryDirectory(prefix="sparseseg-") as folder,
    ):
        for _ in extract(archive, members(archive, _NEEDED), Path(folder)):
            pass
        try:
            return _read_folder(Path(folder), given)
        except UserError as error:
            raise UserError("{name}: {error}", name=path.name, error=error) from error


def _read_folder(folder: Path, given: ForeignFacts) -> Model:
    found = [
        (inner, reader)
        for inner in _folders(folder)
        for is_one, reader in _FOLDERS
        if is_one(inner)
    ]
    if not found:
        raise UserError(_nothing(folder))
    inner, reader = found[0] if len(found) == 1 else _one_of(found, given)
    return reader(inner, given)


def _one_of(
    found: list[tuple[Path, _Reader]], given: ForeignFacts
) -> tuple[Path, _Reader]:
    """Return the folder of the configuration that was asked for."""
    fitting = [pair for pair in found if given.configuration in str(pair[0])]
    if given.configuration and len(fitting) == 1:
        return fitting[0]
    there = "; ".join(sorted(str(Path(*inner.parts[-3:])) for inner, _ in found)[:6])
    raise UserError(
        "there are {count} models: {there}: give the folder of one of them",
        count=len(found),
        there=there,
    )


def _nothing(folder: Path) -> str:
    for inner in _folders(folder):
        for name, wanted in _UNFINISHED.items():
            if (inner / name).is_file():
                return say(
                    "{name}: {wanted} is missing, {other} is there (in "
                    "{inner}): the training has not ended; to use this state, copy "
                    "it to {wanted}",
                    name=folder.name,
                    wanted=wanted,
                    other=name,
                    inner=inner.name,
                )
    return say(
        "{folder} holds no model of a known format: nnU-Net 2 has plans.json, "
        "dataset.json and fold_0/checkpoint_final.pth, nnU-Net 1 plans.pkl and "
        "fold_0/model_final_checkpoint.model, BioImage.IO rdf.yaml, and a bundle of MONAI "
        "configs/metadata.json and configs/inference.json",
        folder=folder,
    )


_UNFINISHED = {
    "checkpoint_best.pth": "checkpoint_final.pth",
    "checkpoint_latest.pth": "checkpoint_final.pth",
    "model_best.model": "model_final_checkpoint.model",
    "model_latest.model": "model_final_checkpoint.model",
}
"""What nnU-Net writes while it trains, and what in its place at the end."""


def _folders(root: Path) -> Iterator[Path]:
    """Yield a folder and those inside, not too deep and not too many; no links."""
    waiting, seen = [(root, 0)], 0
    while waiting and seen < _MOST_FOLDERS:
        folder, depth = waiting.pop(0)
        seen += 1
        yield folder
        if depth < _DEEPEST:
            inner = sorted(p for p in folder.iterdir() if p.is_dir())
            waiting += [(p, depth + 1) for p in inner if not p.is_symlink()]
