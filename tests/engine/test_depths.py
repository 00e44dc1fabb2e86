import numpy as np
import pytest

from sparseseg.cli.depths import as_table
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.data.slices import annotate_slices
from sparseseg.engine.depths import DepthCost, depth_table
from sparseseg.engine.model import Model
from sparseseg.engine.training import train
from sparseseg.errors import UserError
from sparseseg.starting import create
from tests.miniature import blob_case, fresh_model, settings, shrink


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture
def trained(monkeypatch):
    monkeypatch.setattr("sparseseg.recipes.unetplusplus.WIDTHS", (2, 3, 4, 5, 6))
    sample = blobs((12, 20, 24))
    annotation = annotate_slices(sample.truth, (3, 1, 1))
    labelled = sample.volume, SparseLabels(annotation)
    chosen = settings(recipe="unetplusplus", steps=5, options={"mode": "fast"})
    model = create([labelled], chosen)
    for _ in train(model, [labelled], chosen):
        pass
    return model, labelled[0]


def test_each_depth_has_a_row_that_costs_more_than_the_last(trained):
    rows = list(depth_table(*trained))
    assert [row.depth for row in rows] == [1, 2, 3, 4]
    sizes = [row.parameters for row in rows]
    assert sizes == sorted(sizes)
    assert all(row.seconds > 0 for row in rows)
    assert all(0 <= row.held_out_dice <= 1 for row in rows)


def test_a_saved_pruned_model_predicts_what_its_depth_predicts(trained, tmp_path):
    model, volume = trained
    pruned = model.at_depth(2)
    pruned.save(tmp_path / "small.safetensors")
    again = Model.load(tmp_path / "small.safetensors")
    assert again.parameters == pruned.parameters < model.parameters
    np.testing.assert_array_equal(
        again.predict(volume).probabilities, pruned.predict(volume).probabilities
    )


def test_the_deepest_of_a_fast_model_is_the_model_itself(trained):
    model, volume = trained
    whole, deepest = (m.predict(volume) for m in (model, model.at_depth(4)))
    np.testing.assert_array_equal(whole.probabilities, deepest.probabilities)


def test_a_depth_that_there_is_not_is_refused_with_those_that_are(trained):
    with pytest.raises(UserError, match="no depth 5, it has 1, 2, 3, 4"):
        trained[0].at_depth(5)
    with pytest.raises(UserError, match="it has 1"):
        trained[0].at_depth(1).at_depth(2)


def test_a_network_with_one_depth_cannot_be_pruned():
    model, (volume, _) = fresh_model(blob_case()), blob_case()
    with pytest.raises(UserError, match="leave --depth out"):
        model.at_depth(1)
    with pytest.raises(UserError, match="one depth only"):
        next(depth_table(model, volume))


def test_the_table_says_where_nothing_is_known():
    text = as_table([DepthCost(1, 100_961, 1.5, None, None)])
    assert "L1" in text
    assert "100,961" in text
    assert text.splitlines()[1].split()[-2:] == ["-", "-"]
