"""What a session posts to its training process, and what comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sparseseg.boxes import Triple
from sparseseg.classes import ClassTable
from sparseseg.data.on_disk import OnDisk
from sparseseg.evaluation.estimate import DiceEstimate
from sparseseg.progress import Method
from sparseseg.session.events import (
    Depths,
    Exports,
    Painted,
    Phase,
    Progress,
    Rules,
    ScoreReport,
    StepReport,
)
from sparseseg.session.kind import ModelKind
from sparseseg.session.shared import BlockLayout
from sparseseg.settings.training import TrainSettings

SNAPSHOT = "snapshot.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """All that a training process is told when it starts."""

    facts: Mapping[str, Any]
    """The fields of `Volume` besides its array."""
    layouts: Mapping[str, BlockLayout]
    folder: Path
    reopen: Callable[[], OnDisk] | None = None
    """What opens the image, where it stays on disk and is not in shared memory."""

    @property
    def snapshot(self) -> Path:
        """The model as it was a few seconds ago."""
        return self.folder / SNAPSHOT

    @property
    def log(self) -> Path:
        """The tracebacks of our bugs; made when there is one."""
        return self.folder / "errors.log"


@dataclass(frozen=True, slots=True)
class Others:
    """Other volumes of a project, as their journal has them, to train on as well."""

    folder: Path
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Train:
    """Start to train, or go on with the model at hand."""

    settings: TrainSettings
    table: ClassTable | None = None
    """The names of the classes, as far as they are known."""
    others: Others | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop between two steps, and keep everything."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on after a pause."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Predict one slice before anything else, and again while training.

    After it come those `beside` it, each an axis and an index: the other planes.
    """

    axis: int
    index: int
    beside: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Predict:
    """Predict the whole volume, or the three slices through one voxel."""

    at: Triple | None = None


@dataclass(frozen=True, slots=True)
class ChooseDepth:
    """Predict and save with the network pruned to a depth, or whole if None."""

    depth: int | None


@dataclass(frozen=True, slots=True)
class KeepRules:
    """Save the model with these rules from now on."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Save:
    """Write the model to a file."""

    path: Path
    is_copy: bool = False
    """Whether the model still counts as not saved."""


@dataclass(frozen=True, slots=True)
class Load:
    """Read a model from a file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Restore:
    """Read the snapshot of a former process, and show what that process showed."""

    method: Method
    step: int
    parent: str = ""
    """The model that the training of the snapshot started from."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the process; the snapshot is written first if it is to be kept."""

    keep: bool


@dataclass(frozen=True, slots=True)
class Told:
    """Words for the user: a sentence, or the file that was saved or loaded."""

    signal: Literal["failed", "noted", "saved", "copied", "loaded"]
    text: str


Request = (
    Train
    | Pause
    | Resume
    | Preview
    | Predict
    | ChooseDepth
    | KeepRules
    | Save
    | Load
    | Restore
    | Stop
)
Reply = (
    Phase
    | StepReport
    | ScoreReport
    | DiceEstimate
    | Progress
    | Painted
    | Depths
    | Exports
    | Rules
    | ModelKind
    | Told
)
