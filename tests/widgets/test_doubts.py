"""Doubtful places: found in a thread, listed with their sign, stepped through by a key."""

import numpy as np
import pytest

from sparseseg.boxes import Box
from sparseseg.evaluation.doubt import Place
from sparseseg.session.events import Phase
from sparseseg.widgets.doubt_panel import DoubtPanel

WHOLE = Box.whole((6, 30, 40))


@pytest.fixture
def panel(qtbot, opened, messages) -> DoubtPanel:
    panel = DoubtPanel(opened, messages)
    qtbot.addWidget(panel)
    return panel


@pytest.fixture
def predicted(opened, session):
    opened.link.arrays.annotation[[0, 5]] = 255
    opened.ledger.look()
    session.becomes(Phase.PREDICTING)
    session.paints(WHOLE, 0)
    session.becomes(Phase.IDLE)
    return opened


def test_without_a_predicted_volume_a_sentence_says_what_to_do(panel, opened):
    opened.results.show()  # of a slice, perhaps
    assert not panel.find.isEnabled()
    assert "Press Predict volume first" in panel.find.toolTip()


def test_what_is_not_sure_is_listed_and_shown(panel, predicted, qtbot):
    predicted.link.arrays.uncertainty[2:4, 8:16, 20:28] = 255
    with qtbot.waitSignal(predicted.doubts.changed):
        panel.find.click()
    assert "the prediction is not sure" in panel.list.item(0).text()
    assert predicted.link.seat.doubt.data[2, 10, 22] == 255


def test_the_places_are_stepped_through_in_a_circle(panel, predicted):
    predicted.doubts.places = [
        Place((1, 2, 3), 0.9, "unlike", 1),
        Place((4, 5, 6), 0.5, "shape", 0),
    ]
    predicted.doubts.changed.emit()
    assert [panel.list.item(row).text() for row in range(2)] == [
        "z 1, y 2, x 3 (0.90): unlike what you labelled as class 1",
        "z 4, y 5, x 6 (0.50): not background, judging by your slices",
    ]
    seen = []
    for _ in range(3):
        predicted.doubts.go_to_next()
        seen.append(predicted.painter.view.index)
    assert seen == [1, 4, 1]
    panel.list.setCurrentRow(1)
    assert predicted.viewer.dims.point[1:] == (5 * 0.25, 6 * 0.25)


def test_a_place_outside_of_the_canvas_is_brought_into_it(predicted):
    camera = predicted.viewer.scene.camera
    before = camera.center
    predicted.link.annotation.corner_pixels = np.array([[0, 0, 0], [5, 4, 30]])
    predicted.painter.go_to_voxel((1, 2, 3))
    assert camera.center == before
    predicted.painter.go_to_voxel((4, 5, 6))
    assert camera.center[1:] == (5 * 0.25, 6 * 0.25)


def test_a_new_prediction_drops_the_places(panel, predicted, session):
    predicted.doubts.places = [Place((1, 2, 3), 0.9, "unlike", 1)]
    session.becomes(Phase.PREDICTING)
    session.paints(WHOLE, 0)
    session.becomes(Phase.IDLE)
    assert predicted.doubts.places == []
    assert panel.list.isHidden()
