"""One method on one annotated volume, in a process of its own, as rows of results."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import baselines
import numpy as np
import records
from numpy.typing import NDArray
from volumes import Case, load, load_with_strokes

from sparseseg.data.labels import SparseLabels
from sparseseg.engine.mixing import made_of
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import predict
from sparseseg.engine.training import train
from sparseseg.evaluation import evaluate
from sparseseg.progress import METHODS as ANSWERS
from sparseseg.progress import Method, Score
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]
ClockName = Literal["wall", "cpu"]
CLOCKS: dict[ClockName, Callable[[], float]] = {
    "wall": time.perf_counter,
    "cpu": time.process_time,
}
"""What a minute is of: with "cpu", other work on the machine does not count."""
Labels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training run and when it is scored."""

    recipe: str
    minutes: tuple[float, ...]
    """Ascending; the last is the budget, which the learning rate follows."""
    device: str = "auto"
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    """What was chosen of the recipe."""
    clock: ClockName = "wall"
    answers: bool = False
    """Whether all answers are scored, beside the one that is shown."""

    def key(self, minutes: float) -> Row:
        """Return what tells the row of one scoring from all others."""
        chosen = asdict(self)
        del chosen["minutes"], chosen["answers"]
        if self.clock == "wall":
            del chosen["clock"]
        return {**chosen, "budget_minutes": self.minutes[-1], "minutes": minutes}

    def settings(self) -> TrainSettings:
        """Return the settings of the engine."""
        budget = self.minutes[-1]
        return TrainSettings(
            recipe=self.recipe,
            minutes=budget,
            device=self.device,  # type: ignore[arg-type]
            seed=self.seed,
            options=self.options,
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """A volume, an annotation of it, and a method to fill in the rest."""

    volume: str
    data: Path | None
    slices: tuple[int, int, int]
    """Annotated slices across z, y, x."""
    shift: float
    method: str
    training: Training
    strokes: bool = False
    """Whether only a few strokes of each slice are annotated."""

    def case(self) -> Case:
        """Read the volume, and cut its annotation from the truth."""
        if self.strokes:
            seed = self.training.seed
            return load_with_strokes(self.volume, self.data, self.slices, seed)
        return load(self.volume, self.data, self.slices, self.shift)

    def row_keys(self) -> list[Row]:
        """Return what tells each row that comes from this task."""
        shared = {
            "volume": self.volume,
            "slices": list(self.slices),
            "shift": self.shift,
            "method": self.method,
        }
        if self.strokes:
            shared["strokes"] = True
        if self.method != "ours":
            return [shared]
        return [shared | self.training.key(m) for m in self.training.minutes]


def measure(tasks: list[Task], results: Path) -> None:
    """Run the tasks whose rows are missing; each process's peak memory is its own."""
    for task in tasks:
        if all(records.has(results, key) for key in task.row_keys()):
            continue
        print(task.volume, task.slices, task.shift, task.method, flush=True)
        process = get_context("spawn").Process(target=run, args=(task, results))
        process.start()
        process.join()
        if process.exitcode:
            print(f"  failed with exit code {process.exitcode}", flush=True)


def run(task: Task, results: Path) -> None:
    """Append the rows of a task as they come; those that are there stay as they are."""
    found = METHODS[task.method](task.case(), task.training)
    for key, row in zip(task.row_keys(), found, strict=True):
        print(f"  {key.get('minutes', '')} mean IoU {row['mean_iou']:.3f}", flush=True)
        if not records.has(results, key):
            records.append(results, key | row | {"memory": records.peak_memory()})


def ours(case: Case, training: Training) -> Iterator[Row]:
    """Train once, and score when each of the minutes of training has passed."""
    labels = SparseLabels(case.annotation)
    settings = training.settings()
    model = create([(case.volume, labels)], settings)
    due = list(training.minutes)
    told: Score | None = None
    clock = CLOCKS[training.clock]
    for step in train(model, [(case.volume, labels)], settings, seconds=clock):
        told = step.score or told
        while due and (step.seconds >= 60 * due[0] or step.done == 1):
            due.pop(0)
            method: Method = told.best if told else "network"
            row = _scored(case, partial(_predicted, case, model, labels, method))
            if training.answers:
                row["answers"] = _answers(case, model, labels)
            yield row | _of_step(step.step, step.seconds, told, model)


def interpolation(case: Case, training: Training) -> Iterator[Row]:
    """Fill in between the slices by their shapes alone."""
    labels = SparseLabels(case.annotation)
    model = create([(case.volume, labels)], training.settings())
    yield _scored(case, lambda: _predicted(case, model, labels, "interpolation"))


def our_walker(case: Case, training: Training) -> Iterator[Row]:
    """Spread the annotation along the image as sparseseg does, without any training."""
    labels = SparseLabels(case.annotation)
    model = create([(case.volume, labels)], training.settings())
    yield _scored(case, lambda: _predicted(case, model, labels, "walker"))


def forest(case: Case, training: Training) -> Iterator[Row]:
    """Keep all variants, and report the one that the truth says is best."""
    begin = time.perf_counter()
    variants = {
        name: _score(case, prediction)
        for name, prediction in baselines.forest(case, training.seed)
    }
    best = max(variants, key=lambda name: variants[name]["mean_iou"])
    yield {
        **variants[best],
        "best_variant": best,
        "variants": variants,
        "seconds": _since(begin),
    }


def walker(case: Case, training: Training) -> Iterator[Row]:
    """Note where the volume had to be made smaller in plane."""
    begin = time.perf_counter()
    prediction, factor = baselines.walker(case)
    seconds = _since(begin)
    yield {**_score(case, prediction), "downsampled": factor, "seconds": seconds}


METHODS: dict[str, Callable[[Case, Training], Iterator[Row]]] = {
    method.__name__: method
    for method in (ours, our_walker, forest, walker, interpolation)
}
PEERS = ("forest", "walker", "interpolation")
"""Methods that are not ours, or that need no more than shapes."""


def _answers(case: Case, model: Model, labels: SparseLabels) -> Row:
    """Return the mean IoU of each answer that could be shown."""
    return {
        method: _score(case, _predicted(case, model, labels, method))["mean_iou"]
        for method in ANSWERS
        if made_of(method, model)
    }


def _predicted(
    case: Case, model: Model, labels: SparseLabels, method: Method
) -> Labels:
    out = Output(np.zeros(case.volume.shape, np.uint8))
    for _ in predict(model, case.volume, out, labels=labels, method=method):
        pass
    return out.labels


def _scored(case: Case, predicted: Callable[[], Labels]) -> Row:
    begin = time.perf_counter()
    prediction = predicted()
    seconds = _since(begin)
    return {**_score(case, prediction), "prediction_seconds": seconds}


def _score(case: Case, prediction: Labels) -> Row:
    found = evaluate(prediction, case.truth, annotation=case.annotation)
    return {name: found[name] for name in ("mean_iou", "iou", "annotated")}


def _of_step(step: int, seconds: float, told: Score | None, model: Model) -> Row:
    return {
        "steps": step,
        "training_seconds": round(seconds, 1),
        "held_out": _held_out(told) if told else None,
        "trained_on": str(model.device),
        "precision": asdict(model.precision),
        "parameters": model.parameters,
    }


def _held_out(score: Score) -> Row:
    return {
        "step": score.step,
        "slices": list(score.slices),
        **{method: m["mean_iou"] for method, m in score.measures.items()},
        "chosen": score.best,
    }


def _since(begin: float) -> float:
    return round(time.perf_counter() - begin, 2)
