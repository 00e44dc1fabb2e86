"""Models of other makers: read without running anything in them."""

from sparseseg.models.readers.foreign import Given
from sparseseg.models.readers.formats import read_model

__all__ = ["Given", "read_model"]
