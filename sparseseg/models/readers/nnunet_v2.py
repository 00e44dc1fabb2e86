"""Models of nnU-Net 2: a folder with plans.json, dataset.json and its folds.

Isensee et al., Nature Methods 2021; the plans have an old layout (2.0 to 2.3) and a new.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from sparseseg.boxes import Triple
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.models.readers.foreign import (
    Foreign,
    ForeignFacts,
    assembled,
    chosen_folds,
    reading,
    renamed,
)
from sparseseg.models.readers.nnunet_v2_names import TO_OURS, once
from sparseseg.models.readers.nnunet_v2_network import architecture_of, looked_up
from sparseseg.models.readers.unpickling import read_checkpoint
from sparseseg.recipes.pretrained import Inference, Normaliser
from sparseseg.recipes.pretrained.inference import Kind

CHECKPOINT = "checkpoint_final.pth"
_LARGEST_JSON = 64 * 2**20
_KINDS: dict[str, Kind] = {
    "CTNormalization": "ct",
    "ZScoreNormalization": "z-score",
    "RescaleTo01Normalization": "unit",
    "RGBTo01Normalization": "rgb",
    "NoNormalization": "none",
}
# Variants of the trainer that leave network and inference as they are.
_TRAINER = re.compile(
    r"nnUNetTrainer((_|)(\d+epochs?|NoMirroring|onlyMirror01|DASegOrd0|DA5(ord0)?|"
    r"[nN]oDeepSupervision|(Dice|CE|TopK\d*|DiceCE|DiceTopK\d*)Loss(_noSmooth)?|"
    r"noSmooth|probabilisticOversampling(_\d+)?|CosAnneal|Adam(1en3|3en4)?|noDummy2DDA|"
    r"Vanilla(Adam|RAdam)?(1en3|3en4)?))*"
)


def is_folder(folder: Path) -> bool:
    """Tell whether a folder is that of one trained configuration."""
    there = (folder / "plans.json").is_file() and (folder / "dataset.json").is_file()
    return there and any(folder.glob(f"fold_*/{CHECKPOINT}"))


def read(folder: Path, given: ForeignFacts) -> Model:
    """Read a folder such as Dataset501_X/nnUNetTrainer__nnUNetPlans__3d_fullres.

    Raises `UserError` for a network or trainer that is not known, a cascade, and files
    that are damaged or hostile.
    """
    plans, dataset = (_json(folder / f"{name}.json") for name in ("plans", "dataset"))
    there = [path.parent.name for path in folder.glob(f"fold_*/{CHECKPOINT}")]
    folds = chosen_folds(there, given)
    checkpoints = [read_checkpoint(folder / fold / CHECKPOINT) for fold in folds]
    with reading(folder, "nnU-Net 2"):
        name = str(checkpoints[0]["init_args"]["configuration"])
        foreign = _foreign(plans, dataset, checkpoints, name, given)
    return assembled(foreign, given)


def _foreign(
    plans: Mapping[str, Any],
    dataset: Mapping[str, Any],
    checkpoints: Sequence[Mapping[str, Any]],
    name: str,
    given: ForeignFacts,
) -> Foreign:
    trainer = _trainer(checkpoints[0])
    configuration = _configuration(plans, name)
    architecture = architecture_of(configuration)
    labels, names, regions = _labels(dataset)
    mirror = checkpoints[0].get("inference_allowed_mirroring_axes")
    flat = architecture.dims == 2
    spacing, patch = _sizes(plans, configuration, flat=flat)
    return Foreign(
        network={"architecture": architecture.to_json()},
        states=[_weights(checkpoint) for checkpoint in checkpoints],
        spacing=spacing,
        patch=patch,
        labels=labels,
        names=names,
        inference=Inference(
            normalisers=_normalisers(plans, configuration),
            orientation=given.orientation,
            axes=_axes(plans["transpose_forward"]),
            flat=flat,
            mirror=_mirror(mirror, flat=flat),
            regions=regions,
        ),
        trained={
            "format": "nnunet-v2",
            "dataset": str(plans.get("dataset_name", "")),
            "trainer": trainer,
            "configuration": name,
            "folds": len(checkpoints),
        },
    )


def _trainer(checkpoint: Mapping[str, Any]) -> str:
    name = str(checkpoint["trainer_name"])
    if not _TRAINER.fullmatch(name):
        raise UserError(
            "the model was trained by {trainer!r}, which may have changed the "
            "network: sparseseg only reads trainers that do not change it",
            trainer=name[:80],
        )
    return name


def _configuration(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a configuration with all that it inherits; raise `UserError` for a cascade."""
    found = _inherited(plans, name)
    if found.get("previous_stage"):
        raise UserError(
            "the configuration {name} is the second stage of a cascade, which needs "
            "the first one's answer: take 3d_fullres or 3d_lowres",
            name=name,
        )
    return found


