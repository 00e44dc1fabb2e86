"""Our own recipe, the default: a 2-D U-Net in three views, with filters and guidance."""

from sparseseg.recipes.three_view.recipe import ThreeViewRecipe

__all__ = ["ThreeViewRecipe"]
