"""A volume that is unlike those of the training is told with both values."""

import warnings
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from sparseseg.data.intensity import equalising, windowing
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.samples import blobs
from sparseseg.data.volume import Volume
from sparseseg.engine.looks import looks_of
from sparseseg.engine.model import Model
from sparseseg.engine.unlike import unlike, unlike_result
from sparseseg.errors import UserError
from sparseseg.starting import fit
from tests.miniature import (
    SHAPE,
    blob_case,
    shrink,
)

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture(scope="module")
def trained():
    """Models that have seen one volume, and know how it looks."""
    with pytest.MonkeyPatch.context() as patching:
        shrink(patching)
        kinds = ({}, {"grey": "fixed"})
        return [fit([blob_case()], device="cpu", steps=1, options=o) for o in kinds]


@pytest.fixture
def model(trained):
    return deepcopy(trained[0])


@pytest.fixture
def fixed(trained):
    return trained[1]


def changed(volume: Volume, array: np.ndarray) -> Volume:
    return replace(volume, array=array.astype(np.float32))


@pytest.mark.parametrize("seed", range(5))
def test_other_volumes_of_the_same_kind_are_no_news(model, seed):
    assert model.unlike(blobs(SHAPE, seed=seed).volume) == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda grey: 3 * grey + 1700,
        lambda grey: grey + 1700,
        lambda grey: 257 * grey,  # another bit depth
        lambda grey: grey / 10,
        lambda grey: -grey,
    ],
)
def test_other_fixed_grey_values_are_told_with_both_ranges(fixed, change):
    volume = blobs(SHAPE, seed=1).volume
    other = replace(changed(volume, change(volume.array.astype(float))), name="scan")

    words = fixed.unlike(other)

    assert words.startswith("scan has grey values of ")
    assert f"{fixed.plan.curves[0].knots[0]:.4g} to " in words
    assert "bring them to the same scale" in words


def test_a_mostly_empty_volume_is_no_news(fixed):
    grey = np.where(RNG.random((1, *SHAPE)) < 0.9, 0, RNG.uniform(50, 200, (1, *SHAPE)))
    plan = replace(fixed.plan, curves=(equalising([grey]),))
    emptier = np.where(RNG.random((1, *SHAPE)) < 0.5, 0, grey)

    assert "grey" not in unlike(plan, (), Volume(emptier))
    assert "grey" in unlike(plan, (), Volume(grey / 16))


def test_a_fixed_window_says_nothing_of_grey_values(fixed):
    plan = replace(fixed.plan, curves=(windowing(-200, 250),))

    assert unlike(plan, (), blobs(SHAPE).volume) == ""


def test_inverted_contrast_is_reported(model):
    volume = blobs(SHAPE, seed=1).volume
    other = replace(changed(volume, 255 - volume.array.astype(float)), name="scan")

    words = model.unlike(other)

    assert words.startswith("scan has ")
    assert "of its voxels in the darkest" in words
    assert "the training had them in the darkest" in words
    assert "invert its grey values" in words


def test_grey_values_that_are_spread_otherwise_are_reported(model):
    volume = blobs(SHAPE, seed=1).volume
    flat = np.where(RNG.random((1, *SHAPE)) < 0.02, 255, RNG.uniform(0, 3, (1, *SHAPE)))

    assert "in the darkest" in model.unlike(changed(volume, flat))


def lying(volume: Volume, *signs: int) -> Volume:
    return replace(volume, affine=np.diag([*signs, 1.0]))


def test_another_orientation_is_reported_with_both():
    volume, labels = blob_case()
    model = fit([(lying(volume, 1, 1, 1), labels)], device="cpu", steps=1)

    assert model.unlike(lying(volume, 1, 1, 1)) == ""
    assert model.unlike(volume) == ""  # it does not say how it lies
    words = model.unlike(lying(volume, -1, -1, 1))
    assert "is stored as LPS, and the model was trained on RAS" in words


def test_an_older_model_compares_what_it_knows(model):
    model.history.pop("learned_from")
    volume = blobs(SHAPE).volume
    assert model.unlike(changed(volume, -volume.array.astype(float))) == ""


def test_a_model_whose_history_lies_is_refused(model, tmp_path):
    model.history["learned_from"] = [{"quantiles": [[1.0]]}]
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(UserError, match="damaged"):
        Model.load(tmp_path / "m.safetensors")


def result_of(model, volume, labels):
    looks = looks_of(model.history)
    return unlike_result(model.plan, looks, volume, labels, model.table)


def test_a_prediction_that_finds_nothing_is_reported(model):
    volume = replace(blobs(SHAPE).volume, name="scan")

    words = result_of(model, volume, np.zeros(SHAPE, np.uint8))

    share = looks_of(model.history)[0].foreground
    assert words.startswith("scan has a class on 0.00% of its voxels")
    assert f"had one on {share:.0%}" in words


def test_a_class_of_the_other_contrast_is_reported_by_its_name(model):
    sample = blobs(SHAPE)
    volume, truth = replace(sample.volume, name="scan"), sample.truth.astype(np.uint8)

    assert result_of(model, volume, truth) == ""
    words = result_of(model, changed(volume, 255.0 - volume.array), truth)
    assert f"shows {model.table[1].name} " in words
    assert "darker than the background" in words
    assert "brighter" in words


def test_what_stays_on_disk_is_looked_at_plane_by_plane(model):
    volume = blobs(SHAPE).volume
    asked = []

    class Source:
        shape, dtype, ndim = SHAPE, volume.array.dtype, 3

        def __getitem__(self, key):
            asked.append(key)
            return volume.array[0][key]

    stored = replace(volume, array=OnDisk(Source(), "zyx"))

    assert model.unlike(stored) == ""
    assert 0 < len(asked) <= 9


def test_two_remarks_are_one_sentence_each(fixed):
    volume = blobs(SHAPE).volume
    other = changed(volume, volume.array.astype(float) + 1700)
    large = replace(other, spacing=tuple(3 * side for side in volume.spacing))

    assert len(fixed.unlike(large).split("; also, ")) == 2


@pytest.mark.parametrize("factor", [np.inf, 1e300])
def test_values_beyond_float32_are_no_numbers_and_give_no_warning(model, factor):
    volume = blob_case()[0]
    array = volume.array.astype(np.float64)
    array[0, :, 3:6] = factor
    huge = replace(volume, array=array)
    labels = (volume.array[0] > np.median(volume.array)).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = unlike_result(
            model.plan, looks_of(model.history), huge, labels, model.table
        )
    assert "nan" not in found
