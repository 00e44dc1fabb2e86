"""Whether our predictor of nnU-Net models answers as nnU-Net itself does.

Models with random weights are written in nnU-Net's own format, for the variants that
the tests have no file of, and applied to a random volume by both. Needs nnunetv2 beside
sparseseg: `pip install nnunetv2`; where nnunet is there, its network is compared as well.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from sparseseg.data.volume import Volume
from sparseseg.models.readers import nnunet_v1, read_model
from sparseseg.nn.conv_unet import ConvUNet

_ARCHITECTURES = "dynamic_network_architectures.architectures.unet"
_SHAPE = (18, 40, 44)
_SPACING = (2.5, 1.1, 0.9)
_CT = {
    "mean": 30.0,
    "std": 45.0,
    "percentile_00_5": -80.0,
    "percentile_99_5": 160.0,
    "median": 20.0,
    "min": -200.0,
    "max": 300.0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.parse_args()
    print("| variant | mirrored | voxels | differing | share of each label |")
    print("|---|---|---|---|---|")
    for name, variant in variants().items():
        with tempfile.TemporaryDirectory() as folder:
            compare(name, variant, Path(folder))
    if find_spec("nnunet") is not None:
        print(f"nnU-Net 1, mixed kernels: logits differ by {first_version():g} at most")


def first_version() -> float:
    """Compare our network with Generic_UNet of nnU-Net 1, with kernels that differ."""
    module = import_module("nnunet.network_architecture.generic_UNet")
    pools = [[1, 2, 2], [2, 2, 2], [2, 2, 1]]
    kernels = [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 1]]
    torch.manual_seed(0)
    theirs = module.Generic_UNet(
        2,
        6,
        4,
        len(pools),
        norm_op=torch.nn.InstanceNorm3d,
        conv_op=torch.nn.Conv3d,
        dropout_op=torch.nn.Dropout3d,
        dropout_op_kwargs={"p": 0, "inplace": True},
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin_kwargs={"negative_slope": 1e-2, "inplace": True},
        final_nonlin=lambda x: x,
        pool_op_kernel_sizes=pools,
        conv_kernel_sizes=kernels,
        convolutional_pooling=True,
        convolutional_upsampling=True,
    ).eval()
    theirs.do_ds = False
    for weight in theirs.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.2)
    stage = {"pool_op_kernel_sizes": pools, "conv_kernel_sizes": kernels}
    ours = ConvUNet(2, 4, nnunet_v1.architecture_of(stage, 6, 2)).eval()
    ours.load_state_dict(nnunet_v1.weights_of(theirs.state_dict(), stage, 2))
    image = torch.randn(1, 2, 16, 32, 16)
    with torch.inference_mode():
        return float((theirs(image) - ours(image)[0]).abs().max())


def variants() -> dict[str, dict[str, Any]]:
    """Return what differs from a plain 3-D network of the new layout."""
    return {
        "plain, new layout": {},
        "residual encoder": {"residual": True},
        "old layout": {"old": True},
        "regions, transposed axes": {"regions": True, "axes": [1, 2, 0]},
        "slices far apart": {"spacing": (6.0, 1.1, 0.9)},
        "2-D": {"flat": True},
        "two channels, z-score within a mask": {"normalisation": "ZScoreNormalization"},
    }


def compare(name: str, variant: Mapping[str, Any], folder: Path) -> None:
    """Let both predict, and print how many voxels differ."""
    channels = 2 if "normalisation" in variant else 1
    write(folder, variant, channels)
    rng = np.random.default_rng(0)
    image = rng.normal(20, 60, (channels, *_SHAPE)).astype(np.float32)
    image[:, :3] = image[:, :, :5] = 0  # a border that is cropped away
    spacing = variant.get("spacing", _SPACING)
    volume = Volume(image, spacing, "mm")
    model = read_model(folder)
    for mirrored in (False, True):
        model.plan = replace(model.plan, options={"mirror": mirrored})
        ours = model.predict(volume).labels
        theirs = _theirs(folder, image, spacing, mirrored=mirrored)
        differing = int((ours != theirs).sum())
        shares = " / ".join(f"{(theirs == label).mean():.2f}" for label in range(3))
        cells = [name, mirrored, ours.size, differing, shares]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


def write(folder: Path, variant: Mapping[str, Any], channels: int) -> None:
    """Write plans, data set and one fold, as nnU-Net does."""
    dims = 2 if variant.get("flat") else 3
    configuration = _configuration(variant, channels, dims)
    name = "2d" if dims == 2 else "3d_fullres"
    axes = variant.get("axes", [0, 1, 2])
    plans = {
        "dataset_name": "Dataset999_Conformance",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [2.0, 1.0, 1.0],
        "original_median_shape_after_transp": [20, 40, 40],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": axes,
        "transpose_backward": np.argsort(axes).tolist(),
        "configurations": {name: configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            str(channel): _CT for channel in range(channels)
        },
    }
    labels = (
        {"background": 0, "organ": [1, 2], "lesion": 2}
        if variant.get("regions")
        else {"background": 0, "organ": 1, "lesion": 2}
    )
    dataset = {
        "channel_names": {str(channel): "CT" for channel in range(channels)},
        "labels": labels,
        "numTraining": 1,
        "file_ending": ".nii.gz",
        **({"regions_class_order": [1, 2]} if variant.get("regions") else {}),
    }
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    (folder / "fold_0").mkdir()
    architecture = _architecture(variant, dims)
    outputs = 2 if variant.get("regions") else 3
    torch.manual_seed(0)
    network = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        channels,
        outputs,
        deep_supervision=False,
    )
    for weight in network.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.3)
    _balance(network, channels, dims)
    torch.save(
        {
            "network_weights": network.state_dict(),
            "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": name, "fold": 0},
            "inference_allowed_mirroring_axes": tuple(range(dims)),
        },
        folder / "fold_0" / "checkpoint_final.pth",
    )


def _balance(network: torch.nn.Module, channels: int, dims: int) -> None:
    """Move the outputs of a random network to about the same mean.

    Each label then gets its share of the voxels, and mistakes show.
    """
    with torch.no_grad():
        logits = network.eval()(torch.randn(1, channels, *(16, 32, 32)[-dims:]))
        mean = logits.mean([0, *range(2, logits.ndim)])
        dict(network.named_parameters())["decoder.seg_layers.2.bias"] -= mean


def _configuration(
    variant: Mapping[str, Any], channels: int, dims: int
) -> dict[str, Any]:
    kwargs = {"is_seg": False, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "x",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [16, 32, 32][-dims:],
        "spacing": [2.0, 1.0, 1.0][-dims:],
        "normalization_schemes": [variant.get("normalisation", "CTNormalization")]
        * channels,
        "use_mask_for_norm": ["normalisation" in variant] * channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {**kwargs, "order": 3},
        "resampling_fn_seg_kwargs": {**kwargs, "is_seg": True, "order": 1},
        "resampling_fn_probabilities_kwargs": {**kwargs, "order": 1},
        "batch_dice": True,
    }
    if not variant.get("old"):
        return {**configuration, "architecture": _architecture(variant, dims)}
    architecture = _architecture(variant, dims)["arch_kwargs"]
    return {
        **configuration,
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 4,
        "unet_max_num_features": 16,
        "conv_kernel_sizes": architecture["kernel_sizes"],
        "pool_op_kernel_sizes": architecture["strides"],
        "n_conv_per_stage_encoder": architecture["n_conv_per_stage"],
        "n_conv_per_stage_decoder": architecture["n_conv_per_stage_decoder"],
        "num_pool_per_axis": [2, 3, 3],
    }


def _architecture(variant: Mapping[str, Any], dims: int) -> dict[str, Any]:
    residual = bool(variant.get("residual"))
    blocks = "n_blocks_per_stage" if residual else "n_conv_per_stage"
    kernels = [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]]
    strides = [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2]]
    return {
        "network_class_name": f"{_ARCHITECTURES}."
        f"{'ResidualEncoderUNet' if residual else 'PlainConvUNet'}",
        "arch_kwargs": {
            "n_stages": 4,
            "features_per_stage": [4, 8, 16, 16],
            "conv_op": f"torch.nn.modules.conv.Conv{dims}d",
            "kernel_sizes": [kernel[-dims:] for kernel in kernels],
            "strides": [stride[-dims:] for stride in strides],
            blocks: [1, 2, 2, 3] if residual else [2, 2, 2, 2],
            "n_conv_per_stage_decoder": [1, 1, 1] if residual else [2, 2, 2],
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dims}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def _theirs(
    folder: Path,
    image: np.ndarray[Any, Any],
    spacing: tuple[float, ...],
    *,
    mirrored: bool,
) -> np.ndarray[Any, Any]:
    predictor = nnUNetPredictor(
        use_mirroring=mirrored,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(
        str(folder), use_folds=(0,), checkpoint_name="checkpoint_final.pth"
    )
    properties = {"spacing": list(spacing)}
    found: np.ndarray[Any, Any] = predictor.predict_single_npy_array(
        image.copy(), properties, None, None, save_or_return_probabilities=False
    )
    return found


if __name__ == "__main__":
    main()
