"""Three planes of one volume: each shows what is painted in the others."""

import numpy as np
import pytest
from napari.layers import Vectors
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from sparseseg.data.slices import AnnotatedSlice
from sparseseg.errors import UserError
from sparseseg.widgets.dock import SegmentationDock
from sparseseg.widgets.geometry import set_voxel_size
from sparseseg.widgets.planes import ThreePlanes
from sparseseg.widgets.planes.lines import lines_in
from sparseseg.widgets.same_view import LAYOUT_MS
from sparseseg.widgets.slices import SliceView, point_in, shown_axis, visible_slice
from tests.widgets.conftest import SHAPE

_PATIENCE_MS = 20_000


@pytest.fixture
def planes(opened, qtbot) -> ThreePlanes:
    planes = ThreePlanes(opened)
    planes.show()
    yield planes
    planes.hide()


def annotations(planes, desk):
    return [mirror.twin_of(desk.link.annotation).layer for mirror in planes.mirrors]


def test_the_other_planes_are_the_two_that_napari_does_not_show(planes, opened):
    for axis in (0, 1, 2):
        opened.painter.turn_to(axis)
        shown = [shown_axis(mirror.model.dims) for mirror in planes.mirrors]
        assert {axis, *shown} == {0, 1, 2}


def test_what_is_painted_in_one_plane_is_drawn_in_all(planes, opened):
    layer, array = opened.link.annotation, opened.link.arrays.annotation
    opened.viewer.dims.set_point(0, 11.5)  # slice z 3
    first, second = annotations(planes, opened)
    middle = tuple(round(place) for place in point_in(opened.viewer.dims, layer))
    first.paint(middle, 1)  # in another plane, where all planes cross
    assert array[middle] == 1
    assert layer._slice.image.raw[middle[1:]] == 1
    array[...] = 0
    drawn = []
    for other in (layer, second):
        other.events.set_data.connect(lambda _, own=other: drawn.append(own))
    first.paint(middle, 1)
    assert drawn == [layer, second]
    drawn.clear()
    away = [0, 3, 3]
    axis = visible_slice(planes.mirrors[0].model.dims, layer).axis
    away[axis] = middle[axis]
    first.paint(tuple(away), 1)  # crosses no other plane that is shown
    layer.paint((3, 3, 3), 1)
    assert drawn == []


def test_an_undo_in_one_plane_is_drawn_in_the_others(planes, opened):
    layer = opened.link.annotation
    twin = annotations(planes, opened)[0]
    layer.paint((3, 10, 10), 1)
    drawn = []
    twin.events.set_data.connect(lambda _: drawn.append(1))
    layer.undo()
    assert drawn
    assert not opened.link.arrays.annotation.any()


def test_showing_the_planes_moves_nothing_and_keeps_the_brush(opened, qtbot):
    opened.painter.go_to(SliceView(0, 1))
    opened.link.annotation.mode = "fill"
    before = opened.viewer.dims.point
    planes = ThreePlanes(opened)
    planes.show()
    opened.viewer.add_image(np.zeros(SHAPE), name="more", scale=(0.5, 0.25, 0.25))
    opened.viewer.layers.selection.active = opened.link.annotation
    assert opened.viewer.dims.point == before
    assert opened.painter.view == SliceView(0, 1)
    assert opened.link.annotation.mode == "fill"
    assert annotations(planes, opened)[0].mode == "fill"
    planes.hide()


def test_outlines_are_outlines_in_all_planes(planes, opened):
    opened.results.show()
    (twin,) = [
        mirror.twin_of(opened.results.prediction) for mirror in planes.mirrors[:1]
    ]
    assert twin.layer.contour == opened.results.prediction.contour > 0
    assert not twin.layer.editable


def test_class_brush_and_tool_are_the_same_in_all_planes(planes, opened):
    opened.classes.add()
    opened.painter.select(2)
    first, second = annotations(planes, opened)
    assert (first.selected_label, second.selected_label) == (2, 2)
    assert (first.mode, second.mode) == ("paint", "paint")
    first.brush_size = 9
    first.mode = "erase"
    assert (opened.link.annotation.brush_size, second.brush_size) == (9, 9)
    assert (opened.link.annotation.mode, second.mode) == ("erase", "erase")


def test_scrolling_one_plane_moves_the_point_of_all(planes, opened):
    mirror = planes.mirrors[0]
    annotation = opened.link.annotation
    view = visible_slice(mirror.model.dims, annotation)
    mirror.model.dims.set_point(view.axis, mirror.model.dims.point[view.axis] + 0.25)
    assert opened.viewer.dims.point == mirror.model.dims.point
    assert planes.mirrors[1].model.dims.point == mirror.model.dims.point
    opened.painter.go_to(SliceView(0, 1))
    assert mirror.model.dims.point == opened.viewer.dims.point


def test_a_unit_given_to_an_image_in_pixels_is_that_of_all_planes(desk, viewer, qtbot):
    desk.link.choose(viewer.add_image(np.zeros(SHAPE), name="plain"))
    desk.link.annotate()
    planes = ThreePlanes(desk)
    planes.show()
    try:
        set_voxel_size(desk.link.lying_there, (2.0, 1.0, 1.0), "um")
        for layer in annotations(planes, desk):
            assert layer.units == desk.link.annotation.units
            assert tuple(layer.scale) == (2.0, 1.0, 1.0)
    finally:
        planes.hide()


def test_layers_that_come_and_go_do_so_in_all_planes(planes, opened):
    added = opened.viewer.add_image(np.zeros(SHAPE), name="more", scale=(0.5, 0.25, 1))
    model = planes.mirrors[0].model
    names = [layer.name for layer in opened.viewer.layers if type(layer) is not Vectors]
    assert [layer.name for layer in model.layers if type(layer) is not Vectors] == names
    opened.viewer.layers.remove(added)
    assert "more" not in model.layers
    opened.link.annotation.visible = False
    assert not annotations(planes, opened)[0].visible


