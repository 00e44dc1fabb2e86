"""What every test runs under: one thread, its own settings, nothing left behind."""

import atexit
import gc
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

# napari, Qt and torch read these when they are imported, so they are set before.
SCRATCH = Path(tempfile.mkdtemp(prefix="sparseseg-tests-"))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)
os.environ["NAPARI_CONFIG"] = str(SCRATCH / "napari.yaml")
os.environ.setdefault("XDG_RUNTIME_DIR", str(SCRATCH))
os.environ["SPARSESEG_LANGUAGE"] = "en"
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs an accelerator where there is none."""
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu and not _has_gpu():
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="there is no GPU"))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(autouse=True)
def one_torch_thread() -> None:
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, a process or a widget of ours behind."""
    before = leftovers()
    yield
    if set(leftovers()) - set(before):
        delete_closed_widgets()
    left = [thing for thing in leftovers() if thing not in before]
    assert not left, f"left behind: {left}"


def leftovers() -> list[object]:
    threads = [t for t in threading.enumerate() if t.name.startswith("sparseseg")]
    return [*threads, *multiprocessing.active_children(), *top_level_widgets()]


def pytest_collection_finish() -> None:
    """Keep what all tests import out of the collections after each of them."""
    gc.collect()
    gc.freeze()


def top_level_widgets() -> list[object]:
    widgets = sys.modules.get("qtpy.QtWidgets")
    if widgets is None or widgets.QApplication.instance() is None:
        return []
    every = widgets.QApplication.topLevelWidgets()
    return [w for w in every if type(w).__module__.startswith("sparseseg")]


def delete_closed_widgets() -> None:
    from qtpy.QtCore import QCoreApplication, QEvent

    gc.collect()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
