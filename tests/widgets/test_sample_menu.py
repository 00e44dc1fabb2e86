import numpy as np
import pytest
from napari.layers import Layer

from sparseseg.widgets import samples


@pytest.mark.parametrize("provider", [samples.ovule_nuclei, samples.blobs])
def test_a_sample_opens_as_layers_with_spacing_and_units(provider, viewer):
    for data in provider():
        viewer.add_layer(Layer.create(*data))

    image = viewer.layers[0]
    assert image.data.ndim == 3
    assert {str(unit) for unit in image.units} == {"micrometer"}
    assert len(set(image.scale)) == 2  # longer in z


def test_the_annotation_of_the_ovule_is_taken_over_with_its_class_names(
    desk, viewer, qtbot
):
    for data in samples.ovule_nuclei():
        viewer.add_layer(Layer.create(*data))
    image, annotation = viewer.layers
    desk.link.choose(image)

    with qtbot.waitSignal(desk.adoption.done):
        desk.adoption.adopt(annotation)

    np.testing.assert_array_equal(desk.link.annotation.data, annotation.data)
    assert desk.classes.table.names == ("nucleus",)
