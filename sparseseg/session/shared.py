"""Arrays that the window and the training process hold in common."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from math import prod
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sparseseg.data.source import Source
from sparseseg.errors import UserError

_LINUX_SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Layout:
    """What another process needs to find a block: its name and what lies in it."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class SharedBlock:
    """One array in shared memory; the memory stays mapped as long as a view of it lives.

    An array made on `SharedMemory.buf` points nowhere after `close()`. Here the block is
    the base of its array and of every view, so the last of them to go takes the mapping
    with it, and nobody calls `close()`.
    """

    def __init__(self, memory: SharedMemory, layout: Layout) -> None:
        self._memory = memory
        self.layout = layout
        buffered: NDArray[Any] = np.ndarray(layout.shape, layout.dtype, memory.buf)
        self.__array_interface__ = buffered.__array_interface__

    @classmethod
    def create(cls, shape: tuple[int, ...], dtype: DTypeLike) -> Self:
        """Return a new block of zeros."""
        native = np.dtype(dtype).newbyteorder("=")
        memory = SharedMemory(create=True, size=prod(shape) * native.itemsize)
        block = cls(memory, Layout(memory.name, shape, native.str))
        # Written, not only mapped: pages that are missing later would end the process.
        block.array()[...] = 0
        return block

    @classmethod
    def attach(cls, layout: Layout) -> Self:
        """Return the block that another process created.

        Raises FileNotFoundError once it was unlinked.
        """
        # A spawned process has the resource tracker of its parent, where the name is
        # known already: it stays one entry, and the parent's `unlink` removes it.
        return cls(SharedMemory(layout.name), layout)

    def array(self) -> NDArray[Any]:
        """Return a new array on the block."""
        return np.asarray(self)

    def unlink(self) -> None:
        """Give the memory back once no array in any process uses it; twice is fine."""
        with suppress(FileNotFoundError):
            self._memory.unlink()


@dataclass(frozen=True, slots=True, eq=False)
class SharedArrays:
    """The arrays (z, y, x) that layers are made on; paint in `annotation` in place.

    They stay usable after the session is closed. `uncertainty` is 0 (sure) to 255.
    """

    annotation: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]


class SharedVolume:
    """An image (c, z, y, x) with its annotation, prediction and uncertainty."""

    def __init__(self, blocks: Mapping[str, SharedBlock]) -> None:
        self._blocks = blocks
        arrays = {name: block.array() for name, block in blocks.items()}
        self.image: NDArray[Any] = arrays.pop("image")
        self.arrays = SharedArrays(**arrays)

    @classmethod
    def create(cls, image: Source, annotation: NDArray[np.uint8] | None) -> Self:
        """Return a copy in shared memory, with an empty prediction.

        Raises UserError if the memory does not suffice.
        """
        shape = image.shape[1:]
        _check_room(image.nbytes + 3 * prod(shape))
        with ExitStack() as undo:
            blocks = {"image": SharedBlock.create(image.shape, image.dtype)}
            undo.callback(blocks["image"].unlink)
            for name in ("annotation", "prediction", "uncertainty"):
                blocks[name] = SharedBlock.create(shape, np.uint8)
                undo.callback(blocks[name].unlink)
            undo.pop_all()
        shared = cls(blocks)
        shared.image[...] = image[:]
        if annotation is not None:
            shared.arrays.annotation[...] = annotation
        return shared

    @classmethod
    def attach(cls, layouts: Mapping[str, Layout]) -> Self:
        """Return what another process created."""
        return cls({name: SharedBlock.attach(at) for name, at in layouts.items()})

    @property
    def layouts(self) -> dict[str, Layout]:
        """What another process needs to attach."""
        return {name: block.layout for name, block in self._blocks.items()}

    def unlink(self) -> None:
        """Give the memory back once no array in any process uses it; twice is fine."""
        for block in self._blocks.values():
            block.unlink()


def _check_room(size: int) -> None:
    """Refuse in time: Linux lets the memory be mapped and kills who then writes to it."""
    if not _LINUX_SHARED_MEMORY.is_dir():
        return
    free = shutil.disk_usage(_LINUX_SHARED_MEMORY).free
    if size > free:
        raise UserError(
            f"this volume needs {size / 1e9:.1f} GB of shared memory and "
            f"{_LINUX_SHARED_MEMORY} has {free / 1e9:.1f} GB left: crop the volume, or "
            "give the machine more (in Docker: --shm-size)"
        )
