"""What a volume's voxels are read from: an array in memory, or one that stays on disk."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Source(Protocol):
    """Grey values c, z, y, x; reading a box of them gives an array in memory.

    NumPy's arrays are sources, and so is `sparseseg.data.on_disk.OnDisk`, which opens its
    file again where another process takes it. All of one is read by `numpy.asarray`.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of channels, and of voxels along z, y, x."""

    @property
    def ndim(self) -> int:
        """Four."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a grey value."""

    @property
    def size(self) -> int:
        """The number of grey values."""

    @property
    def nbytes(self) -> int:
        """How much memory all of it takes."""

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        """Read a box: four slices, or one slice of channels."""

    def __array__(self, dtype: Any = None, /) -> NDArray[Any]:
        """Read all of it."""
