"""Files that other libraries wrote, read by us; and what we write, read by them.

nibabel, pynrrd, tifffile, imageio, h5py, zarr, ome-zarr, mrcfile: each writes the same
voxels, of known size and place. imageio and ome-zarr are no dependencies: install them
apart, and put their folder on PYTHONPATH. `roundtrips.py` has SimpleITK and DICOM.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import imageio.v3 as imageio
import mrcfile
import nibabel
import nrrd
import numpy as np
import records
import tifffile
import zarr
from ome_zarr.format import format_from_version
from ome_zarr.writer import write_image as write_ome_zarr

from sparseseg.data.files import read, write_image
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

SHAPE = (12, 12, 14)  # z, y, x
SIZE = (2.5, 0.5, 0.75)  # z, y, x
VOXELS = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)
_A, _B = 0.3, 0.2
_TURN = np.array(
    [[np.cos(_A), -np.sin(_A), 0], [np.sin(_A), np.cos(_A), 0], [0, 0, 1]]
) @ np.array([[1, 0, 0], [0, np.cos(_B), -np.sin(_B)], [0, np.sin(_B), np.cos(_B)]])
AFFINE = np.eye(4)
AFFINE[:3, :3] = _TURN @ np.diag(SIZE[::-1])
AFFINE[:3, 3] = (10, -20, 30)
_TO_LEFT = np.diag([-1.0, -1.0, 1.0, 1.0])

Known = tuple[np.ndarray, tuple[float, ...] | None, np.ndarray | None]
"""What a library reads: z, y, x voxels, sizes in the case's unit, and the affine in mm."""


