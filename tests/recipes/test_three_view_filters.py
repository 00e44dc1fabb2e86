"""Which filters a model of three-view looks at: those of its version."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view import features
from tests.miniature import fresh_model

SHAPE = (16, 16, 16)
SLOPE = 2  # of the first octave


def ramp(spacing=(1.0, 1.0, 1.0)):
    """Return a volume that is brighter and brighter along z, and its annotation."""
    array = np.zeros(SHAPE, np.float32) + np.arange(16.0)[:, None, None]
    labels = np.zeros(SHAPE, np.uint8)
    labels[8, :8], labels[8, 8:] = 1, 255
    return Volume.from_array(array, spacing=spacing, unit="um"), SparseLabels(labels)


def plans(labelled):
    """Return the plan of a new model, and the same of a model of an earlier version."""
    plan = fresh_model(labelled).plan
    old = {name: value for name, value in plan.network.items() if name != "bank"}
    return plan, replace(plan, network=old)


@pytest.mark.parametrize(
    ("spacing", "found"),
    [
        ((1.5, 1.0, 1.0), (1, 1, 1)),
        ((2.2, 1.0, 1.0), (2, 1, 1)),
        ((0.2, 0.1, 0.1), (2, 1, 1)),
        ((11.0, 1.0, 1.0), (8, 1, 1)),
    ],
)
def test_filters_go_by_voxel_sides_in_powers_of_two(spacing, found):
    new, old = plans(ramp(spacing))
    assert features.sides(new) == found
    assert features.sides(old) == old.anisotropy


def test_a_ramp_ends_in_a_slope_and_for_an_earlier_model_in_a_mirror():
    volume, labels = ramp()
    slopes = [
        features.features(Scene.of(plan, volume, labels), Box.whole(SHAPE))[SLOPE]
        for plan in plans((volume, labels))
    ]
    within = slopes[0][8, 8, 8]
    assert slopes[0][0, 8, 8] > 0.1
    torch.testing.assert_close(slopes[1][0, 8, 8], torch.tensor(0.0).half())
    torch.testing.assert_close(slopes[1][8, 8, 8], within)