def _sizes(
    plans: Mapping[str, Any], configuration: Mapping[str, Any], *, flat: bool
) -> tuple[tuple[float, float, float], Triple]:
    """Return the voxel size and the patch, z, y, x, of a network of planes too."""
    spacing = [float(side) for side in configuration["spacing"]]
    patch = [int(side) for side in configuration["patch_size"]]
    if flat:
        spacing = [float(plans["original_median_spacing_after_transp"][0]), *spacing]
        patch = [1, *patch]
    return (spacing[0], spacing[1], spacing[2]), (patch[0], patch[1], patch[2])


def _inherited(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    seen: set[str] = set()
    while name:
        if name in seen:
            raise ValueError(f"the configuration {name} inherits from itself")
        seen.add(name)
        here = plans["configurations"][name]
        merged = {**here, **merged}
        name = str(here.get("inherits_from") or "")
    return merged


def _labels(dataset: Mapping[str, Any]) -> tuple[list[int], dict[int, str], bool]:
    """Return the label of each output, their names, and whether they overlap."""
    labels = {
        name: value for name, value in dataset["labels"].items() if name != "ignore"
    }
    if any(isinstance(value, list) and len(value) > 1 for value in labels.values()):
        parts = {n: v for n, v in labels.items() if v not in (0, [0])}
        order = [int(value) for value in dataset["regions_class_order"]]
        return order, dict(zip(order, map(str, parts), strict=True)), True
    single = {
        int(value[0] if isinstance(value, list) else value): str(name)
        for name, value in labels.items()
    }
    values = sorted(single)
    if values != list(range(len(values))):
        raise ValueError(f"labels {values}")
    return values, {v: n for v, n in single.items() if v}, False


def _normalisers(
    plans: Mapping[str, Any], configuration: Mapping[str, Any]
) -> tuple[Normaliser, ...]:
    measured = plans.get("foreground_intensity_properties_per_channel")
    if measured is None:
        measured = plans["foreground_intensity_properties_by_modality"]
    masks = configuration["use_mask_for_norm"]
    return tuple(
        _normaliser(str(name), measured.get(str(channel), {}), masked=bool(mask))
        for channel, (name, mask) in enumerate(
            zip(configuration["normalization_schemes"], masks, strict=True)
        )
    )


def _normaliser(name: str, found: Mapping[str, Any], *, masked: bool) -> Normaliser:
    kind = looked_up(name, _KINDS, say("normalisation of grey values"))
    if kind != "ct":
        return Normaliser(kind=kind, masked=masked and kind == "z-score")
    return Normaliser(
        kind="ct",
        low=float(found["percentile_00_5"]),
        high=float(found["percentile_99_5"]),
        mean=float(found["mean"]),
        deviation=float(found["std"]),
    )


def _weights(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return each weight once: the encoder is also known to the decoder, and twice."""
    plain = {
        name.removeprefix("_orig_mod.").removeprefix("module."): tensor
        for name, tensor in checkpoint["network_weights"].items()
    }
    return renamed(once(plain), TO_OURS, source=CHECKPOINT)


def _mirror(axes: Sequence[int] | None, *, flat: bool) -> tuple[int, ...]:
    return tuple(int(axis) + flat for axis in axes or ())


def _axes(values: Sequence[int]) -> tuple[int, int, int]:
    z, y, x = map(int, values)
    return z, y, x


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LARGEST_JSON:
        raise UserError(
            "{name} has {st_size} bytes: it is not read",
            name=path.name,
            st_size=path.stat().st_size,
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise UserError(
            "{name} is damaged ({error}): fetch it again", name=path.name, error=error
        ) from error
    if not isinstance(found, dict):
        raise UserError(
            "{name} holds no plans of nnU-Net: fetch it again", name=path.name
        )
    return found
