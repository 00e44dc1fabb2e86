import numpy as np
import pytest

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.errors import UserError
from sparseseg.session.events import Phase
from sparseseg.widgets.desk import Desk
from tests.widgets.fake_session import FakeSession

SHAPE = (6, 30, 40)


def test_choosing_an_image_opens_nothing(desk, image, session):
    desk.link.choose(image)

    assert not session.called("open")


def test_annotating_opens_the_image_once(opened, session):
    opened.link.annotate()

    assert session.called("open") == 1
    assert session.calls[0][1].spacing == (0.5, 0.25, 0.25)


def test_the_annotation_layer_shows_the_shared_array_itself(opened, session):
    assert opened.link.annotation.data is session.arrays.annotation


def test_the_annotation_layer_lies_on_the_image_ready_to_paint(opened, image, viewer):
    layer = opened.link.annotation

    np.testing.assert_array_equal(layer.extent.world, image.extent.world)
    assert layer.units == image.units
    assert (layer.mode, layer.selected_label, layer.n_edit_dimensions) == (
        "paint",
        1,
        2,
    )
    assert viewer.layers.selection.active is layer


def test_painting_lands_in_the_shared_array(opened, session):
    opened.link.annotation.paint((2, 10, 10), 1)

    assert session.arrays.annotation[2, 10, 10] == 1


def test_channels_are_left_out_of_the_annotation(desk, viewer, session):
    desk.link.choose(viewer.add_image(np.zeros((2, *SHAPE)), axis_labels=("c", *"zyx")))

    assert desk.link.annotate().data.shape == SHAPE
    assert session.calls[0][1].channels == 2


def test_without_an_image_the_user_is_asked_for_one(desk):
    with pytest.raises(UserError, match="Open an image first"):
        desk.link.annotate()


def test_the_colours_follow_the_class_table(opened):
    opened.classes.recolour(1, "#ff0000")

    assert opened.link.annotation.get_color(1).tolist() == [1, 0, 0, 1]


def test_a_removed_annotation_layer_comes_back_with_its_strokes(opened, viewer):
    warnings = []
    opened.link.warned.connect(warnings.append)
    opened.link.annotation.paint((2, 10, 10), 1)

    viewer.layers.remove(opened.link.annotation)
    assert opened.link.annotation is None
    opened.link.annotate()

    assert opened.link.annotation.data[2, 10, 10] == 1
    assert "nothing painted is lost" in warnings[0]


def test_an_image_that_was_removed_is_brought_back_with_its_strokes(
    opened, image, viewer
):
    lost = []
    opened.link.image_lost.connect(lost.append)
    opened.link.annotation.paint((2, 10, 10), 1)

    viewer.layers.remove(image)
    assert opened.link.image is None
    opened.link.bring_back(lost[0])

    assert opened.link.image is image
    assert viewer.layers[0] is image
    assert opened.link.annotation.data[2, 10, 10] == 1


def test_the_same_file_opened_anew_is_the_same_image(opened, image, viewer, session):
    annotation = opened.link.annotation
    viewer.layers.remove(image)

    opened.link.choose(viewer.add_image(image.data.copy(), name="again"))

    assert opened.link.annotate() is annotation
    assert session.called("open") == 1


def test_going_back_to_an_image_brings_its_annotation_back_alive(
    opened, image, viewer, session
):
    first, arrays = opened.link.annotation, opened.link.arrays
    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))
    assert opened.link.annotation is None
    opened.link.annotate()

    opened.link.choose(image)
    opened.link.open()

    assert opened.link.annotation is first
    assert session.calls[-1] == ("go_over", arrays)
    first.paint((2, 10, 10), 1)
    assert session.arrays.annotation[2, 10, 10] == 1


def test_memory_is_given_back_once_no_layer_shows_an_image(
    opened, image, viewer, session
):
    arrays = opened.link.arrays
    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))
    opened.link.open()

    for layer in [image, *(n for n in viewer.layers if n.name == "cells annotation")]:
        viewer.layers.remove(layer)

    assert session.calls[-1] == ("let_go", arrays)


def test_strokes_on_a_converted_layer_are_taken_over(opened, session):
    layer, array = opened.link.annotation, session.arrays.annotation
    layer.data = layer.data.astype(np.int64)  # as napari's "convert data type" does
    layer.paint((2, 10, 10), 1)
    assert not array.any()

    opened.link.look()

    assert array[2, 10, 10] == 1
    assert layer.data is array
    layer.undo()  # the history was of the other array
    assert array[2, 10, 10] == 1
    assert layer.mode == "paint"


