"""An open volume, and what a new process has to be told to go on with it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Triple
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.progress import Method
from sparseseg.session.events import Painted, Phase, ScoreReport, StepReport
from sparseseg.session.messages import Assignment, Others, Preview, Restore
from sparseseg.session.shared import SharedVolume, reopening
from sparseseg.settings.training import TrainSettings


@dataclass(slots=True)
class OpenVolume:
    """What belongs to an open volume and outlives a training process.

    `settings` and `others` are those of the training under way, `wanted` the slice last asked for,
    `shown` and `step` what predictions are made with.
    """

    shared: SharedVolume
    assignment: Assignment
    settings: TrainSettings | None = None
    others: Others | None = None
    wanted: Preview | None = None
    shown: Method = "interpolation"
    step: int = 0

    @classmethod
    def set_up(
        cls,
        volume: Volume,
        annotation: NDArray[np.uint8] | None,
        *,
        folder: Path,
        failed: Callable[[str], object],
    ) -> Self:
        """Copy both into shared memory, the image in a thread; see `SharedVolume`.

        An image that another process can open from its file stays on disk. Raises
        `UserError` for an annotation that does not fit, and where the memory does not suffice.
        """
        if annotation is not None:
            _check_annotation(annotation, volume.shape)
        shared = SharedVolume.create(volume.array, annotation, failed=failed)
        names = (field.name for field in fields(volume) if field.name != "array")
        facts = {name: getattr(volume, name) for name in names}
        reopen = reopening(volume.array)
        return cls(shared, Assignment(facts, shared.layouts, folder, reopen))

    def check_slice(self, axis: int, index: int) -> None:
        """Raise `UserError` for a slice that the volume does not have."""
        shape = self.shared.arrays.annotation.shape
        if axis not in range(3) or index not in range(shape[axis]):
            raise UserError(
                "there is no slice {index} across axis {axis} in {shape}",
                index=index,
                axis=axis,
                shape=shape,
            )

    def restore(self, *, parent: str) -> Restore | None:
        """Return how to get back to the snapshot, if there is one."""
        has_snapshot = self.assignment.snapshot.exists()
        return Restore(self.shown, self.step, parent) if has_snapshot else None

    def remember(self, reply: object) -> None:
        """Keep of a reply what a new process will need."""
        match reply:
            case Phase.IDLE:
                self.settings = None
            case StepReport(step=step):
                self.step = step
            case ScoreReport(shown=shown) | Painted(method=shown):
                self.shown = shown
            case _:
                pass

    def obituary(self, how: str) -> str:
        """Return what to tell the user when the process ended by itself."""
        try:
            born = self.assignment.snapshot.stat().st_mtime
            return say(
                "The training process ended: {how}. Nothing you painted is lost. Press "
                "Restart to go on from the model of {seconds:.0f} s ago.",
                how=how,
                seconds=time.time() - born,
            )
        except FileNotFoundError:
            return say(
                "The training process ended: {how}. Nothing you painted is lost. Press "
                "Restart to go on from the beginning.",
                how=how,
            )


def _check_annotation(annotation: NDArray[np.uint8], shape: Triple) -> None:
    if annotation.shape != shape:
        raise UserError(
            "the annotation has shape {shape}, the volume {volume_shape}: "
            "they must be the same",
            shape=annotation.shape,
            volume_shape=shape,
        )
    if annotation.dtype != np.uint8:
        raise UserError(
            "the annotation must be uint8, not {dtype}", dtype=annotation.dtype
        )
