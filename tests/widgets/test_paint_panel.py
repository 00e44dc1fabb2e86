import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from sparseseg.widgets.paint_panel import PaintPanel
from sparseseg.widgets.slices import SliceView


@pytest.fixture
def panel(qtbot, desk, messages) -> PaintPanel:
    panel = PaintPanel(desk, messages)
    qtbot.addWidget(panel)
    panel.resize(320, 300)
    panel.show()
    return panel


def test_the_axis_buttons_turn_the_view_and_follow_it(panel, opened):
    panel.axes.button(2).click()
    assert opened.painter.view.axis == 2

    opened.painter.turn_to(1)
    assert panel.axes.checkedId() == 1


def test_turning_without_an_image_says_what_to_do(panel, messages):
    panel.axes.button(2).click()

    assert "Open a 3-D image" in messages.texts[0]


def test_a_click_on_the_strip_of_a_removed_annotation_is_told(
    qtbot, panel, opened, viewer, messages
):
    viewer.layers.remove(opened.link.annotation)

    qtbot.mouseClick(panel.ledger.strips[0], Qt.MouseButton.LeftButton)

    assert "New annotation" in messages.texts[0]


def test_filling_completes_the_visible_slice_in_the_ledger(panel, opened):
    opened.painter.go_to(SliceView(0, 2))

    panel.fill.click()

    assert panel.ledger.visible.text() == "Slice z 2: complete"
    assert panel.ledger.totals[0].text() == "1 slice, 1 complete"
    assert panel.ledger.coverage.text() == "16.7% of all voxels are labelled."


def test_filling_a_complete_slice_says_so(panel, opened, messages):
    panel.fill.click()
    panel.fill.click()

    assert "complete already" in messages.texts[0]


def test_undo_is_seen_by_the_ledger(panel, opened):
    opened.painter.go_to(SliceView(0, 2))
    panel.fill.click()

    opened.link.annotation.undo()
    opened.ledger.look()

    assert panel.ledger.visible.text() == "Slice z 2: not annotated"


def test_a_slice_that_is_begun_shows_its_share(panel, opened):
    opened.painter.go_to(SliceView(0, 2))
    opened.link.annotation.data[2, :15] = 1

    opened.ledger.look()

    assert panel.ledger.visible.text() == "Slice z 2: 50% labelled"


def test_a_caution_is_shown_while_it_holds(panel, opened):
    opened.link.annotation.n_edit_dimensions = 3
    assert "ball" in panel.caution.text()
    assert not panel.caution.isHidden()

    opened.link.annotation.n_edit_dimensions = 2
    assert panel.caution.isHidden()


def test_a_click_on_the_strip_goes_to_the_slice(qtbot, panel, opened):
    strip = panel.ledger.strips[0]

    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(strip.width() - 5, 5))

    assert opened.painter.view == SliceView(0, 5)


def test_a_click_near_an_annotated_slice_goes_to_that_slice(qtbot, panel, opened):
    opened.link.annotation.data[:, 17] = 255
    opened.ledger.look()
    strip = panel.ledger.strips[1]
    x = round(5 + (strip.width() - 10) * 17 / 29)

    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(x + 3, 5))

    assert opened.painter.view == SliceView(1, 17)


def test_complete_and_begun_slices_look_different(panel, opened):
    opened.link.annotation.data[1] = 255
    opened.link.annotation.data[4, :15] = 255
    opened.ledger.look()
    strip = panel.ledger.strips[0]
    strip.resize(110, 20)

    picture = strip.grab().toImage()

    def colours(index: int) -> set[str]:
        x = round((5 + 100 * index / 5) * picture.width() / 110)
        return {picture.pixelColor(x, y).name() for y in range(picture.height())}

    assert "#009e73" in colours(1)
    assert "#e69f00" in colours(4)
    assert not {"#009e73", "#e69f00"} & colours(2)


def test_a_new_volume_starts_an_empty_ledger(panel, opened, viewer):
    panel.fill.click()

    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))
    opened.link.annotate()

    assert panel.ledger.totals[0].text() == "none"
