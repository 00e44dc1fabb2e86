"""A viewer without a window, an image in it, and a session without a process."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from sparseseg.widgets import ledger
from sparseseg.widgets.desk import Desk
from sparseseg.widgets.messages import MessageArea
from tests.widgets.fake_session import FakeSession

SHAPE = (6, 30, 40)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recovery copies go to a folder of the test."""
    monkeypatch.setenv("SPARSESEG_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def patient_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted is told at once, however busy the machine is."""
    monkeypatch.setattr(ledger, "_WAIT_SECONDS", 60.0)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def image(viewer: ViewerModel) -> Image:
    """An anisotropic image, moved away from the origin."""
    return viewer.add_image(
        np.arange(6 * 30 * 40, dtype=np.uint16).reshape(SHAPE),
        name="cells",
        scale=(0.5, 0.25, 0.25),
        translate=(10, 0, 0),
        units=("um", "um", "um"),
    )


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def desk(viewer: ViewerModel, session: FakeSession) -> Iterator[Desk]:
    desk = Desk(viewer, session)
    yield desk
    desk.close()


@pytest.fixture
def opened(desk: Desk, image: Image) -> Desk:
    """A desk with an empty annotation on the image."""
    desk.link.choose(image)
    desk.link.annotate()
    # What is painted before the journal's thread has looked belongs to the beginning.
    desk.history._keeper.ask(lambda _: None).result()
    return desk


@pytest.fixture
def elsewhere(opened: Desk) -> Desk:
    """A desk on which another, smaller image is chosen than the session is at work on."""
    grey = np.zeros((3, 20, 20), np.uint8)
    small = opened.viewer.add_image(grey, name="small")
    large = opened.link.image
    opened.link.choose(small)
    opened.link.annotate()
    opened.link.choose(large)
    opened.link.open()
    opened.link.choose(small)
    return opened


@pytest.fixture
def messages(qtbot) -> MessageArea:
    area = MessageArea()
    qtbot.addWidget(area)
    return area
