"""What is computed of a volume once and needed again, for as long as the volume is there."""

from collections.abc import Hashable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from sparseseg.data.volume import Volume

Found = TypeVar("Found")


class Kept(Generic[Found]):
    """One result for each volume, which goes when the volume goes.

    Several volumes never drive out each other's results. A result must not refer to its
    volume, or neither would go.
    """

    def __init__(self) -> None:
        self._found: WeakKeyDictionary[Volume, tuple[Hashable, Found]] = (
            WeakKeyDictionary()
        )

    def get(self, volume: Volume, key: Hashable) -> Found | None:
        """Return the result of a volume, if it was made for this key."""
        made_for, found = self._found.get(volume, (None, None))
        return found if made_for == key else None

    def keep(self, volume: Volume, key: Hashable, found: Found) -> None:
        """Keep a result in the place of the earlier one of this volume."""
        self._found[volume] = key, found

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """The volumes of which something is kept."""
        return tuple(self._found)
