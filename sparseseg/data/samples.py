"""Volumes to try things on: a real one that is shipped, and synthetic blobs."""

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sparseseg.classes import ClassTable
from sparseseg.data.files import read, read_labels, read_truth
from sparseseg.data.slices import annotate_slices
from sparseseg.data.volume import Volume

Shape = tuple[int, int, int]

_SPACING = (2.0, 1.0, 1.0)
_BLOB_RADIUS = 6.0
_TEXTURE_RADIUS = 1.5
_FOREGROUND = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A volume with a sparse annotation and the dense truth it was cut from."""

    volume: Volume
    annotation: NDArray[np.uint8]
    truth: NDArray[np.integer[Any]]
    table: ClassTable


def ovule_nuclei() -> Sample:
    """Read the shipped sample: nuclei of an Arabidopsis ovule, three slices an axis.

    Its source, licence and citation lie beside it in ``sparseseg/samples``.
    """
    with as_file(files("sparseseg") / "samples" / "fl_ovule_nuclei") as folder:
        volume = read(folder / "image.tif")
        annotation = read_labels(folder / "annotation.tif", like=volume)
        truth = read_truth(folder / "truth.tif")
    return Sample(
        volume, annotation, truth, ClassTable.numbered([1]).renamed(1, "nucleus")
    )


def blobs(shape: Shape = (64, 96, 96), *, classes: int = 2, seed: int = 0) -> Sample:
    """Make noisy blobs of some classes that differ in brightness and texture.

    Voxels are twice as long in z; the middle slice across each axis is annotated.
    """
    rng = np.random.default_rng(seed)
    truth = _classes(rng, shape, classes)
    image = _appearance(rng, truth, classes)
    volume = Volume.from_array(image, spacing=_SPACING, unit="um", name="blobs")
    annotation = annotate_slices(truth, (1, 1, 1))
    return Sample(volume, annotation, truth, ClassTable.numbered(range(1, classes + 1)))


def _classes(rng: np.random.Generator, shape: Shape, classes: int) -> NDArray[np.uint8]:
    """Let the highest of one smooth field a class win where it is high enough."""
    fields = np.stack([_smooth(rng, shape, _BLOB_RADIUS) for _ in range(classes)])
    highest = fields.max(axis=0)
    foreground = highest > np.quantile(highest, 1 - _FOREGROUND)
    return np.where(foreground, fields.argmax(axis=0) + 1, 0).astype(np.uint8)


def _appearance(
    rng: np.random.Generator, truth: NDArray[np.uint8], classes: int
) -> NDArray[np.uint8]:
    steps = np.arange(classes + 1) / classes
    brightness, roughness = 60 + 90 * steps, 4 + 16 * steps
    texture = _smooth(rng, truth.shape, _TEXTURE_RADIUS) * roughness[truth]
    sharp = gaussian_filter(brightness[truth], 1 / np.array(_SPACING)) + texture
    noisy = sharp + rng.normal(0, 10, truth.shape)
    return np.asarray(noisy.clip(0, 255).astype(np.uint8))


def _smooth(
    rng: np.random.Generator, shape: tuple[int, ...], radius: float
) -> NDArray[np.float64]:
    """Return noise of variance 1 that is smooth over a radius in physical units."""
    noise = gaussian_filter(rng.standard_normal(shape), radius / np.array(_SPACING))
    return np.asarray(noise / noise.std())
