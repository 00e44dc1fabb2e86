"""A further training stays near its parent, the nearer the fewer slices there are."""

import pytest
import torch
from torch import nn

from sparseseg import recipes, starting
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.data.slices import annotate_slices
from sparseseg.engine.anchor import Anchor
from sparseseg.engine.averaging import average
from sparseseg.engine.model import Model
from tests.miniature import SHAPE, shrink


def network(fixed, trained):
    """Return a network of one fixed and one trained weight."""
    made = nn.Module()
    made.fixed = nn.Parameter(torch.tensor([fixed]), requires_grad=False)
    made.trained = nn.Parameter(torch.tensor([trained]))
    return made


@pytest.mark.parametrize(("slices", "moved"), [(1, 2.0), (3, 4.0), (9, 6.0)])
def test_what_is_fitted_goes_back_towards_the_parent(slices, moved):
    anchor = Anchor(network(0.0, 0.0).state_dict())
    child = network(8.0, 8.0)
    anchor.weigh(slices)
    anchor.pull(child)
    assert child.fixed.item() == pytest.approx(moved)
    assert child.trained.item() == 8.0


def test_what_steps_train_is_averaged_towards_a_point_between():
    parent, learning = network(0.0, 0.0), network(0.0, 8.0)
    anchor, mean = Anchor(parent.state_dict()), network(0.0, 0.0)
    anchor.weigh(3)
    for _ in range(200):
        average(mean, learning, 0.9, anchor)
    assert mean.trained.item() == pytest.approx(4.0)


def test_without_a_parent_the_mean_ends_at_the_weights_that_learn():
    mean, learning = network(0.0, 0.0), network(0.0, 8.0)
    for _ in range(200):
        average(mean, learning, 0.9, None)
    assert mean.trained.item() == pytest.approx(8.0)


def sliced(counts):
    sample = blobs(SHAPE)
    array = annotate_slices(sample.truth, counts)
    return sample.volume, SparseLabels(array, table=sample.table)


def test_a_further_training_ends_between_its_parent_and_what_it_learned(
    tmp_path, monkeypatch
):
    shrink(monkeypatch)
    path = tmp_path / "parent.safetensors"
    starting.fit([sliced((2, 2, 2))], steps=2, device="cpu").save(path)
    before = Model.load(path).network.state_dict()
    child = starting.fit([sliced((1, 0, 0))], steps=2, device="cpu", parent=str(path))
    # The views of the parent still count, though one alone is annotated.
    alone = torch.tensor([1.0, 0.0, 0.0])
    torch.testing.assert_close(
        child.network.views, torch.lerp(before["views"], alone, 0.25)
    )


def test_nothing_is_kept_of_a_network_that_was_never_fitted():
    recipe = recipes.get("three-view")
    assert recipe.anchored(recipe.module(1, 2)) == {}


def test_a_recipe_that_learns_by_steps_alone_keeps_nothing():
    assert recipes.get("unet3d").anchored(nn.Conv3d(1, 1, 1)) == {}
