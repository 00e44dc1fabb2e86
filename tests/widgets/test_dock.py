import threading

import pytest
from napari._qt.qt_resources import get_stylesheet
from napari.utils.action_manager import action_manager
from qtpy.QtWidgets import (
    QFileDialog,
    QMainWindow,
    QMessageBox,
    QScrollArea,
    QWidget,
)

from sparseseg.boxes import Box
from sparseseg.errors import UserError
from sparseseg.session.events import Phase, StepReport
from sparseseg.widgets.dock import SegmentationDock
from sparseseg.widgets.style import style_sheet
from tests.widgets.fake_session import FakeSession


@pytest.fixture
def dock(viewer, image, session, qtbot) -> SegmentationDock:
    dock = SegmentationDock(viewer, session=session)
    qtbot.addWidget(dock)
    return dock


@pytest.fixture
def annotated(dock) -> SegmentationDock:
    dock.classes.new.click()
    return dock


def test_our_keys_are_none_of_naparis(dock):
    taken = {str(key) for keys in action_manager._shortcuts.values() for key in keys}
    ours = {s.key().toString() for s in dock.keys.shortcuts.values()}

    assert ours == {"Shift+0", "Shift+1"}
    assert not ours & taken


def test_the_keys_follow_the_class_table(dock):
    dock.desk.classes.add()

    assert set(dock.keys.shortcuts) == {1, 2, 255}


def test_what_the_session_tells_stands_at_the_top(dock, session):
    session.events.noted.emit("A smaller patch is used.")
    session.events.failed.emit("The training process ran out of memory.")

    assert dock.messages.texts == (
        "The training process ran out of memory.",
        "A smaller patch is used.",
    )


def test_a_lost_layer_is_told_at_the_top(annotated, viewer):
    viewer.layers.remove(annotated.desk.link.annotation)

    assert "nothing painted is lost" in annotated.messages.texts[0]
    annotated.classes.new.click()  # which is Show annotation now
    assert annotated.messages.texts == ()


def test_events_from_another_thread_arrive_in_the_panels(dock, session, qtbot):
    report = StepReport(3, 1.2, 0.5)
    emitter = threading.Thread(target=session.events.step.emit, args=(report,))
    with qtbot.waitSignal(dock.desk.relay.step):
        emitter.start()
    emitter.join()

    assert "step 3" in dock.train.status.text()


def test_the_session_is_closed_once(dock, session):
    dock.close()
    dock.close()

    assert session.called("close") == 1


def test_being_taken_out_of_a_window_closes_the_session(viewer, session, qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    dock = SegmentationDock(viewer, session=session)
    dock.setParent(window)
    assert not session.called("close")

    dock.setParent(None)

    assert session.called("close") == 1


def test_a_closed_dock_leaves_the_layers_alone(annotated, viewer, session):
    layer = annotated.desk.link.annotation

    annotated.close()
    layer.paint((2, 10, 10), 1)
    viewer.dims.set_point(0, 11)
    viewer.layers.remove(layer)

    assert session.arrays.annotation[2, 10, 10] == 1
    assert annotated.messages.texts == ()


def test_it_follows_the_theme(dock, viewer):
    viewer.theme = "light"
    light = dock.styleSheet()

    viewer.theme = "dark"

    assert dock.styleSheet() != light


def test_an_earlier_annotation_is_offered_and_brought_back(
    annotated, viewer, image, qtbot
):
    annotated.desk.link.annotation.data[3] = 1
    annotated.close()
    viewer.layers.remove("cells annotation")
    session = FakeSession()
    second = SegmentationDock(viewer, session=session)
    qtbot.addWidget(second)

    qtbot.waitUntil(lambda: bool(second.messages.texts))
    assert "earlier annotation" in second.messages.texts[0]
    with qtbot.waitSignal(second.desk.adoption.done):
        second.messages.cards[0].button.click()

    assert (session.arrays.annotation[3] == 1).all()


def test_nothing_is_offered_while_the_image_is_open(annotated, image):
    annotated.desk.link.annotation.data[3] = 1
    annotated.desk.save_annotation()

    annotated.desk.link.choose(image)

    assert annotated.messages.texts == ()


def test_a_folded_step_still_says_what_goes_on(annotated, session):
    _, annotate, train, _ = annotated.sections
    session.becomes(Phase.TRAINING)

    train.fold.click()
    assert not annotated.train.isVisibleTo(annotated)
    assert (annotate.summary.text(), train.summary.text()) == ("z 2", "training")

    train.fold.click()
    assert annotated.train.isVisibleTo(annotated)


def test_the_image_folds_once_it_is_annotated_and_its_name_stays(dock):
    assert not dock.sections[0].is_folded

    dock.classes.new.click()

    assert dock.sections[0].is_folded
    assert not dock.image.isVisibleTo(dock)
    assert dock.sections[0].summary.text() == "cells"


def test_a_step_that_the_user_unfolded_stays_open(dock):
    dock.sections[0].fold.click()
    dock.sections[0].fold.click()

    dock.classes.new.click()

    assert not dock.sections[0].is_folded


def test_the_score_and_the_buttons_do_not_scroll_away(annotated):
    column = annotated.findChild(QScrollArea).widget()
    for widget in (annotated.train.train, annotated.train.status):
        assert not column.isAncestorOf(widget)
        assert annotated.isAncestorOf(widget)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_column_fits_into_its_width(dock, theme):
    # As in the window: napari's own sheet asks for wide fields.
    dock.setStyleSheet(get_stylesheet(theme) + style_sheet(theme))
    dock.clean.fold.setChecked(True)
    dock.train.recipe.fold.setChecked(True)
    orientation = dock.image.card.values["Orientation"]
    orientation.setText("R-L, A-P, F-H (LPS, right-handed)")
    orientation.show()
    dock.show()

    widths = [section.minimumSizeHint().width() for section in dock.sections]

    beside = 32  # margins and a scroll bar
    assert max(widths) <= dock.minimumWidth() - beside


def test_what_failed_is_not_shown_any_longer_than_it_is_true(dock, session):
    session.events.failed.emit("The training process ended.")
    session.becomes(Phase.TRAINING)
    assert dock.messages.texts == ()

    session.events.failed.emit("There is no such file.")
    dock.classes.new.click()
    assert dock.messages.texts == ()


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("finished", "ended after 3 min 10 s, 300 steps: its time is over"),
        ("known by heart", "ended early, after 3 min 10 s, 300 steps: the model knows"),
        (None, "You stopped the training after 3 min 10 s, 300 steps"),
    ],
)
def test_the_end_of_a_training_is_told_with_why_and_what_to_do_next(
    annotated, session, ending, words
):
    session.becomes(Phase.TRAINING)
    session.has_model = True
    session.events.step.emit(StepReport(300, 190.0, 0.5, ending))
    session.becomes(Phase.IDLE)

    assert words in annotated.messages.texts[0]
    assert "Predict volume" in annotated.messages.texts[0]


