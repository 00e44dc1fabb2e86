"""Answers that are the mean of a network's and of another one."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from sparseseg.boxes import Box
from sparseseg.engine.propagation import Walk, mixed
from sparseseg.progress import Method
from sparseseg.recipes import Answering, Scene

UNGUIDED: tuple[Method, ...] = ("unguided", "forest")
"""Methods whose network sees the image alone."""

Mix = Callable[[Tensor, Box], Tensor]
"""Mixes what a network says of a box with another answer."""


class Learned(Protocol):
    """What a model has to be to give several answers."""

    network: nn.Module

    @property
    def recipe(self) -> Answering:
        """How the network answers."""
        ...


def mix_of(
    method: Method, model: Learned, scene: Scene, walked: Walk | None
) -> Mix | None:
    """Return how a method mixes what the network says, or None if it does not."""
    if method == "forest":
        return partial(_with_forest, model, scene)
    if method == "mixed" and walked is not None:
        if len(scene.slices) == 1 and model.recipe.has_classifiers:
            return partial(_with_both, model, scene, walked)
        return partial(_with_walk, walked)
    return None


def _with_forest(model: Learned, scene: Scene, found: Tensor, box: Box) -> Tensor:
    with torch.inference_mode():
        trees = model.recipe.forest(model.network, scene, box)
        return mixed(trees, found)


def _with_both(
    model: Learned, scene: Scene, walked: Walk, found: Tensor, box: Box
) -> Tensor:
    """Mix what is learned from a single slice, which is little, with a bit of a walk."""
    learned = _with_forest(model, scene, found, box)
    return mixed(learned, walked(box), share=_OF_ONE_SLICE)


_OF_ONE_SLICE = 4 / 5


def _with_walk(walked: Walk, found: Tensor, box: Box) -> Tensor:
    return mixed(found, walked(box))
