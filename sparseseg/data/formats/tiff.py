"""TIFF volumes: ImageJ, OME and plain stacks, with voxel size and unit."""

import logging
from functools import partial
from math import nan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from sparseseg.data.class_names import KEY, from_words, in_words
from sparseseg.data.formats.format import Format
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.optional import library
from sparseseg.data.time_points import TimeSeriesError, check_point, point_of
from sparseseg.data.units import UNKNOWN, Spacing, in_one_unit, seven_digits
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.language import say

# Its complaints become one sentence of ours, and stay off the user's terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_ORDER = "CZYX"
# Offsets in a classic TIFF have 32 bits; some room is left for what is not pixels.
_CLASSIC_LIMIT = 2**32 - 2**24
_IMAGEJ_TYPES = ("u1", "u2", "f4")


def read(path: Path, part: str = "") -> Volume:
    """Read the one volume of a TIFF file, or that of a point of time, such as t=3."""
    point = point_of(part) if part else None
    with tifffile.TiffFile(path) as file:
        _check_chain(file)
        series = _only_volume(file)
        _check_pages(file, series)
        axes, shape = _at_point(series, point)
        values = series.asarray()
        if point is not None and axes != series.axes:
            values = values.take(point, series.axes.index("T"))
        array = _ordered(values, _meaning(axes, shape, _has_named_axes(file)))
        return _volume(file, path, array)


def _at_point(
    series: tifffile.TiffPageSeries, point: int | None
) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape without time, where a point of it was asked for."""
    if point is None or "T" not in series.axes:
        check_point(point or 0, 1)
        return series.axes, series.shape
    at = series.axes.index("T")
    check_point(point, series.shape[at])
    shape = (*series.shape[:at], *series.shape[at + 1 :])
    return series.axes.replace("T", ""), shape


def open_on_disk(path: Path, part: str = "") -> Volume:
    """Do the same, but leave the voxels on disk: pages are read as they are needed."""
    point = point_of(part) if part else None
    zarr = library("zarr", say("large TIFF"), "zarr")
    file = tifffile.TiffFile(path)
    _check_chain(file)
    series = _only_volume(file)
    _check_pages(file, series)
    axes, shape = _at_point(series, point)
    axes = _meaning(axes, shape, _has_named_axes(file))
    if len(shape) < len(series.shape):
        at = series.axes.index("T")
        axes = f"{axes[:at]}T{axes[at:]}"
    # Of a pyramid, the level of full resolution alone.
    store = zarr.open(series.aszarr(level=0), mode="r")
    # Axes of length 1 that mean nothing are left out of what is asked for.
    letters = "".join("t" if a == "-" else a.lower() for a in axes)
    if letters.count("t") > 1:
        raise UserError(
            "has axes {axes}: save z, y, x, or c, z, y, x", axes=series.axes
        )
    opened = partial(_voxels, path, part)
    array = OnDisk(store, letters, opened=opened, point=point)
    return _volume(file, path, array)


def _volume(file: tifffile.TiffFile, path: Path, array: Any) -> Volume:
    spacing, unit = _spacing(file)
    names = _channel_names(file)
    fitting = names if len(names) == array.shape[0] else ()
    return Volume(
        array,
        spacing,
        unit,
        name=path.name,
        channel_names=fitting,
        classes=from_words(_class_words(file)),
    )


def _class_words(file: tifffile.TiffFile) -> object:
    """Return what the file says of classes: as an OME annotation, or as ImageJ's notes."""
    if file.ome_metadata:
        tree = ElementTree.fromstring(file.ome_metadata)
        return tree.findtext(f".//{{*}}MapAnnotation//{{*}}M[@K='{KEY}']")
    return (file.imagej_metadata or {}).get(KEY)


def write(path: Path, array: NDArray[Any], like: Volume) -> None:
    """Write a c, z, y, x array as ImageJ TIFF, or as OME-TIFF.

    The second is for names with ".ome.", and for what ImageJ's kind cannot hold: large
    files, and signed or wide integers. Integers are compressed: labels shrink a
    hundredfold, float images hardly.
    """
    is_large = array.nbytes > _CLASSIC_LIMIT
    is_foreign = array.dtype.str[1:] not in _IMAGEJ_TYPES
    if is_large or is_foreign or ".ome." in path.name.lower():
        _write_ome(path, array, like, is_large)
    else:
        _write_imagej(path, array, like)


def _write_ome(path: Path, array: NDArray[Any], like: Volume, is_large: bool) -> None:
    sizes = {f"PhysicalSize{a}": s for a, s in zip("ZYX", like.spacing, strict=True)}
    units = {f"PhysicalSize{a}Unit": _ome_unit(like.unit) for a in "ZYX"}
    tifffile.imwrite(
        path,
        array,
        ome=True,
        bigtiff=is_large,
        photometric="minisblack",
        metadata={"axes": "CZYX", **sizes, **units, **_ome_classes(like)},
        compression=_compression(array),
    )


def _ome_classes(like: Volume) -> dict[str, Any]:
    if not like.classes.classes:
        return {}
    words = {"Namespace": "sparseseg", KEY: in_words(like.classes)}
    return {"MapAnnotation": words}


def _write_imagej(path: Path, array: NDArray[Any], like: Volume) -> None:
    z, y, x = like.spacing
    classes = {KEY: in_words(like.classes)} if like.classes.classes else {}
    tifffile.imwrite(
        path,
        np.moveaxis(array, 0, 1),
        imagej=True,
        resolution=(1 / x, 1 / y),
        metadata={"axes": "ZCYX", "spacing": z, "unit": like.unit, **classes},
        compression=_compression(array),
    )


def _compression(array: NDArray[Any]) -> str | None:
    return "zlib" if array.dtype.kind in "ui" else None


