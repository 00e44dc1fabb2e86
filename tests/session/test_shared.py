"""Arrays in shared memory: what they hold, and how long."""

import gc
import shutil
import weakref
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from sparseseg.errors import UserError
from sparseseg.session.shared import SharedBlock, SharedVolume


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
    shared.unlink()
    image[...] = 0
    assert there.image[1, 1, 1, 1] == 15
    assert there.arrays.annotation.min() == 255
    assert there.arrays.prediction.max() == there.arrays.uncertainty.max() == 0


def test_a_volume_larger_than_the_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    monkeypatch.setattr("pathlib.Path.is_dir", lambda _: True)
    with pytest.raises(UserError, match=r"needs 0\.0 GB of shared memory .* crop"):
        SharedVolume.create(np.zeros((1, 8, 8, 8)), None)
