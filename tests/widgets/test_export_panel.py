"""Export in the window: the command, with what the form says, and nothing left over."""

from argparse import ArgumentParser
from pathlib import Path

import pytest
from qtpy.QtWidgets import QFileDialog

from sparseseg.cli.models import MODELS
from sparseseg.session.events import Exports, Phase
from sparseseg.widgets.export_panel import ExportPanel
from sparseseg.widgets.file_facts import FACTS, FileFacts


class Command:
    """Stands for the process of the command."""

    is_running = False

    def start(self, words):
        self.words, self.is_running = words, True

    def stop(self):
        self.is_running = False

    def close(self):
        self.is_running = False


@pytest.fixture
def panel(qtbot, opened, messages, session):
    panel = ExportPanel(opened, messages)
    qtbot.addWidget(panel)
    session.learns(is_saved=False)
    session.becomes(Phase.IDLE)
    panel.command = Command()
    panel.fold.setChecked(True)
    return panel


def chosen(monkeypatch, path) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))


def ended(panel, failure="") -> None:
    panel.command.is_running = False
    panel._show_end(failure)


def choose(panel, name) -> None:
    panel.form.format.setCurrentIndex(panel.form.format.findData(name))


def test_the_command_gets_a_copy_of_the_model_and_what_the_form_says(
    panel, session, monkeypatch, tmp_path, messages
):
    chosen(monkeypatch, tmp_path / "cells")
    choose(panel, "bioimageio")
    panel.form.authors.setText("A. Maker; B. Maker")
    panel.form.licence.setText("CC-BY-4.0")
    panel.export.click()
    (name, copy), copied = session.calls[-1], panel._folder
    assert (name, copy.parent, copied.is_dir()) == ("copy", copied, True)
    assert not session.is_saved
    parser = ArgumentParser()
    MODELS.add_flags(parser)
    said = parser.parse_args(panel.command.words[1:-1])
    assert (said.model, said.output) == (str(copy), tmp_path / "cells.zip")
    assert (said.format, said.authors) == ("bioimageio", ["A. Maker", "B. Maker"])
    assert (said.patch, said.licence) == ("32x64x64", "CC-BY-4.0")
    assert not panel.export.isEnabled()
    assert panel.export.isHidden()  # what it does is shown in its place
    assert not panel.running.isHidden()

    (tmp_path / "cells.zip").write_bytes(b"x")
    panel._tell({"path": "cells.zip", "voxels": 8, "differing": 1})
    ended(panel)
    assert not copied.exists()
    assert panel.running.isHidden()
    assert not panel.export.isHidden()
    assert "8 voxels of an example, 1 get another label" in messages.texts[0]
    messages.cards[0].button.click()
    assert not (tmp_path / "cells.zip").exists()


def test_the_file_of_the_image_is_not_replaced(
    panel, opened, image, monkeypatch, tmp_path, messages
):
    path = tmp_path / "cells.zip"
    path.write_bytes(b"image")
    image.metadata[FACTS] = FileFacts.of(opened.link.volume, path)
    chosen(monkeypatch, path)
    choose(panel, "bioimageio")
    panel.form.authors.setText("A. Maker")
    panel.form.licence.setText("CC-BY-4.0")
    panel.export.click()
    assert "is an input" in messages.texts[0]
    assert panel._folder is None


def test_what_fails_is_told_and_leaves_no_copy(panel, monkeypatch, tmp_path, messages):
    chosen(monkeypatch, tmp_path / "cells")
    panel.export.click()
    folder = panel._folder
    ended(panel, "only models of the recipe three-view are exported")
    assert not folder.exists()
    assert "only models" in messages.texts[0]
    assert panel.export.isEnabled()


@pytest.mark.parametrize(
    ("kind", "patch", "words"),
    [
        ("bioimageio", "8x8x8", "give Authors and Licence, such as"),
        ("onnx", "8x8", "a patch is ZxYxX, such as 32x64x64, got '8x8'"),
        ("nnunet", "8x8x8", "is there already"),
    ],
)
def test_what_is_missing_is_said_before_any_work(
    panel, session, monkeypatch, tmp_path, messages, kind, patch, words
):
    chosen(monkeypatch, tmp_path)
    choose(panel, kind)
    panel.form.patch.setText(patch)
    panel.export.click()
    assert words in messages.texts[0]
    assert "copy" not in [call[0] for call in session.calls]


def test_what_a_model_cannot_be_is_said_when_it_is_chosen(
    panel, session, opened, qtbot
):
    words = "only a network of nnU-Net can be written as its folder"
    with qtbot.waitSignal(opened.relay.exports):
        session.events.exports.emit(Exports({"nnunet": words}))
    assert panel.export.isEnabled()
    assert panel.obstacle.isHidden()
    choose(panel, "nnunet")
    assert not panel.export.isEnabled()
    assert (panel.obstacle.text(), panel.obstacle.isHidden()) == (words, False)
    with qtbot.waitSignal(opened.relay.exports):
        session.events.exports.emit(Exports())  # another model
    assert panel.export.isEnabled()
    assert panel.obstacle.isHidden()


def test_a_dialog_that_is_cancelled_does_nothing(panel, session, monkeypatch):
    chosen(monkeypatch, "")
    panel.export.click()
    assert panel._folder is None


def test_only_what_a_format_needs_can_be_filled_in(panel):
    enabled = {}
    for name in ("onnx", "bioimageio", "nnunet"):
        choose(panel, name)
        fields = (panel.form.patch, panel.form.authors, panel.form.licence)
        enabled[name] = tuple(field.isEnabled() for field in fields)
    assert enabled == {
        "onnx": (True, False, False),
        "bioimageio": (True, True, True),
        "nnunet": (False, False, False),
    }


def test_closing_ends_the_command_and_removes_the_copy(panel, monkeypatch, tmp_path):
    chosen(monkeypatch, tmp_path / "cells")
    panel.export.click()
    folder = panel._folder
    panel.close()
    assert not folder.exists()
    assert isinstance(folder, Path)
