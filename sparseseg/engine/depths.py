"""What each depth of a UNet++ costs and is worth, on this machine and this volume."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import predict
from sparseseg.errors import UserError

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class DepthCost:
    """One row of the table."""

    depth: int
    parameters: int
    seconds: float
    """To predict the whole volume."""
    memory: int | None
    """The most bytes held meanwhile beyond those held before; None if not known."""
    held_out_dice: float | None
    """Mean Dice on the held-out slices, before they joined the training."""


def depth_table(model: Model, volume: Volume) -> Iterator[DepthCost]:
    """Predict a volume at each depth of a model, and yield what it took.

    Raises `UserError` for a model that cannot be pruned.
    """
    depths = model.recipe.depths(model.plan)
    if not depths:
        raise UserError(
            "a model of {recipe} has one depth only: train unetplusplus "
            "with deep supervision to choose one",
            recipe=model.plan.recipe,
        )
    known = model.history.get("held_out_by_depth", {})
    for depth in depths:
        pruned = model.at_depth(depth)
        before = _memory("VmRSS", pruned.device, reset=True)
        begin = time.perf_counter()
        out = Output(np.zeros(volume.shape, np.uint8))
        for _ in predict(pruned, volume, out):
            pass
        seconds = time.perf_counter() - begin
        most = _memory("VmHWM", pruned.device)
        memory = None if most is None or before is None else max(0, most - before)
        dice = known.get(str(depth))
        yield DepthCost(depth, pruned.parameters, seconds, memory, dice)


def _memory(field: str, device: torch.device, *, reset: bool = False) -> int | None:
    """Return the bytes that are, or at most were, held since the last reset."""
    if device.type == "cuda":
        if reset:
            torch.cuda.reset_peak_memory_stats(device)
            return torch.cuda.memory_allocated(device)
        return torch.cuda.max_memory_allocated(device)
    try:
        if reset:
            _RESET.write_text("5")  # sets the peak back to what is held now
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = (line.split() for line in lines if line.startswith(f"{field}:"))
    return next((int(words[1]) * 1024 for words in found), None)
