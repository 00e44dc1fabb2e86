"""A session without a process: the same surface, NumPy arrays, no learning."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sparseseg.boxes import Box
from sparseseg.data.volume import Volume
from sparseseg.session.events import Painted, Phase, Progress, SessionEvents, StepReport


@dataclass(eq=False)
class FakeArrays:
    annotation: np.ndarray
    prediction: np.ndarray
    uncertainty: np.ndarray


@dataclass(eq=False)
class FakeSession:
    """Remember every call; `becomes` plays what the training process would answer."""

    events: SessionEvents = field(default_factory=SessionEvents)
    phase: Phase = Phase.IDLE
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    arrays: FakeArrays | None = None
    """Of the current volume."""
    has_model: bool = False
    is_saved: bool = True

    @property
    def current(self) -> FakeArrays | None:
        return self.arrays

    def open(self, volume: Volume, annotation: np.ndarray | None = None) -> FakeArrays:
        self.calls.append(("open", volume))
        self.arrays = FakeArrays(*(np.zeros(volume.shape, np.uint8) for _ in range(3)))
        if annotation is not None:
            self.arrays.annotation[...] = annotation
        return self.arrays

    def get_ready(self) -> None:
        self.calls.append(("get_ready",))

    def go_over(self, arrays: FakeArrays) -> None:
        if arrays is not self.arrays:
            self.calls.append(("go_over", arrays))
            self.arrays = arrays

    def let_go(self, arrays: FakeArrays) -> None:
        self.calls.append(("let_go", arrays))

    def replaces_model(self, settings: Any) -> bool:
        return self.has_model and not self.is_saved and settings.recipe == "unet3d"

    def forget_model(self) -> None:
        self.calls.append(("forget_model",))
        self.has_model, self.is_saved = False, True

    def name_classes(self, table: Any) -> None:
        self.table = table

    def train(self, settings: Any, *, others: Any = None) -> None:
        self.others = others
        self.calls.append(("train", settings))
        self.becomes(Phase.PREPARING)

    def pause(self) -> None:
        self.calls.append(("pause",))
        self.becomes(Phase.PAUSED)

    def resume(self) -> None:
        self.calls.append(("resume",))
        self.becomes(Phase.TRAINING)

    def stop(self) -> None:
        self.calls.append(("stop",))
        self.becomes(Phase.IDLE)

    def preview(self, axis: int, index: int, *beside: tuple[int, int]) -> None:
        assert self.arrays is not None
        for one in ((axis, index), *beside):
            assert one[1] < self.arrays.annotation.shape[one[0]]
        self.calls.append(("preview", axis, index, *beside))

    def predict(self, at: tuple[int, int, int] | None = None) -> None:
        self.calls.append(("predict",) if at is None else ("predict", at))
        self.becomes(Phase.PREDICTING)
        self.events.progress.emit(Progress("predict", 0.0, None))

    def prune(self, depth: int | None) -> None:
        self.calls.append(("prune", depth))

    def keep_rules(self, lines: tuple[str, ...]) -> None:
        self.calls.append(("keep_rules", lines))

    def save(self, path: Path) -> None:
        self.calls.append(("save", path))
        self.is_saved = True
        self.events.saved.emit(str(path))

    def copy(self, path: Path) -> None:
        self.calls.append(("copy", path))
        self.events.copied.emit(str(path))

    def load(self, path: Path, *, is_saved: bool = True) -> None:
        self.calls.append(("load", path))
        self.learns(is_saved=is_saved)

    def restart(self) -> None:
        self.calls.append(("restart",))
        self.becomes(Phase.IDLE)

    def close(self) -> None:
        self.calls.append(("close",))

    def learns(self, *, is_saved: bool = False) -> None:
        """Have a model from now on, as after the first step of a training."""
        self.has_model, self.is_saved = True, is_saved
        self.events.step.emit(StepReport(1, 1.0, 0.5))

    def becomes(self, phase: Phase) -> None:
        self.phase = phase
        self.events.phase.emit(phase)

    def paints(
        self, box: Box, labels: np.ndarray | int, method: str = "network"
    ) -> None:
        """Write into the prediction as the training process would, and announce it."""
        assert self.arrays is not None
        self.arrays.prediction[box.slices] = labels
        self.events.painted.emit(Painted(box, method, 1))

    def called(self, name: str) -> int:
        return sum(call[0] == name for call in self.calls)
