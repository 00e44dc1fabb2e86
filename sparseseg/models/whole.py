"""A recipe as one network: grey values in, labels and probabilities out.

Grey curve, filters, three views and their average are in it, and the forest where the
model answers by it; annotated slices are not.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sparseseg import recipes
from sparseseg.boxes import Box
from sparseseg.data.intensity import GreyCurve
from sparseseg.data.volume import Volume
from sparseseg.engine.mixing import combined, parts_of
from sparseseg.engine.model import Model
from sparseseg.engine.segment import best_method
from sparseseg.progress import Method
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.scene import Scene, mirrored

NETWORK = "whole.network."
"""How the weights of the model's own network begin in a block."""


class Whole(nn.Module):
    """The recipe as a function of grey values alone."""

    def __init__(self, network: nn.Module, plan: Plan, method: Method) -> None:
        super().__init__()
        self.network = _with_known_views(network)
        self.plan, self.method = plan, method
        self._recipe = recipes.get(plan.recipe)
        self.numbers: Tensor
        self.register_buffer("numbers", torch.tensor(plan.classes, dtype=torch.int64))

    @classmethod
    def of(cls, model: Model) -> "Whole":
        """Return what a model answers where nobody annotated, with its weights."""
        network = copy.deepcopy(model.network).cpu()
        return cls(network, model.plan, best_method(model, is_annotated=False))

    def forward(self, image: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return labels (z, y, x) and probabilities (k, z, y, x) of an image (c, z, y, x).

        `scale` (c, 2) is zero and unit of each channel.
        """
        # In double precision, which not every device has.
        curves = zip(self.plan.curves, image.cpu(), scale.cpu(), strict=True)
        grey = torch.stack([_mapped(*one) for one in curves]).to(image.device)
        empty = Volume(np.zeros(image.shape, np.uint8))
        scene = _Graph(self.plan, empty, device=image.device, mapped=grey)
        box = Box.whole(scene.volume.shape)
        found = self._recipe.probabilities(self.network, scene, box)
        if "beside" in parts_of([self.method]):
            natural = self._recipe.trees(self.network, scene, box)
            trees = self._recipe.favoured(self.network, natural, beside=True)
            found = combined(self.method, {"beside": trees, "unguided": found})
        return self.numbers[found.argmax(0)].to(torch.uint8), found


class Block(nn.Module):
    """The recipe as a function of a batch of one block: its probabilities."""

    def __init__(self, whole: Whole, scale: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.whole = whole
        self.scale: Tensor
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """Return probabilities (1, k, z, y, x) of an image (1, c, z, y, x)."""
        return (self.whole(image[0], self.scale)[1][None],)

    def arguments(self) -> dict[str, Any]:
        """Return what `block_network` makes the same network of, as plain values."""
        return {
            "plan": json.loads(json.dumps(self.whole.plan.to_json())),
            "views": self.whole.network.views.tolist(),
            "method": self.whole.method,
        }


def block_network(
    plan: Mapping[str, Any], views: Sequence[float], method: Method
) -> Block:
    """Return a network without its weights: what a package of BioImage.IO calls.

    Packages that are in use name this function and its arguments. Raises `UserError` for
    a plan that is damaged.
    """
    known = Plan.from_json(plan)
    network = recipes.get(known.recipe).network(known)
    network.register_buffer("views", torch.tensor(views, dtype=torch.float32))
    return Block(Whole(network, known, method), [[0.0, 1.0]] * known.channels)


def _with_known_views(network: Any) -> Any:
    """Take the views out of the weights: their values choose what is computed.

    A tensor's values are not known while a graph is made.
    """
    views = network.views.tolist()
    del network.views
    network.__dict__["views"] = _Known(views)
    return network


@dataclass(frozen=True, slots=True)
class _Known:
    """Stands for a small tensor whose values are constants of the graph."""

    values: list[float]

    def tolist(self) -> list[float]:
        """Return the values."""
        return self.values


@dataclass(frozen=True, eq=False)
class _Graph(Scene):
    """A scene whose grey values are a tensor of the graph."""

    keeps: ClassVar[bool] = False
    mapped: Tensor | None = None

    def grey(self, box: Box) -> Tensor:
        found = self.mapped
        assert found is not None
        edges = zip(box.start, box.stop, self.volume.shape, strict=True)
        for axis, edge in enumerate(edges, 1):
            places = torch.from_numpy(mirrored(*edge)).to(found.device)
            found = found.index_select(axis, places)
        return found


def _mapped(curve: GreyCurve, channel: Tensor, scale: Tensor) -> Tensor:
    """Return a channel through its curve, as `GreyCurve` does: a sum of ramps."""
    zero, unit = scale.double()
    grey = (channel.double() - zero) / unit
    grey = torch.where(torch.isnan(grey), torch.full_like(grey, curve.knots[0]), grey)
    total = torch.full_like(grey, curve.values[0])
    ends = zip(
        curve.knots, curve.knots[1:], curve.values, curve.values[1:], strict=False
    )
    for low, high, start, stop in ends:
        total = total + (grey - low).clamp(0, high - low) * (
            (stop - start) / (high - low)
        )
    return total.float()