def _ome_unit(unit: str) -> str:
    return "µm" if unit == "um" else unit


def _check_chain(file: tifffile.TiffFile) -> None:
    """Refuse a file whose last page names a next one, which tifffile only logs."""
    width = file.tiff.offsetsize
    file.filehandle.seek(file.pages.next_page_offset or 0)
    if file.filehandle.read(width) != bytes(width):
        raise UserError("is cut short: copy or download it again")


def _check_pages(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Refuse what tifffile would fill with zeros or read as fewer pages."""
    if None in series.pages or (file.is_imagej and series.kind != "imagej"):
        raise UserError(
            "lacks pages that its description names: copy it again, "
            "with the files that belong to it"
        )


def _only_volume(file: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    volumes = [s for s in file.series if sum(n > 1 for n in s.shape) > 2]
    if len(volumes) > 1:
        raise UserError(
            "holds {count} volumes: save the one to use on its own", count=len(volumes)
        )
    return volumes[0] if volumes else file.series[0]


def _has_named_axes(file: tifffile.TiffFile) -> bool:
    return file.shaped_metadata is None or "axes" in file.shaped_metadata[0]


def _meaning(axes: str, shape: tuple[int, ...], named: bool) -> str:
    """Return one letter an axis: C, Z, Y, X, or "-" for one of length 1 to drop."""
    letters = "".join(
        "-" if n == 1 and a not in "ZYX" else a
        for a, n in zip(axes, shape, strict=True)
    )
    if "T" in letters:
        hint = say(
            "; if these are slices, re-order them as z (ImageJ: Image > Hyperstacks)"
        )
        raise TimeSeriesError(shape[axes.index("T")], hint)
    # Three or four pages written without names pass for planes of a colour picture.
    unnamed = letters if named else letters.replace("SYX", "ZYX")
    sequences = [a for a in unnamed if a not in "-CZYXS"]
    if "Z" not in unnamed and len(sequences) == 1:
        unnamed = unnamed.replace(sequences[0], "Z")
    meant = unnamed if "C" in unnamed else unnamed.replace("S", "C")
    _check_meaning(meant.replace("-", ""), axes, shape)
    return meant


def _check_meaning(meant: str, axes: str, shape: tuple[int, ...]) -> None:
    if set(meant) in ({"Y", "X"}, {"C", "Y", "X"}):
        raise UserError(
            "is a 2-D picture (axes {axes}, shape {shape}) and a volume is needed: "
            "save its slices as one stack with a z axis",
            axes=axes,
            shape=shape,
        )
    if set(meant) - set(_ORDER) or len(set(meant)) < len(meant):
        raise UserError(
            "has axes {axes} of shape {shape}, whose meaning is not known: "
            "save it as ImageJ or OME-TIFF with axes ZYX or CZYX",
            axes=axes,
            shape=shape,
        )


def _ordered(array: NDArray[Any], axes: str) -> NDArray[Any]:
    kept = array[tuple(0 if a == "-" else slice(None) for a in axes)]
    letters = axes.replace("-", "")
    if "C" not in letters:
        kept, letters = kept[None], "C" + letters
    return kept.transpose([letters.index(a) for a in _ORDER])


def _spacing(file: tifffile.TiffFile) -> tuple[Spacing, str]:
    if file.ome_metadata:
        return _ome_spacing(file.ome_metadata)
    if file.imagej_metadata:
        return _tagged_spacing(file, file.imagej_metadata)
    if file.shaped_metadata and "spacing" in file.shaped_metadata[0]:
        return _tagged_spacing(file, file.shaped_metadata[0])
    return UNKNOWN


def _tagged_spacing(
    file: tifffile.TiffFile, metadata: dict[str, Any]
) -> tuple[Spacing, str]:
    """Return what ImageJ's description and the resolution tags say.

    ImageJ leaves out a z spacing of 1.
    """
    tags = file.pages.first.tags
    x = _pixel_size(tags.valueof("XResolution"))
    y = _pixel_size(tags.valueof("YResolution"))
    unit = str(metadata.get("unit", ""))
    z_unit, y_unit = (str(metadata.get(key, unit)) for key in ("zunit", "yunit"))
    z = _number(metadata.get("spacing", 1.0))
    return in_one_unit((z, y, x), (z_unit, y_unit, unit))


def _pixel_size(pixels_per_unit: tuple[int, int] | None) -> float:
    pixels, units = pixels_per_unit or (1, 1)
    return seven_digits(units / pixels) if pixels else nan


def _ome_spacing(xml: str) -> tuple[Spacing, str]:
    attributes = _ome_pixels(xml).attrib
    z, y, x = (_number(attributes.get(f"PhysicalSize{a}")) for a in "ZYX")
    z_unit, y_unit, x_unit = (
        attributes.get(f"PhysicalSize{a}Unit", "um") for a in "ZYX"
    )
    return in_one_unit((z, y, x), (z_unit, y_unit, x_unit))


def _ome_pixels(xml: str) -> ElementTree.Element:
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    return ElementTree.Element("Pixels") if pixels is None else pixels


def _channel_names(file: tifffile.TiffFile) -> tuple[str, ...]:
    if not file.ome_metadata:
        return ()
    channels = _ome_pixels(file.ome_metadata).iterfind("{*}Channel")
    names = tuple(c.get("Name", "") for c in channels)
    return names if all(names) else ()


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return nan


def _voxels(path: Path, part: str) -> Any:
    return open_on_disk(path, part).array


_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

FORMAT = Format(
    name="TIFF",
    endings=(".tif", ".tiff"),
    matches=lambda _, head: head.startswith(_MAGIC),
    read=read,
    read_part=read,
    write=write,
    open_on_disk=open_on_disk,
    open_part_on_disk=open_on_disk,
)
