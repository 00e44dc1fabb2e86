import pytest

from sparseseg.boxes import Box
from sparseseg.session.events import Phase
from sparseseg.widgets.planes import ThreePlanes
from sparseseg.widgets.preview import PreviewWatch
from sparseseg.widgets.slices import SliceView


@pytest.fixture
def planes(qapp, opened):
    planes = ThreePlanes(opened)
    yield planes
    planes.hide()


@pytest.fixture
def preview(planes, opened):
    preview = PreviewWatch(opened, planes)
    yield preview
    preview.deleteLater()


def previews(session) -> list[tuple]:
    return [call for call in session.calls if call[0] == "preview"]


def test_the_slice_on_the_screen_is_asked_for(preview, opened, session):
    opened.painter.go_to(SliceView(0, 4))

    assert previews(session) == [("preview", 0, 4)]


def test_a_fast_slider_asks_for_the_first_and_the_last_slice(
    qtbot, preview, opened, session
):
    for index in (1, 3, 5):
        opened.painter.go_to(SliceView(0, index))
    qtbot.waitUntil(lambda: len(previews(session)) > 1)

    assert previews(session) == [("preview", 0, 1), ("preview", 0, 5)]


def test_the_other_planes_are_asked_for_too(qtbot, preview, planes, opened, session):
    opened.painter.go_to(SliceView(0, 4))
    planes.show()
    qtbot.waitUntil(lambda: len(previews(session)) > 1)
    last = previews(session)[-1]

    assert last[:3] == ("preview", 0, 4)
    assert {axis for axis, _ in last[3:]} == {1, 2}

    opened.viewer.dims.set_point(2, 7.5)
    qtbot.waitUntil(lambda: previews(session)[-1] != last)
    assert previews(session)[-1][:3] == ("preview", 0, 4)


def test_the_result_layers_come_with_training_one_by_one(
    qtbot, preview, opened, session, viewer
):
    assert len(viewer.layers) == 2

    session.becomes(Phase.TRAINING)

    assert opened.results.prediction in viewer.layers
    assert len(viewer.layers) == 3  # a click is answered before the next one comes
    qtbot.waitUntil(lambda: opened.results.uncertainty in viewer.layers)


def test_what_was_painted_on_the_screen_is_drawn(preview, opened, session):
    opened.painter.go_to(SliceView(0, 4))
    session.becomes(Phase.TRAINING)
    drawn = []
    opened.results.prediction.events.set_data.connect(lambda: drawn.append(1))

    session.paints(Box((0, 0, 0), (4, 30, 40)), 1)
    assert not drawn

    session.paints(Box((4, 0, 0), (5, 30, 40)), 1)
    assert drawn


def test_many_boxes_are_drawn_few_times(qtbot, preview, opened, session):
    session.becomes(Phase.TRAINING)
    drawn = []
    opened.results.prediction.events.set_data.connect(lambda: drawn.append(1))

    for _ in range(50):
        session.paints(Box((0, 0, 0), (6, 30, 40)), 1)
    qtbot.waitUntil(lambda: len(drawn) == 2)

    assert len(drawn) == 2


def test_a_removed_prediction_stays_away_until_the_next_job(
    preview, opened, session, viewer
):
    session.becomes(Phase.TRAINING)
    viewer.layers.remove(opened.results.prediction)

    session.paints(Box((0, 0, 0), (6, 30, 40)), 1)
    assert opened.results.prediction not in viewer.layers

    session.becomes(Phase.PREDICTING)
    assert opened.results.prediction in viewer.layers


def test_nothing_is_asked_or_drawn_of_an_image_that_is_not_at_work(
    preview, elsewhere, session
):
    asked = len(previews(session))
    elsewhere.painter.go_to(SliceView(0, 2))
    session.becomes(Phase.TRAINING)
    session.paints(Box((0, 0, 0), (4, 30, 40)), 1)

    assert len(previews(session)) == asked
    assert elsewhere.results.prediction is None
    assert [
        layer.name for layer in elsewhere.viewer.layers if "prediction" in layer.name
    ] == []


def test_a_prediction_belongs_to_the_image_it_was_made_of(elsewhere, session):
    ended = []
    elsewhere.whole_predictions.ended.connect(ended.append)
    session.becomes(Phase.PREDICTING)
    session.paints(Box.whole(session.arrays.annotation.shape), 1)
    session.becomes(Phase.IDLE)

    assert [seat.name for seat in ended] == ["cells"]
    assert not elsewhere.link.seat.is_predicted
