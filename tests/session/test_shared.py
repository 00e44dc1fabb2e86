"""Arrays in shared memory: what they hold, and how long."""

import errno
import gc
import shutil
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import numpy as np
import pytest

from sparseseg.data.on_disk import OnDisk
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.session.desk import OpenVolume
from sparseseg.session.shared import SharedBlock, SharedVolume
from sparseseg.session.trainer import _open_engine

_ENGINE = "tests.session.fake_engine"


@pytest.fixture
def block() -> Iterator[SharedBlock]:
    block = SharedBlock.create((2, 3), ">u2")
    yield block
    block.unlink()


def test_a_block_starts_with_zeros_in_native_order(block: SharedBlock) -> None:
    assert block.array().dtype == np.dtype("=u2")
    np.testing.assert_array_equal(block.array(), np.zeros((2, 3)))


def test_what_is_written_here_is_read_there(block: SharedBlock) -> None:
    there = SharedBlock.attach(block.layout).array()
    block.array()[1, 2] = 7
    np.testing.assert_array_equal(there, [[0, 0, 0], [0, 0, 7]])


def test_the_memory_lives_as_long_as_a_view_and_no_longer() -> None:
    block = SharedBlock.create((4, 4), np.uint8)
    memory = weakref.ref(block._memory)
    view = block.array()[1:, ::2][0]
    block.unlink()
    del block
    gc.collect()
    view[...] = 7
    assert memory() is not None
    del view
    gc.collect()
    assert memory() is None


def test_unlinking_twice_is_fine(block: SharedBlock) -> None:
    block.unlink()
    block.unlink()
    with pytest.raises(FileNotFoundError):
        SharedBlock.attach(block.layout)


def test_a_volume_is_copied_with_its_annotation() -> None:
    image = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2)
    annotation = np.full((2, 2, 2), 255, np.uint8)
    shared = SharedVolume.create(image, annotation)
    there = SharedVolume.attach(shared.layouts)
    there.wait()
    shared.unlink()
    image[...] = 0
    assert there.image[1, 1, 1, 1] == 15
    assert there.arrays.annotation.min() == 255
    assert there.arrays.prediction.max() == there.arrays.uncertainty.max() == 0


class _Slow:
    """An image whose planes come when they are let through."""

    shape, dtype, nbytes = (1, 40, 2, 2), np.dtype(np.uint8), 160

    def __init__(self) -> None:
        self.let_through = threading.Event()
        self.threads: set[threading.Thread] = set()

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        self.threads.add(threading.current_thread())
        self.let_through.wait()
        return np.full(self.shape, 7, np.uint8)[key]


def test_whoever_opens_a_volume_does_not_wait_for_its_copy() -> None:
    image = _Slow()
    shared = SharedVolume.create(image, None)  # type: ignore[arg-type]
    shared.arrays.annotation[0, 0, 0] = 1  # is there at once
    assert not shared.image.any()
    image.let_through.set()
    shared.wait()
    assert (shared.image == 7).all()
    assert threading.main_thread() not in image.threads
    shared.unlink()


def _stored(side: int = 2) -> OnDisk:
    """Voxels that another process can open."""
    return OnDisk(np.ones((side, 2, 2), np.uint8), "zyx", opened=partial(_stored, side))


def test_an_image_that_can_be_opened_again_is_not_copied() -> None:
    shared = SharedVolume.create(_stored(), None)
    there = SharedVolume.attach(shared.layouts)
    there.wait()
    assert there.image is None
    assert there.arrays.annotation.shape == (2, 2, 2)
    shared.unlink()


def test_the_training_process_opens_an_image_on_disk_itself(tmp_path: Path) -> None:
    desk = _set_up(_stored(), tmp_path)
    engine = _open_engine(_ENGINE, desk.assignment, desk.shared)
    np.testing.assert_array_equal(engine.volume.array[:], _stored()[:])
    desk.shared.unlink()


def test_a_file_that_has_changed_is_told(tmp_path: Path) -> None:
    image = OnDisk(np.ones((2, 2, 2), np.uint8), "zyx", opened=partial(_stored, 3))
    desk = _set_up(image, tmp_path)
    with pytest.raises(UserError, match=r"'cells' has changed .* \(3, 2, 2\) voxels"):
        _open_engine(_ENGINE, desk.assignment, desk.shared)
    desk.shared.unlink()


def _set_up(image: OnDisk, folder: Path) -> OpenVolume:
    return OpenVolume.set_up(
        Volume(image, name="cells"),
        None,
        folder=folder,
        failed=pytest.fail,
    )


def test_an_image_that_cannot_be_read_is_told() -> None:
    class Broken(_Slow):
        def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
            raise KeyError("chunk")

    told: SimpleQueue[str] = SimpleQueue()
    shared = SharedVolume.create(Broken(), None, failed=told.put)  # type: ignore[arg-type]
    assert "a part of the image could not be read" in told.get(timeout=5)
    with pytest.raises(UserError, match="open it again"):
        shared.wait()
    shared.unlink()


def test_memory_that_is_gone_in_the_meantime_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SharedBlock, "take", full)
    told: SimpleQueue[str] = SimpleQueue()
    image = np.zeros((1, 2, 2, 2), np.uint8)
    shared = SharedVolume.create(image, None, failed=told.put)
    assert "close other programs" in told.get(timeout=5)
    with pytest.raises(UserError, match="shared memory of this machine is full"):
        shared.wait()
    shared.unlink()


def test_a_volume_larger_than_the_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    monkeypatch.setattr("pathlib.Path.is_dir", lambda _: True)
    with pytest.raises(UserError, match=r"needs 0\.0 GB of shared memory .* crop"):
        SharedVolume.create(np.zeros((1, 8, 8, 8)), None)
