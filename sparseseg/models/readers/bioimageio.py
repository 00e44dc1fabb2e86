"""Packages of BioImage.IO, formats 0.4 and 0.5: the description is read as data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor as Weights

from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.models.readers.bioimageio_files import checked, inside
from sparseseg.models.readers.bioimageio_own import own_model
from sparseseg.models.readers.bioimageio_processing import (
    AnswerRule,
    finishing,
    preparing,
)
from sparseseg.models.readers.bioimageio_tensors import (
    Tensor,
    spacing_of,
    tensor_of,
    windows_of,
)
from sparseseg.models.readers.described import read_description
from sparseseg.models.readers.foreign import Foreign, ForeignFacts, assembled, reading
from sparseseg.models.readers.unpickling import read_checkpoint
from sparseseg.nn.monai import NETWORKS
from sparseseg.nn.onnx_program import check_program
from sparseseg.recipes.pretrained import Inference, Normaliser

NAMES = ("rdf.yaml", "bioimageio.yaml")
_VERSIONS = ("0.4.", "0.5.")
_LIBRARY = "monai.networks.nets"
_MOST_BYTES = 2**30


def is_folder(folder: Path) -> bool:
    """Tell whether a folder is such a package."""
    return _description(folder) is not None


def read(folder: Path, given: ForeignFacts) -> Model:
    """Read a package with one image in and one segmentation out.

    Weights are a state dict of a network of MONAI, or an ONNX program; what sparseseg
    wrote is its own model again. Code, such as TorchScript or a network in Python, is
    never run. Raises `UserError` for what is not known, damaged or hostile.
    """
    path = _description(folder)
    assert path is not None
    described = read_description(path)
    with reading(folder, "BioImage.IO"):
        _check_kind(described, path.name)
        own = own_model(folder, described)
        return own or assembled(_foreign(folder, described), given)


def _description(folder: Path) -> Path | None:
    paths = (folder / name for name in NAMES)
    return next((path for path in paths if path.is_file()), None)


def _check_kind(described: Mapping[str, Any], name: str) -> None:
    version = str(described.get("format_version"))
    if described.get("type", "model") != "model" or not version.startswith(_VERSIONS):
        raise UserError(
            "{name} describes a {type} of the format "
            "{version}, and sparseseg reads models of 0.4 and 0.5: export it anew",
            name=name,
            type=str(described.get("type"))[:20],
            version=version[:20],
        )
    inputs, outputs = described["inputs"], described["outputs"]
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(
            "the model takes {count} images and gives {outputs}, and "
            "sparseseg knows one of each: this model cannot be read",
            count=len(inputs),
            outputs=len(outputs),
        )


def _foreign(folder: Path, described: Mapping[str, Any]) -> Foreign:
    source, answer = (tensor_of(described[k][0]) for k in ("inputs", "outputs"))
    steps = preparing(source.described.get("preprocessing") or [], source.dims)
    done = finishing(answer.described.get("postprocessing") or [])
    patch, least, step, halo = windows_of(source, answer)
    network, state = _network(folder, described, source, answer)
    spacing, unit = spacing_of(source)
    outputs = answer.channels
    exclusive = _exclusive(folder, described, answer, done)
    return Foreign(
        network=network,
        states=[state],
        spacing=spacing,
        unit=unit,
        patch=patch,
        labels=range(outputs) if exclusive else range(1, outputs + 1),
        names={k + (not exclusive): words for k, words in answer.names.items()},
        inference=Inference(
            normalisers=(Normaliser(kind="none"),) * source.channels,
            steps=steps,
            resampling="none",
            crop=False,
            flat=source.dims == 2,
            sums="float32",
            weights="last",
            halo=halo,
            least=least,
            step=step,
            edge="mirror",
            mirror=(),
            regions=not exclusive,
            activation="usual" if done.activation else "none",
        ),
        trained=_trained(described),
        licence=str(described.get("license") or "")[:80],
    )


def _exclusive(
    folder: Path, described: Mapping[str, Any], answer: Tensor, done: AnswerRule
) -> bool:
    """Tell whether each voxel belongs to one output; else outputs may overlap.

    Raises `UserError` for answers that are no probabilities, such as distances.
    """
    if done.activation:
        return done.activation == "softmax"
    found = _test_answer(folder, described, answer)
    if found is None:
        told = answer.described.get("data") or {}
        known = told.get("range") if isinstance(told, Mapping) else None
        if done.is_clipped or (known or answer.described.get("data_range")) == [0, 1]:
            return False
        raise _no_probabilities(say("the description does not say so"))
    if not np.isfinite(found).all() or found.min() < -1e-3 or found.max() > 1.001:
        raise _no_probabilities(
            say("they go from {min:.4g} to {max:.4g}", min=found.min(), max=found.max())
        )
    if "c" not in answer.order or answer.channels == 1:
        return False
    return bool(np.allclose(found.sum(answer.order.index("c")), 1, atol=1e-3))


def _test_answer(
    folder: Path, described: Mapping[str, Any], answer: Tensor
) -> np.ndarray | None:
    """Return the answer that the package gives as an example, if it is there."""
    given = answer.described.get("test_tensor") or described.get("test_outputs")
    if isinstance(given, list):
        given = given[0]
    if given is None:
        return None
    path = inside(folder, given)
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return None
    # A map: what the head of the file claims is held against its length.
    found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return found.astype(np.float32)


def _no_probabilities(why: str) -> UserError:
    return UserError(
        "the answers of the model are no probabilities ({why}): sparseseg only knows "
        "segmentations, not distances, flows or images",
        why=why,
    )


def _network(
    folder: Path, described: Mapping[str, Any], source: Tensor, answer: Tensor
) -> tuple[dict[str, Any], dict[str, Weights]]:
    """Return the network and its weights: of a network that is known, or a program."""
    weights = described["weights"]
    state = weights.get("pytorch_state_dict")
    known = _known_network(state) if state else None
    usual = "bczyx" if source.dims == 3 else "bcyx"
    if state and known and source.order == answer.order == usual:
        path = checked(folder, state)
        return {"monai": {"name": known[0], "arguments": known[1]}}, _state(path)
    if onnx := weights.get("onnx"):
        if onnx.get("external_data"):
            raise UserError(
                "the ONNX program of the model takes weights from another file, which is "
                "not known here: this model cannot be read"
            )
        content = checked(folder, onnx).read_bytes()
        check_program(content)
        program = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        places = {"into": source.places, "out": answer.places}
        return {"onnx": {"size": len(content), **places}}, {"program": program}
    there = ", ".join(map(str, weights))
    raise UserError(
        "the model has weights as {there}: sparseseg reads ONNX, and PyTorch "
        "weights of {networks} of MONAI; it runs no TorchScript and no "
        "network in Python, which are programs. Ask its authors for ONNX",
        there=there[:120],
        networks=", ".join(NETWORKS),
    )


def _known_network(state: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return name and arguments of a network of MONAI; None for any other."""
    given = state.get("architecture")
    kwargs = state.get("kwargs")
    if isinstance(given, Mapping):
        if given.get("source") or given.get("import_from") != _LIBRARY:
            return None
        name, kwargs = str(given.get("callable")), given.get("kwargs")
    else:
        library, _, name = str(given).rpartition(".")
        if library != _LIBRARY:
            return None
    return (name, dict(kwargs or {})) if name in NETWORKS else None


def _state(path: Path) -> dict[str, Weights]:
    found = read_checkpoint(path)
    for name, value in found.items():
        if not isinstance(value, Weights):
            raise UserError(
                "{name} holds {key!r}, which is no weight: this model cannot be read",
                name=path.name,
                key=str(name)[:80],
            )
    kept = ("skip_layers.", "deep_supervision_heads.")
    return {k: v for k, v in found.items() if not k.startswith(kept)}


def _trained(described: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"format": "bioimageio"}
    for name in ("name", "version", "id"):
        if isinstance(described.get(name), str | int | float):
            found[name] = str(described[name])[:200]
    return found
