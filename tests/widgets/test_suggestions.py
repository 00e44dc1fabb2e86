"""Slices to annotate next: found in a thread, marked on the strips, with a reason."""

import pytest

from sparseseg.boxes import Box
from sparseseg.evaluation.suggesting import Suggestion
from sparseseg.session.events import Phase
from sparseseg.widgets.paint_panel import PaintPanel
from sparseseg.widgets.slice_strip import SUGGESTED
from sparseseg.widgets.slices import SliceView

WHOLE = Box.whole((6, 30, 40))


@pytest.fixture
def panel(qtbot, desk, messages) -> PaintPanel:
    panel = PaintPanel(desk, messages)
    desk.suggestions.changed.connect(panel.ledger.show_suggested)
    qtbot.addWidget(panel)
    panel.resize(320, 300)
    panel.show()
    return panel


@pytest.fixture
def begun(qtbot, opened):
    """A desk with a complete slice, for which suggestions were found."""
    with qtbot.waitSignal(opened.suggestions.changed):
        opened.link.arrays.annotation[0] = 255
        opened.ledger.look()
    return opened


def test_a_complete_slice_brings_suggestions_elsewhere(begun):
    assert len(begun.suggestions.views) == 3
    assert SliceView(0, 0) not in begun.suggestions.views
    assert "far from your slices" in begun.suggestions.found[0].reason


def test_a_stroke_alone_changes_no_suggestion(begun):
    before = begun.suggestions.found
    begun.link.arrays.annotation[3, 2, 2] = 1
    begun.ledger.look()
    assert begun.suggestions.found is before


def test_the_doubts_of_a_predicted_volume_draw_the_suggestions(begun, session, qtbot):
    arrays = begun.link.arrays
    arrays.uncertainty[:, :, 33:36] = 200
    session.becomes(Phase.PREDICTING)
    session.paints(WHOLE, 0)
    arrays.prediction[:, 12:18, 33:36] = 1
    with qtbot.waitSignal(begun.suggestions.changed):
        session.becomes(Phase.IDLE)
    first = begun.suggestions.found[0]
    assert first.axis == 2
    assert 33 <= first.index <= 35
    assert "errors of class 1 expected" in first.reason


def test_three_planes_are_no_predicted_volume(begun, session, qtbot):
    session.becomes(Phase.PREDICTING)
    session.paints(Box.plane((6, 30, 40), 0, 2), 0)
    with qtbot.assertNotEmitted(begun.suggestions.changed, wait=100):
        session.becomes(Phase.IDLE)


def test_an_erased_slice_takes_the_suggestions_away(begun):
    begun.link.arrays.annotation[0] = 0
    begun.ledger.look()
    assert begun.suggestions.found == []


def test_suggested_slices_are_marked_and_one_click_goes_there(panel, opened, qtbot):
    opened.link.arrays.annotation[0] = 255
    opened.ledger.look()
    panel.ledger.show_suggested([Suggestion(0, 4, "far from your slices")])
    strip = panel.ledger.strips[0]
    strip.resize(110, 20)
    picture = strip.grab().toImage()
    row = range(picture.height())
    x = round((5 + 100 * 4 / 5) * picture.width() / 110)
    assert SUGGESTED.name() in {picture.pixelColor(x, y).name() for y in row}
    assert panel.ledger.next.text().endswith("slice z 4, far from your slices.")


def test_the_reason_is_said_while_the_suggested_slice_is_shown(panel, opened):
    panel.ledger.show_suggested([Suggestion(0, 4, "far from your slices")])
    opened.painter.go_to(SliceView(0, 4))
    assert panel.ledger.next.text() == "Suggested: far from your slices."
