"""The one predictor of models that came from elsewhere."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparseseg.boxes import Box
from sparseseg.data.on_disk import OnDisk, let_go
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.pretrained.inference import Inference
from sparseseg.recipes.pretrained.preparation import (
    Prepared,
    inference_of,
    is_prepared,
    preparing,
)
from sparseseg.recipes.pretrained.resampling import reach, resample_answers
from sparseseg.recipes.pretrained.windows import Network, answers, likely
from sparseseg.recipes.recipe import Work
from sparseseg.recipes.scene import Scene
from sparseseg.work import retold

_PREPARING = 0.2  # of the work on the first tile of a volume that stays on disk
_PARTS = 1000
Result = TypeVar("Result")


def probabilities(
    networks: Sequence[nn.Module], scene: Scene, box: Box, *, mirror: bool
) -> Work:
    """Return (k, z, y, x) of a box, window by window.

    All happens as in the library that wrote the model, but only as far as the box needs.
    """
    plan = scene.plan
    rule = inference_of(plan)
    if not mirror:
        rule = replace(rule, mirror=())
    array: Any = scene.volume.array
    is_long = isinstance(array, OnDisk) and not is_prepared(scene.volume, plan)
    share = _PREPARING if is_long else 0.0
    ready = yield from _part(preparing(scene.volume, plan), 0.0, share)
    wanted = ready.frame.box(box, scene.volume.shape)
    inside = wanted.intersect(ready.crop)
    result = np.zeros((len(plan.outputs), *wanted.shape), np.float32)
    result[0] = 1.0  # beyond what was looked at is background
    if not inside.is_empty:
        work = _inside(networks, ready, plan, rule, inside)
        found = yield from _part(work, share, 1.0)
        there = inside.relative_to(wanted).slices
        result[(slice(None), *there)] = found
    turned = ready.frame.to_volume(result)
    return torch.from_numpy(np.ascontiguousarray(turned))


def _part(
    work: Generator[tuple[int, int], None, Result], first: float, last: float
) -> Generator[tuple[int, int], None, Result]:
    """Do a piece of work as the part between two shares of a whole."""

    def of_whole(told: tuple[int, int]) -> tuple[int, int]:
        done, parts = told
        return round(_PARTS * (first + (last - first) * done / parts)), _PARTS

    return retold(work, of_whole)


def as_network(network: nn.Module, *, flat: bool) -> Network:
    """Return what maps a window (1, c, z, y, x) to its full-resolution logits."""
    device = next(network.parameters()).device

    def answer(window: Tensor) -> Tensor:
        shown = window.to(device)
        found: Tensor = network(shown.squeeze(2) if flat else shown)[0]
        return found.unsqueeze(2) if flat else found

    return answer


def painted(probabilities: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the index of the last region that is likelier than not, else 0."""
    places = np.arange(len(probabilities))[:, None, None, None]
    likely = probabilities > 0.5
    likely[0] = True
    found: NDArray[np.intp] = np.where(likely, places, 0).max(0)
    return found


def _inside(
    networks: Sequence[nn.Module],
    ready: Prepared,
    plan: Plan,
    rule: Inference,
    box: Box,
) -> Work:
    """Return the probabilities of a box inside the crop, in the network's axes."""
    outputs = len(plan.outputs) - rule.regions  # of regions, background has none
    target = box.relative_to(ready.crop)
    source = reach(target, ready.grids)
    logits = yield from answers(
        [as_network(network, flat=rule.flat) for network in networks],
        torch.from_numpy(ready.image),
        plan.patch,
        rule,
        outputs=outputs,
        box=source,
    )
    let_go(ready.image)
    if rule.activate_first:
        logits = _activated(logits.float(), rule)
    known = logits.numpy()
    if ready.grids.are_one:
        known = known[(slice(None), *target.relative_to(source).slices)]
    else:
        found = resample_answers(known, source, ready.grids, target, ready.coarse)
        known = found.astype(known.dtype)
    return _finished(torch.from_numpy(known).float(), rule)


def _finished(found: Tensor, rule: Inference) -> Tensor:
    """Return probabilities of all outputs of the plan; regions have no background."""
    shares = found if rule.activate_first else _activated(found, rule)
    if not rule.regions:
        return shares
    return torch.cat([1 - shares.amax(0, keepdim=True), shares])


def _activated(found: Tensor, rule: Inference) -> Tensor:
    return found if rule.average == "probabilities" else likely(found, rule, 0)
