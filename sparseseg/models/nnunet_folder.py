"""A model as a folder of nnU-Net 2, which nnU-Net itself can predict with.

Isensee et al., Nature Methods 2021; the layout of plans.json is that of version 2.4.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparseseg.classes import BACKGROUND
from sparseseg.data.atomic import replacing
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.readers.foreign import renamed
from sparseseg.models.readers.nnunet_v2 import CHECKPOINT
from sparseseg.models.readers.nnunet_v2_names import TO_THEIRS, again
from sparseseg.nn.conv_unet import Architecture
from sparseseg.recipes.pretrained import Inference, Normaliser
from sparseseg.recipes.pretrained.folds import Folds

_SCHEMES = {
    "ct": "CTNormalization",
    "z-score": "ZScoreNormalization",
    "unit": "RescaleTo01Normalization",
    "rgb": "RGBTo01Normalization",
    "none": "NoNormalization",
}
_TRAINER, _PLANS = "nnUNetTrainer", "nnUNetPlans"
_BACKGROUND, _IGNORE = "background", "ignore"
_RESAMPLING = "resample_data_or_seg_to_shape"


def export_folder(model: Model, folder: Path) -> dict[str, int]:
    """Write plans, classes and folds; return the label of each class by its name.

    nnU-Net counts labels without gaps, so a label may differ from the number of its class.
    Raises `UserError` for a model that nnU-Net would apply in another way.
    """
    if folder.exists():
        raise UserError(
            "there is something at {folder} already: choose another name for the folder",
            folder=folder,
        )
    check_folder(model)
    rule = Inference.from_json(model.plan.inference)
    labels = {name: label for label, name in enumerate((_BACKGROUND, *_names(model)))}
    network = model.network
    assert isinstance(network, Folds)
    with replacing(folder) as beside:
        beside.mkdir()
        _write(beside / "dataset.json", _dataset(model, labels))
        _write(beside / "plans.json", _plans(model, rule, folder.name))
        for place, fold in enumerate(network.folds):
            path = beside / f"fold_{place}" / CHECKPOINT
            path.parent.mkdir()
            torch.save(_checkpoint(fold.state_dict(), rule, place), path)
    return labels


def check_folder(model: Model) -> None:
    """Raise `UserError` for a model that nnU-Net 2 would not apply as we do."""
    if "architecture" not in model.plan.network:
        raise UserError(
            "only a network of nnU-Net can be written as its folder: a model that was "
            "read from nnU-Net 2, or trained further from one; this one is of {recipe}",
            recipe=model.plan.recipe,
        )
    rule = Inference.from_json(model.plan.inference)
    same = Inference(
        normalisers=rule.normalisers, axes=rule.axes, flat=rule.flat, mirror=rule.mirror
    )
    a = Architecture.from_json(model.plan.network["architecture"])
    kinds = {normaliser.kind for normaliser in rule.normalisers}
    is_theirs = a.heads == "all" and a.head_bias and a.conv_bias == a.up_bias
    if rule != same or not is_theirs or a.up_kernels != a.kernels[-2::-1]:
        raise UserError(
            "nnU-Net 2 would apply this model in another way, with overlapping classes, "
            "other resampling or other windows: keep the .safetensors file"
        )
    if model.plan.outputs[0] != BACKGROUND or not kinds <= set(_SCHEMES):
        raise UserError(
            "nnU-Net needs a background, and this model has none: annotate some "
            "background and train it further"
        )
    _check_names(_names(model))


def _names(model: Model) -> list[str]:
    """Return the names of the classes that the network answers, without background."""
    return [model.table[number].name for number in model.plan.outputs[1:]]


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if name in (_BACKGROUND, _IGNORE):
            raise UserError(
                "nnU-Net has a meaning of its own for a label named {name!r}: give the "
                "class another name",
                name=name,
            )


def _dataset(model: Model, labels: dict[str, int]) -> dict[str, Any]:
    rule = Inference.from_json(model.plan.inference)
    channels = {
        str(place): "CT" if normaliser.kind == "ct" else f"channel{place}"
        for place, normaliser in enumerate(rule.normalisers)
    }
    return {
        "channel_names": channels,
        "labels": labels,
        "numTraining": 0,
        "file_ending": ".nii.gz",
    }


def _plans(model: Model, rule: Inference, name: str) -> dict[str, Any]:
    plan = model.plan
    back = [rule.axes.index(axis) for axis in range(3)]
    return {
        "dataset_name": name,
        "plans_name": _PLANS,
        "original_median_spacing_after_transp": list(plan.spacing),
        "original_median_shape_after_transp": list(plan.patch),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": list(rule.axes),
        "transpose_backward": back,
        "configurations": {_configuration(rule): _configured(model, rule)},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            str(place): _measured(normaliser)
            for place, normaliser in enumerate(rule.normalisers)
        },
    }


def _configuration(rule: Inference) -> str:
    return "2d" if rule.flat else "3d_fullres"


def _configured(model: Model, rule: Inference) -> dict[str, Any]:
    plan, flat = model.plan, rule.flat
    configured: dict[str, Any] = {
        "data_identifier": f"{_PLANS}_{_configuration(rule)}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(plan.patch[flat:]),
        "median_image_size_in_voxels": list(plan.patch[flat:]),
        "spacing": list(plan.spacing[flat:]),
        "normalization_schemes": [_SCHEMES[n.kind] for n in rule.normalisers],
        "use_mask_for_norm": [n.masked for n in rule.normalisers],
        "architecture": _architecture(
            Architecture.from_json(plan.network["architecture"])
        ),
        "batch_dice": False,
    }
    for what, is_labels, order in (
        ("data", False, 3),
        ("seg", True, 1),
        ("probabilities", False, 1),
    ):
        configured[f"resampling_fn_{what}"] = _RESAMPLING
        configured[f"resampling_fn_{what}_kwargs"] = {
            "is_seg": is_labels,
            "order": order,
            "order_z": 0,
            "force_separate_z": None,
        }
    return configured


def _architecture(a: Architecture) -> dict[str, Any]:
    kind = "ResidualEncoderUNet" if a.residual else "PlainConvUNet"
    blocks = "n_blocks_per_stage" if a.residual else "n_conv_per_stage"
    package = "dynamic_network_architectures.architectures.unet"
    return {
        "network_class_name": f"{package}.{kind}",
        "arch_kwargs": {
            "n_stages": len(a.widths),
            "features_per_stage": list(a.widths),
            "conv_op": f"torch.nn.modules.conv.Conv{a.dims}d",
            "kernel_sizes": [list(sides) for sides in a.kernels],
            "strides": [list(sides) for sides in a.strides],
            blocks: list(a.convs),
            "n_conv_per_stage_decoder": list(a.up_convs),
            "conv_bias": a.conv_bias,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{a.dims}d",
            "norm_op_kwargs": {"eps": a.epsilon, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True, "negative_slope": a.slope},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def _measured(normaliser: Normaliser) -> dict[str, float]:
    """Return what nnU-Net measured in the training set, as far as its prediction asks."""
    return {
        "mean": normaliser.mean,
        "std": normaliser.deviation,
        "percentile_00_5": normaliser.low,
        "percentile_99_5": normaliser.high,
        "min": normaliser.low,
        "max": normaliser.high,
        "median": normaliser.mean,
    }


def _checkpoint(state: dict[str, Tensor], rule: Inference, fold: int) -> dict[str, Any]:
    mirrored = [axis - rule.flat for axis in rule.mirror]
    weights = again(renamed(state, TO_THEIRS, source="plan"))
    return {
        "network_weights": weights,
        "trainer_name": _TRAINER,
        "init_args": {"configuration": _configuration(rule), "fold": fold},
        "inference_allowed_mirroring_axes": tuple(mirrored) or None,
    }


def _write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")
