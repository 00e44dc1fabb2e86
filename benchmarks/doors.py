"""How many voxels a second one loaded model predicts by each door: they should be equal.

    python benchmarks/doors.py [--repeats 3]

The doors are called in this process, so that nobody's import of torch counts. The volume
is the shipped sample; the model is trained on it for a few steps first.
"""

import argparse
import contextlib
import io
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import records
import torch

import sparseseg
from sparseseg.boxes import Box
from sparseseg.cli.main import main as command_line
from sparseseg.data.files import write_image
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import ovule_nuclei
from sparseseg.session.engine import Engine
from sparseseg.session.shared import SharedArrays

_STEPS = 20


def main() -> None:
    args = _parser().parse_args()
    sample = ovule_nuclei()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, image = folder / "model.safetensors", folder / "images" / "image.tif"
        image.parent.mkdir()
        write_image(image, sample.volume.array, like=sample.volume)
        case = (sample.volume, SparseLabels(sample.annotation))
        sparseseg.fit([case], steps=_STEPS, held_out=False).save(model)
        doors = _doors(model, image, folder)
        seconds: dict[str, list[float]] = {door: [] for door in doors}
        for _ in range(args.repeats):
            for door, work in doors.items():
                seconds[door].append(_timed(work))
    voxels = sample.volume.array.size
    row = {
        "threads": torch.get_num_threads(),
        "voxels": voxels,
        "voxels_a_second": {d: round(voxels / median(s)) for d, s in seconds.items()},
    }
    records.append(args.out, row)
    print(json.dumps(row, indent=1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="the median counts")
    out = Path(__file__).with_name("results") / "doors.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def _doors(model: Path, image: Path, folder: Path) -> dict[str, Callable[[], object]]:
    out = folder / "prediction.tif"
    batch = ["batch", str(model), str(image.parent), "-o", str(folder / "batch")]

    def anew() -> None:
        shutil.rmtree(folder / "batch", ignore_errors=True)
        _command(batch)

    return {
        "Python": lambda: sparseseg.load(model).predict(sparseseg.read(image)),
        "window": lambda: _window(model, image),
        "predict": lambda: _command(
            ["predict", str(model), str(image), "-o", str(out)]
        ),
        "batch": anew,
    }


def _window(model: Path, image: Path) -> None:
    """Predict as the training process of the window does."""
    threads = torch.get_num_threads()
    engine = Engine()
    torch.set_num_threads(threads)
    volume = sparseseg.read(image)
    arrays = SharedArrays(*(np.zeros(volume.shape, np.uint8) for _ in range(3)))
    engine.open(volume, arrays.annotation)
    engine.load(model)
    for _ in engine.predict(arrays, box=Box.whole(volume.shape), method="network"):
        pass


def _command(words: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        code = command_line(words)
    if code:
        raise SystemExit(f"sparseseg {' '.join(words)} ended with {code}")


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
