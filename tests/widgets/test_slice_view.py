import numpy as np
import pytest
from napari.components import ViewerModel

from sparseseg.widgets.slices import SliceView, go_to, roll_to, visible_slice


def labels_in(viewer: ViewerModel, **place):
    return viewer.add_labels(np.zeros((6, 30, 40), np.uint8), **place)


def test_the_visible_slice_is_the_one_at_the_slider():
    viewer = ViewerModel()
    layer = labels_in(viewer, scale=(0.5, 1, 1), translate=(10, 0, 0))

    viewer.dims.set_point(0, 12.0)

    assert visible_slice(viewer.dims, layer) == SliceView(0, 4)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_rolling_shows_slices_across_the_axis(axis):
    viewer = ViewerModel()
    layer = labels_in(viewer)

    roll_to(viewer.dims, axis)

    assert visible_slice(viewer.dims, layer).axis == axis


def test_rolling_to_y_shows_z_downwards_and_x_to_the_right():
    viewer = ViewerModel()
    labels_in(viewer)

    roll_to(viewer.dims, 1)

    assert viewer.dims.displayed == (0, 2)


def test_a_channel_axis_keeps_its_slider():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((2, 6, 30, 40)), rgb=False)
    layer = labels_in(viewer)

    roll_to(viewer.dims, 2)

    assert viewer.dims.order == (0, 3, 1, 2)
    assert visible_slice(viewer.dims, layer).axis == 2


def test_no_slice_is_visible_in_the_3d_display():
    viewer = ViewerModel(ndisplay=3)
    layer = labels_in(viewer)

    assert visible_slice(viewer.dims, layer) is None


def test_no_slice_is_visible_beside_the_layer():
    viewer = ViewerModel()
    layer = labels_in(viewer)
    viewer.add_image(np.zeros((50, 30, 40)))

    viewer.dims.set_point(0, 20)

    assert visible_slice(viewer.dims, layer) is None


@pytest.mark.parametrize("target", [SliceView(0, 5), SliceView(1, 7), SliceView(2, 39)])
def test_going_to_a_slice_makes_it_the_visible_one(target):
    viewer = ViewerModel()
    layer = labels_in(viewer, scale=(0.5, 0.25, 0.25), translate=(10, -3, 0))

    go_to(viewer.dims, layer, target)

    assert visible_slice(viewer.dims, layer) == target


def test_slices_are_found_when_the_viewer_counts_in_another_unit():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((6, 30, 40)), scale=(500,) * 3, units=("nm",) * 3)
    layer = labels_in(viewer, scale=(0.5,) * 3, units=("um",) * 3)

    go_to(viewer.dims, layer, SliceView(0, 4))

    assert visible_slice(viewer.dims, layer) == SliceView(0, 4)
    shown = layer._slicing_state.data_slice  # what napari itself cuts
    assert round(shown.point[0]) == 4


def test_a_slice_is_named_after_its_axis():
    assert str(SliceView(2, 17)) == "x 17"
