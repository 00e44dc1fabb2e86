"""Distances agree with a plain search for the nearest of all surface voxels."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from sparseseg.evaluation import evaluate


def blob(seed, shape=(12, 17, 15)):
    """Return ragged pieces of a class, some of them at the end of the volume."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return (ndimage.gaussian_filter(noise, 1.5) > 0.05).astype(np.uint8)


def surface_voxels(labels):
    """Return the voxels with a face on something else, one by one."""
    found = []
    for at in np.argwhere(labels == 1):
        beside = [at + step for step in (*np.eye(3, dtype=int), *-np.eye(3, dtype=int))]
        inside = [b for b in beside if (b >= 0).all() and (b < labels.shape).all()]
        if any(labels[tuple(b)] != 1 for b in inside):
            found.append(at)
    return np.array(found)


def searched(a, b, spacing):
    points = [surface_voxels(labels) * spacing for labels in (a, b)]
    there, back = (cKDTree(points[1 - i]).query(points[i])[0] for i in (0, 1))
    return np.concatenate([there, back])


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.78, 0.78), (0.3, 2, 1)])
@pytest.mark.parametrize("seeds", [(0, 1), (2, 3)])
def test_all_measures_are_those_of_a_plain_search(seeds, spacing):
    prediction, truth = map(blob, seeds)
    between = searched(prediction, truth, spacing)
    result = evaluate(prediction, truth, spacing=spacing, tolerance=1.3)
    wanted = {
        "surface_distance": between.mean(),
        "hausdorff95": np.percentile(between, 95),
        "max_surface_distance": between.max(),
        "surface_dice": (between <= 1.3).mean(),
    }
    assert {name: result[name][1] for name in wanted} == pytest.approx(wanted)


def test_the_order_of_the_arrays_does_not_matter_to_distances():
    a, b = blob(0), blob(1)
    there, back = (
        evaluate(*pair, spacing=(2.0, 1.0, 1.0), tolerance=1.0)
        for pair in ((a, b), (b, a))
    )
    for name in ("surface_distance", "hausdorff95", "surface_dice"):
        assert there[name] == pytest.approx(back[name])
