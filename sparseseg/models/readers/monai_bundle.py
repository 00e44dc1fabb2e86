"""Bundles of MONAI: configs and weights in a folder; the configs are read as data."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.models.readers.described import Literals, read_description
from sparseseg.models.readers.foreign import Foreign, ForeignFacts, assembled, reading
from sparseseg.models.readers.monai_transforms import (
    InputRule,
    OutputRule,
    finishing,
    plain,
    preparing,
)
from sparseseg.models.readers.unpickling import read_checkpoint
from sparseseg.nn.monai import NETWORKS, network_of
from sparseseg.recipes.pretrained import Inference, Normaliser

WEIGHTS = "model.pt"
_METADATA = "configs/metadata.json"
_CONFIGS = ("inference.json", "inference.yaml", "inference.yml")
_TARGET = re.compile(r"(?:monai\.networks\.nets\.(?:\w+\.)?)?(\w+)")
_INFERER = re.compile(r"(?:monai\.inferers\.(?:\w+\.)?)?SlidingWindowInferer")
# Of DynUNet: the same weights under second names, and what only matters in training.
_LEFT_OUT = ("skip_layers.", "deep_supervision_heads.")


@dataclass(frozen=True, slots=True)
class _Windows:
    patch: tuple[int, int, int]
    overlap: float
    weights: Any
    padding: float


def is_folder(folder: Path) -> bool:
    """Tell whether a folder is a bundle."""
    return (folder / _METADATA).is_file() and _config(folder) is not None


def read(folder: Path, given: ForeignFacts) -> Model:
    """Read a bundle for segmentation.

    Raises `UserError` for expressions in what has to be known, networks and transforms
    that are not known, and files that are damaged or hostile.
    """
    config = _config(folder)
    assert config is not None
    described = read_description(config)
    metadata = read_description(folder / _METADATA)
    with reading(folder, say("a MONAI bundle")):
        literals = Literals(described, config.name)
        foreign = _foreign(folder, described, metadata, literals)
        return assembled(foreign, given)


def _config(folder: Path) -> Path | None:
    paths = (folder / "configs" / name for name in _CONFIGS)
    return next((path for path in paths if path.is_file()), None)


def _foreign(
    folder: Path,
    described: Mapping[str, Any],
    metadata: Mapping[str, Any],
    literals: Literals,
) -> Foreign:
    name, arguments = _network(described, literals)
    dims = int(arguments.get("spatial_dims", 3))
    outputs = int(arguments.get("out_channels", 2))
    ready = preparing(_transforms(described, "preprocessing", literals), dims)
    done = finishing(_transforms(described, "postprocessing", literals), outputs)
    windows = _windows(described, literals, dims)
    _check_patch(name, arguments, windows.patch[-dims:])
    names = _names(metadata)
    labels = range(1, outputs + 1) if done.regions else range(outputs)
    return Foreign(
        network={"monai": {"name": name, "arguments": arguments}},
        states=[_weights(folder)],
        spacing=ready.spacing or (1.0, 1.0, 1.0),
        unit="mm" if ready.spacing else "pixel",
        patch=windows.patch,
        labels=labels,
        names={k + done.regions: words for k, words in names.items()},
        inference=_inference(arguments, ready, windows, done),
        trained=_trained(metadata, name),
    )


def _inference(
    arguments: Mapping[str, Any], ready: InputRule, windows: _Windows, done: OutputRule
) -> Inference:
    flat = int(arguments.get("spatial_dims", 3)) == 2
    channels = int(arguments.get("in_channels", 1))
    return Inference(
        normalisers=(Normaliser(kind="none"),) * channels,
        steps=ready.steps,
        resampling="monai" if ready.spacing else "none",
        resample_first=ready.resample_first,
        orientation="ras" if ready.turned else "stored",
        axes=(0, 2, 1) if flat else (2, 1, 0),
        crop=False,
        flat=flat,
        sums="float32",
        weights=windows.weights,
        overlap=windows.overlap,
        fixed_steps=True,
        padding=windows.padding,
        mirror=(),
        regions=done.regions,
        activate_first=done.activate_first,
    )


def _network(
    described: Mapping[str, Any], literals: Literals
) -> tuple[str, dict[str, Any]]:
    """Return name and arguments of the network; raise `UserError` for another one."""
    places = ("network_def", "network", "net")
    found = next(
        (described[p] for p in places if isinstance(described.get(p), dict)), None
    )
    if found is None:
        raise UserError(
            "the bundle describes no network under network_def: sparseseg reads bundles "
            "whose network is written there"
        )
    arguments = literals.value(found)
    target = str(arguments.pop("_target_", ""))
    match = _TARGET.fullmatch(target)
    if match is None or match.group(1) not in NETWORKS:
        raise UserError(
            "the bundle asks for the network {target!r}, and sparseseg knows "
            "{networks}: nothing of it was loaded",
            target=target[:80],
            networks=", ".join(NETWORKS),
        )
    extra = [name for name in arguments if name.startswith("_")]
    if extra:
        raise UserError(
            "the bundle asks for {extra!r} of its network, which is not known "
            "here: nothing of it was loaded",
            extra=extra[0][:40],
        )
    return match.group(1), arguments


def _check_patch(name: str, arguments: Mapping[str, Any], patch: Sequence[int]) -> None:
    with torch.device("meta"):
        multiple = network_of(name, arguments).multiple
    wrong = [s for s, m in zip(patch, multiple, strict=True) if s % m]
    if wrong and name != "BasicUNet":
        raise UserError(
            "the bundle cuts windows of {wrong} voxels, and its network halves them "
            "until they are no multiple of {multiple}: this bundle cannot be used",
            wrong=wrong[0],
            multiple=max(multiple),
        )


def _transforms(
    described: Mapping[str, Any], name: str, literals: Literals
) -> list[dict[str, Any]]:
    given = described.get(name, [])
    listed = given.get("transforms", []) if isinstance(given, Mapping) else given
    return [plain(transform, literals) for transform in listed]


def _windows(described: Mapping[str, Any], literals: Literals, dims: int) -> _Windows:
    given = literals.value(described.get("inferer", {}))
    _check_inferer(given)
    mode = str(given.get("mode", "constant")).lower()
    return _Windows(
        _patch(given["roi_size"], dims),
        float(given.get("overlap", 0.25)),
        {"constant": "even", "gaussian": "product"}[mode],
        float(given.get("cval", 0.0)),
    )


def _check_inferer(given: Mapping[str, Any]) -> None:
    target = str(given.get("_target_"))
    if not _INFERER.fullmatch(target):
        raise UserError(
            "the bundle is applied by {target!r}, and sparseseg only knows the "
            "SlidingWindowInferer of MONAI: this bundle cannot be read",
            target=target[:60],
        )
    usual = {"sigma_scale": 0.125, "padding_mode": "constant"}
    for name, value in usual.items():
        if given.get(name, value) != value:
            raise UserError(
                "the windows of the bundle have {name} {given!r}, and sparseseg "
                "only knows {value!r}: this bundle cannot be read",
                name=name,
                given=given[name],
                value=value,
            )


def _patch(roi: Any, dims: int) -> tuple[int, int, int]:
    sides = [roi] * dims if isinstance(roi, int) else list(roi)
    if len(sides) != dims or not all(isinstance(n, int) and n > 0 for n in sides):
        raise UserError(
            "the windows of the bundle have roi_size {roi!r}: sparseseg needs "
            "{dims} whole numbers above 0",
            roi=roi,
            dims=dims,
        )
    z, y, x = sides if dims == 3 else (1, *sides)
    return z, y, x


def _weights(folder: Path) -> dict[str, Tensor]:
    path = folder / "models" / WEIGHTS
    if not path.is_file():
        raise UserError(
            "models/{weights} is missing in {name}: fetch the whole bundle; its "
            "model.ts is a program, which sparseseg does not run",
            weights=WEIGHTS,
            name=folder.name,
        )
    found: Any = read_checkpoint(path)
    for inner in ("state_dict", "model", "network", "net"):
        if isinstance(found.get(inner), dict):
            found = found[inner]
            break
    named = {str(k).removeprefix("module."): value for k, value in found.items()}
    kept = {k: value for k, value in named.items() if not k.startswith(_LEFT_OUT)}
    for name, value in kept.items():
        if not isinstance(value, Tensor):
            raise UserError(
                "models/{weights} holds {name!r}, which is no weight: this model "
                "cannot be read",
                weights=WEIGHTS,
                name=name[:80],
            )
    return kept


def _names(metadata: Mapping[str, Any]) -> dict[int, str]:
    outputs = metadata.get("network_data_format", {}).get("outputs", {})
    first: Mapping[str, Any] = next(iter(outputs.values()), {})
    return {int(k): str(v) for k, v in first.get("channel_def", {}).items()}


def _trained(metadata: Mapping[str, Any], network: str) -> dict[str, Any]:
    found = {"format": "monai-bundle", "network": network}
    for name in ("name", "version", "authors", "copyright"):
        if isinstance(metadata.get(name), str):
            found[name] = metadata[name][:200]
    return found
