"""Models of other makers: read without running anything in them."""

from sparseseg.models.readers.foreign import ForeignFacts
from sparseseg.models.readers.formats import read_model

__all__ = ["ForeignFacts", "read_model"]
