"""Arrays that the window and the training process hold in common."""

import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from math import prod
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sparseseg.data.on_disk import OnDisk
from sparseseg.data.source import Source
from sparseseg.errors import UserError
from sparseseg.language import say

_LINUX_SHARED_MEMORY = Path("/dev/shm")
_STATE = "state"
_FILLING, _READY, _FAILED, _UNREADABLE = range(4)
_LOOK_SECONDS = 0.01
_SLAB = 16  # planes that are copied at once
_NO_ROOM = say(
    "the shared memory of this machine is full, and the image could not be copied there: "
    "close other programs, or crop the volume, and open it again"
)
_COMPLAINTS = {
    _FAILED: _NO_ROOM,
    _UNREADABLE: say(
        "a part of the image could not be read: see to it that its file is there, "
        "remove the image from the window, and open it again"
    ),
}
_Kind = tuple[tuple[int, ...], DTypeLike]
"""The shape and the type of a block."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BlockLayout:
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

    def __init__(self, memory: SharedMemory, layout: BlockLayout) -> None:
        self._memory = memory
        self.layout = layout
        buffered: NDArray[Any] = np.ndarray(layout.shape, layout.dtype, memory.buf)
        self.__array_interface__ = buffered.__array_interface__

    @classmethod
    def create(cls, shape: tuple[int, ...], dtype: DTypeLike) -> Self:
        """Return a new block of zeros, whose memory is taken bit by bit, or by `take`."""
        native = np.dtype(dtype).newbyteorder("=")
        memory = SharedMemory(create=True, size=prod(shape) * native.itemsize)
        return cls(memory, BlockLayout(memory.name, shape, native.str))

    @classmethod
    def attach(cls, layout: BlockLayout) -> Self:
        """Return the block that another process created.

        Raises FileNotFoundError once it was unlinked.
        """
        # A spawned process has the resource tracker of its parent, where the name is
        # known already: it stays one entry, and the parent's `unlink` removes it.
        return cls(SharedMemory(layout.name), layout)

    def array(self) -> NDArray[Any]:
        """Return a new array on the block."""
        return np.asarray(self)

    def take(self) -> None:
        """Take all of the memory now; raise `OSError` if it does not suffice.

        On Linux, pages that are missing later would end the process that writes there.
        """
        if not _LINUX_SHARED_MEMORY.is_dir():
            return
        path = _LINUX_SHARED_MEMORY / self.layout.name.lstrip("/")
        with suppress(FileNotFoundError), path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, self._memory.size)

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
    """An image (c, z, y, x) with its annotation, prediction and uncertainty.

    The image is copied in a thread; `wait` returns when all of it is there. One that
    another process can open from its file is not copied, and `image` is None.
    """

    def __init__(self, blocks: Mapping[str, SharedBlock]) -> None:
        self._blocks = blocks
        arrays = {name: block.array() for name, block in blocks.items()}
        self._state: NDArray[np.uint8] = arrays.pop(_STATE)
        self.image: NDArray[Any] | None = arrays.pop("image", None)
        self.arrays = SharedArrays(**arrays)

    @classmethod
    def create(
        cls,
        image: Source,
        annotation: NDArray[np.uint8] | None,
        *,
        failed: Callable[[str], object] = lambda _: None,
    ) -> Self:
        """Return shared memory with an empty prediction, into which the image is copied.

        Raises UserError if the memory does not suffice; `failed` is called from a thread
        if it did but does no longer.
        """
        shape = image.shape[1:]
        is_copied = reopening(image) is None
        _check_room(is_copied * image.nbytes + 3 * prod(shape))
        kinds: dict[str, _Kind] = {
            "annotation": (shape, np.uint8),
            "prediction": (shape, np.uint8),
            "uncertainty": (shape, np.uint8),
            _STATE: ((1,), np.uint8),
        }
        if is_copied:
            kinds["image"] = (image.shape, image.dtype)
        shared = cls(_created(kinds))
        if annotation is not None:
            shared.arrays.annotation[...] = annotation
        threading.Thread(
            target=shared._fill,
            args=(image, failed),
            name="sparseseg-copy",
            daemon=True,
        ).start()
        return shared

    @classmethod
    def attach(cls, layouts: Mapping[str, BlockLayout]) -> Self:
        """Return what another process created."""
        return cls({name: SharedBlock.attach(at) for name, at in layouts.items()})

    def wait(self) -> None:
        """Return when the image is there; raise `UserError` if it will never be."""
        while self._state[0] == _FILLING:
            time.sleep(_LOOK_SECONDS)
        if self._state[0] != _READY:
            raise UserError(_COMPLAINTS[int(self._state[0])])

    def _fill(self, image: Source, failed: Callable[[str], object]) -> None:
        try:
            for block in self._blocks.values():
                block.take()
            self._copy(image)
        except Exception as error:  # noqa: BLE001  # arrays of others fail in any way
            is_full = isinstance(error, MemoryError) or _is_no_room(error)
            self._state[0] = _FAILED if is_full else _UNREADABLE
            _LOG.exception("the image could not be copied")
            failed(_COMPLAINTS[int(self._state[0])])
        else:
            self._state[0] = _READY

    def _copy(self, image: Source) -> None:
        if self.image is None:
            return
        for z in range(0, image.shape[1], _SLAB):
            slab = slice(z, min(z + _SLAB, image.shape[1]))
            there = (slice(None), slab, slice(None), slice(None))
            self.image[there] = image[there]

    @property
    def layouts(self) -> dict[str, BlockLayout]:
        """What another process needs to attach."""
        return {name: block.layout for name, block in self._blocks.items()}

    def unlink(self) -> None:
        """Give the memory back once no array in any process uses it; twice is fine."""
        for block in self._blocks.values():
            block.unlink()


def reopening(image: Source) -> Callable[[], OnDisk] | None:
    """Return what opens an image in another process; None where it has to be copied."""
    return image.reopen if isinstance(image, OnDisk) else None


def _created(kinds: Mapping[str, _Kind]) -> dict[str, SharedBlock]:
    """Return a new block for each name; where one fails, none is left."""
    blocks: dict[str, SharedBlock] = {}
    with ExitStack() as undo:
        for name, kind in kinds.items():
            blocks[name] = SharedBlock.create(*kind)
            undo.callback(blocks[name].unlink)
        undo.pop_all()
    return blocks


def _is_no_room(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.ENOMEM)


def _check_room(size: int) -> None:
    """Refuse in time: Linux lets the memory be mapped and kills who then writes to it."""
    if not _LINUX_SHARED_MEMORY.is_dir():
        return
    free = shutil.disk_usage(_LINUX_SHARED_MEMORY).free
    if size > free:
        raise UserError(
            "this volume needs {size:.1f} GB of shared memory and "
            "{place} has {free:.1f} GB left: crop the volume, or "
            "give the machine more (in Docker: --shm-size)",
            size=size / 1e9,
            place=_LINUX_SHARED_MEMORY,
            free=free / 1e9,
        )
