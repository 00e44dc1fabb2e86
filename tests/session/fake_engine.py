"""An engine without torch: its loss counts painted voxels, its model is a step count."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box, Tile, tiles
from sparseseg.classes import ClassTable
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.evaluation.estimate import DiceEstimate, Likely
from sparseseg.progress import Method, Preparing, Score, Step
from sparseseg.session.events import Depths, Exports
from sparseseg.session.kind import ModelKind
from sparseseg.session.messages import Others
from sparseseg.session.shared import SharedArrays
from sparseseg.settings.training import TrainSettings

NETWORK_WINS_FROM = 3
STEP_SECONDS = 0.001
INTERPOLATED = 254


class Engine:
    """The recipe says how training goes.

    "wrong" is an error that the user can mend, "mad" a bug, "stuck" a step that never
    ends; all others go well. `preparations` come before the first step.
    """

    preparations = 0
    answers = False

    def __init__(self) -> None:
        self.step = 0
        self.depth: int | None = None
        self._rules: tuple[str, ...] = ()
        self.kind = ModelKind(TrainSettings().recipe, {})

    def open(self, volume: Volume, annotation: NDArray[np.uint8]) -> None:
        self.volume = volume
        self.annotation = annotation

    def train(
        self,
        settings: TrainSettings,
        table: ClassTable | None = None,
        others: Others | None = None,
    ) -> Iterator[Step | Preparing]:
        if settings.recipe == "wrong":
            raise UserError("nothing is painted yet: paint a slice")
        if settings.recipe == "mad":
            raise ZeroDivisionError("by zero")
        if settings.recipe == "stuck":
            threading.Event().wait()
        self.kind = replace(self.kind, parent=settings.parent)
        for part in range(self.preparations):
            self.work()
            yield Preparing((part + 1) / self.preparations)
        steps = count(1) if settings.steps is None else range(1, settings.steps + 1)
        for number in steps:
            self.work()
            self.step += 1
            done = number / settings.steps if settings.steps else None
            painted = float(np.count_nonzero(self.annotation))
            yield Step(self.step, time.monotonic(), painted, done, self.score())

    def work(self) -> None:
        time.sleep(STEP_SECONDS)

    def score(self) -> Score | None:
        if self.step != NETWORK_WINS_FROM:
            return None
        good, bad = ({"mean_iou": iou, "iou": {1: iou}} for iou in (0.9, 0.5))
        measures = {"interpolation": bad, "network": good}
        worths = {"interpolation": 0.5, "network": 0.9}
        return Score(self.step, 1.0, measures, ("z 1",), worths=worths)

    def predict(
        self, arrays: SharedArrays, *, box: Box, method: Method
    ) -> Iterator[Tile]:
        shape = self.volume.shape
        value = self.step % 250 if method == "network" else INTERPOLATED
        for tile in tiles(shape, tile=(2, 64, 64), box=box):
            arrays.prediction[tile.write.slices] = value
            arrays.uncertainty[tile.write.slices] = 255 - value
            yield tile

    @property
    def depths(self) -> Depths:
        return Depths((1, 2) if self.step else (), self.depth)

    @property
    def exports(self) -> Exports:
        return Exports({"nnunet": "no network of nnU-Net"})

    @property
    def rules(self) -> tuple[str, ...]:
        return self._rules

    def possible(self, method: Method) -> Method:
        return method

    @property
    def unlike(self) -> str:
        return "the volume is unlike" if self.volume.name == "unlike" else ""

    @property
    def doubt(self) -> str:
        return "nothing was found" if self.volume.name == "empty" else ""

    @property
    def estimate(self) -> DiceEstimate | None:
        likely = Likely(0.87, 0.83, 0.9)
        return DiceEstimate(likely, {1: likely}) if self.step else None

    def keep_rules(self, lines: tuple[str, ...]) -> None:
        self._rules = lines

    def choose_depth(self, depth: int | None) -> None:
        if depth is not None and depth not in self.depths.available:
            raise UserError(f"there is no depth {depth}")
        self.depth = depth

    def export(self, path: Path) -> None:
        self.save(path)

    def save(self, path: Path) -> None:
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps([self.step, self._rules]))
        beside.replace(path)

    def load(self, path: Path, *, parent: str = "") -> None:
        if not path.exists():
            raise UserError(f"there is no model {path}")
        self.step, lines = json.loads(path.read_text())
        self.depth, self._rules = None, tuple(lines)
        self.kind = replace(self.kind, parent=parent)
