"""Layers saved as files that keep the voxel size and the orientation of their image."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from sparseseg.classes import ClassTable
from sparseseg.data import files
from sparseseg.data.formats import ending_of, image_ending
from sparseseg.data.overwriting import check_overwrites
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.widgets.file_facts import facts_in
from sparseseg.widgets.geometry import spacing_of
from sparseseg.widgets.layer_kinds import CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPATIAL = 3
DEFAULT_ENDING = ".ome.tif"


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save a Labels layer, for napari's File > Save; return the file written."""
    target, like = _prepared(path, data, meta, "labels")
    labels = _smallest(np.asarray(data))
    table = ClassTable.from_json(meta.get("metadata", {}).get(CLASSES, []))
    files.write_labels(target, labels, like, table=table)
    return [str(target)]


def write_image(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save an Image layer, for napari's File > Save; return the file written."""
    target, like = _prepared(path, data, meta, "image")
    files.write_image(target, np.asarray(data), like)
    return [str(target)]


def ending_like(source: Path | None) -> str:
    """Return the ending of the format of an image, or of ours where it has none."""
    own = _ending_for(source) if source and image_ending(source) else ""
    return own or DEFAULT_ENDING


def _ending_for(path: Path) -> str:
    """Return the ending of a format that can be written, or "" for another."""
    name = path.name.lower()
    if name.endswith((".ome.tif", ".ome.tiff")):
        return ".ome.tif"
    return ending_of(path).lower()


def _prepared(
    path: str, data: Any, meta: dict[str, Any], kind: str
) -> tuple[Path, Volume]:
    """Return where to write, and the volume that the file is to lie like."""
    layer = Layer.create(data, meta, kind)
    _check_layer(layer)
    facts = facts_in(layer.metadata)
    source = facts.path if facts else None
    target = Path(path)
    if not _ending_for(target):
        target = target.with_name(target.name + ending_like(source))
    files.check_output(target)
    if source is not None:
        check_overwrites([target], [source])
    spacing, unit = spacing_of(layer)
    array = layer.data if layer.ndim > _SPATIAL else layer.data[None]
    like = Volume(array, spacing, unit, name=layer.name)
    return target, like if facts is None else facts.place(like)


def _check_layer(layer: Any) -> None:
    if layer.multiscale or getattr(layer, "rgb", False) or layer.ndim not in (3, 4):
        raise UserError(
            "{name!r} is not one volume of z, y, x or channel, z, y, x: choose "
            "one of napari's own file types in the save dialog",
            name=layer.name,
        )


def _smallest(labels: "NDArray[Any]") -> "NDArray[Any]":
    """Return labels in the smallest type that holds them; some formats lack int64."""
    kind = np.min_scalar_type(int(labels.max(initial=0)))
    return labels if labels.dtype == kind else labels.astype(kind)
