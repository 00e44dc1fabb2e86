"""Where in the foreground of a volume a voxel lies."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparseseg.boxes import Box
from sparseseg.data.samples import blobs
from sparseseg.engine.model import Model
from sparseseg.recipes.coordinates import coordinates, extent_of
from sparseseg.starting import create, fit
from tests.miniature import SHAPE, blob_case, predict_all, settings, shrink

CPU = torch.device("cpu")


def bright(low, high, shape=(10, 20, 30)):
    """Make a volume with a bright box on noise that is nearly dark."""
    grey = np.random.default_rng(0).uniform(0, 1, (1, *shape))
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    grey[(0, *box)] += 100
    return grey


def test_the_extent_is_that_of_what_is_bright():
    assert extent_of(bright((2, 5, 10), (8, 15, 30))) == ((2, 8), (5, 15), (10, 30))


@pytest.mark.parametrize("change", [lambda g: 3 * g + 1700, lambda g: g / 10])
def test_another_camera_sees_the_same_extent(change):
    grey = bright((2, 5, 10), (8, 15, 30))
    assert extent_of(change(grey)) == extent_of(grey)


def test_a_volume_of_one_value_is_all_foreground():
    assert extent_of(np.zeros((1, 3, 4, 5))) == ((0, 3), (0, 4), (0, 5))


def test_coordinates_go_from_one_end_of_the_foreground_to_the_other():
    box = Box((0, 5, 10), (1, 16, 31))
    z, y, x = coordinates(((0, 1), (5, 15), (10, 30)), box, CPU)
    np.testing.assert_allclose(y[0, :, 0], np.linspace(-1, 1, 11), atol=1e-6)
    np.testing.assert_allclose(x[0, 0], np.linspace(-1, 1, 21), atol=1e-6)
    assert z.shape == box.shape


def test_the_coordinates_of_a_box_are_cut_from_those_of_the_volume():
    extent, box = ((0, 9), (2, 5), (1, 7)), Box((1, 2, 3), (4, 4, 6))
    whole = coordinates(extent, Box.whole((9, 6, 8)), CPU)
    torch.testing.assert_close(
        coordinates(extent, box, CPU), whole[(slice(None), *box.slices)]
    )


def test_only_several_volumes_show_what_a_place_means():
    one, two = blob_case(), blob_case(seed=1)
    assert not create([one], settings()).plan.network["coordinates"]
    assert create([one, two], settings()).plan.network["coordinates"]


@pytest.mark.slow
def test_a_model_of_several_volumes_predicts_others_and_can_be_saved(
    monkeypatch, tmp_path
):
    shrink(monkeypatch)
    model = fit([blob_case(), blob_case(seed=1)], device="cpu", steps=3)
    other = replace(blobs(SHAPE, seed=2).volume, name="other")
    model.save(tmp_path / "m.safetensors")

    found = predict_all(Model.load(tmp_path / "m.safetensors"), other)

    np.testing.assert_array_equal(found.labels, predict_all(model, other).labels)
