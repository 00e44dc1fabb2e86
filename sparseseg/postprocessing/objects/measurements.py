"""A table of objects: volume, surface, diameters, place, grey values and contacts.

Lengths are in the unit of the volume, places in voxels and in this unit.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparseseg.data.atomic import replacing
from sparseseg.data.source import Source
from sparseseg.data.units import Spacing
from sparseseg.postprocessing.objects.instances import Instances
from sparseseg.postprocessing.objects.surfaces import area, triangles

_SOFT = 0.8
"""Of the longest side of a voxel: by so much a surface is smoothed. The areas of balls
of a radius of two voxels and more are then 0.96 to 1.05 of the true ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Columns of equal length, by name, one value for each object."""

    columns: dict[str, NDArray[Any]]
    unit: str

    def __len__(self) -> int:
        return len(self.columns["object"])

    @property
    def titles(self) -> list[str]:
        """The names of the columns, with the unit of lengths, areas and volumes."""
        return [_titled(name, self.unit) for name in self.columns]

    def write(self, path: str | Path) -> None:
        """Write a CSV file, with the unit in the names of the columns."""
        with (
            replacing(path) as beside,
            beside.open("w", newline="", encoding="utf-8") as file,
        ):
            table = csv.writer(file)
            table.writerow(self.titles)
            for row in zip(*self.columns.values(), strict=True):
                table.writerow([_written(value) for value in row])


def measure(
    instances: Instances,
    *,
    spacing: Spacing,
    unit: str = "pixel",
    classes: NDArray[Any] | None = None,
    image: Source | None = None,
) -> Measurements:
    """Measure all objects of a z, y, x array; grey values of a c, z, y, x image."""
    *_, last = measuring(
        instances, spacing=spacing, unit=unit, classes=classes, image=image
    )
    assert isinstance(last, Measurements)
    return last


def measuring(
    instances: Instances,
    *,
    spacing: Spacing,
    unit: str = "pixel",
    classes: NDArray[Any] | None = None,
    image: Source | None = None,
) -> Iterator[float | Measurements]:
    """Do the same, and yield how far it is (0..1), and the table at the end."""
    boxes = ndimage.find_objects(instances)
    numbers = np.array([i + 1 for i, box in enumerate(boxes) if box is not None], int)
    rows = []
    for done, number in enumerate(numbers, 1):
        box = boxes[number - 1]
        rows.append(_shape(instances[box] == number, box, spacing))
        yield done / (len(numbers) + 1)
    columns: dict[str, NDArray[Any]] = {"object": numbers}
    if classes is not None:
        columns["class"] = np.asarray(classes)[numbers - 1]
    for name in _COLUMNS:
        columns[name] = np.array([row[name] for row in rows])
    columns |= _grey(instances, numbers, image) if image is not None else {}
    columns["contacts"] = _contacts(instances, numbers)
    yield Measurements(columns, unit)


_COLUMNS = (
    *("voxels", "volume", "surface", "diameter"),
    *("longest", "middle", "shortest", "elongation"),
    *("z", "y", "x", "z_place", "y_place", "x_place"),
)
_LENGTHS = ("diameter", "longest", "middle", "shortest")
_PLACES = ("z_place", "y_place", "x_place")


def _shape(mask: NDArray[np.bool_], box: Any, spacing: Spacing) -> dict[str, float]:
    """Measure one object.

    `diameter` is that of a ball of its volume; `longest`, `middle` and `shortest` are
    the axes of the ellipsoid with its second moments; `elongation` is the first by the
    last of them.
    """
    places = np.argwhere(mask)
    centre = places.mean(0)
    volume = len(places) * prod(spacing)
    own = np.diag(np.square(spacing)) / 12  # a voxel is no point
    scaled = (places - centre) * spacing
    spread = scaled.T @ scaled / len(places) + own
    short, middle, long = np.sqrt(5 * np.linalg.eigvalsh(spread)) * 2
    z, y, x = centre + [side.start for side in box]
    return {
        "voxels": len(places),
        "volume": volume,
        "surface": _surface(mask, spacing),
        "diameter": (6 * volume / np.pi) ** (1 / 3),
        "longest": long,
        "middle": middle,
        "shortest": short,
        "elongation": long / short,
        "z": z,
        "y": y,
        "x": x,
        **dict(zip(_PLACES, (np.array([z, y, x]) * spacing).tolist(), strict=True)),
    }


def _surface(mask: NDArray[np.bool_], spacing: Spacing) -> float:
    """Return the area of the surface, smoothed so that the steps of voxels do not count."""
    corners, faces = triangles(mask, _SOFT * max(spacing), spacing)
    return area(corners * spacing, faces)


def _grey(
    instances: Instances, numbers: NDArray[Any], image: Source
) -> dict[str, NDArray[Any]]:
    """Return mean, spread and range of the grey values, by channel where it has several."""
    found = {}
    channels = image.shape[0]
    for channel in range(channels):
        values = np.asarray(image[channel : channel + 1, :, :, :][0], float)
        end = f"_{channel + 1}" if channels > 1 else ""
        found[f"mean{end}"] = ndimage.mean(values, instances, numbers)
        found[f"deviation{end}"] = ndimage.standard_deviation(
            values, instances, numbers
        )
        found[f"minimum{end}"] = ndimage.minimum(values, instances, numbers)
        found[f"maximum{end}"] = ndimage.maximum(values, instances, numbers)
    return found


def _contacts(instances: Instances, numbers: NDArray[Any]) -> NDArray[Any]:
    """Return how many other objects each one shares a voxel face with."""
    found = []
    for axis in range(3):
        turned = np.moveaxis(instances, axis, 0)
        one, other = turned[:-1], turned[1:]
        meet = (one != other) & (one > 0) & (other > 0)
        found.append(np.stack([one[meet], other[meet]]))
    pairs = np.unique(np.sort(np.concatenate(found, axis=1), axis=0), axis=1)
    counts = np.bincount(pairs.ravel(), minlength=int(numbers.max(initial=0)) + 1)
    return np.asarray(counts[numbers])


def _titled(name: str, unit: str) -> str:
    if name in _LENGTHS or name in _PLACES:
        return f"{name} ({unit})"
    powers = {"volume": "3", "surface": "2"}
    return f"{name} ({unit}{powers[name]})" if name in powers else name


def _written(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
