"""The samples of napari's File > Open Sample menu."""

from typing import TYPE_CHECKING, Any

from sparseseg.data import samples
from sparseseg.widgets.class_model import colormap_of
from sparseseg.widgets.layer_kinds import ANNOTATION, CLASSES

if TYPE_CHECKING:
    from napari.types import LayerDataTuple

    from sparseseg.data.samples import Sample


def ovule_nuclei() -> "list[LayerDataTuple]":
    """Return a confocal volume and its sparse annotation, ready to be taken over."""
    sample = samples.ovule_nuclei()
    return [_image(sample, "ovule nuclei"), _annotation(sample)]


def blobs() -> "list[LayerDataTuple]":
    """Return a small synthetic volume of two classes."""
    return [_image(samples.blobs(), "blobs")]


def _image(sample: "Sample", name: str) -> "LayerDataTuple":
    return sample.volume.array[0], {"name": name, **_placement(sample)}, "image"


def _annotation(sample: "Sample") -> "LayerDataTuple":
    look = {
        "name": ANNOTATION,
        "colormap": colormap_of(sample.table),
        "metadata": {CLASSES: sample.table.to_json()},
    }
    return sample.annotation, {**look, **_placement(sample)}, "labels"


def _placement(sample: "Sample") -> dict[str, Any]:
    volume = sample.volume
    return {"scale": volume.spacing, "units": (volume.unit,) * 3}
