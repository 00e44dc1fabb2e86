"""What every recipe keeps, whatever its network."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from sparseseg import recipes
from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.models.readers import read_model
from sparseseg.nn.losses import IGNORE
from sparseseg.recipes import Batch, Scene, Trained
from sparseseg.settings.options import read_options
from tests.miniature import blob_case, outputs_of, shrink, thin_dense_networks
from tests.models.paths import V2

SMALL = {
    "unet3d": {"affine": False, "width": 1},
    "three-view": {"widths": [4, 6, 8]},
    "unetplusplus": {"dims": 2, "heads": [1, 2, 3, 4], "widths": [2, 2, 3, 3, 4]},
    "mssunet": {"width": 2},
    "hdenseunet": {"connections": True},
    "lungnet": {"dims": 2, "width": 3},
    "unet3d-guided": {"anisotropy": [1.0, 1.0, 1.0], "widths": [3, 4, 5, 6]},
}

# All others average planes of all three views, each of which is shown whole.
READS_A_PART = {"three-view", "unet3d", "unet3d-guided", "mssunet"}

# nnU-Net gives its coarsest head no weight in the loss.
WEIGHTLESS = {"pretrained": {"folds.0.heads.0.weight", "folds.0.heads.0.bias"}}

pytestmark = pytest.mark.parametrize("name", [*recipes.names(), "pretrained"])


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)
    thin_dense_networks(monkeypatch)


@pytest.fixture
def recipe(name):
    return recipes.get(name)


def begun(recipe, case, stage=0):
    """Return a scene, and a network ready for a stage: fresh, or from a parent."""
    torch.manual_seed(0)
    volume, labels = case
    if recipe.card.name == "pretrained":
        adopted = recipe.adopt(parent(), [case], {})
        plan, network = adopted.plan, adopted.network
    else:
        plan = recipe.plan([case], outputs_of(labels), recipe.card.options())
        plan = replace(plan, network=SMALL[plan.recipe])
        network = recipe.network(plan)
    scene = Scene.of(plan, volume, labels)
    list(recipe.prepare(network, [scene], np.random.default_rng(0)))
    recipe.enter(network, recipe.stages(plan)[stage])
    return scene, network


def parent() -> Trained:
    model = read_model(V2)
    return Trained(model.plan, model.network, model.table)


def test_an_image_on_disk_is_planned_and_seen_as_one_in_memory(recipe):
    volume, labels = blob_case()
    stored = replace(volume, array=OnDisk(volume.array, "czyx"))
    first, second = (begun(recipe, (one, labels)) for one in (volume, stored))
    assert first[0].plan.to_json() == second[0].plan.to_json()
    weights = [network.state_dict().values() for _, network in (first, second)]
    for one, other in zip(*weights, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.fixture
def scene(recipe):
    return begun(recipe, blob_case())[0]


@pytest.fixture
def network(recipe, scene):
    return begun(recipe, blob_case())[1]


def batches(recipe, scene, seed=0, stage=0):
    stage = recipe.stages(scene.plan)[stage]
    return recipe.batches([scene], np.random.default_rng(seed), stage)


def drawn(recipe, scene, seed=0, stage=0) -> Batch:
    return next(batches(recipe, scene, seed, stage))


def test_slices_that_are_not_learned_from_change_no_batch(recipe, scene):
    learned = recipe.learned_axes([scene])
    others = {where for where in scene.slices if where.axis not in learned}
    assert bool(others) == (recipe.card.name == "hdenseunet")
    for stage in range(min(2, len(recipe.stages(scene.plan)))):  # its 2-D ones
        whole = drawn(recipe, scene, stage=stage)
        without = drawn(recipe, scene.without(others), stage=stage)
        assert torch.equal(whole.target, without.target)


def at_every_scale(recipe, logits):
    """Return the logits as all heads would have them."""
    if recipe.card.name == "pretrained":
        nothing = torch.full_like(logits, float("-inf"))  # known to the parent
        return logits, nothing
    if recipe.card.name != "mssunet":
        return (logits,)
    sizes = [logits.shape[2:]] + [[max(1, n // 2) for n in logits.shape[2:]]] * 4
    return tuple(torch.nn.functional.adaptive_avg_pool3d(logits, s) for s in sizes)


def weights(recipe, scene):
    return recipe.class_weights(scene.counts)


def test_a_recipe_says_what_it_is(recipe, name):
    assert recipe.card.name == name
    assert recipe.card.title
    assert len(recipe.card.summary.splitlines()) in (2, 3)
    assert recipe.card.paper


def test_a_plan_survives_its_file(recipe, scene):
    again = recipes.Plan.from_json(scene.plan.to_json())
    assert again.to_json() == scene.plan.to_json()
    names = list(recipe.network(again).state_dict())
    assert names == list(recipe.network(scene.plan).state_dict())


def test_a_batch_holds_labelled_voxels_and_finite_grey_values(recipe, scene):
    for batch in islice(batches(recipe, scene), 2):
        assert batch.inputs.dtype is torch.float32
        assert batch.inputs.isfinite().all()
        assert batch.target.dtype is torch.int64
        assert set(batch.target.unique().tolist()) <= {IGNORE, 0, 1, 2}
        assert (batch.target != IGNORE).any()


def test_batches_are_the_same_for_a_seed_and_differ_between_seeds(recipe, scene):
    first, again, other = (drawn(recipe, scene, seed) for seed in (1, 1, 2))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.target, again.target)
    assert first.inputs.shape != other.inputs.shape or not torch.equal(
        first.inputs, other.inputs
    )


def test_logits_have_one_channel_an_output_and_the_size_of_the_target(
    recipe, scene, network
):
    batch = drawn(recipe, scene)
    count, *size = batch.target.shape
    first, *others = recipe.logits(network, batch)
    assert first.shape == (count, 3, *size)
    assert all(head.shape[:2] == (count, 3) for head in others)


def test_the_loss_falls_when_the_logits_are_right(recipe, scene):
    batch = drawn(recipe, scene)
    known = (batch.target != IGNORE)[:, None]
    right = torch.nn.functional.one_hot(batch.target.clamp_min(0), 3)
    logits = 5 * right.movedim(-1, 1).float() * known
    share = weights(recipe, scene)
    right, nothing, wrong = (
        recipe.loss(at_every_scale(recipe, factor * logits), batch, share)
        for factor in (1, 0, -1)
    )
    assert right < nothing < wrong


def test_unlabelled_voxels_never_matter(recipe, scene):
    batch = drawn(recipe, scene)
    target = batch.target.clone()
    target.view(-1)[::2] = IGNORE
    batch = replace(batch, target=target)
    logits = torch.randn(len(target), 3, *target.shape[1:])
    other = torch.where(
        (target == IGNORE)[:, None], 9 * torch.rand_like(logits), logits
    )
    share = weights(recipe, scene)
    assert not torch.equal(logits, other)
    if recipe.card.name == "pretrained":
        pytest.skip(
            "unlabelled voxels keep the answer of the parent: test_finetuning.py"
        )
    if recipe.card.name == "mssunet":
        pytest.skip("its coarse heads have coarse targets: see test_mssunet.py")
    one, two = (recipe.loss((head,), batch, share) for head in (logits, other))
    assert one == two


@pytest.mark.slow
def test_gradient_reaches_every_weight_that_a_stage_trains(recipe, scene, network):
    share = weights(recipe, scene)
    for place, stage in enumerate(recipe.stages(scene.plan)):
        recipe.enter(network, stage)
        network.train()
        optimizer = recipe.optimizer(network)
        # A head that begins at zero passes nothing on before its first step.
        for batch in islice(batches(recipe, scene, stage=place), 2):
            optimizer.zero_grad(set_to_none=True)
            recipe.loss(recipe.logits(network, batch), batch, share).backward()
            optimizer.step()
        trainable = {n: p for n, p in network.named_parameters() if p.requires_grad}
        dead = [n for n, p in trainable.items() if p.grad is None or not p.grad.any()]
        assert trainable
        assert set(dead) <= WEIGHTLESS.get(recipe.card.name, set()), stage


def test_the_stages_share_the_whole_budget(recipe, scene):
    assert sum(stage.share for stage in recipe.stages(scene.plan)) == pytest.approx(1)


def test_the_options_are_plain_and_come_back_from_their_words(recipe):
    chosen = recipe.card.options()
    words = {name: str(value) for name, value in chosen.to_json().items()}
    assert read_options(recipe.card.options, words) == chosen


def test_a_prediction_does_not_depend_on_how_the_volume_is_cut(recipe, scene, network):
    shape = scene.volume.shape
    if recipe.card.name == "unet3d":
        pytest.skip("its statistics are those of the tile, as in the paper")
    recipe.enter(network, recipe.stages(scene.plan)[-1])
    with torch.inference_mode():
        whole = recipe.probabilities(network.eval(), scene, Box.whole(shape))
        part = recipe.probabilities(network, scene, Box((2, 3, 4), (9, 17, 20)))
    torch.testing.assert_close(whole[:, 2:9, 3:17, 4:20], part, atol=2e-3, rtol=1e-3)


def test_probabilities_of_a_box_sum_to_one(recipe, scene, network):
    box = Box((2, 3, 4), (7, 9, 11))
    with torch.inference_mode():
        found = recipe.probabilities(network.eval(), scene, box)
    assert found.shape == (3, *box.shape)
    torch.testing.assert_close(found.sum(0), torch.ones(box.shape))


@pytest.mark.slow
def test_a_slice_larger_than_a_tile_is_labelled_whole(recipe, name):
    shape = (3, 70, 60)
    painted = np.full(shape, 255, np.uint8)
    painted[:, 20:40, 20:40], painted[0] = 1, 0
    grey = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    case = Volume.from_array(grey), SparseLabels(painted)
    scene, network = begun(recipe, case)
    box = Box((1, 0, 0), (2, 70, 60))
    with torch.inference_mode():
        found = recipe.probabilities(network.eval(), scene, box)
    torch.testing.assert_close(found.sum(0), torch.ones(box.shape))


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 300, 7), (2000, 2000, 2000)])
def test_a_tile_has_voxels_along_each_axis(recipe, scene, shape):
    assert min(recipe.tile(scene.plan, shape)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, -1])
def test_an_answer_depends_on_nothing_but_what_the_tile_reads(recipe, stage):
    case = blob_case((6, 16, 400))
    scene, network = begun(recipe, case, stage)
    box = Box((4, 0, 0), (5, 3, 4))
    read = recipe.reads(network.eval(), scene, box)
    assert read == read.clip(scene.volume.shape)
    assert box.intersect(read) == box
    array = np.full_like(scene.volume.array, 1e4)
    inside = (slice(None), *read.slices)
    array[inside] = scene.volume.array[inside]
    blinded = replace(scene, volume=replace(scene.volume, array=array))
    with torch.inference_mode():
        expected = recipe.probabilities(network, scene, box)
        found = recipe.probabilities(network, blinded, box)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-3)
    if recipe.card.name in READS_A_PART:
        assert read.shape[2] < 400
        assert not np.array_equal(array, scene.volume.array)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 20, 24), (3, 5, 40)])
def test_one_slice_stacks_and_two_channels_are_taken(recipe, shape):
    painted = np.full(shape, 255, np.uint8)
    painted[:, 1:4, 3:17], painted[1:] = 1, 0
    grey = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    case = Volume.from_array(grey, channel_axis=0), SparseLabels(painted)
    scene, network = begun(recipe, case)
    batch = drawn(recipe, scene)
    outputs = len(scene.plan.outputs)
    assert recipe.logits(network.train(), batch)[0].shape[1] == outputs
    box = Box((0, 0, 0), (1, 5, 7))
    with torch.inference_mode():
        found = recipe.probabilities(network.eval(), scene, box)
    torch.testing.assert_close(found.sum(0), torch.ones(box.shape))


@pytest.mark.filterwarnings("ignore::sparseseg.errors.Note")
def test_a_saved_model_predicts_the_same_in_the_volumes_shape(
    scene, network, name, tmp_path
):
    model = Model(scene.plan, blob_case()[1].table, network=network)
    model.save(tmp_path / "m.safetensors")
    again = Model.load(tmp_path / "m.safetensors")
    assert again.plan.recipe == name
    found, expected = (m.predict(scene.volume) for m in (again, model))
    assert found.labels.shape == scene.volume.shape
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
