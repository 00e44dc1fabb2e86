"""The dock in a real window: real mouse, real keys, real threads."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from sparseseg.boxes import Box
from sparseseg.session.events import StepReport
from sparseseg.widgets.dock import SegmentationDock

SHAPE = (60, 60, 60)


@pytest.fixture
def window_viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="cells", scale=(2, 1, 1))
    return viewer


@pytest.fixture
def dock(window_viewer, session) -> SegmentationDock:
    dock = SegmentationDock(window_viewer, session=session)
    window_viewer.window.add_dock_widget(dock, name="Sparse segmentation")
    dock.classes.new.click()
    return dock


@pytest.fixture
def shown(dock, window_viewer, qtbot) -> SegmentationDock:
    with qtbot.waitActive(window_viewer.window._qt_window):
        window_viewer.window.show()
        window_viewer.window.activate()
    QApplication.processEvents()  # the canvas takes its size beside the dock
    return dock


def canvas_of(viewer):
    return viewer.window._qt_viewer.canvas.native


def pixel(viewer, y: float, x: float) -> QPoint:
    """Return where a world point of the visible slice lies on the canvas."""
    canvas, camera = canvas_of(viewer), viewer.scene.camera
    _, centre_y, centre_x = camera.center
    return QPoint(
        round((x - centre_x) * camera.zoom + canvas.width() / 2),
        round((y - centre_y) * camera.zoom + canvas.height() / 2),
    )


def drag(viewer, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """Send what the mouse sends; QTest's own moves depend on the real pointer."""
    none, left = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
    for kind, point, button, held in (
        (QEvent.Type.MouseButtonPress, start, left, left),
        (QEvent.Type.MouseMove, stop, none, left),
        (QEvent.Type.MouseButtonRelease, stop, left, none),
    ):
        canvas, place = canvas_of(viewer), QPointF(pixel(viewer, *point))
        far = QPointF(canvas.mapToGlobal(place.toPoint()))
        event = QMouseEvent(
            kind, place, far, button, held, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(canvas, event)


def test_a_stroke_and_its_undo_reach_the_shared_array_and_the_ledger(
    shown, window_viewer, session
):
    window_viewer.dims.set_point(0, 4)
    layer, total = shown.desk.link.annotation, shown.paint.ledger.totals[0]
    assert (layer.mode, layer.selected_label) == ("paint", 1)

    drag(window_viewer, (30, 10), (30, 50))
    shown.desk.ledger.look()

    assert (session.arrays.annotation[2, 30, 11:50] == 1).all()
    assert not session.arrays.annotation[3].any()
    assert total.text() == "1 slice, 0 complete"

    layer.undo()
    shown.desk.ledger.look()

    assert not session.arrays.annotation.any()
    assert total.text() == "none"


def test_keys_pick_classes_while_the_canvas_has_the_focus(shown, window_viewer):
    layer = shown.desk.link.annotation

    for key, label in ((Qt.Key.Key_0, 255), (Qt.Key.Key_1, 1)):
        # From a keyboard comes the character above the digit; Qt looks the digit up.
        shift = Qt.KeyboardModifier.ShiftModifier
        QTest.keyClick(canvas_of(window_viewer), key, shift)
        # Without this Qt takes Shift for held in all that comes after.
        QTest.keyRelease(canvas_of(window_viewer), Qt.Key.Key_Shift)

        assert layer.selected_label == label


def test_taking_the_dock_out_while_events_arrive_closes_it_unharmed(
    dock, window_viewer, session, qtbot
):
    closed = threading.Event()

    def emit() -> None:
        step = 0
        while not closed.wait(0.001):
            step += 1
            session.events.step.emit(StepReport(step, step * 0.001, 1.0))
            session.paints(Box((0, 0, 0), SHAPE), step % 2)

    emitter = threading.Thread(target=emit)
    with qtbot.waitSignals([dock.desk.relay.step] * 20):
        emitter.start()
    window_viewer.window.remove_dock_widget(dock)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
    closed.set()
    emitter.join()

    assert session.called("close") == 1


def test_closing_the_window_closes_the_session(dock, window_viewer, session):
    window_viewer.close()

    assert session.called("close") == 1