def test_annotated_slices_and_the_point_are_lines_of_their_colour():
    found = [
        AnnotatedSlice(0, 2, 50, complete=True),
        AnnotatedSlice(1, 7, 5, complete=False),
    ]
    drawn = lines_in(SliceView(2, 4), (6, 30, 40), found, (3.0, 15.0, 4.0))
    assert drawn.vectors[:, 0].tolist() == [
        [2.0, -0.5, 4.0],
        [-0.5, 7.0, 4.0],
        [3.0, -0.5, 4.0],
        [-0.5, 15.0, 4.0],
    ]
    assert drawn.vectors[:, 1].tolist() == [
        [0.0, 30.0, 0.0],
        [6.0, 0.0, 0.0],
        [0.0, 30.0, 0.0],
        [6.0, 0.0, 0.0],
    ]
    assert drawn.colours == ["#009e73", "#e69f00", "#ffffff", "#ffffff"]
    assert lines_in(SliceView(0, 2), (6, 30, 40), found[:1], (2, 0, 0)).colours == [
        "#ffffff",
        "#ffffff",
    ]


def test_the_lines_follow_the_ledger(planes, opened):
    opened.link.arrays.annotation[4] = 255
    opened.ledger.look()
    QTest.qWait(200)
    lines = next(
        layer for layer in planes.mirrors[0].model.layers if type(layer) is Vectors
    )
    assert lines.ndim == 3
    assert len(lines.data) == 3


def test_zooming_one_plane_zooms_all_round_the_point_that_they_share(planes, opened):
    main = opened.viewer.scene.camera
    first, second = (mirror.model for mirror in planes.mirrors)
    before = [model.scene.camera.zoom for model in (first, second)]
    opened.viewer.dims.set_point(0, 11.5)
    main.zoom *= 3
    assert first.scene.camera.zoom == pytest.approx(3 * before[0])
    assert second.scene.camera.zoom == pytest.approx(3 * before[1])
    rows = [first.dims.point[axis] for axis in first.dims.displayed]
    assert first.scene.camera.center[1:] == pytest.approx(rows)
    zoom = main.zoom
    first.scene.camera.zoom /= 2
    assert main.zoom == pytest.approx(zoom / 2)
    assert second.scene.camera.zoom == pytest.approx(3 * before[1] / 2)


def test_all_planes_go_to_an_image_that_lies_elsewhere(planes, opened):
    far = opened.viewer.add_image(np.zeros((4, 40, 60)), translate=(0, 0, 1000))

    opened.link.choose(far)

    for mirror in planes.mirrors:
        middle = {0: 1.5, 1: 19.5, 2: 1029.5}
        rows = [middle[axis] for axis in mirror.model.dims.displayed]
        assert mirror.model.scene.camera.center[1:] == pytest.approx(rows)


def test_without_a_volume_there_are_no_planes(desk, qtbot):
    planes = ThreePlanes(desk)
    with pytest.raises(UserError, match="Open a 3-D image"):
        planes.show()
    assert not planes.is_shown


def test_nothing_is_left_of_planes_that_were_hidden(planes, opened):
    names = [layer.name for layer in opened.viewer.layers]
    planes.hide()
    assert [layer.name for layer in opened.viewer.layers] == [
        name for name in names if name != "annotated slices"
    ]
    opened.link.annotation.paint((3, 10, 10), 1)
    assert planes.mirrors == []


@pytest.mark.slow
def test_what_is_shown_in_a_window_that_was_empty_is_not_made_smaller(
    make_napari_viewer, session, qtbot
):
    viewer = make_napari_viewer(show=True)
    dock = SegmentationDock(viewer, session=session)
    viewer.window.add_dock_widget(dock, name="Sparse segmentation")
    viewer.add_image(np.zeros((20, 30, 40), np.uint8), name="cells")
    viewer.scene.camera.zoom = 7.0  # as a project does that is opened with the window
    QTest.qWait(2 * LAYOUT_MS)
    assert viewer.scene.camera.zoom == 7.0


@pytest.mark.slow
def test_a_window_shows_the_planes_beside_its_canvas(
    make_napari_viewer, session, qtbot
):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((20, 30, 40), np.uint8), name="cells")
    alone = viewer.scene.camera.zoom
    dock = SegmentationDock(viewer, session=session)
    viewer.window.add_dock_widget(dock, name="Sparse segmentation")
    dock.classes.new.click()
    # As much is seen on a smaller canvas.
    qtbot.waitUntil(lambda: viewer.scene.camera.zoom < alone, timeout=_PATIENCE_MS)
    before = viewer.scene.camera.zoom
    dock.paint.planes.click()
    qtbot.waitUntil(lambda: viewer.scene.camera.zoom < before, timeout=_PATIENCE_MS)
    assert len(dock.planes._views) == 2
    assert "Other planes" in viewer.window.dock_widgets
    viewer.layers.remove(dock.desk.link.annotation)  # a list that changes meanwhile
    QTest.qWait(50)
    dock.classes.new.click()
    QTest.qWait(50)
    twin = annotations(dock.planes, dock.desk)[1]
    twin.paint((3, 10, 10), 1)
    assert dock.desk.link.arrays.annotation[3, 10, 10] == 1
    dock.paint.planes.click()
    assert not dock.planes.is_shown
    assert viewer.scene.camera.zoom == pytest.approx(before)
    dock.paint.planes.click()
    QApplication.processEvents()
    dock.close()
    assert "Other planes" not in viewer.window.dock_widgets
