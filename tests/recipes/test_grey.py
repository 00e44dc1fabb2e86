"""Which grey values the recipes for organs are shown."""

import numpy as np
import pytest

from sparseseg import recipes
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.settings.options import read_options

AIR, LIVER, BONE = -1000.0, 100.0, 900.0


def shown(name, grey, **options):
    """Return what a recipe makes of three grey values of a volume."""
    volume = np.resize(np.array(grey, np.float32), (3, 6, 7))
    painted = np.zeros(volume.shape, np.uint8)
    painted[1, :3], painted[1, 3:] = 1, 255
    case = Volume.from_array(volume), SparseLabels(painted)
    recipe = recipes.get(name)
    plan = recipe.plan([case], (255, 1), read_options(recipe.card.options, options))
    return plan.curves[0](np.array(grey, np.float32))


@pytest.mark.parametrize("options", [{}, {"window": "ct"}])
def test_unetplusplus_is_shown_the_soft_tissue_of_a_ct(options):
    found = shown("unetplusplus", (AIR, LIVER, BONE), **options)
    np.testing.assert_allclose(found, [0, 300 / 450, 1], rtol=1e-6)


def test_unetplusplus_is_shown_the_whole_range_where_that_is_wanted():
    found = shown("unetplusplus", (AIR, LIVER, BONE), window="range")
    np.testing.assert_allclose(found, [0, 1100 / 1900, 1], rtol=1e-6)


def test_what_is_no_ct_is_shown_by_its_range():
    found = shown("unetplusplus", (0.0, 50.0, 200.0))
    np.testing.assert_allclose(found, [0, 0.25, 1], rtol=1e-6)


def test_lungnet_is_shown_the_air_of_a_ct_as_well():
    found = shown("lungnet", (AIR, -700.0, BONE))
    np.testing.assert_allclose(found, [0, 300 / 1900, 1], rtol=1e-6)
