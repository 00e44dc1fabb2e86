import pytest

from sparseseg.errors import UserError
from sparseseg.widgets.slices import SliceView


def test_selecting_a_class_takes_the_brush(opened, image, viewer):
    opened.link.annotation.mode = "pan_zoom"
    viewer.layers.selection.active = image

    opened.painter.select(255)

    layer = opened.link.annotation
    assert (layer.selected_label, layer.mode) == (255, "paint")
    assert viewer.layers.selection.active is layer


def test_a_class_selected_in_napari_is_told(opened):
    told = []
    opened.painter.label_changed.connect(told.append)

    opened.link.annotation.selected_label = 255

    assert told == [255]


def test_without_an_annotation_the_user_is_asked_for_one(desk):
    with pytest.raises(UserError, match="New annotation"):
        desk.painter.select(1)


def test_the_visible_slice_is_told_once_for_each_slice(opened, viewer):
    told = []
    opened.painter.view_changed.connect(told.append)

    viewer.dims.set_point(0, 10.5)
    viewer.dims.set_point(0, 10.5)
    opened.painter.turn_to(2)

    assert told[0] == SliceView(0, 1)
    assert told[-1].axis == 2
    assert len(told) == len(set(told))


def test_turning_leaves_the_3d_display(opened, viewer):
    viewer.dims.ndisplay = 3

    opened.painter.turn_to(1)

    assert opened.painter.view.axis == 1


def test_a_brush_through_several_slices_is_cautioned(opened):
    told = []
    opened.painter.cautioned.connect(told.append)

    opened.link.annotation.n_edit_dimensions = 3
    opened.link.annotation.n_edit_dimensions = 2

    assert "ball" in told[0]
    assert told[1] == ""


def test_painting_in_the_3d_display_is_cautioned(opened, viewer):
    viewer.dims.ndisplay = 3

    assert "3-D" in opened.painter.caution


def test_a_removed_layer_leaves_no_visible_slice(opened, viewer):
    viewer.layers.remove(opened.link.annotation)

    assert opened.painter.view is None
    assert opened.painter.label is None


def test_nothing_is_told_after_closing(opened, viewer):
    told = []
    opened.painter.view_changed.connect(told.append)
    layer = opened.link.annotation
    opened.close()

    viewer.dims.set_point(0, 12)
    layer.selected_label = 255

    assert not told
