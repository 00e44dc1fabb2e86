"""How annotated slices are guided while a network learns from them."""

import numpy as np
import pytest

from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.data.slices import annotate_slices
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view.slices import training_slices
from tests.miniature import SHAPE, fresh_model


@pytest.mark.parametrize(
    ("layout", "unguided", "imagined"),
    [
        ((1, 0, 0), 0.5, 0.0),
        ((3, 0, 0), 0.5, 0.3),
        ((1, 1, 0), 0.5, 0.3),  # the one that crosses is far away nearly everywhere
        ((2, 1, 0), 0.15, 0.3),
        ((1, 1, 1), 0.15, 0.3),
    ],
)
def test_what_far_slices_guide_is_half_learned_without_them(layout, unguided, imagined):
    sample = blobs(SHAPE)
    labels = SparseLabels(annotate_slices(sample.truth, layout), table=sample.table)
    plan = fresh_model((sample.volume, labels)).plan
    drawn = training_slices([Scene.of(plan, sample.volume, labels)])
    assert len(drawn) == np.sum(layout)
    assert {(one.unguided, one.imagined) for one in drawn} == {(unguided, imagined)}
