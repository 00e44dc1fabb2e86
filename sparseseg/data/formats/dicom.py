"""DICOM volumes: a folder with a series of slices, or one enhanced multi-frame file."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.formats.dicom_planes import Plane, in_order, placed
from sparseseg.data.formats.dicom_series import chosen, holds_dicom
from sparseseg.data.formats.format import Format
from sparseseg.data.optional import library
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError


def read(path: Path, part: str = "") -> Volume:
    """Read the one series of a folder or file, or the one that a part names.

    The grey values are those of the modality, such as Hounsfield units: whole numbers,
    or float32 where slope or intercept are none. Raises `UserError` for gaps, uneven
    steps, a tilted gantry, mixed sizes and patients, and colour.
    """
    series = chosen(path, part)
    planes = in_order(series.planes())
    spacing, world = placed(planes)
    return Volume(
        _voxels(planes)[None],
        spacing,
        "mm",
        affine=world,
        name=path.name,
        origin=f"{path.absolute()}#{series.uid}",
    )


def _voxels(planes: list[Plane]) -> NDArray[Any]:
    """Return z, y, x grey values; each file is decoded once and let go."""
    dtype = _type_of(planes)
    voxels = np.empty((len(planes), *planes[0].size), dtype)
    by_path: dict[Path, list[int]] = {}
    for index, plane in enumerate(planes):
        by_path.setdefault(plane.path, []).append(index)
    for path, indices in by_path.items():
        stored = _stored(path)
        for index in indices:
            plane = planes[index]
            values = stored if plane.frame is None else stored[plane.frame]
            voxels[index] = _scaled(values, plane.scale, voxels.dtype)
    return _narrowed(voxels)


def _scaled(
    values: NDArray[Any], scale: tuple[float, float], dtype: np.dtype[Any]
) -> NDArray[Any]:
    slope, intercept = scale
    exact = values if scale == (1.0, 0.0) else values * slope + intercept
    most = max(int(exact.max()), -int(exact.min()))
    if dtype.kind == "i" and most > np.iinfo(dtype).max:
        raise UserError(
            "holds a grey value of {most}: save the series as NIfTI", most=most
        )
    return np.asarray(exact)


def _type_of(planes: list[Plane]) -> np.dtype[Any]:
    whole = all(float(n).is_integer() for plane in planes for n in plane.scale)
    return np.dtype(np.int32 if whole else np.float32)


def _narrowed(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers in the smallest of the usual types."""
    if voxels.dtype.kind == "f":
        return voxels
    low, high = int(voxels.min()), int(voxels.max())
    fitting = (
        t
        for t in (np.int16, np.uint16, np.int32)
        if np.iinfo(t).min <= low and high <= np.iinfo(t).max
    )
    return voxels.astype(next(fitting, np.float32))


def _stored(path: Path) -> NDArray[Any]:
    pydicom = library("pydicom", "DICOM", "pydicom")
    data = pydicom.dcmread(path)
    if "PixelData" not in data:
        raise UserError("holds {name} without whole numbers as pixels", name=path.name)
    syntax = data.file_meta.TransferSyntaxUID
    if syntax.is_compressed and not pydicom.pixels.get_decoder(syntax).is_available:
        library("gdcm", f"DICOM ({syntax.name})", "python-gdcm")
    try:
        return np.asarray(data.pixel_array)
    except Exception as error:
        # What unpacks broken pixels fails in any way it can.
        raise UserError(
            "holds {name}, whose pixels are damaged or cut short: copy it again",
            name=path.name,
        ) from error


def _matches(path: Path, head: bytes) -> bool:
    return holds_dicom(path) if path.is_dir() else head[128:132] == b"DICM"


def _write(path: Path, _array: NDArray[Any], _like: Volume) -> None:
    raise UserError(
        "cannot write {path} as DICOM: write NIfTI, such as x.nii.gz", path=path
    )


FORMAT = Format(
    name="DICOM",
    endings=(),
    matches=_matches,
    read=read,
    read_part=read,
    write=_write,
    needs=("pydicom", "pydicom"),
)
