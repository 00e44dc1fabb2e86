"""Folders of slices: in the order of their numbers, and never a wrong mixture."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from sparseseg.data.files import read, read_labels
from sparseseg.errors import Note, UserError

STACK = (np.arange(12 * 4 * 5).reshape(12, 4, 5)).astype(np.uint8)


def save(folder: Path, name: str, plane, mode: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(plane)
    (image.convert(mode) if mode else image).save(folder / name)


@pytest.mark.parametrize("ending", ["png", "tif", "tiff"])
def test_slice_2_comes_before_slice_10(tmp_path: Path, ending: str) -> None:
    for z, plane in enumerate(STACK):
        save(tmp_path / "a", f"cell_{z + 1}.{ending}", plane)
    volume = read(tmp_path / "a")
    assert np.array_equal(volume.array[0], STACK)
    assert volume.unit == "pixel"


def test_sixteen_bits_stay(tmp_path: Path) -> None:
    deep = STACK.astype(np.uint16) * 200
    for z, plane in enumerate(deep):
        save(tmp_path / "p", f"{z}.png", plane)
        (tmp_path / "t").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "t" / f"{z}.tif", plane, compression="zlib")
    for name in "pt":
        assert np.array_equal(read(tmp_path / name).array[0], deep)


def test_a_jpeg_of_one_grey_keeps_it(tmp_path: Path) -> None:
    for z in range(3):
        save(tmp_path / "a", f"{z}.JPG", np.full((8, 8), 50 * z, np.uint8), "RGB")
    found = read(tmp_path / "a").array[0]
    assert found.shape == (3, 8, 8)
    assert np.abs(found[:, 0, 0].astype(int) - [0, 50, 100]).max() <= 1


def test_grey_saved_as_colour_and_masks_of_one_bit_are_read(tmp_path: Path) -> None:
    for z, plane in enumerate(STACK[:3]):
        save(tmp_path / "rgb", f"{z}.png", plane, "RGB")
        save(tmp_path / "rgba", f"{z}.png", plane, "RGBA")
        save(tmp_path / "bit", f"{z}.png", plane > 5)
    for name in ("rgb", "rgba"):
        assert np.array_equal(read(tmp_path / name).array[0], STACK[:3])
    found = read_labels(tmp_path / "bit", unlabelled=-1, background=0)
    assert np.array_equal(found == 1, STACK[:3] > 5)


def test_labels_in_a_palette_are_their_numbers(tmp_path: Path) -> None:
    for z in range(2):
        image = Image.fromarray(STACK[z] % 3, mode="P")
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        (tmp_path / "a").mkdir(exist_ok=True)
        image.save(tmp_path / "a" / f"{z}.png")
    assert np.array_equal(read(tmp_path / "a").array[0], STACK[:2] % 3)


def test_a_missing_number_is_noted(tmp_path: Path) -> None:
    for z in (1, 2, 4, 5):
        save(tmp_path / "a", f"s{z}.png", STACK[z])
    with pytest.warns(Note, match="jump from 2 to 4"):
        read(tmp_path / "a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for z in (10, 20, 30):
            save(tmp_path / "b", f"s{z}.png", STACK[0])
        read(tmp_path / "b")


def colour(folder: Path) -> None:
    red = np.zeros((4, 5, 3), np.uint8)
    red[..., 0] = 200
    save(folder, "0.png", red)
    save(folder, "1.png", red)


def two_sizes(folder: Path) -> None:
    save(folder, "0.png", STACK[0])
    save(folder, "1.png", STACK[1][:, :3])


def two_kinds(folder: Path) -> None:
    save(folder, "0.png", STACK[0])
    save(folder, "1.jpg", STACK[1])


def two_names(folder: Path) -> None:
    save(folder, "image1.png", STACK[0])
    save(folder, "mask1.png", STACK[1])


def cut(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    save(folder, "0.png", noise)
    save(folder, "1.png", noise)
    whole = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(whole[: len(whole) // 2])


def wrong_ending(folder: Path) -> None:
    save(folder, "0.png", STACK[0])
    (folder / "1.png").write_bytes(b"no picture at all")


def a_volume_later(folder: Path) -> None:
    save(folder, "0.tif", STACK[0])
    tifffile.imwrite(folder / "1.tif", STACK)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (colour, "0.png, which is a colour picture"),
        (two_sizes, "0.png has 4 x 5 pixels of uint8, 1.png has 4 x 3"),
        (two_kinds, "JPEG, PNG pictures"),
        (two_names, r"2 names \(image\*, mask\*\)"),
        (cut, "1.png, which is damaged"),
        (wrong_ending, "1.png, which is damaged"),
        (a_volume_later, "1.tif, which is a stack"),
    ],
)
def test_what_is_no_stack_of_slices_is_refused(tmp_path, make, words) -> None:
    make(tmp_path / "a")
    with pytest.raises(UserError, match=words):
        read(tmp_path / "a")


def test_a_folder_of_volumes_is_no_stack(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in "12":
        tifffile.imwrite(tmp_path / "a" / f"{name}.tif", STACK)
    with pytest.raises(UserError, match="is a folder, but no"):
        read(tmp_path / "a")
