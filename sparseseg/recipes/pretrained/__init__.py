"""Models that came from elsewhere: applied as their library does, and trained further."""

from sparseseg.recipes.pretrained.inference import Inference, Normaliser
from sparseseg.recipes.pretrained.recipe import PretrainedRecipe

__all__ = ["Inference", "Normaliser", "PretrainedRecipe"]
