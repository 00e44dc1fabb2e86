"""Models of other makers: read without running anything in them."""

from sparseseg.zoo.foreign import Given
from sparseseg.zoo.formats import read_model

__all__ = ["Given", "read_model"]
