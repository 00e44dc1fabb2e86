import numpy as np
import pytest

from sparseseg.widgets.image_panel import ImagePanel


@pytest.fixture
def panel(qtbot, desk) -> ImagePanel:
    panel = ImagePanel(desk.link)
    qtbot.addWidget(panel)
    return panel


def names(panel: ImagePanel) -> list[str]:
    return [panel.choice.itemText(row) for row in range(panel.choice.count())]


def test_without_an_image_it_says_how_to_get_one(panel):
    assert "Open a 3-D image" in panel.remark.text()
    assert panel.card.isHidden()


def test_the_first_image_is_chosen_by_itself(panel, desk, image):
    assert desk.link.image is image
    assert names(panel) == ["cells"]
    assert not panel.card.isHidden()


def test_an_image_that_is_there_already_is_chosen(qtbot, image, desk):
    panel = ImagePanel(desk.link)
    qtbot.addWidget(panel)

    assert desk.link.image is image


def test_a_new_layer_does_not_change_the_choice(panel, desk, image, viewer):
    viewer.add_image(np.zeros((3, 20, 20)), name="other")

    assert names(panel) == ["cells", "other"]
    assert desk.link.image is image
    assert panel.choice.currentText() == "cells"


def test_choosing_in_the_combo_chooses_the_layer(panel, desk, image, viewer):
    other = viewer.add_image(np.zeros((3, 20, 20)), name="other")

    panel.choice.setCurrentIndex(1)

    assert desk.link.image is other


def test_a_removed_choice_gives_way_to_the_next(panel, desk, image, viewer):
    other = viewer.add_image(np.zeros((3, 20, 20)), name="other")

    viewer.layers.remove(image)

    assert desk.link.image is other
    assert names(panel) == ["other"]


def test_a_renamed_layer_is_renamed_in_the_combo(panel, image):
    image.name = "nuclei"

    assert names(panel) == ["nuclei"]


def test_labels_and_results_are_not_offered(panel, image, viewer, desk):
    desk.link.annotate()
    desk.results.show()

    assert names(panel) == ["cells"]


def test_an_image_that_cannot_be_used_says_why(panel, viewer):
    viewer.add_image(np.zeros((20, 20)), name="flat")

    assert "2-D" in panel.remark.text()
    assert panel.card.isHidden()


def test_a_remark_about_the_spacing_stands_under_the_card(panel, viewer):
    viewer.add_image(np.zeros((3, 20, 20)), name="bare")

    assert "No voxel spacing" in panel.remark.text()
    assert not panel.card.isHidden()
