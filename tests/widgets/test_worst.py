"""The worst volumes of a batch become volumes of a project by one click."""

import json

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QInputDialog, QWidget

from sparseseg.batch.items import SETTINGS, STATE_FOLDER
from sparseseg.batch.manifest import Manifest
from sparseseg.batch.settings import BatchSettings
from sparseseg.data.files import write_image
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.project.project import Project
from sparseseg.reporting.entry import VolumeEntry
from sparseseg.widgets.worst import Worst, taken

GREY = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)


@pytest.fixture
def batch(tmp_path):
    """A batch of a, b and c; b is the worst, and a the next one."""
    out = tmp_path / "out"
    settings = BatchSettings(
        model="m.safetensors", folder=str(tmp_path / "in"), output=str(out)
    )
    (out / STATE_FOLDER).mkdir(parents=True)
    (out / STATE_FOLDER / SETTINGS).write_text(json.dumps(settings.to_json()))
    for place, (name, dice) in enumerate({"a": 0.8, "b": 0.2, "c": 0.9}.items()):
        image, like = GREY + np.uint8(place), Volume(GREY[None])
        write_image(tmp_path / "in" / f"{name}.tif", image, like)
        facts = {"estimated_dice": dice}
        Manifest(out).add(
            VolumeEntry(name=f"{name}.tif", state="done", key="key", facts=facts)
        )
    (out / "report.html").write_text("x")
    return out


def test_the_worst_go_into_a_new_project_and_then_into_the_same(batch, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    assert taken(batch, 1, home).names == ("b",)
    again = taken(batch, 2, home)
    assert again.names == ("a",)
    assert "b.tif is in the project already" in again.left_out[0]


def test_a_folder_with_other_things_is_left_alone(batch, tmp_path):
    with pytest.raises(UserError, match="is not an empty folder"):
        taken(batch, 1, tmp_path / "in")


def test_one_click_asks_and_adds(qtbot, messages, batch, tmp_path, monkeypatch):
    parent = QWidget()
    qtbot.addWidget(parent)
    home = tmp_path / "home"
    monkeypatch.setattr(QInputDialog, "getInt", lambda *_: (2, True))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(home))
    worst = Worst(parent, messages)
    worst.take(batch / "report.html")
    qtbot.waitUntil(lambda: bool(messages.texts))
    assert messages.texts[0].startswith("2 volumes were added to the project")
    worst.close()
    with Project(home, read_only=True) as project:
        assert [volume.name for volume in project.volumes] == ["b", "a"]
