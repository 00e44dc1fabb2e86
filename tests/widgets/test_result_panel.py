from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QMessageBox

from sparseseg.data.files import read_dense
from sparseseg.session.events import Phase, Progress
from sparseseg.widgets.result_panel import ResultPanel
from sparseseg.widgets.slices import SliceView


@pytest.fixture
def panel(qtbot, session, desk, messages) -> ResultPanel:
    panel = ResultPanel(desk, messages)
    qtbot.addWidget(panel)
    return panel


def dialog(monkeypatch, name: str, path: str) -> None:
    monkeypatch.setattr(QFileDialog, name, lambda *_: (path, ""))


def test_predicting_opens_the_image_if_need_be(panel, desk, image, session):
    desk.link.choose(image)
    session.learns()

    panel.predict.click()

    assert [call[0] for call in session.calls] == ["open", "predict"]


def test_progress_is_shown_while_predicting_only(panel, session):
    session.becomes(Phase.PREDICTING)
    session.events.progress.emit(Progress("predict", 0.4, 75.0))
    assert panel.progress.text() == "40 %, 1 min 15 s left"
    assert not panel.progress.isHidden()

    session.becomes(Phase.IDLE)
    assert panel.progress.isHidden()


def test_the_progress_of_another_job_is_not_shown(panel, session):
    session.events.progress.emit(Progress("train", 0.4, None))

    assert panel.progress.isHidden()


@pytest.mark.parametrize(
    ("phase", "enabled"),
    [
        (Phase.IDLE, (True, True, True)),
        (Phase.PREPARING, (False, False, False)),
        (Phase.TRAINING, (True, True, False)),
        (Phase.LOST, (False, False, False)),
    ],
)
def test_what_can_be_done_follows_the_phase(panel, opened, session, phase, enabled):
    session.learns()
    session.becomes(phase)

    buttons = (panel.predict, panel.save, panel.load)
    assert tuple(button.isEnabled() for button in buttons) == enabled


def test_a_model_is_saved_with_its_ending(panel, session, monkeypatch, messages):
    dialog(monkeypatch, "getSaveFileName", "/models/cells.v2")
    session.learns()

    panel.save.click()

    path = Path("/models/cells.v2.safetensors")
    assert session.calls == [("save", path)]
    assert messages.texts == (f"The model was saved to {path}.",)


def test_that_a_model_is_loaded_is_said_for_a_while(panel, session, messages):
    session.events.loaded("cells.safetensors")

    assert messages.texts == ("The model cells.safetensors is loaded.",)
    messages.cards[0].findChild(QTimer).timeout.emit()
    assert messages.texts == ()


def test_a_cancelled_dialog_does_nothing(panel, session, monkeypatch):
    dialog(monkeypatch, "getSaveFileName", "")
    dialog(monkeypatch, "getOpenFileName", "")
    session.learns(is_saved=True)

    panel.save.click()
    panel.load.click()

    assert session.calls == []


def test_a_model_is_loaded_for_the_open_image(panel, opened, session, monkeypatch):
    dialog(monkeypatch, "getOpenFileName", "/models/cells.safetensors")

    panel.load.click()

    assert session.calls[-1] == ("load", Path("/models/cells.safetensors"))
    assert session.called("open") == 1


def test_without_an_image_or_a_model_nothing_is_offered_that_would_refuse(panel, desk):
    for button in (panel.predict, panel.accept, panel.save, panel.load):
        assert not button.isEnabled()
    assert "Open an image first" in panel.accept.toolTip()
    assert "Open an image first" in panel.load.toolTip()
    assert "no model yet" in panel.save.toolTip()


def test_a_model_is_asked_about_before_another_one_takes_its_place(
    panel, opened, session, monkeypatch
):
    dialog(monkeypatch, "getOpenFileName", "/models/cells.safetensors")
    answers = iter(
        [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Discard]
    )
    monkeypatch.setattr(QMessageBox, "question", lambda *_: next(answers))
    session.learns()

    panel.load.click()
    assert not session.called("load")

    panel.load.click()
    assert session.called("load") == 1


def test_accepting_completes_the_visible_slice(panel, opened, session):
    opened.painter.go_to(SliceView(0, 2))
    session.arrays.prediction[2, 0] = 1
    opened.results.show()

    panel.accept.click()

    assert opened.link.annotation.data[2].all()


def test_accepting_waits_for_a_prediction(panel, opened):
    assert not panel.accept.isEnabled()
    assert "Nothing is predicted yet" in panel.accept.toolTip()

    opened.results.show()

    assert panel.accept.isEnabled()


def test_accepting_where_nothing_is_predicted_is_told(panel, opened, messages):
    opened.results.show()
    panel.accept.click()

    assert "Nothing is predicted" in messages.texts[0]


def test_a_prediction_is_saved_like_its_image(
    panel, opened, qtbot, monkeypatch, messages, tmp_path
):
    assert not panel.export.isEnabled()
    opened.link.seat.is_predicted = True
    opened.look()
    arrays = opened.link.arrays
    arrays.prediction[2, 3, 4] = 1
    path, proposed = tmp_path / "a.nii.gz", []
    monkeypatch.setattr(
        QFileDialog,
        "getSaveFileName",
        lambda *asked: proposed.append(Path(asked[2]).name) or (str(path), ""),
    )

    panel.export.click()
    qtbot.waitUntil(lambda: bool(messages.texts))

    assert proposed == ["cells-prediction.ome.tif"]
    saved = read_dense(path)
    assert (np.asarray(saved.array).squeeze() == arrays.prediction).all()
    assert saved.spacing == pytest.approx(opened.link.volume.spacing)
    panel.saving.close()
