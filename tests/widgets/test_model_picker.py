"""The picker over a store with one model, and the commands that it runs."""

import pytest
from qtpy.QtWidgets import QMessageBox

from sparseseg.language import say, speaking
from sparseseg.models.install import import_file
from sparseseg.models.store.folder import path_of, stored
from sparseseg.session.events import Phase
from sparseseg.widgets.command import CommandProcess
from sparseseg.widgets.model_picker import _USES, ModelPicker
from tests.models.paths import MLPERF, V2


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESEG_MODEL_DIR", str(tmp_path / "store"))
    monkeypatch.setenv("SPARSESEG_OFFLINE", "1")
    import_file(V2, "tiny-lits")


@pytest.fixture
def picker(qtbot, desk, image):
    desk.link.choose(image)
    picker = ModelPicker(desk)
    qtbot.addWidget(picker)
    return picker


def titles(picker):
    return [picker.list.item(row).toolTip() for row in range(picker.list.count())]


def test_models_that_are_here_come_first(picker):
    assert titles(picker)[0] == "tiny-lits"
    assert "kits19-mlperf" in titles(picker)
    assert "1 liver, 2 tumor" in picker.card.text()
    assert "Written by nnU-Net 2" in picker.card.text()
    assert picker.remove.isEnabled()
    assert not picker.download.isEnabled()


def test_the_image_is_compared_and_a_mismatch_warned_of(picker):
    assert "try three slices" in picker.fit.text()
    assert picker.fit.property("role") == "remark"


def test_filters_narrow_the_list(picker):
    picker.word.setText("kidney cyst")
    assert "tiny-lits" not in titles(picker)
    picker.commercial.setCurrentIndex(picker.commercial.findData("yes"))
    assert titles(picker)
    picker.here.setChecked(True)
    assert titles(picker) == []
    assert picker.card.text() == "No model fits these filters."


@pytest.mark.slow
def test_three_slices_are_tried_before_the_whole(picker, desk, session):
    picker.try_out.click()
    assert ("load", path_of("tiny-lits")) in session.calls
    assert session.calls[-1] == ("predict", (3, 15, 20))
    assert desk.classes.table.names == ("liver", "tumor")
    session.becomes(Phase.IDLE)
    picker.predict.click()
    assert session.calls[-1] == ("predict",)


@pytest.mark.parametrize("use", ["try_out", "predict"])
def test_a_model_that_is_not_saved_is_asked_about(
    picker, desk, session, monkeypatch, use
):
    buttons = QMessageBox.StandardButton
    answers = iter([buttons.Cancel, buttons.Discard])
    monkeypatch.setattr(QMessageBox, "question", lambda *_: next(answers))
    desk.past.current = "model-001"
    session.learns()

    getattr(picker, use).click()
    assert not session.called("load")
    assert not session.called("predict")

    getattr(picker, use).click()
    assert session.called("load") == session.called("predict") == 1
    assert desk.past.current == ""


def test_the_kinds_of_licence_are_said_in_the_language_of_the_person():
    with speaking("zh_CN"):
        assert all(say(words) != words for words in _USES.values())


def test_a_training_starts_from_the_chosen_model(picker, qtbot):
    with qtbot.waitSignal(picker.parent_chosen) as told:
        picker.start.click()
    assert told.args == ["tiny-lits", "pretrained"]


def test_what_is_not_for_commercial_use_is_asked_for(picker, monkeypatch):
    asked = []

    def question(_parent, _title, words):
        asked.append(words)
        return QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", question)
    picker.word.setText("nnunet-task029")
    picker.download.click()
    assert "not for commercial use" in asked[0]
    assert not picker.command.is_running


@pytest.mark.slow
def test_a_download_that_fails_is_told(picker, qtbot, monkeypatch):
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *_: yes)
    picker.word.setText("kits19-mlperf")
    with qtbot.waitSignal(picker.command.ended, timeout=30_000):
        picker.download.click()
        assert picker.cancel.isEnabled()
    assert "SPARSESEG_OFFLINE is set" in picker.messages.texts[0]
    assert picker.download.isEnabled()


def test_a_model_is_removed(picker):
    picker.remove.click()
    assert stored() == []
    assert "tiny-lits" not in titles(picker)


@pytest.mark.slow
def test_an_imported_file_appears(picker, qtbot, monkeypatch):
    monkeypatch.setattr(
        "sparseseg.widgets.model_picker.QFileDialog.getOpenFileName",
        lambda *_: (str(MLPERF), ""),
    )
    with qtbot.waitSignal(picker.command.ended, timeout=60_000):
        picker.importing.click()
    assert "tiny-kits19-pytorch-checkpoint" in titles(picker)
    with qtbot.waitSignal(picker.command.ended, timeout=60_000):
        picker.importing.click()
    assert "is in the store already: remove it first" in picker.messages.texts[0]


def test_a_command_is_heard_line_by_line_and_can_be_stopped(qtbot):
    command = CommandProcess()
    heard = []
    command.told.connect(heard.append)
    with qtbot.waitSignal(command.ended, timeout=30_000) as told:
        command.start(["models", "list", "--json"])
    assert told.args == [""]
    assert heard[0]["models"]
    with qtbot.waitSignal(command.ended, timeout=30_000) as told:
        command.start(["models", "info", "gone"])
    assert "no model 'gone'" in told.args[0]
    with qtbot.waitSignal(command.ended, timeout=30_000) as told:
        command.start(["models", "list"])
        command.stop()
    assert told.args == [""]
    command.close()
