"""What a step takes, and what is proposed where that is too much."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sparseseg import recipes
from sparseseg.data.intensity import GreyCurve
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine import trainee
from sparseseg.engine.training import train
from sparseseg.errors import UserError
from sparseseg.recipes import Plan
from sparseseg.recipes.memory import check_training_memory, too_little, training_bytes
from sparseseg.recipes.patches import halved
from sparseseg.settings.cards import CARDS
from sparseseg.settings.options import read_options
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create
from tests.miniature import blob_case, shrink

LARGE = ("unet3d", "mssunet", "hdenseunet")
GB = 2**30


def plan_of(name, *, shape=(130, 240, 240), **options):
    painted = np.zeros(shape, np.uint8)
    painted[60, :9], painted[60, 9:12] = 255, 1
    grey = np.random.default_rng(0).random(shape, np.float32)
    case = Volume.from_array(grey), SparseLabels(painted)
    recipe = recipes.get(name)
    return recipe, recipe.plan(
        [case], (255, 1), read_options(recipe.card.options, options)
    )


class OneConvolution:
    """A recipe of which one can tell by hand what it keeps."""

    def network(self, plan):
        return nn.Conv3d(1, 2, 1, bias=False)

    def stages(self, plan):
        return (None,)

    def enter(self, network, stage):
        pass

    def logits(self, network, batch):
        return (network(batch.inputs),)


def test_what_is_kept_for_the_backward_pass_is_counted_by_hand():
    curve = GreyCurve((0.0, 1.0), (0.0, 1.0))
    plan = Plan(
        recipe="unet3d",
        outputs=(255, 1),
        spacing=(1.0, 1.0, 1.0),
        unit="um",
        curves=(curve,),
        patch=(2, 2, 2),
        network={},
    )
    # 2 weights, five times; the image is kept once and is there once, 8 voxels; the
    # logits have 16, and the loss takes four times as many: a quarter is slack.
    assert training_bytes(OneConvolution(), plan) == 5 * 8 + 1.25 * (32 + 32 + 4 * 64)


@pytest.mark.parametrize("name", [name for name in CARDS if name != "three-view"])
def test_the_card_tells_what_the_published_patch_takes(name):
    recipe, plan = plan_of(name, shape=(120, 260, 260))
    shapes = {
        "unetplusplus": (4, 1, 96, 96),
        "lungnet": (1, 1, 256, 256),
        "unet3d-guided": (2, 1 + 1 + 2, 40, 40, 40),
    }
    gigabytes = training_bytes(recipe, plan, shapes.get(name)) / GB
    assert recipe.card.training_gb == pytest.approx(gigabytes, rel=0.12, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_too_little_memory_proposes_a_patch_that_then_fits(name):
    recipe, plan = plan_of(name)
    memory = int(training_bytes(recipe, plan) * 0.7)
    with pytest.raises(UserError, match=r"does not suffice: choose the option patch="):
        check_training_memory(recipe, plan, memory)
    proposed = too_little(recipe, plan, memory).split("patch=")[1].split(",")[0]
    _, smaller = plan_of(name, patch=proposed)
    check_training_memory(recipe, smaller, memory)
    assert smaller.patch != plan.patch


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_where_no_patch_fits_another_recipe_is_proposed(name):
    recipe, plan = plan_of(name)
    with pytest.raises(UserError, match="train three-view"):
        check_training_memory(recipe, plan, 1_000_000)


@pytest.mark.parametrize("name", ["three-view", "unetplusplus", "lungnet"])
def test_recipes_that_learn_from_planes_are_not_held_back(name):
    recipe, plan = plan_of(name)
    check_training_memory(recipe, plan, 1)


def test_a_patch_is_halved_along_its_longest_side_down_to_the_least():
    found = halved((8, 64, 96), (8, 32, 32), (8, 32, 64))
    assert list(found) == [(8, 64, 96), (8, 64, 64), (8, 32, 64)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mssunet", "48x100x128"),
        ("unet3d", "99x100x100"),
        ("hdenseunet", "12x224x200"),
    ],
)
def test_a_patch_that_the_network_cannot_take_names_the_nearest(name, words):
    with pytest.raises(UserError, match="the nearest"):
        plan_of(name, patch=words)


def test_a_patch_in_other_words_is_refused_by_them():
    with pytest.raises(UserError, match="'large'"):
        plan_of("mssunet", patch="large")


def test_a_chosen_patch_is_learned_from():
    _, plan = plan_of("mssunet", patch="16 x 64, 96")
    assert plan.patch == (16, 64, 96)


def test_training_is_refused_before_its_first_step(monkeypatch):
    case = blob_case()
    chosen = TrainSettings(recipe="mssunet", steps=1, device="cpu")
    monkeypatch.setattr(trainee, "free_bytes", lambda _: 100_000_000)
    with pytest.raises(UserError, match="mssunet takes about"):
        next(train(create([case], chosen), [case], chosen))


def test_a_step_that_runs_out_of_memory_says_what_to_do(monkeypatch):
    shrink(monkeypatch)
    case = blob_case()
    chosen = TrainSettings(steps=3, device="cpu")
    model = create([case], chosen)

    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    steps = train(model, [case], chosen)
    next(steps)
    monkeypatch.setattr(type(model.recipe), "loss", fail)
    with pytest.raises(UserError, match="does not suffice to train three-view"):
        next(steps)


def test_a_probe_that_runs_out_of_memory_says_the_same(monkeypatch):
    shrink(monkeypatch)
    case = blob_case()
    chosen = TrainSettings(steps=3, device="cpu")
    model = create([case], chosen)

    def fail(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(trainee, "probe", fail)
    with pytest.raises(UserError, match="does not suffice to train three-view"):
        next(train(model, [case], chosen))


def test_without_knowing_how_much_there_is_the_next_smaller_patch_is_proposed():
    recipe, plan = plan_of("mssunet")
    assert "choose the option patch=48x96x192" in too_little(recipe, plan)
    none_left = replace(plan, patch=(8, 64, 64))
    assert "free some of it" in too_little(recipe, none_left)
