"""Grey values belong to a volume, unless they are calibrated."""

from dataclasses import replace

import numpy as np
import pytest

from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.starting import create, fit
from tests.miniature import SHAPE, blob_case, predict_all, settings, shrink


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)


def trained(case, **options) -> Model:
    return fit([case], device="cpu", steps=10, options=options)


def changed(volume: Volume, array: np.ndarray) -> Volume:
    return replace(volume, array=array)


CHANGES = [
    lambda grey: grey.astype(np.float32) * 3 + 1700,  # another day's camera
    lambda grey: grey.astype(np.uint16) * 257,  # another bit depth
    lambda grey: grey.astype(np.float64) / 255 - 9,
]


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_another_camera_or_bit_depth_gets_the_same_answer(change):
    model = trained(blob_case())
    volume = blobs(SHAPE, seed=1).volume
    other = changed(volume, change(volume.array))

    found, expected = (predict_all(model, v) for v in (other, volume))

    assert len(np.unique(expected.labels)) > 1
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-3)
    assert model.unlike(other) == ""


@pytest.mark.parametrize("change", CHANGES)
def test_fixed_grey_values_mean_the_same_in_all_volumes(change):
    model = trained(blob_case(), grey="fixed")
    volume = blobs(SHAPE, seed=1).volume

    assert "has grey values of " in model.unlike(changed(volume, change(volume.array)))


def hounsfield(case):
    volume, labels = case
    grey = np.interp(volume.array, (0, 255), (-1000, 400)).astype(np.int16)
    grey[0, 0, 0, 0] = -1000
    return changed(volume, grey), SparseLabels(labels.array, table=labels.table)


@pytest.mark.parametrize(
    ("make", "choice", "rule"),
    [
        (lambda case: case, "auto", "volume"),
        (hounsfield, "auto", "fixed"),
        (hounsfield, "volume", "volume"),
        (lambda case: case, "fixed", "fixed"),
    ],
)
def test_hounsfield_units_stay_as_they_are_unless_a_person_says_otherwise(
    make, choice, rule
):
    model = create([make(blob_case())], settings(options={"grey": choice}))
    assert model.plan.rules == (rule,)


def test_a_saved_model_keeps_the_rule(tmp_path):
    model = create([blob_case()], settings())
    model.save(tmp_path / "m.safetensors")
    assert Model.load(tmp_path / "m.safetensors").plan.rules == ("volume",)


def test_another_rule_is_refused():
    with pytest.raises(UserError, match="grey"):
        create([blob_case()], settings(options={"grey": "own"}))