def test_a_training_that_failed_is_not_told_as_one_that_was_stopped(annotated, session):
    session.becomes(Phase.TRAINING)
    session.has_model = True
    session.events.step.emit(StepReport(300, 190.0, 0.5))
    session.events.failed.emit("The loss is not a number.")
    session.becomes(Phase.IDLE)

    assert "failed after 3 min 10 s" in annotated.messages.texts[0]
    assert "model of that step is kept" in annotated.messages.texts[0]


def test_the_end_of_a_prediction_is_told_in_voxels_and_volume(
    annotated, session, qtbot
):
    shape = session.arrays.prediction.shape
    session.becomes(Phase.PREDICTING)
    session.paints(Box.plane(shape, 0, 1), 0)
    session.becomes(Phase.IDLE)  # it was stopped: nothing is said
    session.becomes(Phase.PREDICTING)
    session.paints(Box.whole(shape), 0)
    session.arrays.prediction[0, 0, :8] = 1
    session.becomes(Phase.IDLE)

    qtbot.waitUntil(lambda: bool(annotated.messages.texts))
    assert len(annotated.messages.texts) == 1
    # 8 voxels of 0.5 x 0.25 x 0.25 um
    assert "8 voxels of class 1 (0.25 \u00b5m\u00b3)" in annotated.messages.texts[0]


def test_the_window_asks_before_it_closes_over_a_model_that_is_not_saved(
    viewer, image, session, qtbot, monkeypatch
):
    window = QMainWindow()
    qtbot.addWidget(window)
    dock = SegmentationDock(viewer, session=session)
    window.setCentralWidget(dock)
    window.show()
    session.learns()
    buttons = QMessageBox.StandardButton
    answers = iter([buttons.Cancel, buttons.Discard])
    monkeypatch.setattr(QMessageBox, "question", lambda *_: next(answers))

    assert not window.close()
    assert not session.called("close")
    assert window.close()


def test_the_window_stays_open_where_the_model_cannot_be_saved(
    viewer, image, session, qtbot, monkeypatch, tmp_path
):
    def save(_path):
        raise UserError("cannot save while preparing")

    window = QMainWindow()
    qtbot.addWidget(window)
    dock = SegmentationDock(viewer, session=session)
    window.setCentralWidget(dock)
    session.learns()
    buttons = QMessageBox.StandardButton
    answers = iter([buttons.Save, buttons.Discard])
    monkeypatch.setattr(QMessageBox, "question", lambda *_: next(answers))
    path = str(tmp_path / "model.safetensors")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (path, ""))
    monkeypatch.setattr(session, "save", save)
    window.show()

    assert not window.close()
    assert dock.messages.texts == ("cannot save while preparing",)
    assert not session.called("close")
    assert window.close()


def test_an_image_that_was_removed_can_be_brought_back(annotated, viewer, image):
    viewer.layers.remove(image)
    offer = next(c for c in annotated.messages.cards if "removed" in c.text)

    offer.button.click()

    assert annotated.desk.link.image is image
    assert annotated.image.choice.currentText() == "cells"


def test_an_image_that_was_opened_anew_is_not_said_to_be_removed(
    annotated, viewer, image
):
    viewer.layers.remove(image)
    assert any("removed" in text for text in annotated.messages.texts)

    annotated.desk.link.choose(viewer.add_image(image.data.copy(), name="cells"))

    assert annotated.messages.texts == ()


def test_an_annotation_cannot_be_begun_where_it_would_be_refused(
    dock, viewer, image, session
):
    assert dock.classes.new.isEnabled()
    dock.desk.link.annotate()
    session.becomes(Phase.TRAINING)
    dock.desk.link.choose(viewer.add_image(image.data + 1, name="other"))
    for button in (dock.classes.new, dock.classes.use):
        assert not button.isEnabled()
        assert "sparseseg works on 'cells' now. Press Stop" in button.toolTip()
    session.becomes(Phase.IDLE)
    assert dock.classes.new.isEnabled()

    dock.desk.link.choose(
        viewer.add_image(image.data, name="tilted", shear=[0.5, 0, 0])
    )
    assert not dock.classes.new.isEnabled()
