"""A volume that stays on disk is prepared as one in memory, block by block."""

from pathlib import Path

import numpy as np
import pytest

from sparseseg.data.intensity import GreyCurve
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.volume import Volume
from sparseseg.recipes import Plan
from sparseseg.recipes.pretrained import large
from sparseseg.recipes.pretrained.inference import Inference, Normaliser
from sparseseg.recipes.pretrained.preparation import prepare

CT = Normaliser(kind="ct", low=-50.0, high=150.0, mean=20.0, deviation=30.0)
SCORE = Normaliser(kind="z-score")
UNIT = Normaliser(kind="unit")
SHAPE = (23, 37, 41)
DESCRIPTORS = Path("/proc/self/fd")
# right, anterior, superior against x, y, z as they are stored
AFFINE = np.array([[0, 0, -2.0, 0], [-1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(large, "_BLOCK", (8, 16, 12))


def plan_of(spacing, **rules):
    channels = len(rules["normalisers"])
    return Plan(
        recipe="pretrained",
        outputs=(255, 1),
        spacing=spacing,
        unit="mm",
        curves=(GreyCurve((0.0, 1.0), (0.0, 1.0)),) * channels,
        patch=(16, 16, 16),
        network={},
        inference=Inference(**rules).to_json(),
    )


def both(channels, spacing, affine=None):
    """The same volume in memory and on disk; borders are 0, and it has holes."""
    rng = np.random.default_rng(1)
    grey = np.zeros((channels, *SHAPE), np.float32)
    inner = (slice(None), slice(2, 21), slice(3, 35), slice(5, 38))
    grey[inner] = rng.normal(30, 60, grey[inner].shape)
    grey[0, 7, 8, 9], grey[0, 9, 20, 20] = np.nan, np.inf
    place = {"spacing": spacing, "unit": "mm", "affine": affine}
    in_memory = Volume(grey, **place)
    return in_memory, Volume(OnDisk(grey, "czyx"), **place)


@pytest.mark.parametrize("resampling", ["nnunet-v1", "nnunet-v2", "linear"])
@pytest.mark.parametrize(
    "spacing",
    [(1.0, 1.0, 1.0), (1.3, 0.8, 0.9), (4.5, 1.1, 0.9), (0.8, 1.0, 4.1)],
)
@pytest.mark.parametrize("resample_first", [False, True])
def test_a_volume_on_disk_is_prepared_as_one_in_memory(
    resampling, spacing, resample_first
):
    plan = plan_of(
        (1.0, 1.0, 1.0),
        normalisers=(CT, SCORE, UNIT),
        resampling=resampling,
        resample_first=resample_first,
    )
    here, there = (prepare(v, plan) for v in both(3, spacing))
    assert there.crop == here.crop
    assert there.coarse == here.coarse
    assert isinstance(there.image, np.memmap)
    np.testing.assert_allclose(there.image, here.image, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("orientation", ["stored", "ras", "slices-first"])
def test_axes_are_turned_as_in_memory(orientation):
    plan = plan_of(
        (1.0, 1.0, 1.0),
        normalisers=(SCORE,),
        orientation=orientation,
        axes=(1, 0, 2),
        crop=False,
    )
    here, there = (prepare(v, plan) for v in both(1, (1.0, 1.0, 2.0), AFFINE))
    assert there.frame == here.frame
    np.testing.assert_allclose(there.image, here.image, atol=2e-5, rtol=1e-5)


def test_an_empty_volume_is_taken_whole():
    empty = np.zeros((1, 5, 6, 7), np.float32)
    place = {"spacing": (1.0, 1.0, 1.0), "unit": "mm"}
    plan = plan_of((1.0, 1.0, 1.0), normalisers=(SCORE,))
    ready = prepare(Volume(OnDisk(empty, "czyx"), **place), plan)
    assert ready.image.shape == empty.shape
    assert not ready.image.any()


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="counts open files")
def test_the_file_goes_with_the_array():
    before = len(list(DESCRIPTORS.iterdir()))
    plan = plan_of((1.0, 1.0, 1.0), normalisers=(CT,))
    for _ in range(3):
        _, volume = both(1, (1.0, 1.0, 1.0))
        prepare(volume, plan)
        del volume
    assert len(list(DESCRIPTORS.iterdir())) <= before + 1
