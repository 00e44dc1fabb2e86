import json
from importlib.resources import files

import numpy as np
import pytest

from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs, ovule_nuclei


def test_the_shipped_sample_has_its_size_and_three_slices_an_axis():
    sample = ovule_nuclei()
    assert sample.volume.shape == sample.annotation.shape == sample.truth.shape
    assert sample.volume.spacing == (0.28372, 0.12679, 0.12679)
    assert sample.volume.unit == "um"
    ledger = SparseLabels(sample.annotation).ledger()
    assert [ledger.complete(axis) for axis in range(3)] == [(16, 50, 83)] * 3


def test_the_shipped_annotation_is_cut_from_the_truth():
    sample = ovule_nuclei()
    labelled = sample.annotation > 0
    expected = np.where(sample.truth == 0, 255, sample.truth)
    np.testing.assert_array_equal(sample.annotation[labelled], expected[labelled])
    assert sample.table.names == ("nucleus",)


def test_the_shipped_sample_names_its_licence_and_source():
    folder = files("sparseseg") / "samples" / "fl_ovule_nuclei"
    meta = json.loads((folder / "meta.json").read_text())
    assert {"licence", "source", "citation"} <= meta.keys()
    assert "Qin Yu" in (folder / "LICENCE.txt").read_text()


def test_blobs_are_the_same_for_a_seed_and_differ_between_seeds():
    first, again, other = (blobs((8, 16, 16), seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.volume.array, again.volume.array)
    assert (first.volume.array != other.volume.array).any()


@pytest.mark.parametrize("classes", [1, 3])
def test_blobs_hold_all_their_classes_annotated_on_three_slices(classes):
    sample = blobs((24, 48, 48), classes=classes)
    assert np.unique(sample.truth).tolist() == list(range(classes + 1))
    assert sample.table.numbers == tuple(range(1, classes + 1))
    slices = SparseLabels(sample.annotation).slices()
    assert [str(s) for s in slices] == ["z 12", "y 24", "x 24"]


def test_blobs_are_brighter_than_their_background():
    sample = blobs((16, 32, 32))
    image = sample.volume.array[0]
    means = [image[sample.truth == c].mean() for c in (0, 1, 2)]
    assert means[0] < means[1] < means[2]
