"""What the window does with objects, step by step and without Qt."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseseg.data.files import write_labels
from sparseseg.errors import UserError
from sparseseg.language import template
from sparseseg.postprocessing.objects.instances import finding
from sparseseg.postprocessing.objects.measurements import measuring
from sparseseg.postprocessing.objects.meshes import mesh_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparseseg.data.volume import Volume
    from sparseseg.settings.objects import MeshSettings, ObjectSettings

NOTHING = template("There is no prediction yet: press Predict volume first.")


def objects_of(
    labels: "NDArray[np.uint8]", volume: "Volume", settings: "ObjectSettings"
) -> Iterator[object]:
    """Tell the objects of a segmentation apart; the last step is a `Found`."""
    classes = [int(number) for number in np.unique(labels) if number]
    if not classes:
        raise UserError(NOTHING)
    steps = finding(labels, spacing=volume.spacing, settings=settings, classes=classes)
    yield 0.0
    for done, found in enumerate(steps, 1):
        yield found
        yield min(1.0, done / len(classes))


def measured(
    instances: "NDArray[Any]", classes: "NDArray[Any] | None", volume: "Volume"
) -> Iterator[object]:
    """Measure objects and their grey values; the last step is `Measurements`."""
    yield from measuring(
        instances,
        spacing=volume.spacing,
        unit=volume.unit,
        classes=classes,
        image=volume.array,
    )


def surfaces(
    labels: "NDArray[np.uint8]",
    volume: "Volume",
    paths: Mapping[int, Path],
    settings: "MeshSettings",
) -> Iterator[object]:
    """Write one surface for each class; the last step is the list of files."""
    written: list[Path] = []
    for number, path in paths.items():
        mesh_of(labels == number, volume, settings).write(path)
        written.append(path)
        yield len(written) / len(paths)
    yield written


def written(
    instances: "NDArray[Any]", volume: "Volume", path: Path
) -> Iterator[object]:
    """Write objects into a file; the last step is its path."""
    yield 0.0
    write_labels(path, instances, like=volume)
    yield path


def surface_paths(
    labels: "NDArray[np.uint8]", names: Mapping[int, str], folder: Path, ending: str
) -> dict[int, Path]:
    """Return one file for each class that is there; raise `UserError` for none."""
    there: Sequence[int] = [int(number) for number in np.unique(labels) if number]
    if not there:
        raise UserError(NOTHING)
    return {
        number: folder / f"{number:03}-{_plain(names.get(number, ''))}{ending}"
        for number in there
    }


def _plain(name: str) -> str:
    """Return a name that any file system takes."""
    return "".join(c if c.isalnum() else "_" for c in name)[:60] or "class"
