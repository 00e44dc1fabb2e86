"""Models of nnU-Net 2: a folder with plans.json, dataset.json and its folds.

Isensee et al., Nature Methods 2021; the plans have an old layout (2.0 to 2.3) and a new.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

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
from sparseseg.models.readers.unpickling import read_checkpoint
from sparseseg.nn.conv_unet import Architecture, Sides
from sparseseg.recipes.pretrained import Inference, Normaliser
from sparseseg.recipes.pretrained.inference import Kind

CHECKPOINT = "checkpoint_final.pth"
_LARGEST_JSON = 64 * 2**20
_MOST_LEVELS = 20
_NETWORKS = {"PlainConvUNet": False, "ResidualEncoderUNet": True}
_PACKAGES = (
    "",
    "dynamic_network_architectures.architectures.unet.",
    "dynamic_network_architectures.architectures.residual_unet.",
)
_CONVS = {"torch.nn.modules.conv.Conv2d": 2, "torch.nn.modules.conv.Conv3d": 3}
_NORMS = tuple(f"torch.nn.modules.instancenorm.InstanceNorm{n}d" for n in (2, 3))
_ACTIVATIONS = ("torch.nn.LeakyReLU", "torch.nn.modules.activation.LeakyReLU")
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
    trainer = str(checkpoints[0]["trainer_name"])
    if not _TRAINER.fullmatch(trainer):
        raise UserError(
            "the model was trained by {trainer!r}, which may have changed the "
            "network: sparseseg only reads trainers that do not change it",
            trainer=trainer[:80],
        )
    configuration = _configuration(plans, name)
    if configuration.get("previous_stage"):
        raise UserError(
            "the configuration {name} is the second stage of a cascade, which needs "
            "the first one's answer: take 3d_fullres or 3d_lowres",
            name=name,
        )
    architecture = _architecture(configuration)
    labels, names, regions = _labels(dataset)
    mirror = checkpoints[0].get("inference_allowed_mirroring_axes")
    flat = architecture.dims == 2
    spacing = [float(side) for side in configuration["spacing"]]
    patch = [int(side) for side in configuration["patch_size"]]
    if flat:
        spacing = [float(plans["original_median_spacing_after_transp"][0]), *spacing]
        patch = [1, *patch]
    return Foreign(
        network={"architecture": architecture.to_json()},
        states=[_weights(checkpoint) for checkpoint in checkpoints],
        spacing=(spacing[0], spacing[1], spacing[2]),
        patch=(patch[0], patch[1], patch[2]),
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


def _configuration(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a configuration with all that it inherits."""
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


def _architecture(configuration: Mapping[str, Any]) -> Architecture:
    if "architecture" in configuration:
        return _new_layout(configuration["architecture"])
    return _old_layout(configuration)


def _new_layout(data: Mapping[str, Any]) -> Architecture:
    residual = _is_residual(str(data["network_class_name"]))
    kwargs = data["arch_kwargs"]
    dims = _known(kwargs["conv_op"], _CONVS, say("convolution"))
    _known(kwargs["norm_op"], dict.fromkeys(_NORMS, True), say("normalisation"))
    _known(kwargs["nonlin"], dict.fromkeys(_ACTIVATIONS, True), say("activation"))
    if kwargs.get("dropout_op") is not None:
        raise UserError("the network drops features at random, which is not known here")
    levels = int(kwargs["n_stages"])
    norm = kwargs.get("norm_op_kwargs") or {}
    if not norm.get("affine", False):
        raise UserError(
            "the normalisation of the network has no weights: not known here"
        )
    blocks = kwargs["n_blocks_per_stage" if residual else "n_conv_per_stage"]
    kernels = _sides(kwargs["kernel_sizes"], levels, dims)
    bias = bool(kwargs["conv_bias"])
    return Architecture(
        dims=2 if dims == 2 else 3,
        widths=_whole(kwargs["features_per_stage"], levels),
        kernels=kernels,
        strides=_sides(kwargs["strides"], levels, dims),
        convs=_whole(blocks, levels),
        up_kernels=kernels[-2::-1],
        up_convs=_whole(kwargs["n_conv_per_stage_decoder"], levels - 1),
        residual=residual,
        conv_bias=bias,
        up_bias=bias,
        slope=float((kwargs.get("nonlin_kwargs") or {}).get("negative_slope", 0.01)),
        epsilon=float(norm.get("eps", 1e-5)),
    )


def _old_layout(data: Mapping[str, Any]) -> Architecture:
    residual = _is_residual(str(data["UNet_class_name"]))
    levels = len(data["pool_op_kernel_sizes"])
    dims = len(data["patch_size"])
    most, base = int(data["unet_max_num_features"]), int(data["UNet_base_num_features"])
    kernels = _sides(data["conv_kernel_sizes"], levels, dims)
    return Architecture(
        dims=2 if dims == 2 else 3,
        widths=tuple(min(base * 2**level, most) for level in range(levels)),
        kernels=kernels,
        strides=_sides(data["pool_op_kernel_sizes"], levels, dims),
        convs=_whole(data["n_conv_per_stage_encoder"], levels),
        up_kernels=kernels[-2::-1],
        up_convs=_whole(data["n_conv_per_stage_decoder"], levels - 1),
        residual=residual,
    )


def _is_residual(name: str) -> bool:
    known = {package + n: r for package in _PACKAGES for n, r in _NETWORKS.items()}
    return bool(_known(name, known, say("network")))


def _known(name: Any, table: Mapping[str, Any], what: str) -> Any:
    """Look a name up; nothing is ever imported by it."""
    if name not in table:
        raise UserError(
            "the model has the {what} {name!r}, which is not known here: "
            "it was not loaded",
            what=what,
            name=str(name)[:80],
        )
    return table[name]


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
    kind = _known(name, _KINDS, say("normalisation of grey values"))
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


def _sides(values: Any, levels: int, dims: int) -> tuple[Sides, ...]:
    every = _each(values, levels)
    return tuple(
        tuple(map(int, side)) if isinstance(side, list) else (int(side),) * dims
        for side in every
    )


def _whole(values: Any, count: int) -> tuple[int, ...]:
    return tuple(map(int, _each(values, count)))


def _each(values: Any, count: int) -> list[Any]:
    """Return one value a level, which the plans may give once for all."""
    if not isinstance(values, list):
        return [values] * count if count < _MOST_LEVELS else []
    if len(values) != count:
        raise ValueError(f"{len(values)} values for {count} levels")
    return values


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
