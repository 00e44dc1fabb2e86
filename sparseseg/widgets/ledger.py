"""Which slices are annotated: recounted from the array whenever it has changed."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

from sparseseg.classes import BACKGROUND
from sparseseg.data.labels import Ledger, SparseLabels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WAIT_SECONDS = 0.03
"""How long the window waits for a count; most are there by then."""


@dataclass(frozen=True, slots=True)
class LedgerCount:
    """A recount of an annotation of this shape (z, y, x)."""

    shape: tuple[int, int, int]
    ledger: Ledger

    @property
    def numbers(self) -> set[int]:
        """The classes that have a voxel."""
        return set(self.ledger.counts) - {BACKGROUND}


class LedgerWatch:
    """Look at an annotation and say what changed.

    The array is the only witness: napari tells of no undo, and scripts tell of nothing.
    It is counted in a thread, and the window does not wait for a count that takes long.
    """

    counted = Signal(object)
    """The newest `LedgerCount`, or None where nothing is watched."""

    def __init__(self) -> None:
        self.count: LedgerCount | None = None
        """What was counted last; None where nothing is watched."""
        self._labels: SparseLabels | None = None
        self._counter = ThreadPoolExecutor(1, "sparseseg-ledger")
        self._pending: Future[LedgerCount | None] | None = None

    def follow(self, annotation: "NDArray[np.uint8]") -> None:
        """Watch another array."""
        self._labels = SparseLabels(annotation)
        self._pending = self.count = None
        self.look()
        if self.count is None:  # what is known is of the array before
            self.counted.emit(None)

    def leave(self) -> None:
        """Watch nothing until another array comes."""
        self._labels = self._pending = self.count = None
        self.counted.emit(None)

    def look(self) -> None:
        """Count again if the array changed since the last look.

        A count that takes long is told by a later look.
        """
        labels = self._labels
        if labels is None:
            return
        if self._pending is None:
            self._pending = self._counter.submit(_recount, labels)
            wait([self._pending], _WAIT_SECONDS)
        if self._pending.done():
            count, self._pending = self._pending.result(), None
            if count is not None:
                self.count = count
                self.counted.emit(count)

    def close(self) -> None:
        """End the thread, and let go of those who listen."""
        self.counted.disconnect()
        self._counter.shutdown(wait=True)


def _recount(labels: SparseLabels) -> LedgerCount | None:
    return LedgerCount(labels.shape, labels.ledger()) if labels.changed() else None
