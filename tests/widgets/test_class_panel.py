import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QColorDialog

from sparseseg.widgets.class_panel import ClassPanel


@pytest.fixture
def panel(qtbot, viewer, desk, messages) -> ClassPanel:
    panel = ClassPanel(
        viewer, desk.link, desk.adoption, desk.classes, desk.painter, messages
    )
    qtbot.addWidget(panel)
    yield panel
    panel.close()


def rows(panel: ClassPanel) -> list[tuple[str, str]]:
    table = panel.table
    return [
        (table.item(row, 1).text(), table.item(row, 2).text())
        for row in range(table.rowCount())
    ]


FIXED = [("background", "⇧0"), ("eraser", "1")]


def test_background_and_eraser_are_the_last_rows(panel):
    assert rows(panel) == [("class 1", "⇧1"), *FIXED]


def test_a_long_name_does_not_widen_the_panel(panel, opened):
    width = panel.minimumSizeHint().width()

    opened.classes.rename(1, "n" * 80)

    assert panel.minimumSizeHint().width() <= width
    assert "n" * 80 in panel.table.item(0, 1).toolTip()


def test_a_class_is_added_and_picked(panel, opened):
    panel.add.click()

    assert rows(panel)[1] == ("class 2", "⇧2")
    assert panel.table.number == 2
    assert opened.link.annotation.selected_label == 2


def test_a_list_of_names_is_pasted_into_the_table(panel, desk, messages, qtbot):
    QApplication.clipboard().setText("liver\nspine\n")

    qtbot.keyClick(panel.table, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)

    assert rows(panel) == [("liver", "⇧1"), ("spine", "⇧2"), *FIXED]
    assert messages.texts == ("2 classes got their names from the list.",)
    QApplication.clipboard().setText("lung\nliver\x07")
    qtbot.keyClick(panel.table, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert desk.classes.table.names == ("liver", "spine")
    assert "printable characters" in messages.texts[0]


def test_a_name_is_edited_in_its_row(panel, desk):
    panel.table.item(0, 1).setText("nucleus")

    assert desk.classes.table.names == ("nucleus",)


def test_an_impossible_name_is_told_and_taken_back(panel, messages):
    panel.table.item(0, 1).setText("  ")

    assert rows(panel)[0][0] == "class 1"
    assert "name" in messages.texts[0]


def test_a_colour_is_chosen_in_a_dialog(panel, desk, monkeypatch):
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor("#00ff00"))

    panel.table.cellClicked.emit(0, 0)

    assert desk.classes.table.colour_of(1) == "#00ff00"


def test_a_cancelled_dialog_changes_nothing(panel, desk, monkeypatch):
    before = desk.classes.table
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor())

    panel.table.cellClicked.emit(0, 0)

    assert desk.classes.table == before


@pytest.mark.parametrize(("row", "number"), [(0, 1), (1, 255), (2, 0)])
def test_picking_a_row_picks_the_brush(panel, opened, row, number):
    opened.link.annotation.selected_label = 1
    panel.table.clearSelection()

    panel.table.selectRow(row)

    assert opened.link.annotation.selected_label == number


@pytest.mark.parametrize("number", [255, 0])
def test_a_label_picked_in_napari_marks_its_row(panel, opened, number):
    opened.link.annotation.selected_label = number

    assert panel.table.number == number


def test_a_class_that_is_not_painted_is_removed(panel, opened, qtbot):
    panel.add.click()

    panel.remove.click()

    qtbot.waitUntil(lambda: len(rows(panel)) == 3)
    assert rows(panel) == [("class 1", "⇧1"), *FIXED]
    assert opened.link.annotation.selected_label == 1


def test_a_painted_class_is_not_removed(panel, opened, messages, qtbot):
    panel.add.click()
    opened.link.annotation.paint((2, 10, 10), 2)

    panel.remove.click()

    qtbot.waitUntil(lambda: bool(messages.texts))
    assert ("class 2", "⇧2") in rows(panel)
    assert "'class 2' is painted" in messages.texts[0]


def test_a_class_painted_on_another_image_is_not_removed(
    panel, opened, viewer, messages, qtbot
):
    panel.add.click()
    opened.link.annotation.paint((2, 10, 10), 2)
    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))
    opened.link.annotate()
    panel.table.show_picked(2)

    panel.remove.click()

    qtbot.waitUntil(lambda: bool(messages.texts))
    assert "'class 2' is painted" in messages.texts[0]


@pytest.mark.parametrize("row", [1, 2])
def test_background_and_eraser_cannot_be_removed(panel, opened, row):
    panel.add.click()
    panel.table.selectRow(row + 1)

    panel.remove.click()

    assert len(rows(panel)) == 4


def test_new_annotation_makes_one_layer(panel, desk, image, viewer):
    desk.link.choose(image)

    panel.new.click()

    assert desk.link.annotation in viewer.layers
    assert panel.new.isHidden()


def test_a_removed_annotation_can_be_shown_again(panel, opened, viewer):
    viewer.layers.remove(opened.link.annotation)
    assert (panel.new.text(), panel.new.isHidden()) == ("Show annotation", False)

    panel.new.click()

    assert opened.link.annotation in viewer.layers


def test_another_image_offers_a_new_annotation(panel, opened, viewer):
    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))

    assert (panel.new.text(), panel.new.isHidden()) == ("New annotation", False)


def test_without_an_image_the_click_says_what_to_do(panel, messages):
    panel.new.click()

    assert "Open an image first" in messages.texts[0]


def test_the_selected_labels_layer_is_taken_over(
    panel, opened, viewer, messages, qtbot
):
    viewer.add_labels(np.ones((6, 30, 40), np.uint8), name="earlier")

    with qtbot.waitSignal(opened.adoption.done):
        panel.use.click()

    assert (opened.link.annotation.data == 1).all()
    assert "7,200 voxels of the annotation were replaced" in messages.texts[0]


def test_a_selected_image_is_not_taken_over(panel, opened, image, viewer, messages):
    viewer.layers.selection.active = image

    panel.use.click()

    assert "Select a Labels layer" in messages.texts[0]
