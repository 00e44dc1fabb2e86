"""Packages that bioimageio.core applies itself, and what we make of the same.

    pip install monai bioimageio.core "pydantic<2.14"
    python benchmarks/bioimageio_conformance.py

The library checks each package and predicts a volume in blocks of the size that we take;
networks have random weights. `--write FOLDER` keeps the packages with the answers.
"""

import argparse
import hashlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import records
import torch
import yaml
from bioimageio.core import Sample, Stat, Tensor, create_prediction_pipeline
from bioimageio.spec import InvalidDescr, load_model_description
from monai.networks.nets import BasicUNet, SegResNet, UNet

from sparseseg.data.volume import Volume
from sparseseg.models.readers import read_model

UNET = {"channels": [4, 8, 16], "strides": [2, 2], "num_res_units": 1}
SPACE = {3: ["z", "y", "x"], 2: ["y", "x"]}
CASES: dict[str, dict[str, Any]] = {
    "3-D, state dict, sigmoid": {
        "network": (UNet, UNET),
        "weights": "state",
        "pre": [("zero_mean_unit_variance", {"axes": ["channel", "z", "y", "x"]})],
        "post": "sigmoid",
        "halo": 4,
    },
    "3-D, ONNX, softmax": {
        "network": (BasicUNet, {"features": [4, 4, 8, 8, 8, 4]}),
        "weights": "onnx",
        "pre": [
            (
                "scale_range",
                {
                    "axes": ["channel", "z", "y", "x"],
                    "min_percentile": 1.0,
                    "max_percentile": 99.8,
                },
            )
        ],
        "post": "softmax",
        "halo": 8,
        "step": 16,
    },
    "2-D, ONNX, sigmoid": {
        "network": (UNet, UNET),
        "weights": "onnx",
        "dims": 2,
        "pre": [("zero_mean_unit_variance", {"axes": ["channel", "y", "x"]})],
        "post": "sigmoid",
        "halo": 16,
    },
    "3-D, two channels, state dict, softmax": {
        "network": (
            SegResNet,
            {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]},
        ),
        "weights": "state",
        "channels": 2,
        "pre": [
            ("clip", {"min": -60.0, "max": 150.0}),
            (
                "fixed_zero_mean_unit_variance",
                {"axis": "channel", "mean": [5.0, 20.0], "std": [30.0, 45.0]},
            ),
        ],
        "post": "softmax",
        "halo": 6,
    },
    "3-D, ONNX, no halo, by channel": {
        "network": (UNet, UNET),
        "weights": "onnx",
        "channels": 2,
        "pre": [
            ("zero_mean_unit_variance", {"axes": ["z", "y", "x"]}),
            ("scale_linear", {"gain": 0.7, "offset": 0.1}),
        ],
        "post": "softmax",
        "halo": 0,
    },
    "2-D, state dict, its own probabilities": {
        "network": (UNet, UNET),
        "weights": "onnx",
        "dims": 2,
        "inside": True,
        "pre": [
            (
                "scale_range",
                {"axes": ["y", "x"], "min_percentile": 0.0, "max_percentile": 100.0},
            )
        ],
        "post": "",
        "halo": 8,
    },
}
SHAPES = {3: (104, 120, 100), 2: (5, 520, 600)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = given.write or Path(temporary)
        rows = list(compared(root))
    for row in rows:
        print(*row.values(), sep=" | ")
    if given.results:
        records.write(given.results, rows)


def compared(root: Path) -> Iterator[dict[str, Any]]:
    for number, (name, case) in enumerate(CASES.items()):
        folder = root / f"case{number}"
        package(folder, case, number)
        dims = case.get("dims", 3)
        grey = picture(case.get("channels", 1), SHAPES[dims], number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = read_model(folder)
            found = model.predict(Volume(grey, (1, 1, 1), "pixel")).labels
        expected = theirs(folder, grey, model.plan.patch, dims)
        yield {
            "model": name,
            "classes": np.unique(expected).size,
            "voxels": expected.size,
            "differing": int((found != expected).sum()),
        }


def package(folder: Path, case: dict[str, Any], seed: int) -> None:
    """Write a package of the format 0.5."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    dims, channels = case.get("dims", 3), case.get("channels", 1)
    make, more = case["network"]
    arguments = {
        "spatial_dims": dims,
        "in_channels": channels,
        "out_channels": 2 if case["post"] != "softmax" else 3,
        **more,
    }
    network = make(**arguments).eval()
    for values in network.parameters():
        values.data += 0.1 * torch.randn_like(values)
    whole = (
        torch.nn.Sequential(network, torch.nn.Sigmoid())
        if case.get("inside")
        else network
    )
    side = 32 if dims == 3 else 64
    grey = picture(channels, (side,) * 3, seed)
    if dims == 2:
        grey = grey[:, 0]
    np.save(folder / "in.npy", grey[None])
    np.save(
        folder / "out.npy",
        np.zeros((1, arguments["out_channels"], *[side] * dims), np.float32),
    )
    state_path, onnx_path = folder / "weights.pt", folder / "weights.onnx"
    torch.save(network.state_dict(), state_path)
    torch.onnx.export(
        whole,
        (torch.from_numpy(grey[None]),),
        onnx_path,
        input_names=["image"],
        output_names=["answer"],
        dynamic_axes={
            name: {axis + 2: letter for axis, letter in enumerate("zyx"[-dims:])}
            for name in ("image", "answer")
        },
        dynamo=False,
    )
    (folder / "README.md").write_text("# A made-up model\n\n## Validation\n\nNone.\n")
    described = describe(folder, case, arguments)
    (folder / "rdf.yaml").write_text(yaml.safe_dump(described))
    sample = predicted(folder, grey[None], dims, side)
    np.save(folder / "out.npy", sample)
    described = describe(folder, case, arguments)
    (folder / "rdf.yaml").write_text(yaml.safe_dump(described))


def describe(
    folder: Path, case: dict[str, Any], arguments: dict[str, Any]
) -> dict[str, Any]:
    dims, step = case.get("dims", 3), case.get("step", 8)
    least = 32 if dims == 3 else 64
    state = {
        "source": "weights.pt",
        "sha256": sha256(folder / "weights.pt"),
        "pytorch_version": "2.13.0",
        "architecture": {
            "callable": case["network"][0].__name__,
            "import_from": "monai.networks.nets",
            "kwargs": arguments,
        },
    }
    onnx = {
        "source": "weights.onnx",
        "sha256": sha256(folder / "weights.onnx"),
        "opset_version": 17,
    }
    post = (
        [{"id": case["post"]}]
        if case["post"] != "softmax"
        else [{"id": "softmax", "kwargs": {"axis": "channel"}}]
    )
    return {
        "type": "model",
        "format_version": "0.5.12",
        "name": "Made-up model",
        "description": "written for a comparison",
        "authors": [{"name": "sparseseg"}],
        "cite": [{"text": "none", "doi": "10.1007/978-3-319-46723-8_49"}],
        "license": "CC0-1.0",
        "documentation": {
            "source": "README.md",
            "sha256": sha256(folder / "README.md"),
        },
        "timestamp": "2026-11-22T00:00:00+00:00",
        "inputs": [
            {
                "id": "image",
                "axes": [
                    {"type": "batch"},
                    {
                        "type": "channel",
                        "channel_names": [
                            f"dye{i}" for i in range(arguments["in_channels"])
                        ],
                    },
                    *(
                        {
                            "type": "space",
                            "id": axis,
                            "size": case.get("size", {"min": least, "step": step}),
                        }
                        for axis in SPACE[dims]
                    ),
                ],
                "data": {"type": "float32"},
                "test_tensor": {
                    "source": "in.npy",
                    "sha256": sha256(folder / "in.npy"),
                },
                "preprocessing": [{"id": i, "kwargs": k} for i, k in case["pre"]],
            }
        ],
        "outputs": [
            {
                "id": "answer",
                "axes": [
                    {"type": "batch"},
                    {
                        "type": "channel",
                        "channel_names": [
                            f"part{i}" for i in range(arguments["out_channels"])
                        ],
                    },
                    *(
                        {
                            "type": "space",
                            "id": axis,
                            "size": {"tensor_id": "image", "axis_id": axis},
                            **({"halo": case["halo"]} if case["halo"] else {}),
                        }
                        for axis in SPACE[dims]
                    ),
                ],
                "data": {"type": "float32"},
                "test_tensor": {
                    "source": "out.npy",
                    "sha256": sha256(folder / "out.npy"),
                },
                "postprocessing": post if case["post"] else [],
            }
        ],
        "weights": {"pytorch_state_dict": state}
        if case["weights"] == "state"
        else {"onnx": onnx},
    }


def pipeline(folder: Path) -> Any:
    model = load_model_description(folder / "rdf.yaml", perform_io_checks=False)
    if isinstance(model, InvalidDescr):
        raise SystemExit(model.validation_summary.format())
    return create_prediction_pipeline(model)


def sample_of(grey: np.ndarray, dims: int) -> Any:
    axes = ["batch", "channel", *SPACE[dims]]
    stat: Stat = {}
    return Sample(members={"image": Tensor(grey, axes)}, stat=stat, id="sample")


def predicted(folder: Path, grey: np.ndarray, dims: int, side: int) -> np.ndarray:
    """Return what the library answers to an image of one block."""
    found = pipeline(folder).predict_sample_without_blocking(
        sample_of(grey, dims), skip_input_padding=True, skip_output_cropping=True
    )
    return np.asarray(found.members["answer"].data, np.float32)


def theirs(folder: Path, grey: np.ndarray, patch: tuple[int, ...], dims: int) -> Any:
    """Return labels z, y, x that the library's answer stands for."""
    library = pipeline(folder)
    shape = {
        "image": {
            "batch": 1,
            "channel": len(grey),
            **dict(zip(SPACE[dims], patch[-dims:], strict=True)),
        }
    }
    parts = (
        [grey[None]] if dims == 3 else [grey[None, :, z] for z in range(grey.shape[1])]
    )
    answers = [
        np.asarray(
            library.predict_sample_with_fixed_blocking(sample_of(part, dims), shape)
            .members["answer"]
            .data
        )[0]
        for part in parts
    ]
    answer = answers[0] if dims == 3 else np.stack(answers, 1)
    exclusive = "softmax" in (folder / "rdf.yaml").read_text()
    if exclusive:
        return answer.argmax(0).astype(np.uint8)
    places = np.arange(1, len(answer) + 1)[:, None, None, None]
    return np.where(answer > 0.5, places, 0).max(0).astype(np.uint8)


def picture(channels: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grey = rng.normal(0, 25, (channels, *shape)).astype(np.float32)
    z, y, x = np.meshgrid(*map(np.arange, shape), indexing="ij")
    for _ in range(8):
        c, b, a = rng.uniform(0, 1, 3) * shape
        grey[:, (z - c) ** 2 + (y - b) ** 2 + (x - a) ** 2 < 200] += rng.uniform(
            40, 120
        )
    return grey


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
