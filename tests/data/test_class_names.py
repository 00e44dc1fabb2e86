import json

import numpy as np
import pytest

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.data.class_names import from_words, in_words
from sparseseg.data.files import (
    open_volume,
    read,
    read_annotation,
    write_image,
    write_labels,
)
from sparseseg.data.volume import Volume

TABLE = ClassTable(
    (
        LabelClass(1, 'Zellkern "A" <b>; \u00e9 = 1', "#e69f00"),
        LabelClass(7, "x", "#123456"),
    )
)
LABELS = np.zeros((3, 8, 9), np.uint8)
LABELS[1, 2:4, 2:4], LABELS[2, 5, 5] = 1, 7
ENDINGS = (".tif", ".ome.tif", ".nii", ".nii.gz", ".nrrd", ".h5", ".zarr")


@pytest.fixture
def image() -> Volume:
    return Volume.from_array(
        np.zeros((3, 8, 9), np.int16), spacing=(2, 1, 1), unit="um"
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_format_keeps_names_and_colours(tmp_path, image, ending):
    path = tmp_path / f"labels{ending}"

    write_labels(path, LABELS, image, table=TABLE)

    assert read(path).classes == TABLE
    assert open_volume(path, at_most=0).classes == TABLE
    assert (read(path).array[0] == LABELS).all()
    assert read(path).spacing == (2, 1, 1)


@pytest.mark.parametrize("ending", ENDINGS)
def test_labels_without_names_and_images_have_none(tmp_path, image, ending):
    write_labels(tmp_path / f"a{ending}", LABELS, image)
    named = read_with_names(tmp_path, image)
    write_image(tmp_path / f"b{ending}", LABELS.astype(np.float32), named)

    assert read(tmp_path / f"a{ending}").classes == ClassTable()
    assert read(tmp_path / f"b{ending}").classes == ClassTable()


def read_with_names(folder, image) -> Volume:
    write_labels(folder / "named.tif", LABELS, image, table=TABLE)
    return read(folder / "named.tif")


def test_a_prediction_beside_named_labels_does_not_take_their_names(tmp_path, image):
    named = read_with_names(tmp_path, image)

    write_labels(tmp_path / "other.tif", LABELS, named)

    assert read(tmp_path / "other.tif").classes == ClassTable()


def test_an_annotation_brings_its_names(tmp_path, image):
    write_labels(tmp_path / "ann.nii.gz", LABELS, image, table=TABLE)

    labels = read_annotation(tmp_path / "ann.nii.gz", like=image)

    assert labels.has_names
    assert labels.table == TABLE
    assert (labels.array == LABELS).all()


@pytest.mark.parametrize(
    "words",
    [
        None,
        5,
        "",
        "no json",
        "[" * 50_000,
        "{}",
        json.dumps([{"number": 300, "name": "a", "colour": "#123456"}]),
        json.dumps([{"number": 1, "name": "a", "colour": "url(x)"}]),
        json.dumps([{"number": 1}]),
        in_words(TABLE) + " " * 200_000,
    ],
)
def test_foreign_words_name_nothing(words):
    assert from_words(words) == ClassTable()


def test_the_words_are_plain_ascii_of_one_line():
    words = in_words(TABLE)

    assert words.isascii()
    assert "\n" not in words
    assert from_words(words) == TABLE
