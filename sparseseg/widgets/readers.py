"""Files that napari opens through us, with voxel size, orientation and grey window."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
from napari.settings import get_settings
from napari.utils.notifications import show_error
from npe2 import read as read_with_plugin

from sparseseg.classes import ClassTable
from sparseseg.data.files import open_volume
from sparseseg.data.formats import stem_of
from sparseseg.data.formats.dicom_series import holds_dicom
from sparseseg.data.formats.zarr import is_zarr
from sparseseg.data.on_disk import IN_MEMORY, OnDisk
from sparseseg.errors import UserError
from sparseseg.widgets.channels import CHANNEL
from sparseseg.widgets.class_model import colormap_of
from sparseseg.widgets.contrast import contrast_limits
from sparseseg.widgets.file_facts import FACTS, FileFacts
from sparseseg.widgets.geometry import upright_placement
from sparseseg.widgets.label_files import holds_labels
from sparseseg.widgets.layer_kinds import CLASSES

if TYPE_CHECKING:
    from napari.types import LayerDataTuple
    from numpy.typing import NDArray

    from sparseseg.data.volume import Volume

_PLUGIN = "sparseseg"
_PREFERRED = ("*.nii", "*.nii.gz", "*.nrrd", "*.nhdr", "*.h5", "*.hdf5", "*.zarr/*")
_NOTHING: Any = [(None,)]
"""What tells napari that a file was dealt with, and that no layer came of it."""

_Reader = Callable[[str], "list[LayerDataTuple]"]


def prefer(_context: object = None) -> None:
    """Let napari open the files by us that its own reader lists but cannot read.

    napari asks for the reader each time else. A choice that the user made stays.
    """
    plugins = get_settings().plugins
    ours = dict.fromkeys(_PREFERRED, _PLUGIN)
    plugins.extension2reader = {**ours, **plugins.extension2reader}


def get_reader(path: str | list[str]) -> _Reader | None:
    """Return the function that reads a path, or None for several files as one stack."""
    if isinstance(path, list):
        return None
    place = Path(path)
    is_other_folder = place.is_dir() and not (is_zarr(place) or holds_dicom(place))
    return _read_folder if is_other_folder else read_layers


def read_layers(path: str) -> "list[LayerDataTuple]":
    """Read a file as one image or labels layer; say in one sentence what prevents it."""
    try:
        return [layer_of(open_volume(path, at_most=IN_MEMORY), Path(path))]
    except UserError as error:
        # Raised, napari would offer its own reader, and name the plugin instead.
        show_error(str(error))
        return _NOTHING


def layer_of(volume: "Volume", path: Path) -> "LayerDataTuple":
    """Return a volume as a layer in the order of its voxels, upright on the screen."""
    array = _lazy(volume)
    shown = array[0] if volume.channels == 1 else array
    facts = FileFacts.of(volume, path)
    if isinstance(volume.array, OnDisk):
        facts = replace(facts, stored=volume.array, shown_as=shown.name)
    look = {
        "name": stem_of(path),
        "metadata": {FACTS: facts},
        "units": (volume.unit,) * 3,
        "axis_labels": ("z", "y", "x"),
        **upright_placement(volume.spacing, volume.shape, facts.anatomy),
    }
    named = volume.classes.classes
    if volume.channels == 1 and (named or holds_labels(shown, path.name)):
        return _labels(shown, look, volume.classes)
    look["contrast_limits"] = contrast_limits(array)
    return shown, look if volume.channels == 1 else _with_channels(look), "image"


def _read_folder(path: str) -> "list[LayerDataTuple]":
    """Leave a folder that is no Zarr image to napari: for us it has too many meanings."""
    return read_with_plugin([path], plugin_name="napari", stack=False)


_SMALLEST_BLOCK = 32
"""Voxels along a side; of smaller ones a slice has so many that each costs too much."""


def _lazy(volume: "Volume") -> Any:
    """Return the voxels, or where they stay on disk an array that reads what is shown."""
    array: Any = volume.array
    if not isinstance(array, OnDisk):
        return array
    # Else a slice on the screen would read blocks that it does not touch.
    z, y, x = array.blocks or (1, -1, -1)
    rows = (y, x) if min(y, x) >= _SMALLEST_BLOCK else (-1, -1)
    return dask.array.from_array(_Indexed(array), chunks=(1, z, *rows))


class _Indexed:
    """An array on disk that is read by single indices too, as dask does."""

    def __init__(self, stored: OnDisk) -> None:
        self._stored = stored
        self.shape, self.dtype, self.ndim = stored.shape, stored.dtype, stored.ndim

    def __getitem__(self, key: tuple[int | slice, ...]) -> "NDArray[Any]":
        ranges = [k if isinstance(k, slice) else slice(k, k + 1) for k in key]
        drop = tuple(0 if isinstance(k, int) else slice(None) for k in key)
        return self._stored[ranges][drop]


def _labels(array: Any, look: dict[str, Any], table: ClassTable) -> "LayerDataTuple":
    labels = array if array.dtype.kind in "iu" else array.astype(np.uint8)
    if table.classes:
        look["metadata"] |= {CLASSES: table.to_json()}
        look["colormap"] = colormap_of(table)
    return labels, look, "labels"


def _with_channels(look: dict[str, Any]) -> dict[str, Any]:
    one = {"scale": 1.0, "translate": 0.0, "units": "pixel", "axis_labels": CHANNEL}
    return look | {name: (first, *look[name]) for name, first in one.items()}
