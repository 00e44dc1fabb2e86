"""How much memory a step of training takes, told without taking it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparseseg.boxes import Triple
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.recipe import Batch, Recipe
from sparseseg.settings.cards import default_recipe

# Weights that learn and that predict, gradients, and two moments of each.
_COPIES = 5
# What a library works in, and what is under way in the backward pass.
_SLACK = 1.25
_GB = 2**30


def training_bytes(
    recipe: Recipe, plan: Plan, shape: Sequence[int] | None = None
) -> int:
    """Return about how many bytes a step takes, in single precision.

    `shape` is that of the batch's inputs (n, c, ...); one patch if it is not given. The
    forward pass runs on tensors without content; what it keeps for the backward pass is
    counted.
    """
    network = _without_content(recipe, plan)
    return _step_bytes(recipe, network, shape or (1, plan.channels, *plan.patch))


def _without_content(recipe: Recipe, plan: Plan) -> nn.Module:
    network = recipe.network(plan).train()
    recipe.enter(network, recipe.stages(plan)[-1])
    return network.to("meta")


def _step_bytes(recipe: Recipe, network: nn.Module, shape: Sequence[int]) -> int:
    image = torch.empty(*shape, device="meta")
    target = torch.empty(0, device="meta")
    kept = _Kept(network)
    with torch.autograd.graph.saved_tensors_hooks(kept.add, _given_back):
        heads = recipe.logits(network, Batch(image, target))
    weights, of_loss = _bytes(*network.parameters()), 4 * _bytes(*heads)
    return int(_COPIES * weights + _SLACK * (kept.bytes + of_loss + _bytes(image)))


def check_training_memory(recipe: Recipe, plan: Plan, memory: int) -> None:
    """Raise `UserError` if so many bytes do not suffice to train on the plan's patch."""
    patch = next(recipe.patches(plan), None)
    if patch is not None and training_bytes(recipe, plan) > memory:
        raise UserError(too_little(recipe, plan, memory))


def too_little(recipe: Recipe, plan: Plan, memory: int | None = None) -> str:
    """Say that so many bytes are too few, and which patch there is enough for.

    If it is not known how many there are, it is the next smaller patch.
    """
    patches = list(recipe.patches(plan))
    if not patches:
        return say(
            "the memory does not suffice to train {name}: free some",
            name=recipe.card.name,
        )
    network = _without_content(recipe, plan)
    sizes = {
        patch: _step_bytes(recipe, network, (1, plan.channels, *patch))
        for patch in patches
    }
    needed = sizes.pop(plan.patch)
    fits = [patch for patch in sizes if memory is None or sizes[patch] <= memory]
    words = say(
        "{name} takes about {needed:.1f} GB to train on patches of "
        "{patch}, and the memory does not suffice",
        name=recipe.card.name,
        needed=needed / _GB,
        patch=in_words(plan.patch),
    )
    if not fits:
        return say(
            "{words}: free some of it, or train {recipe}",
            words=words,
            recipe=default_recipe(),
        )
    return say(
        "{words}: choose the option patch={patch}, which takes {size:.1f} GB (the "
        "batch is one patch already)",
        words=words,
        patch=in_words(fits[0]),
        size=sizes[fits[0]] / _GB,
    )


def in_words(patch: Triple) -> str:
    """Return a patch as its option is written."""
    return "x".join(map(str, patch))


class _Kept:
    """Counts the tensors that autograd keeps, but for weights; each storage once."""

    def __init__(self, network: nn.Module) -> None:
        self._seen: dict[int, Tensor] = {
            _storage(weight): weight for weight in network.parameters()
        }
        self.bytes = 0

    def add(self, tensor: Tensor) -> Tensor:
        if _storage(tensor) not in self._seen:
            # Held on to, so that no other storage is made in its place.
            self._seen[_storage(tensor)] = tensor
            self.bytes += tensor.untyped_storage().nbytes()
        return tensor


def _given_back(tensor: Tensor) -> Tensor:
    return tensor


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _bytes(*tensors: Tensor) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
