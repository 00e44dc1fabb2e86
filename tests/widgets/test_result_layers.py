import numpy as np


def test_results_lie_under_the_annotation_on_the_shared_arrays(opened, viewer, session):
    opened.results.show()
    opened.results.show_uncertainty()

    names = [layer.name for layer in viewer.layers]
    assert names == [
        "cells",
        "cells uncertainty",
        "cells prediction",
        "cells annotation",
    ]
    assert opened.results.prediction.data is session.arrays.prediction
    assert opened.results.uncertainty.data is session.arrays.uncertainty


def test_the_annotation_stays_the_layer_that_is_painted_on(opened, viewer):
    opened.results.show()

    assert viewer.layers.selection.active is opened.link.annotation


def test_the_uncertainty_is_hidden_at_first(opened):
    opened.results.show()
    opened.results.show_uncertainty()

    assert not opened.results.uncertainty.visible


def test_a_removed_result_comes_back_when_it_is_asked_for(opened, viewer):
    opened.results.show()
    viewer.layers.remove(opened.results.prediction)

    opened.results.show()

    assert opened.results.prediction in viewer.layers
    assert len(viewer.layers) == 3


def test_only_what_can_be_seen_is_drawn_anew(opened, session):
    opened.results.show()
    opened.results.show_uncertainty()
    results = opened.results
    drawn = []
    results.prediction.events.set_data.connect(lambda: drawn.append("prediction"))
    results.uncertainty.events.set_data.connect(lambda: drawn.append("uncertainty"))
    session.arrays.prediction[:] = 1

    results.refresh()

    assert drawn == ["prediction"]


def test_the_prediction_follows_the_class_colours(opened):
    opened.results.show()

    opened.classes.recolour(1, "#00ff00")

    assert opened.results.prediction.get_color(1).tolist() == [0, 1, 0, 1]


def test_a_class_added_for_another_image_is_seen_in_all_results(opened, viewer):
    opened.results.show()
    opened.results.show_cleaned(np.zeros((6, 30, 40), np.uint8))
    opened.results.show_changes(np.zeros((6, 30, 40), np.uint8))
    seat = opened.link.seat
    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))

    opened.classes.recolour(opened.classes.add(), "#00ff00")

    for layer in (seat.annotation, seat.prediction, seat.cleaned, seat.changes):
        assert layer.get_color(2)[:3].tolist() == [0, 1, 0]


def test_another_image_gets_results_of_its_own(opened, viewer):
    opened.results.show()
    first = opened.results.prediction

    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))
    opened.link.annotate()
    opened.results.show()

    assert opened.results.prediction is not first
    assert opened.results.prediction.data.shape == (3, 20, 20)


def test_without_an_open_image_there_is_nothing_to_show(desk, viewer):
    desk.results.show()

    assert len(viewer.layers) == 0


def test_nobody_can_paint_on_a_prediction(opened, viewer):
    opened.results.show()
    opened.results.show_cleaned(np.zeros((6, 30, 40), np.uint8))
    viewer.dims.order = (1, 0, 2)
    viewer.dims.ndisplay = 3
    viewer.dims.ndisplay = 2

    for layer in (opened.results.prediction, opened.results.cleaned):
        assert not layer.editable
        layer.mode = "paint"
        assert layer.mode == "pan_zoom"


def test_objects_are_not_covered_by_what_they_were_made_of(opened):
    opened.results.show()
    opened.results.show_doubt(np.zeros((6, 30, 40), np.uint8))

    opened.results.show_objects(np.ones((6, 30, 40), np.uint32))

    assert opened.results.objects.visible
    assert not opened.results.prediction.visible
    assert not opened.link.seat.doubt.visible


def test_the_results_of_an_image_come_back_with_it(opened, viewer, image):
    opened.results.show()
    first = opened.results.prediction
    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))
    assert opened.results.prediction is None

    opened.link.choose(image)

    assert opened.results.prediction is first
