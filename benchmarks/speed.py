"""How fast a recipe trains and predicts here, beside plain float32 PyTorch.

Both precisions are timed in turn in one run. Operations are those of the network, as
PyTorch counts them in the forward and backward pass; their rate is told as a share of
the rate of a large matrix product on the same device in the same number type. With one
thread on a CPU, seconds are those of the processor: other work counts little in them.
"""

import argparse
import copy
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import records
import torch
import volumes
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sparseseg.boxes import Box, tiles
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.model import Model
from sparseseg.engine.predictor import network_probabilities
from sparseseg.nn.device import PLAIN, Precision, choose_device, probe
from sparseseg.recipes import Batch, Scene
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]

_SLICES = (3, 3, 3)
_MATRIX = 3072


@dataclass(frozen=True, eq=False)
class Subject:
    """A recipe's network on a device, with a batch and a tile to work on."""

    model: Model
    scene: Scene
    batch: Batch
    box: Box

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self.model.device


def main() -> None:
    args = _parser().parse_args()
    for name in volumes.chosen(args):
        for recipe in args.recipes:
            subject, drawing = _subject(name, recipe, args)
            row = {"volume": name, "recipe": recipe, **_measured(subject, args.repeats)}
            row["batch_drawing_seconds"] = drawing
            records.append(args.out, row)
            print(json.dumps(row, indent=1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--recipes", nargs="+", default=["three-view"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=7, help="the median is told")
    out = Path(__file__).with_name("results") / "speed.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def _subject(name: str, recipe: str, args: argparse.Namespace) -> tuple[Subject, float]:
    """Return what is timed, and the seconds that drawing a batch takes."""
    case = volumes.load(name, args.data, _SLICES, 0.0)
    labels = SparseLabels(case.annotation)
    model = create([(case.volume, labels)], TrainSettings(recipe=recipe))
    device = choose_device(args.device)
    model.network.to(device)
    scene = Scene.of(model.plan, case.volume, labels, device=device)
    rng = np.random.default_rng(0)
    for _ in model.recipe.prepare(model.network, [scene], rng):
        pass
    stage = model.recipe.stages(model.plan)[0]
    model.recipe.enter(model.network, stage)
    batches = model.recipe.batches([scene], rng, stage)
    drawn: list[Batch] = []
    seconds = _seconds(lambda: drawn.append(next(batches)), args.repeats)
    return Subject(model, scene, drawn[-1], _first_tile(model, scene)), seconds


def _first_tile(model: Model, scene: Scene) -> Box:
    shape = scene.volume.shape
    return next(tiles(shape, tile=model.recipe.tile(model.plan, shape))).write


def _measured(subject: Subject, repeats: int) -> Row:
    network = copy.deepcopy(subject.model.network).train()
    fastest = probe(
        network,
        subject.batch.inputs,
        lambda inputs: _heads(subject, network, inputs)[0],
    )
    kinds = {"chosen": fastest, "plain": PLAIN}
    training = _in_turn(
        {name: _training(subject, kind) for name, kind in kinds.items()}, repeats
    )
    predicting = _in_turn(
        {name: _predicting(subject, kind) for name, kind in kinds.items()}, repeats
    )
    rates = {
        name: _matrix_rate(subject.device, kind, repeats)
        for name, kind in kinds.items()
    }
    return {
        "device": str(subject.device),
        "parameters": subject.model.parameters,
        "precision": asdict(fastest),
        "matrix_product_gflops": {name: rate / 1e9 for name, rate in rates.items()},
        "training": _rates(
            training, subject.batch.target.numel(), _flops(_pass(subject)), rates
        ),
        "prediction": _rates(
            predicting,
            int(np.prod(subject.box.shape)),
            _flops(_predicting(subject, PLAIN)),
            rates,
        ),
    }


def _rates(
    seconds: dict[str, float], voxels: int, flops: int, rates: dict[str, float]
) -> Row:
    """Return what one pass over so many labelled voxels amounts to."""
    return {
        "voxels": voxels,
        "gflop": flops / 1e9,
        "seconds": seconds,
        "voxels_per_second": {name: voxels / s for name, s in seconds.items()},
        "share_of_matrix_product": {
            name: flops / s / rates[name] for name, s in seconds.items()
        },
        "speed_up": seconds["plain"] / seconds["chosen"],
    }


def _training(subject: Subject, precision: Precision) -> Callable[[], None]:
    """Return a training step in a precision, on a copy of the network."""
    network = copy.deepcopy(subject.model.network).train()
    precision.prepare(network)
    optimizer = subject.model.recipe.optimizer(network)

    def step() -> None:
        _backward(subject, network, precision)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def _backward(subject: Subject, network: nn.Module, precision: Precision) -> None:
    weights = torch.ones(len(subject.model.plan.outputs), device=subject.device)
    with precision.on(subject.device):
        heads = _heads(subject, network, precision.laid_out(subject.batch.inputs))
    heads = tuple(logits.float() for logits in heads)
    subject.model.recipe.loss(heads, subject.batch, weights).backward()


def _heads(subject: Subject, network: nn.Module, inputs: Tensor) -> tuple[Tensor, ...]:
    batch = replace(subject.batch, inputs=inputs)
    return subject.model.recipe.logits(network, batch)


def _pass(subject: Subject) -> Callable[[], None]:
    network = copy.deepcopy(subject.model.network).train()
    return lambda: _backward(subject, network, PLAIN)


def _predicting(subject: Subject, precision: Precision) -> Callable[[], object]:
    """Return the prediction of one tile, its inputs included, in a precision."""
    network = copy.deepcopy(subject.model.network).eval()
    precision.prepare(network)
    model = Model(subject.model.plan, subject.model.table, network=network)
    model.precision = precision
    return lambda: network_probabilities(model, subject.scene, subject.box).cpu()


def _matrix_rate(device: torch.device, precision: Precision, repeats: int) -> float:
    kind = torch.bfloat16 if precision.bfloat16 else torch.float32
    a, b = (torch.randn(_MATRIX, _MATRIX, device=device).to(kind) for _ in range(2))
    out = torch.empty_like(a)
    return 2 * _MATRIX**3 / _seconds(lambda: torch.mm(a, b, out=out), repeats)


def _flops(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def _in_turn(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each; in turn, so that load falls on all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn, (name, work) in itertools.product(range(repeats + 1), works.items()):
        taken = _once(work)
        if turn:  # the first warms up
            seconds[name].append(taken)
    return {name: median(taken) for name, taken in seconds.items()}


def _seconds(work: Callable[[], object], repeats: int) -> float:
    return _in_turn({"": work}, repeats)[""]


def _once(work: Callable[[], object]) -> float:
    is_alone = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    now = time.process_time if is_alone else time.perf_counter
    begin = now()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return now() - begin


if __name__ == "__main__":
    main()
