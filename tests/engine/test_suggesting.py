import numpy as np
import pytest

from sparseseg import starting
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.suggesting import suggest
from sparseseg.errors import UserError
from tests.miniature import blob_case, shrink


def test_an_empty_annotation_gets_a_slice_in_the_middle():
    volume, labels = blob_case()
    (first,) = suggest(volume, SparseLabels(np.zeros_like(labels.array)), count=1)
    assert abs(first.index - volume.shape[first.axis] / 2) <= 1
    assert "nothing is annotated" in first.reason


def test_no_annotated_slice_is_suggested_and_none_twice():
    volume, labels = blob_case()
    known = {(where.axis, where.index) for where in labels.slices()}
    found = [(one.axis, one.index) for one in suggest(volume, labels, count=5)]
    assert len(set(found)) == 5
    assert not set(found) & known


def test_a_reason_says_how_far_the_slice_is():
    volume, labels = blob_case()
    first, *_ = suggest(volume, labels)
    assert "far from your slices" in first.reason


def test_the_contract_of_a_suggestion():
    volume, labels = blob_case()
    told = suggest(volume, labels, count=1)[0].to_json()
    assert set(told) == {"axis", "index", "reason"}
    assert told["axis"] in ("z", "y", "x")


def test_a_model_draws_the_slices_to_its_doubt(monkeypatch):
    shrink(monkeypatch)
    volume, labels = blob_case()
    model = starting.fit([(volume, labels)], steps=2, device="cpu")
    found = suggest(volume, labels, model=model, count=2)
    assert len(found) == 2
    assert all(one.reason for one in found)


def test_strokes_on_a_slice_do_not_make_it_known():
    volume, labels = blob_case()
    array = np.zeros_like(labels.array)
    array[6, 3:5, 3:5] = 1
    (first,) = suggest(volume, SparseLabels(array), count=1)
    assert "nothing is annotated" in first.reason


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_refused(count):
    with pytest.raises(UserError, match=str(count)):
        suggest(*blob_case(), count=count)


def test_an_annotation_of_another_shape_is_refused():
    volume, _ = blob_case()
    with pytest.raises(UserError, match="shape"):
        suggest(volume, SparseLabels(np.zeros((2, 2, 2), np.uint8)))
