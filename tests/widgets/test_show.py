"""The demo's result is shown between its image and its annotation."""

from pathlib import Path

import numpy as np
from napari.components import ViewerModel

from sparseseg.data import samples
from sparseseg.data.files import write_labels
from sparseseg.widgets.show import add_layers


def test_the_layers_of_the_demo_lie_on_each_other(tmp_path: Path) -> None:
    sample = samples.ovule_nuclei()
    prediction = (sample.annotation == 1).astype(np.uint8)
    write_labels(tmp_path / "prediction.tif", prediction, like=sample.volume)
    viewer = ViewerModel()
    add_layers(viewer, tmp_path)
    names = [layer.name for layer in viewer.layers]
    assert names == ["ovule nuclei", "demo result", "annotation"]
    assert all(tuple(la.scale) == sample.volume.spacing for la in viewer.layers)
    assert (viewer.layers["demo result"].data == prediction).all()
