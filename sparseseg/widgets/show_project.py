"""Open a project in napari: `python -m sparseseg.widgets.show_project FOLDER`."""

import sys
from pathlib import Path

import napari

from sparseseg.widgets.dock import SegmentationDock


def main(folder: Path) -> None:
    """Show the window until it is closed."""
    viewer = napari.Viewer()
    dock = SegmentationDock(viewer)
    viewer.window.add_dock_widget(dock, name="Sparse segmentation")
    dock.desk.project.open(folder)
    napari.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
