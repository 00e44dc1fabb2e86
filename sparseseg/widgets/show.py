"""Open the result of the demo in napari: `python -m sparseseg.widgets.show FOLDER`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from napari.layers import Layer

from sparseseg.classes import ClassTable
from sparseseg.data.files import read_truth
from sparseseg.widgets import samples
from sparseseg.widgets.class_model import colormap_of
from sparseseg.widgets.dock import SegmentationDock
from sparseseg.widgets.layer_kinds import CLASSES

if TYPE_CHECKING:
    from napari.components import ViewerModel

_NAME = "demo result"


def add_layers(viewer: "ViewerModel", folder: Path) -> None:
    """Add the sample's image and annotation, and between them the folder's prediction."""
    image, annotation = (Layer.create(*data) for data in samples.ovule_nuclei())
    table = ClassTable.from_json(annotation.metadata[CLASSES])
    viewer.add_layer(image)
    viewer.add_labels(
        read_truth(folder / "prediction.tif"),
        name=_NAME,
        colormap=colormap_of(table),
        opacity=0.5,
        scale=image.scale,
        units=image.units,
    )
    viewer.add_layer(annotation)


def main(folder: Path) -> None:
    """Show the window until it is closed."""
    viewer = napari.Viewer()
    add_layers(viewer, folder)
    dock = SegmentationDock(viewer)
    viewer.window.add_dock_widget(dock, name="Sparse segmentation")
    napari.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
