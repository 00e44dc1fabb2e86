"""What holds a training step up: how long it takes, what is drawn, launched and copied.

For each recipe, real steps of a training on the device: milliseconds of a step and of
drawing its batch alone, voxels trained and predicted in a second, and what PyTorch's
profiler counts in a step: operators, kernels launched, copies to and from the device,
and waits of the CPU for it (each `.item()` is one, and each `nonzero`). Beside them the
rate of a large matrix product, and the seconds from *Train* until the network can answer for
a first preview. On a CPU there are no kernels; operators, copies and
`.item()` are counted all the same. It takes about ten minutes on a GPU.
"""

import argparse
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import records
import torch
import volumes
from torch.profiler import ProfilerActivity, profile
from volumes import Case

from sparseseg.data.labels import SparseLabels
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import predict
from sparseseg.engine.training import work
from sparseseg.nn.device import choose_device
from sparseseg.progress import Step
from sparseseg.recipes import Scene
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]

_SLICES = (3, 3, 3)
_MATRIX = {"cuda": 8192, "mps": 4096, "cpu": 2048}
# What a step does beside computing, by the names of the profiler.
_COUNTED = {
    "launches": ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel"),
    "to the device": ("Memcpy HtoD",),
    "from the device": ("Memcpy DtoH",),
    "waits": ("cudaStreamSynchronize", "cudaDeviceSynchronize"),
    "items": ("aten::_local_scalar_dense",),
    "counts of voxels": ("aten::nonzero",),
    "copies": ("aten::copy_",),
}


@dataclass(frozen=True, eq=False)
class Run:
    """A training that has begun: its next steps are those that are measured."""

    case: Case
    model: Model
    steps: Iterator[Step]
    device: torch.device
    first_answer: float
    """Seconds from the plan until the network says something."""

    def wait(self) -> None:
        """Wait until the device has done all its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def main() -> None:
    args = _parser().parse_args()
    device = choose_device(args.device)
    rate = _matrix_rate(device)
    for name in volumes.chosen(args):
        case = volumes.load(name, args.data, _SLICES, 0.0)
        for recipe in args.recipes:
            run = _begun(case, recipe, device, args.warm)
            row: Row = {"volume": name, "recipe": recipe, "device": str(device)}
            row |= {"matrix_product_tflops": round(rate / 1e12, 3)}
            row |= _measured(run, args.steps)
            print(json.dumps(row, indent=1), flush=True)
            records.append(args.out, row)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--recipes", nargs="+", default=["three-view", "unet3d-guided"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--warm", type=int, default=20, help="steps before the first")
    parser.add_argument("--steps", type=int, default=100, help="steps that are timed")
    out = Path(__file__).with_name("results") / "gpu.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def _begun(case: Case, recipe: str, device: torch.device, warm: int) -> Run:
    pairs = [(case.volume, SparseLabels(case.annotation))]
    kind: Any = device.type
    # Without a budget, so that no slice joins and nothing is scored meanwhile.
    settings = TrainSettings(recipe=recipe, minutes=None, device=kind, held_out=False)
    begin = time.perf_counter()
    model = create(pairs, settings)
    items = work(model, pairs, settings)
    for item in items:
        if isinstance(item, Step) or model.recipe.answers(model.network):
            break
    first = time.perf_counter() - begin
    steps = (item for item in items if isinstance(item, Step))
    run = Run(case, model, steps, device, first)
    for _ in itertools.islice(run.steps, warm):
        pass
    return run


def _measured(run: Run, steps: int) -> Row:
    drawn, voxels = _drawing(run)
    step = _seconds(run, lambda: next(run.steps), steps)
    predicted = _seconds(run, lambda: _predicted(run), 1)
    return {
        "first_answer_seconds": round(run.first_answer, 2),
        "step_ms": round(1000 * step, 2),
        "drawing_ms": round(1000 * drawn, 2),
        "voxels_trained_per_second": round(voxels / step),
        "voxels_predicted_per_second": round(run.case.truth.size / predicted),
        "in_a_step": _counts(run),
    }


def _drawing(run: Run) -> tuple[float, int]:
    """Return the seconds that a batch takes to draw, and how many voxels it has."""
    recipe, plan = run.model.recipe, run.model.plan
    labels = SparseLabels(run.case.annotation)
    scene = Scene.of(plan, run.case.volume, labels, device=run.device)
    stage = recipe.stages(plan)[0]
    batches = recipe.batches([scene], np.random.default_rng(0), stage)
    voxels = next(batches).target.numel()
    return _seconds(run, lambda: next(batches), 20), voxels


def _predicted(run: Run) -> None:
    out = Output(np.zeros(run.case.volume.shape, np.uint8))
    labels = SparseLabels(run.case.annotation)
    for _ in predict(run.model, run.case.volume, out, labels=labels):
        pass


def _seconds(run: Run, work: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of some work, with what it leaves to the device."""
    found = []
    for _ in range(repeats):
        run.wait()
        begin = time.perf_counter()
        work()
        run.wait()
        found.append(time.perf_counter() - begin)
    return median(found)


def _counts(run: Run, steps: int = 10) -> dict[str, float]:
    """Return how often things happen in a step, on average."""
    kinds = [ProfilerActivity.CPU]
    if run.device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    with profile(activities=kinds) as profiled:
        for _ in itertools.islice(run.steps, steps):
            pass
        run.wait()
    found: Counter[str] = Counter()
    for event in profiled.key_averages():
        found["operators"] += event.count * event.key.startswith("aten::")
        for kind, names in _COUNTED.items():
            found[kind] += event.count * event.key.startswith(names)
    return {kind: count / steps for kind, count in found.items()}


def _matrix_rate(device: torch.device) -> float:
    """Return the operations a second of a large matrix product in bfloat16."""
    side = _MATRIX[device.type]
    a, b = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    found = []
    for _ in range(6):
        begin = time.perf_counter()
        # The last element comes back when all is done, on any device.
        float((a @ b)[-1, -1])
        found.append(time.perf_counter() - begin)
    return 2 * side**3 / min(found)


if __name__ == "__main__":
    main()
