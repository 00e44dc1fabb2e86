"""Oblique volumes that SimpleITK wrote, read by us and by it: voxels, places and sizes.

SimpleITK is no dependency: install it apart, and put its folder on PYTHONPATH. What we
read is then written as NIfTI and NRRD, and SimpleITK reads that.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import records
import SimpleITK as itk  # noqa: N813 - its own short name is no word

from sparseseg.data.files import read, write_image

_SIZE = (0.5, 0.75, 2.5)  # x, y, z, mm
_LPS = np.array([-1, -1, 1])  # SimpleITK's world runs to the left and back
_TURNS = {"straight": (0.0, 0.0), "oblique": (0.3, 0.2), "turned": (np.pi, 0.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    out = Path(__file__).with_name("results") / "roundtrips.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in _TURNS:
            for kind in ("dicom", "nii.gz", "nrrd"):
                row = compared(Path(folder) / f"{turn}-{kind}", turn, kind)
                rows.append(row)
                print(row, flush=True)
    records.write(args.out, rows)


def compared(folder: Path, turn: str, kind: str) -> dict[str, Any]:
    """Return how many voxels and by how many mm places differ, there and back."""
    folder.mkdir()
    image = made(*_TURNS[turn])
    if kind == "dicom":
        written = slices(image, folder / "scan")
        reader = itk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(written)))
        theirs = reader.Execute()
    else:
        written = folder / f"scan.{kind}"
        itk.WriteImage(image, str(written))
        theirs = itk.ReadImage(str(written))
    ours = read(written)
    row = {"written": kind, "turn": turn, **differences(ours, theirs)}
    for ending in ("nii.gz", "nrrd"):
        back = folder / f"back.{ending}"
        write_image(back, np.asarray(ours.array[:][0]), ours)
        found = differences(ours, itk.ReadImage(str(back)))
        row |= {f"{ending} {name}": value for name, value in found.items()}
    return row


def made(a: float, b: float) -> Any:
    rng = np.random.default_rng(0)
    image = itk.GetImageFromArray(rng.integers(-900, 900, (6, 8, 9)).astype(np.int16))
    about_z = np.array(
        [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    )
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    )
    image.SetSpacing(_SIZE)
    image.SetOrigin((10, -20, 30))
    image.SetDirection((about_z @ about_x).ravel().tolist())
    return image


def slices(image: Any, folder: Path) -> Path:
    """Write a classic DICOM series by SimpleITK."""
    folder.mkdir()
    writer = itk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    d = image.GetDirection()
    for z in range(image.GetDepth()):
        plane = image[:, :, z]
        place = image.TransformIndexToPhysicalPoint((0, 0, z))
        tags = {
            "0020|000e": "1.2.3",
            "0010|0020": "anna",
            "0008|0060": "CT",
            "0008|0018": f"1.2.3.{z}",
            "0020|0013": str(z),
            "0020|0032": "\\".join(f"{n:.6f}" for n in place),
            "0020|0037": "\\".join(f"{d[i]:.8f}" for i in (0, 3, 6, 1, 4, 7)),
        }
        for tag, value in tags.items():
            plane.SetMetaData(tag, value)
        plane.SetSpacing(_SIZE[:2])
        writer.SetFileName(str(folder / f"{z}.dcm"))
        writer.Execute(plane)
    return folder


def differences(ours: Any, theirs: Any) -> dict[str, float]:
    voxels = itk.GetArrayFromImage(theirs)
    far = 0.0
    for corner in np.ndindex(2, 2, 2):
        x, y, z = (
            int(c * (n - 1)) for c, n in zip(corner, theirs.GetSize(), strict=True)
        )
        place = np.array(theirs.TransformIndexToPhysicalPoint((x, y, z))) * _LPS
        own = (np.asarray(ours.affine) @ [x, y, z, 1])[:3]
        far = max(far, float(np.abs(place - own).max()))
    return {
        "voxels": int((voxels != np.asarray(ours.array[:][0])).sum()),
        "mm": round(far, 6),
    }


if __name__ == "__main__":
    main()
