"""Models of nnU-Net 1: a folder with plans.pkl and its folds.

Isensee et al., Nature Methods 2021; the network is Generic_UNet of nnUNetTrainerV2.
"""

import re
from collections.abc import Mapping
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
from sparseseg.models.readers.unpickling import read_checkpoint, read_pickle
from sparseseg.nn.conv_unet import Architecture, Sides
from sparseseg.recipes.pretrained import Inference, Normaliser

CHECKPOINT = "model_final_checkpoint.model"
_MOST_FEATURES = 320
# Variants of the trainer that leave network and inference as they are.
_TRAINER = re.compile(
    r"nnUNetTrainerV2((_|)(noMirroring|Loss_\w+|DA\d\w*|insaneDA|fp32|lReLU_biases|"
    r"\d+epochs))*"
)


def is_folder(folder: Path) -> bool:
    """Tell whether a folder is that of one trained network."""
    return (folder / "plans.pkl").is_file() and any(folder.glob(f"*/{CHECKPOINT}"))


def read(folder: Path, given: ForeignFacts) -> Model:
    """Read a folder such as 3d_fullres/Task003_Liver/nnUNetTrainerV2__nnUNetPlansv2.1.

    Raises `UserError` for a network or trainer that is not known, a cascade, and files
    that are damaged or hostile.
    """
    plans = read_pickle(folder / "plans.pkl")
    there = [path.parent.name for path in folder.glob(f"*/{CHECKPOINT}")]
    folds = chosen_folds(there, given)
    trainer = _trainer(folder / folds[0])
    checkpoints = [read_checkpoint(folder / fold / CHECKPOINT) for fold in folds]
    with reading(folder, "nnU-Net 1"):
        is_low = "lowres" in given.configuration or "3d_lowres" in folder.parts
        foreign = _foreign(plans, checkpoints, trainer, is_low=is_low)
    return assembled(foreign, given)


def _trainer(fold: Path) -> str:
    description = read_pickle(fold / f"{CHECKPOINT}.pkl")
    name = str(description.get("name")) if isinstance(description, dict) else ""
    if not _TRAINER.fullmatch(name):
        raise UserError(
            "the model was trained by {name!r}, which may have changed the "
            "network or needs the answer of another: sparseseg only reads variants of "
            "nnUNetTrainerV2 that do not change the network",
            name=name[:80],
        )
    return name


def _foreign(
    plans: Mapping[str, Any],
    checkpoints: list[dict[str, Any]],
    trainer: str,
    *,
    is_low: bool,
) -> Foreign:
    stages = plans["plans_per_stage"]
    stage = stages[min(stages) if is_low else max(stages)]
    patch = [int(side) for side in stage["patch_size"]]
    if len(patch) != 3:
        raise UserError("the model is a 2-D network of nnU-Net 1: take its 3d_fullres")
    z, y, x = (float(side) for side in stage["current_spacing"])
    convs = int(plans["conv_per_stage"])
    architecture = architecture_of(stage, int(plans["base_num_features"]), convs)
    return Foreign(
        network={"architecture": architecture.to_json()},
        states=[weights_of(c["state_dict"], stage, convs) for c in checkpoints],
        spacing=(z, y, x),
        patch=(patch[0], patch[1], patch[2]),
        labels=range(int(plans["num_classes"]) + 1),
        names={},
        inference=_inference(plans, mirrors="nomirroring" not in trainer.lower()),
        trained={
            "format": "nnunet-v1",
            "trainer": trainer,
            "folds": len(checkpoints),
        },
    )


def _inference(plans: Mapping[str, Any], *, mirrors: bool) -> Inference:
    axes = [int(axis) for axis in plans["transpose_forward"]]
    return Inference(
        normalisers=_normalisers(plans),
        resampling="nnunet-v1",
        resample_first=True,
        axes=(axes[0], axes[1], axes[2]),
        average="probabilities",
        sums="float32",
        peak=1.0,
        weigh_alone=False,
        mirror=(0, 1, 2) if mirrors else (),
    )


def architecture_of(stage: Mapping[str, Any], base: int, convs: int) -> Architecture:
    """Return the network of a stage of the plans."""
    strides = [_side(values) for values in stage["pool_op_kernel_sizes"]]
    kernels = tuple(_side(values) for values in stage["conv_kernel_sizes"])
    levels = len(strides) + 1
    return Architecture(
        dims=3,
        widths=tuple(min(base * 2**level, _MOST_FEATURES) for level in range(levels)),
        kernels=kernels,
        strides=((1, 1, 1), *strides),
        convs=(convs,) * levels,
        # The kernel of the level below, where nnU-Net 2 takes that of the skip.
        up_kernels=kernels[:0:-1],
        up_convs=(convs,) * (levels - 1),
        up_bias=False,
        head_bias=False,
    )


def weights_of(
    state: Mapping[str, Any], stage: Mapping[str, Any], convs: int
) -> dict[str, Tensor]:
    """Return the weights of a fold under our names."""
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    deepest = len(stage["pool_op_kernel_sizes"])
    patterns = []
    for place, part in enumerate(("conv", "instnorm")):
        tail, new = rf"blocks\.(\d+)\.{part}\.(\w+)", rf".{place}."
        patterns.append(
            (rf"conv_blocks_context\.(\d+)\.{tail}", rf"encoder.\1.\2{new}\3")
        )
        for half, last in ((0, r"\1"), (1, str(convs - 1))):
            there = r"(\d+)" if half == 0 else "0"
            tail = rf"blocks\.{there}\.{part}\.(\w+)"
            end = r"\2" if half == 0 else r"\1"
            patterns.append(
                (
                    rf"conv_blocks_context\.{deepest}\.{half}\.{tail}",
                    rf"encoder.{deepest}.{last}{new}{end}",
                )
            )
            inner, end = (r"\2", r"\3") if half == 0 else (str(convs - 1), r"\2")
            patterns.append(
                (
                    rf"conv_blocks_localization\.(\d+)\.{half}\.{tail}",
                    rf"decoder.\1.{inner}{new}{end}",
                )
            )
    patterns += [(r"tu\.(\d+)\.(\w+)", r"ups.\1.\2")]
    patterns += [(r"seg_outputs\.(\d+)\.(\w+)", r"heads.\1.\2")]
    return renamed(plain, patterns, source=CHECKPOINT)


def _normalisers(plans: Mapping[str, Any]) -> tuple[Normaliser, ...]:
    measured = plans["dataset_properties"]["intensityproperties"]
    masks = plans["use_mask_for_norm"]
    return tuple(
        _normaliser(
            str(plans["normalization_schemes"][channel]),
            measured,
            channel,
            masked=bool(masks[channel]),
        )
        for channel in range(int(plans["num_modalities"]))
    )


def _normaliser(name: str, measured: Any, channel: int, *, masked: bool) -> Normaliser:
    if masked or name == "CT2":
        raise UserError(
            "the model normalises grey values as {name!r}"
            "{hint}, and this reader was not checked "
            "for that: this model cannot be read",
            name=name,
            hint=say(" within a mask") if masked else "",
        )
    if name == "noNorm":
        return Normaliser(kind="none")
    if name != "CT":
        return Normaliser(kind="z-score")
    found = measured[channel]
    return Normaliser(
        kind="ct",
        low=float(found["percentile_00_5"]),
        high=float(found["percentile_99_5"]),
        mean=float(found["mean"]),
        deviation=float(found["sd"]),
    )


def _side(values: Any) -> Sides:
    return tuple(int(value) for value in values)
