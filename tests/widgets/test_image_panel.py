import numpy as np
import pytest
import tifffile
from napari.layers._source import layer_source

from sparseseg.errors import UserError
from sparseseg.widgets.geometry import volume_of
from sparseseg.widgets.image_panel import ImagePanel


@pytest.fixture
def panel(qtbot, desk) -> ImagePanel:
    panel = ImagePanel(desk.link, desk.background)
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
    panel = ImagePanel(desk.link, desk.background)
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

    assert "No voxel size" in panel.remark.text()
    assert not panel.card.isHidden()


def test_a_typed_voxel_size_reaches_the_image_and_what_lies_on_it(panel, image, viewer):
    labels = viewer.add_labels(
        np.zeros(image.data.shape, np.uint8),
        scale=image.scale,
        translate=image.translate,
        units=image.units,
    )

    panel.card.size_field.edges[0].setValue(2.0)

    assert image.scale.tolist() == labels.scale.tolist() == [2.0, 0.25, 0.25]
    assert volume_of(image).spacing == (2.0, 0.25, 0.25)


def test_the_voxel_size_is_fixed_once_the_annotation_is_begun(panel, desk, image):
    assert panel.card.size_field.isEnabled()

    desk.link.annotate()

    assert not panel.card.size_field.isEnabled()


def test_a_scale_that_a_script_sets_is_shown(panel, image):
    image.scale = (3, 0.25, 0.25)

    assert panel.card.size_field.edges[0].value() == 3


def test_axes_without_a_name_are_named_at_the_sliders(panel, image, viewer):
    assert viewer.dims.axis_labels == ("z", "y", "x")


def test_a_fourth_axis_is_asked_about(panel, viewer, desk):
    stack = viewer.add_image(np.zeros((5, 3, 20, 20)), name="stack")
    assert "channels or time" in panel.remark.text()
    with pytest.raises(UserError):
        desk.link.open()

    panel.remedies.channels.click()

    assert volume_of(stack).channels == 5
    assert panel.card.values["Channels"].text() == "5"


def test_a_fourth_axis_of_time_is_refused(panel, viewer):
    viewer.add_image(np.zeros((5, 3, 20, 20)), name="stack")

    panel.remedies.time.click()

    assert "take one time point out" in panel.remark.text()
    assert panel.card.isHidden()


def test_a_rotated_layer_is_set_straight_and_turned_back(panel, viewer):
    layer = viewer.add_image(np.zeros((3, 20, 20)), name="tilted", rotate=(0, 0, 10))
    assert "Show in voxel axes" in panel.remark.text()

    panel.remedies.straighten.click()
    assert not panel.card.isHidden()
    np.testing.assert_allclose(layer.rotate, np.eye(3))

    panel.remedies.turn_back.click()
    assert panel.card.isHidden()


def test_layers_of_the_same_place_can_be_taken_as_channels(panel, image, viewer):
    other = viewer.add_image(
        image.data + 1,
        name="GFP",
        scale=image.scale,
        translate=image.translate,
        units=image.units,
    )
    (action,) = panel.card.channel_menu.actions()

    action.setChecked(True)

    volume = volume_of(image)
    assert volume.channel_names == ("cells", "GFP")
    np.testing.assert_array_equal(volume.array, np.stack([image.data, other.data]))
    assert panel.card.values["Channels"].text() == "2 (cells, GFP)"


def test_a_removed_channel_is_no_channel_any_more(panel, image, viewer):
    like = {"scale": image.scale, "translate": image.translate, "units": image.units}
    other = viewer.add_image(image.data, name="GFP", **like)
    panel.card.channel_menu.actions()[0].setChecked(True)

    viewer.layers.remove(other)

    assert volume_of(image).channels == 1


def test_a_layer_of_another_size_is_no_channel(panel, image, viewer):
    viewer.add_image(np.zeros((6, 30, 39)), name="cropped")

    assert panel.card.channel_menu.actions() == []
    assert panel.card.add_channels.isHidden()


def test_an_image_of_one_value_is_told_of_at_once(panel, viewer, qtbot):
    viewer.add_image(np.full((3, 20, 20), 7.0), name="blank")

    qtbot.waitUntil(lambda: "All voxels are 7" in panel.remark.text())


def test_missing_numbers_are_told_of_at_once(panel, viewer, qtbot):
    array = np.arange(1200.0).reshape(3, 20, 20)
    array[0] = np.nan
    viewer.add_image(array, name="holes")

    qtbot.waitUntil(lambda: "33.33% of the voxels" in panel.remark.text())


def test_an_image_fills_the_canvas_once_its_file_has_told_its_size(
    panel, viewer, qtbot, tmp_path, monkeypatch
):
    shown = []
    monkeypatch.setattr(
        type(viewer), "fit_to_view", lambda *_, layers=None, **__: shown.append(layers)
    )
    path = tmp_path / "small.tif"
    stack = np.zeros((4, 5, 6), np.uint8)
    tags = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(path, stack, imagej=True, resolution=(2, 2), metadata=tags)
    with layer_source(path=str(path), reader_plugin="napari"):
        layer = viewer.add_image(stack, name="small")

    panel.choice.setCurrentText("small")

    qtbot.waitUntil(lambda: [layer] in shown)
    np.testing.assert_array_equal(layer.scale, (2, 0.5, 0.5))
