"""A volume that is unlike those of the training is told with both values."""

from dataclasses import replace

import numpy as np
import pytest

from sparseseg.data.intensity import equalising, windowing
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.samples import blobs
from sparseseg.data.volume import Volume
from sparseseg.engine.unlike import unlike
from tests.miniature import SHAPE, blob_case, fresh_model, shrink

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture
def model():
    return fresh_model(blob_case())


def changed(volume: Volume, array: np.ndarray) -> Volume:
    return replace(volume, array=array.astype(np.float32))


@pytest.mark.parametrize("seed", range(5))
def test_other_volumes_of_the_same_kind_are_no_news(model, seed):
    assert unlike(model.plan, blobs(SHAPE, seed=seed).volume) == ""


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
def test_other_grey_values_are_told_with_both_ranges(model, change):
    volume = blobs(SHAPE, seed=1).volume
    other = replace(changed(volume, change(volume.array.astype(float))), name="scan")

    words = unlike(model.plan, other)

    assert words.startswith("scan has grey values of ")
    assert f"{model.plan.curves[0].knots[0]:.4g} to " in words
    assert "bring them to the same scale" in words


def test_a_mostly_empty_volume_is_no_news():
    grey = np.where(RNG.random((1, *SHAPE)) < 0.9, 0, RNG.uniform(50, 200, (1, *SHAPE)))
    plan = replace(fresh_model(blob_case()).plan, curves=(equalising([grey]),))
    emptier = np.where(RNG.random((1, *SHAPE)) < 0.5, 0, grey)

    assert "grey" not in unlike(plan, Volume(emptier))
    assert "grey" in unlike(plan, Volume(grey / 16))


def test_a_fixed_window_says_nothing_of_grey_values(model):
    plan = replace(model.plan, curves=(windowing(-200, 250),))

    assert unlike(plan, blobs(SHAPE).volume) == ""


def test_what_stays_on_disk_is_looked_at_plane_by_plane(model):
    volume = blobs(SHAPE).volume
    asked = []

    class Source:
        shape, dtype, ndim = SHAPE, volume.array.dtype, 3

        def __getitem__(self, key):
            asked.append(key)
            return volume.array[0][key]

    stored = replace(volume, array=OnDisk(Source(), "zyx"))

    assert unlike(model.plan, stored) == ""
    assert 0 < len(asked) <= 9


def test_two_remarks_are_one_sentence_each(model):
    volume = blobs(SHAPE).volume
    other = changed(volume, volume.array.astype(float) + 1700)
    large = replace(other, spacing=tuple(3 * side for side in volume.spacing))

    assert len(unlike(model.plan, large).split("; also, ")) == 2
