"""A file that is cut short gives one sentence, or all its voxels: never other ones."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparseseg.data.files import open_volume, read, write_image, write_labels
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from tests.data.dicom_files import save, slices

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 4000, (1, 9, 20, 30)).astype(np.uint16)
LABELS = RNG.integers(0, 3, (9, 20, 30)).astype(np.uint8)
LIKE = Volume(GREY, (2.0, 1.0, 1.0), "um")
ENDINGS = (".tif", ".ome.tif", ".nii", ".nii.gz", ".nrrd", ".h5", ".mrc")
SHARES = (0.02, 0.3, 0.7, 0.9, 0.97, 0.999)
WAYS: dict[str, Callable[[Path], Volume]] = {
    "in memory": read,
    "on disk": partial(open_volume, at_most=0),
}


def check(path: Path, whole: np.ndarray, way: str) -> None:
    """Read all voxels: they are right, or one sentence says that they are not."""
    words = ""
    try:
        found = np.asarray(WAYS[way](path).array[:])
    except UserError as error:
        words, found = str(error), whole
    assert "\n" not in words
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_is_cut_short(tmp_path: Path, ending: str, way: str) -> None:
    path = tmp_path / f"a{ending}"
    for labels, whole in ((False, GREY), (True, LABELS[None])):
        if labels:
            write_labels(path, LABELS, like=LIKE)
        else:
            write_image(path, GREY, like=LIKE)
        content = path.read_bytes()
        for share in SHARES:
            path.write_bytes(content[: int(share * len(content))])
            check(path, whole, way)
        path.write_bytes(content[: len(content) // 3])
        with pytest.raises(UserError, match=path.name):
            read(path)


@pytest.mark.parametrize("way", WAYS)
def test_a_block_of_zarr_that_is_cut_short(tmp_path: Path, way: str) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, GREY, like=LIKE)
    block = path / "0" / "0.0.0"
    content = block.read_bytes()
    for share in SHARES:
        block.write_bytes(content[: int(share * len(content))])
        with pytest.raises(UserError, match=r"block 0\.0\.0 is cut short"):
            np.asarray(WAYS[way](path).array[:])


def test_a_slice_that_is_cut_short_is_named(tmp_path: Path) -> None:
    for index, plane in enumerate(LABELS):
        Image.fromarray(plane).save(tmp_path / f"{index}.png")
    content = (tmp_path / "4.png").read_bytes()
    for share in SHARES[:4]:
        (tmp_path / "4.png").write_bytes(content[: int(share * len(content))])
        with pytest.raises(UserError, match=r"holds 4\.png, which is damaged"):
            read(tmp_path)


def test_a_slice_of_dicom_without_all_its_voxels_is_refused(tmp_path: Path) -> None:
    save(tmp_path, slices())
    path = sorted(tmp_path.iterdir())[1]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=path.name) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)
