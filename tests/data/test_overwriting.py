"""Whatever a command reads is still there after it."""

import os
from pathlib import Path

import pytest

from sparseseg.data.overwriting import check_overwrites
from sparseseg.errors import UserError


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "Image.tif"
    path.write_bytes(b"voxels")
    return path


def test_the_same_file_is_found_under_each_of_its_names(image: Path) -> None:
    folder = image.parent
    (folder / "symbolic.tif").symlink_to(image)
    os.link(image, folder / "hard.tif")
    spellings = ["Image.tif", "../" + folder.name + "/Image.tif", "image.TIF"]
    for name in (*spellings, "symbolic.tif", "hard.tif"):
        with pytest.raises(UserError, match="is an input"):
            check_overwrites([folder / name], [image])


def test_other_files_and_ids_of_models_are_left_alone(image: Path) -> None:
    results = [image.with_name("prediction.tif"), image.with_name("model.safetensors")]
    check_overwrites(results, [image, "liver-of-somebody"])


def test_two_results_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two results would be written to"):
        check_overwrites([tmp_path / "a.tif", tmp_path / "b" / ".." / "A.tif"], [])


def test_a_zarr_folder_is_one_image(tmp_path: Path) -> None:
    store = tmp_path / "image.zarr"
    (store / "0").mkdir(parents=True)
    (store / ".zgroup").write_text("{}")
    for result in (store, store / "0", store / "0" / "prediction.tif", tmp_path):
        with pytest.raises(UserError, match="is an input"):
            check_overwrites([result], [store])
    check_overwrites([tmp_path / "prediction.zarr"], [store])
