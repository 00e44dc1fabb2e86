"""Bundles that MONAI applies itself, and what we make of the same: differing voxels.

    pip install monai nibabel
    python benchmarks/monai_conformance.py

Networks have random weights, images are noise with balls. MONAI's own transforms, its
sliding window and its inverse give the labels that ours are compared with.
"""

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import records
import torch
from monai.bundle import ConfigParser

from sparseseg.data.files import read
from sparseseg.models.readers import read_model

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "UNet": (
        "UNet",
        {
            "channels": [4, 8, 16],
            "strides": [2, 2],
            "num_res_units": 2,
            "norm": "batch",
        },
    ),
    "UNet, plain": (
        "UNet",
        {
            "channels": [4, 8, 8],
            "strides": [2, 1],
            "act": "relu",
            "adn_ordering": "ADN",
        },
    ),
    "BasicUNet": ("BasicUNet", {"features": [4, 4, 8, 8, 16, 4]}),
    "SegResNet": (
        "SegResNet",
        {"init_filters": 8, "blocks_down": [1, 2, 2], "blocks_up": [1, 1]},
    ),
    "SegResNet, deconv": (
        "SegResNet",
        {
            "blocks_down": [1, 1],
            "blocks_up": [1],
            "upsample_mode": "deconv",
            "norm": "instance",
        },
    ),
    "DynUNet": (
        "DynUNet",
        {
            "kernel_size": [[3, 3, 1], 3, 3],
            "strides": [1, [2, 2, 1], 2],
            "upsample_kernel_size": [[2, 2, 1], 2],
            "filters": [4, 8, 16],
            "deep_supervision": True,
        },
    ),
    "DynUNet, residual": (
        "DynUNet",
        {
            "kernel_size": [3, 3, 3],
            "strides": [1, 2, 2],
            "upsample_kernel_size": [2, 2],
            "filters": [4, 8, 16],
            "res_block": True,
            "norm_name": "batch",
        },
    ),
}
GREY: dict[str, list[dict[str, Any]]] = {
    "range": [
        {
            "_target_": "ScaleIntensityRanged",
            "a_min": -100,
            "a_max": 240,
            "b_min": -1,
            "b_max": 1,
            "clip": True,
        }
    ],
    "nonzero": [
        {"_target_": "NormalizeIntensityd", "nonzero": True, "channel_wise": True},
        {"_target_": "ScaleIntensityd", "minv": -1.0, "maxv": 1.0},
    ],
    "percentiles": [
        {
            "_target_": "ScaleIntensityRangePercentilesd",
            "lower": 1,
            "upper": 99,
            "b_min": 0,
            "b_max": 1,
            "clip": True,
        }
    ],
    "known": [{"_target_": "NormalizeIntensityd", "subtrahend": 20.0, "divisor": 80.0}],
}
WINDOWS: list[dict[str, Any]] = [
    {"overlap": 0.5, "mode": "constant"},
    {"overlap": 0.25, "mode": "gaussian"},
    {"overlap": 0.6, "mode": "gaussian", "cval": -1.0},
]
SPACINGS = ([1.2, 1.2, 2.0], [0.7, 0.9, 1.4], None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path)
    rows = list(compared())
    for row in rows:
        print(*row.values(), sep=" | ")
    print(
        f"{sum(row['differing'] for row in rows)} of {sum(r['voxels'] for r in rows)}"
    )
    if where := parser.parse_args().out:
        records.write(where, rows)


def compared() -> Any:
    """Yield one row for each network, with other transforms and windows in turn."""
    for number, name in enumerate(NETWORKS):
        for turn in range(3):
            sigmoid = (number + turn) % 4 == 3
            case = {
                "network": name,
                "grey": list(GREY)[(number + turn) % len(GREY)],
                "windows": WINDOWS[turn],
                "spacing": SPACINGS[(number + turn) % 3],
                "outputs": "sigmoid" if sigmoid else "softmax",
                "inverse": "last" if turn != 2 or sigmoid else "first",
            }
            with tempfile.TemporaryDirectory() as folder:
                found, expected = both(
                    Path(folder), described(case), 10 * number + turn
                )
            yield {
                **case,
                "classes": np.unique(expected).size,
                "voxels": expected.size,
                "differing": int((found != expected).sum()),
            }