@dataclass(frozen=True)
class Case:
    """One kind of file of one library."""

    name: str
    ending: str
    write: Callable[[Path], Path | str | None]
    """Writes `VOXELS`; returns the path or part to be read, if that is another."""
    unit: str = "mm"
    has_size: bool = True
    has_place: bool = False
    voxels: Any = field(default_factory=lambda: VOXELS)
    back: Callable[[Path], Known] | None = None
    """Reads what we wrote."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    out = Path(__file__).with_name("results") / "foreign-files.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    rows = []
    for case in cases():
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"file": case.name, **compared(case, Path(folder))})
        print(rows[-1], flush=True)
    records.write(args.out, rows)


def compared(case: Case, folder: Path) -> dict[str, Any]:
    path = folder / f"theirs{case.ending}"
    path = case.write(path) or path
    try:
        volume = read(path)
    except UserError as error:
        return {"refused": str(error).replace(str(folder), "")}
    row = {"read": differences(case, *_known(case, volume))}
    if case.back is None:
        return row
    ours = folder / f"ours{case.ending}"
    write_image(ours, np.asarray(volume.array[:][0]), volume)
    return row | {"written": differences(case, *case.back(ours))}


def _known(case: Case, volume: Volume) -> Known:
    return (
        np.asarray(volume.array[:][0]),
        volume.spacing_in(case.unit),
        volume.affine,
    )


def differences(
    case: Case,
    voxels: np.ndarray,
    sizes: tuple[float, ...] | None,
    affine: np.ndarray | None,
) -> dict[str, Any]:
    """Return how many voxels differ, sizes by what share, and the corners by how many mm."""
    found: dict[str, Any] = {"voxels": int((voxels != case.voxels).sum())}
    if case.has_size and sizes is not None:
        off = np.abs(np.array(sizes) / SIZE - 1).max()
        found["size"] = float(f"{off:.1e}")
    if case.has_place and affine is not None:
        ends = np.array([*np.ndindex(2, 2, 2)]) * (np.array(SHAPE[::-1]) - 1)
        ends = np.c_[ends, np.ones(8)]
        off = np.abs(ends @ (np.asarray(affine) - AFFINE).T).max()
        found["mm"] = float(f"{off:.1e}")
    return found


def cases() -> list[Case]:
    return [*_nifti(), *_nrrd(), *_tiff(), *_hdf5(), *_zarr(), *_mrc(), *_pictures()]


def _nifti() -> list[Case]:
    def saved(kind: Any, *, unit: str = "mm", scale: bool = False) -> Any:
        def write(path: Path) -> None:
            image = kind(VOXELS.T.astype(np.float32) if scale else VOXELS.T, AFFINE)
            image.header.set_xyzt_units({"um": "micron"}.get(unit, unit))
            if scale:
                image.header.set_data_dtype(np.int16)
                image.header.set_slope_inter(0.5, 10)
            image.to_filename(path)

        return write

    def qform(path: Path) -> None:
        image = nibabel.Nifti1Image(VOXELS.T, None)
        image.set_qform(AFFINE, code=1)
        image.header.set_xyzt_units("mm")
        image.to_filename(path)

    def big_endian(path: Path) -> None:
        header = nibabel.Nifti1Header(endianness=">")
        header.set_data_dtype(">i2")
        header.set_xyzt_units("mm")
        nibabel.Nifti1Image(VOXELS.T.astype(">i2"), AFFINE, header).to_filename(path)

    def back(path: Path) -> Known:
        image = nibabel.load(path)
        return np.asarray(image.dataobj).T, image.header.get_zooms()[::-1], image.affine

    one, two = nibabel.Nifti1Image, nibabel.Nifti2Image
    placed = {"has_place": True, "back": back}
    return [
        Case("nibabel, NIfTI-1, oblique", ".nii.gz", saved(one), **placed),
        Case("nibabel, NIfTI-2, oblique", ".nii", saved(two), **placed),
        Case("nibabel, NIfTI-1, qform only", ".nii", qform, **placed),
        Case("nibabel, NIfTI-1, big-endian", ".nii", big_endian, **placed),
        Case(
            "nibabel, slope and intercept",
            ".nii",
            saved(one, scale=True),
            voxels=VOXELS * 0.5 + 10,
            **placed,
        ),
        Case(
            "nibabel, micrometres",
            ".nii.gz",
            saved(one, unit="um"),
            unit="um",
            **placed,
        ),
    ]


def _nrrd() -> list[Case]:
    def saved(space: str, **more: Any) -> Any:
        def write(path: Path) -> None:
            turned = _TO_LEFT @ AFFINE if space.startswith("left") else AFFINE
            header = {
                "space": space,
                "space directions": turned[:3, :3].T,
                "space origin": turned[:3, 3],
                "space units": ["mm"] * 3,
                **more,
            }
            nrrd.write(str(path), VOXELS.T, header)

        return write

    def plain(path: Path) -> None:
        nrrd.write(str(path), VOXELS.T, {"spacings": SIZE[::-1], "units": ["mm"] * 3})

    def back(path: Path) -> Known:
        voxels, header = nrrd.read(str(path))
        if "space directions" not in header:
            sizes = header["spacings"]
            return voxels.T, tuple(sizes[::-1]), None
        affine = np.eye(4)
        affine[:3, :3] = header["space directions"].T
        affine[:3, 3] = header["space origin"]
        is_left = header["space"].startswith("left")
        sizes = np.linalg.norm(affine[:3, :3], axis=0)
        return voxels.T, tuple(sizes[::-1]), _TO_LEFT @ affine if is_left else affine

    left, right = "left-posterior-superior", "right-anterior-superior"
    raw = {"encoding": "raw", "endian": "big"}
    return [
        Case("pynrrd, LPS, oblique", ".nrrd", saved(left), has_place=True, back=back),
        Case(
            "pynrrd, RAS, raw", ".nrrd", saved(right, **raw), has_place=True, back=back
        ),
        Case("pynrrd, header apart", ".nhdr", saved(left), has_place=True),
        Case("pynrrd, spacings only", ".nrrd", plain, back=back),
    ]


def _back_imagej(path: Path) -> Known:
    with tifffile.TiffFile(path) as file:
        tags, facts = file.pages[0].tags, file.imagej_metadata
        x, y = (tags[f"{axis}Resolution"].value for axis in "XY")
        return file.asarray(), (facts["spacing"], y[1] / y[0], x[1] / x[0]), None


def _back_ome(path: Path) -> Known:
    with tifffile.TiffFile(path) as file:
        image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
        pixels = image["Pixels"]
        sizes = tuple(float(pixels[f"PhysicalSize{axis}"]) for axis in "ZYX")
        return file.asarray(), sizes, None


def _back_plain(path: Path) -> Known:
    return tifffile.imread(path), None, None


def _tiff() -> list[Case]:
    resolution = (1 / SIZE[2], 1 / SIZE[1])

    def imagej(path: Path) -> None:
        tifffile.imwrite(
            path,
            VOXELS.astype(np.uint16),
            imagej=True,
            resolution=resolution,
            metadata={"axes": "ZYX", "spacing": SIZE[0], "unit": "um"},
        )

    def ome(**how: Any) -> Any:
        def write(path: Path) -> None:
            sides = dict(zip("ZYX", SIZE, strict=True))
            sizes = {f"PhysicalSize{axis}": side for axis, side in sides.items()}
            units = {f"PhysicalSize{axis}Unit": "µm" for axis in sides}
            tifffile.imwrite(
                path,
                VOXELS,
                ome=True,
                metadata={"axes": "ZYX", **sizes, **units},
                **how,
            )

        return write

    def plain(path: Path) -> None:
        tifffile.imwrite(path, VOXELS, photometric="minisblack")

    def by_imageio(path: Path) -> None:
        imageio.imwrite(path, VOXELS)

    um = {"unit": "um", "back": _back_ome}
    packed = {"compression": "zlib", "tile": (16, 16)}
    return [
        Case("tifffile, ImageJ", ".tif", imagej, unit="um", back=_back_imagej),
        Case("tifffile, OME", ".ome.tif", ome(), **um),
        Case("tifffile, OME, tiles, zlib", ".ome.tif", ome(**packed), **um),
        Case("tifffile, OME, BigTIFF", ".ome.tif", ome(bigtiff=True), **um),
        Case("tifffile, plain", ".tif", plain, has_size=False, back=_back_plain),
        Case("imageio, TIFF", ".tif", by_imageio, has_size=False, back=_back_plain),
    ]


def _hdf5() -> list[Case]:
    def sized(path: Path) -> None:
        with h5py.File(path, "w") as file:
            made = file.create_dataset("raw", data=VOXELS, compression="gzip")
            made.attrs["element_size_um"] = SIZE

    def several(path: Path) -> str:
        with h5py.File(path, "w") as file:
            file["volumes/raw"] = VOXELS
            file["volumes/other"] = VOXELS + 1
        return f"{path}:/volumes/raw"

    def back(path: Path) -> Known:
        with h5py.File(path) as file:
            made = next(iter(file.values()))
            sizes = made.attrs.get("element_size_um")
            return made[:], None if sizes is None else tuple(sizes), None

    return [
        Case("h5py, element_size_um, gzip", ".h5", sized, unit="um", back=back),
        Case("h5py, one of two datasets", ".h5", several, has_size=False, back=back),
    ]


def _zarr() -> list[Case]:
    def plain(version: int) -> Any:
        def write(path: Path) -> None:
            zarr.create_array(
                str(path), data=VOXELS, chunks=(4, 4, 4), zarr_format=version
            )

        return write

    def ome(version: str) -> Any:
        def write(path: Path) -> None:
            form = format_from_version(version)
            group = zarr.open_group(str(path), mode="w", zarr_format=form.zarr_format)
            write_ome_zarr(
                VOXELS,
                group,
                axes="zyx",
                fmt=form,
                scale_factors=(2,),
                scale=dict(zip("zyx", SIZE, strict=True)),
                axes_units=dict.fromkeys("zyx", "micrometer"),
            )

        return write

    def back(path: Path) -> Known:
        group = zarr.open_group(str(path), mode="r")
        plain = dict(group.attrs)
        image = plain.get("ome", plain)["multiscales"][0]
        level = image["datasets"][0]
        scale = level["coordinateTransformations"][0]["scale"]
        return group[level["path"]][:].squeeze(), tuple(scale[-3:]), None

    um = {"unit": "um", "back": back}
    return [
        Case("zarr, array, Zarr 2", ".zarr", plain(2), has_size=False, back=back),
        Case("zarr, array, Zarr 3", ".zarr", plain(3), has_size=False, back=back),
        Case("ome-zarr, OME-Zarr 0.4", ".zarr", ome("0.4"), **um),
        Case("ome-zarr, OME-Zarr 0.5", ".zarr", ome("0.5"), **um),
    ]


def _mrc() -> list[Case]:
    def saved(kind: Any, packed: str | None) -> Any:
        def write(path: Path) -> None:
            with mrcfile.new(path, compression=packed) as file:
                file.set_data(VOXELS.astype(kind))
                file.voxel_size = tuple(10 * side for side in SIZE[::-1])

        return write

    def back(path: Path) -> Known:
        with mrcfile.open(path) as file:
            sides = file.voxel_size
            sizes = tuple(float(getattr(sides, axis)) / 10 for axis in "zyx")
            return np.array(file.data), sizes, None

    nm = {"unit": "nm", "back": back}
    return [
        Case("mrcfile, int16", ".mrc", saved(np.int16, None), **nm),
        Case("mrcfile, float32, gzip", ".map", saved(np.float32, "gzip"), **nm),
    ]


def _pictures() -> list[Case]:
    voxels = (VOXELS // 4).astype(np.uint8)

    def folder(path: Path) -> None:
        path.mkdir()
        for z, plane in enumerate(voxels):
            imageio.imwrite(path / f"slice{z + 5}.png", plane)

    return [Case("imageio, folder of PNG", "", folder, has_size=False, voxels=voxels)]


if __name__ == "__main__":
    main()
