"""The published systems, one file each, by name."""

from typing import Any

from torch import nn

from sparseseg.recipes.cases import Case
from sparseseg.recipes.hdenseunet import HDenseUNetRecipe
from sparseseg.recipes.lungnet import LungNetRecipe
from sparseseg.recipes.mssunet import MSSUNetRecipe
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.pretrained import PretrainedRecipe
from sparseseg.recipes.recipe import (
    Answering,
    Batch,
    Learning,
    Pruning,
    Recipe,
    Stage,
    Trained,
)
from sparseseg.recipes.scene import Scene
from sparseseg.recipes.three_view import ThreeViewRecipe
from sparseseg.recipes.unet3d import UNet3dRecipe
from sparseseg.recipes.unet3d_guided import GuidedUNet3dRecipe
from sparseseg.recipes.unetplusplus import UNetPlusPlusRecipe
from sparseseg.settings.cards import CARDS, card

__all__ = [
    "Answering",
    "Batch",
    "Case",
    "Learning",
    "Plan",
    "Pruning",
    "Recipe",
    "Scene",
    "Stage",
    "Trained",
    "get",
    "names",
    "network",
]

_RECIPES: dict[str, Recipe] = {
    recipe.card.name: recipe
    for recipe in (
        ThreeViewRecipe(),
        UNet3dRecipe(),
        GuidedUNet3dRecipe(),
        UNetPlusPlusRecipe(),
        MSSUNetRecipe(),
        HDenseUNetRecipe(),
        LungNetRecipe(),
        PretrainedRecipe(),
    )
}


def names() -> tuple[str, ...]:
    """Return the names of what can be trained from nothing, the default first."""
    return tuple(CARDS)


def get(name: str) -> Recipe:
    """Return a recipe by its name; raise `UserError` for one that is not there."""
    return _RECIPES[card(name).name]


def network(name: str, *, channels: int, outputs: int, **options: Any) -> nn.Module:
    """Return the torch module of a recipe alone, with fresh weights."""
    return get(name).module(channels, outputs, **options)