def described(case: dict[str, Any]) -> dict[str, Any]:
    """Return a config as a bundle has it."""
    pre = [{"_target_": "LoadImaged"}, {"_target_": "EnsureChannelFirstd"}]
    if case["spacing"]:
        pre += [
            {"_target_": "Orientationd", "axcodes": "RAS"},
            {"_target_": "Spacingd", "pixdim": case["spacing"], "mode": "bilinear"},
        ]
    pre += [*GREY[case["grey"]], {"_target_": "EnsureTyped"}]
    activation = {"_target_": "Activationsd", case["outputs"]: True}
    inverse = {
        "_target_": "Invertd",
        "transform": "@preprocessing",
        "orig_keys": "image",
        "nearest_interp": False,
        "to_tensor": True,
    }
    last = {"threshold": 0.5} if case["outputs"] == "sigmoid" else {"argmax": True}
    post = [activation, inverse]
    if case["inverse"] == "first":
        post.reverse()
    post.append({"_target_": "AsDiscreted", **last})
    target, more = NETWORKS[case["network"]]
    return {
        "network_def": {
            "_target_": target,
            "spatial_dims": 3,
            "in_channels": 1,
            "out_channels": 3,
            **more,
        },
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [{**step, "keys": "image"} for step in pre],
        },
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [32, 48, 16],
            "sw_batch_size": 2,
            **case["windows"],
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [{**step, "keys": "pred"} for step in post],
        },
    }


def both(folder: Path, config: dict[str, Any], seed: int) -> tuple[Any, Any]:
    """Return our labels and those of MONAI, z, y, x."""
    torch.manual_seed(seed)
    (folder / "configs").mkdir()
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text("{}")
    parser = ConfigParser(config)
    network = parser.get_parsed_content("network_def").eval()
    for values in network.parameters():
        values.data += 0.05 * torch.randn_like(values)
    with torch.no_grad():  # batch normalisation learns its statistics
        for _ in range(20):
            network.train()(torch.randn(2, 1, 32, 32, 16))
    network.eval()
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    image = folder / "image.nii.gz"
    picture(image, seed)
    return ours(folder, image), theirs(parser, network, image)


def ours(folder: Path, image: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_model(folder).predict(read(image)).labels


def theirs(parser: Any, network: torch.nn.Module, image: Path) -> Any:
    ready = parser.get_parsed_content("preprocessing")({"image": str(image)})
    with torch.inference_mode():
        found = parser.get_parsed_content("inferer")(ready["image"][None], network)
    item = {"image": ready["image"], "pred": found[0]}
    item["pred"].applied_operations = ready["image"].applied_operations
    done = parser.get_parsed_content("postprocessing")(item)["pred"].numpy()
    labels = done[0]
    if len(done) > 1:  # regions: the last one that is there
        places = np.arange(1, len(done) + 1)[:, None, None, None]
        labels = np.where(done > 0, places, 0).max(0)
    return labels.transpose(2, 1, 0).astype(np.uint8)


def picture(path: Path, seed: int) -> None:
    """Write a turned, oblique volume with borders of 0."""
    rng = np.random.default_rng(seed)
    grey = rng.normal(0, 30, (44, 50, 30)).astype(np.float32)
    x, y, z = np.meshgrid(*map(np.arange, grey.shape), indexing="ij")
    grey[(x - 20) ** 2 + (y - 25) ** 2 + 2 * (z - 14) ** 2 < 150] += 120
    grey[(x - 30) ** 2 + (y - 12) ** 2 + (z - 20) ** 2 < 60] -= 90
    grey[:3] = 0
    angle = 0.1
    turn = np.array(
        [
            [np.cos(angle), -np.sin(angle), 0],
            [np.sin(angle), np.cos(angle), 0],
            [0, 0, 1],
        ]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.9, 1.1, 1.7])
    affine[:3, 3] = (30, -20, 5)
    nibabel.save(nibabel.Nifti1Image(grey, affine), path)


if __name__ == "__main__":
    main()