def test_values_that_no_annotation_has_are_refused_by_name(opened):
    layer = opened.link.annotation
    layer.data = np.full(SHAPE, 256, np.int64)

    with pytest.raises(UserError, match="values from 256 to 256"):
        opened.link.look()


def test_nobody_can_paint_on_a_copy_of_the_annotation(opened, viewer, qtbot):
    layer = opened.link.annotation
    copy = viewer.add_labels(layer.data.copy(), metadata=dict(layer.metadata))

    assert not copy.editable
    assert layer.editable
    copy.data[1] = 3
    with qtbot.waitSignal(opened.adoption.done) as done:
        opened.adoption.adopt(copy)
    assert done.args == [30 * 40]


def test_an_annotation_that_an_earlier_panel_left_is_taken_up(
    opened, viewer, session, image
):
    table = ClassTable((LabelClass(2, "membrane", "#112233"),))
    opened.classes.replace(table)
    opened.link.annotation.data[1] = 2
    opened.close()
    second = Desk(viewer, FakeSession())
    second.link.choose(image)

    layer = second.link.annotate()

    assert (layer.data[1] == 2).all()
    assert second.classes.table == table
    assert [n.name for n in viewer.layers] == ["cells", "cells annotation"]
    second.close()


def test_another_image_gets_an_annotation_of_its_own(opened, viewer, session):
    first = opened.link.annotation

    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))
    second = opened.link.annotate()

    assert second.data.shape == (3, 20, 20)
    assert first in viewer.layers
    assert session.called("open") == 2


def test_another_image_has_to_wait_until_training_is_stopped(opened, viewer, session):
    session.becomes(Phase.TRAINING)
    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))

    with pytest.raises(UserError, match=r"works on 'cells' now\. Press Stop"):
        opened.link.annotate()


def test_painted_voxels_of_a_class_are_counted(opened):
    opened.link.annotation.data[0, 0, :5] = 1

    assert opened.link.count(1) == 5
    assert opened.link.count(2) == 0


def test_names_stay_while_another_image_is_painted_with_them(opened, viewer):
    model = ClassTable(
        (LabelClass(1, "liver", "#112233"), LabelClass(3, "tumor", "#445566"))
    )
    opened.classes.rename(1, "nucleus")
    opened.link.annotation.data[0, 0, :5] = 1
    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))

    opened.take_classes(model)
    assert opened.classes.table.names == ("nucleus", "tumor")

    opened.link.seats[0].arrays.annotation[:] = 0
    opened.take_classes(model)
    assert opened.classes.table == model


def test_results_are_no_images_to_choose(opened, image):
    opened.results.show()

    assert opened.link.images == [image]


def test_nothing_is_connected_after_closing(opened, viewer):
    opened.close()

    viewer.layers.clear()
    viewer.add_image(np.zeros(SHAPE))
    opened.classes.add()

    assert opened.link.image is not None  # it heard of nothing


def test_the_canvas_goes_to_an_image_that_lies_elsewhere(opened, viewer):
    viewer.dims.set_point(0, 11.5)
    camera = viewer.scene.camera
    before = camera.zoom
    far = viewer.add_image(np.zeros((4, 40, 60)), name="far", translate=(0, 0, 1000))

    opened.link.choose(far)

    assert camera.center[1:] == (19.5, 1029.5)
    assert camera.zoom < before  # 60 voxels of 1, not 40 of 0.25
    assert -0.5 <= viewer.dims.point[0] <= 3.5


def test_the_canvas_stays_where_another_image_lies_in_the_same_place(
    opened, image, viewer
):
    camera = viewer.scene.camera
    camera.zoom, camera.center = 11.0, (0, 2.0, 3.0)
    same = viewer.add_image(
        np.zeros(SHAPE), scale=image.scale, translate=image.translate, units="um"
    )

    opened.link.choose(same)
    opened.link.choose(None)
    opened.link.choose(image)

    assert (camera.zoom, camera.center) == (11.0, (0, 2.0, 3.0))


def test_the_canvas_stays_for_the_first_image(desk, image, viewer):
    viewer.scene.camera.zoom = 11.0

    desk.link.choose(image)

    assert viewer.scene.camera.zoom == 11.0
