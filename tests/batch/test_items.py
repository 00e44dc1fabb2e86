"""What a batch consists of is settled before it begins, or said to be wrong."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from sparseseg.batch.items import find_items, fingerprint
from sparseseg.batch.settings import BatchSettings
from sparseseg.data.files import write_labels
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.memory import parse_size
from tests.data.dicom_files import save, slices

LIKE = Volume(np.zeros((1, 3, 4, 5), np.uint8))


def batch(tmp_path, **changed) -> BatchSettings:
    given = {
        "model": "m",
        "folder": str(tmp_path / "in"),
        "output": str(tmp_path / "out"),
    }
    return BatchSettings(**{**given, **changed})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def volume(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labels(path, np.ones((3, 4, 5), np.uint8), like=LIKE)


def names(items) -> list[tuple[str, str]]:
    return [(item.name, item.prediction.name) for item in items]


def test_volumes_are_found_in_the_order_of_their_names(tmp_path, folder):
    for name in ("b.tif", "a.nii.gz", "c.zarr", ".hidden.tif"):
        volume(folder / name)
    (folder / "notes.txt").write_text("x")
    assert names(find_items(batch(tmp_path))) == [
        ("a.nii.gz", "a.nii.gz"),
        ("b.tif", "b.tif"),
        ("c.zarr", "c.zarr"),
    ]


def test_one_volume_is_a_batch_too(tmp_path, folder):
    volume(folder / "a.tif")
    volume(folder / "b.tif")

    (item,) = find_items(batch(tmp_path, folder=str(folder / "b.tif")))

    assert (item.name, item.image) == ("b.tif", folder / "b.tif")
    assert item.prediction == tmp_path / "out" / "b.tif"


def test_one_volume_is_never_replaced_by_its_prediction(tmp_path, folder):
    volume(folder / "b.tif")

    with pytest.raises(UserError, match="is an input"):
        find_items(batch(tmp_path, folder=str(folder / "b.tif"), output=str(folder)))


def test_folders_below_become_part_of_a_name(tmp_path, folder):
    volume(folder / "p1" / "scan.tif")
    volume(folder / "p2" / "scan.tif")
    found = find_items(batch(tmp_path, pattern="**/*.tif", ending="nii.gz"))
    assert [name for _, name in names(found)] == ["p1__scan.nii.gz", "p2__scan.nii.gz"]


@pytest.mark.parametrize("name", ["脑.tif", "größe µ.tif", "سلام.tif", "a b'c\"d.tif"])
def test_names_in_other_scripts_are_kept(tmp_path, folder, name):
    volume(folder / name)
    assert names(find_items(batch(tmp_path))) == [(name, name)]


def test_a_folder_that_is_not_there_or_empty(tmp_path):
    with pytest.raises(UserError, match=r"there is no folder .*check the path"):
        find_items(batch(tmp_path))
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="is empty: choose the one with the volumes"):
        find_items(batch(tmp_path))


def test_a_pattern_that_nothing_fits_names_what_is_there(tmp_path, folder):
    volume(folder / "a.tif")
    with pytest.raises(UserError, match=r"fits the pattern '\*.nii'; it holds a.tif"):
        find_items(batch(tmp_path, pattern="*.nii"))
    with pytest.raises(UserError, match="a pattern must stay inside"):
        find_items(batch(tmp_path, pattern="../*.tif"))


def test_two_volumes_of_one_name_are_named(tmp_path, folder):
    volume(folder / "a.tif")
    volume(folder / "a.nii.gz")
    with pytest.raises(UserError, match=r"a.nii.gz, a.tif would both become a: ren"):
        find_items(batch(tmp_path, ending=".nii"))


@pytest.mark.parametrize("output", ["in", "in/out", "in/../in/deep/er"])
def test_an_output_inside_the_input_is_refused(tmp_path, folder, output):
    volume(folder / "a.tif")
    with pytest.raises(UserError, match="would be taken for volumes: choose a folder"):
        find_items(batch(tmp_path, output=str(tmp_path / output)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_is_read_only(tmp_path, folder):
    volume(folder / "a.tif")
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(UserError, match="choose another one"):
        find_items(batch(tmp_path))


def test_an_output_that_is_a_file(tmp_path, folder):
    volume(folder / "a.tif")
    (tmp_path / "out").write_text("x")
    with pytest.raises(UserError, match="cannot make the folder"):
        find_items(batch(tmp_path))


def test_an_ending_that_cannot_be_written(tmp_path, folder):
    volume(folder / "a.tif")
    with pytest.raises(UserError, match="use an ending of"):
        find_items(batch(tmp_path, ending=".png"))


def test_truths_are_found_by_name_whatever_their_format(tmp_path, folder):
    volume(folder / "a.tif")
    volume(folder / "b.tif")
    volume(tmp_path / "truth" / "b.nii.gz")
    found = find_items(batch(tmp_path, truth=str(tmp_path / "truth")))
    assert [item.truth and item.truth.name for item in found] == [None, "b.nii.gz"]


def test_a_fingerprint_tells_a_changed_file_and_a_changed_folder(tmp_path):
    volume(tmp_path / "a.zarr")
    volume(tmp_path / "b.tif")
    before = [fingerprint(tmp_path / name) for name in ("a.zarr", "b.tif")]
    assert before == [fingerprint(tmp_path / name) for name in ("a.zarr", "b.tif")]
    (tmp_path / "a.zarr" / "0" / "more").write_text("x")
    (tmp_path / "b.tif").write_bytes((tmp_path / "b.tif").read_bytes() + b"x")
    after = [fingerprint(tmp_path / name) for name in ("a.zarr", "b.tif")]
    assert not set(before) & set(after)


@pytest.mark.parametrize(
    ("words", "size"),
    [("4GB", 4 * 2**30), ("1.5 g", 3 * 2**29), ("800MiB", 800 * 2**20), ("7", 7)],
)
def test_sizes_of_memory_are_read(words, size):
    assert parse_size(words) == size


@pytest.mark.parametrize("words", ["much", "", "-4GB", "4XB"])
def test_what_is_no_size_is_refused(words):
    with pytest.raises(UserError, match="is like 4GB or 800MB"):
        parse_size(words)


def test_less_memory_than_the_interpreter_needs_is_refused(tmp_path):
    with pytest.raises(UserError, match="at least 1GB of memory, got 500MB"):
        batch(tmp_path, memory="500MB")


def test_truths_are_not_replaced_by_predictions(tmp_path, folder):
    volume(folder / "a.tif")
    volume(tmp_path / "truth" / "a.tif")
    for output in ("truth", "in/../truth"):
        with pytest.raises(UserError, match="is the folder of the truths"):
            find_items(
                batch(
                    tmp_path,
                    output=str(tmp_path / output),
                    truth=str(tmp_path / "truth"),
                )
            )
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.tif").symlink_to(tmp_path / "truth" / "a.tif")
    with pytest.raises(UserError, match="is an input"):
        find_items(batch(tmp_path, truth=str(tmp_path / "truth")))


def test_truths_that_are_not_there_are_told_before_the_batch(tmp_path, folder):
    volume(folder / "a.tif")
    with pytest.raises(UserError, match=r"no folder .*nowhere with truths"):
        find_items(batch(tmp_path, truth=str(tmp_path / "nowhere")))
    volume(tmp_path / "truth" / "b.tif")
    with pytest.raises(UserError, match=r"no truth in .* such as a\.tif"):
        find_items(batch(tmp_path, truth=str(tmp_path / "truth")))


def test_a_prediction_is_not_replaced_by_the_uncertainty_of_another(tmp_path, folder):
    volume(folder / "a.tif")
    volume(folder / "a-uncertainty.tif")
    find_items(batch(tmp_path))
    with pytest.raises(UserError, match=r"two results would be written to .*a-uncert"):
        find_items(batch(tmp_path, uncertainty=True))


def test_a_folder_of_slices_is_one_volume(tmp_path, folder):
    save(folder / "scan.1", slices())
    save(folder / "scan.2", slices())
    volume(folder / "c.zarr")
    assert names(find_items(batch(tmp_path))) == [
        ("c.zarr", "c.zarr"),
        ("scan.1", "scan.1.nii.gz"),
        ("scan.2", "scan.2.nii.gz"),
    ]
    assert len(find_items(batch(tmp_path, pattern="**/*"))) == 3


def test_each_point_of_time_is_a_volume_if_it_is_wanted(tmp_path, folder):
    movie = np.zeros((3, 4, 5, 6), np.uint8)
    tifffile.imwrite(folder / "m.ome.tif", movie, metadata={"axes": "TZYX"})
    volume(folder / "b.tif")
    (folder / "broken.tif").write_bytes(b"x")
    assert len(find_items(batch(tmp_path))) == 3
    items = find_items(batch(tmp_path, times=True))
    assert names(items) == [
        ("b.tif", "b.tif"),
        ("broken.tif", "broken.tif"),
        ("m.ome.tif#t=0", "m.ome-t0.tif"),
        ("m.ome.tif#t=1", "m.ome-t1.tif"),
        ("m.ome.tif#t=2", "m.ome-t2.tif"),
    ]
    assert items[-1].source == folder / "m.ome.tif#t=2"
    assert items[0].source == folder / "b.tif"
