"""Notes for the user, which Python would print where nobody looks."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sparseseg.errors import Note


@contextmanager
def noting() -> Iterator[list[str]]:
    """Collect the notes of the block, which are complete when it ends."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Note)
        yield notes
    notes += [str(w.message) for w in caught if isinstance(w.message, Note)]
