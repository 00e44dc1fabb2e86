"""What a session knows of its model follows from what the training process says."""

from pathlib import Path

from sparseseg.session.at_hand import ModelAtHand
from sparseseg.session.events import Rules, StepReport
from sparseseg.session.kind import ModelKind
from sparseseg.session.messages import Told
from sparseseg.settings.training import TrainSettings

STEP, SAVED = StepReport(1, 1.0, 0.5), Told("saved", str(Path("m.safetensors")))


def test_a_step_makes_a_model_that_is_not_saved_until_that_is_told():
    model = ModelAtHand()
    assert (model.is_there, model.is_saved) == (False, True)
    model.remember(STEP)
    assert (model.is_there, model.is_saved) == (True, False)
    model.remember(SAVED)
    assert model.is_saved


def test_a_model_from_a_file_that_will_go_counts_as_not_saved():
    model = ModelAtHand()
    for is_kept in (True, False):
        model.load(is_saved=is_kept)
        model.remember(Rules(()))
        assert (model.is_there, model.is_saved) == (True, is_kept)


def test_only_another_recipe_replaces_a_model_that_is_not_saved():
    model = ModelAtHand()
    other = TrainSettings(recipe="unet3d")
    assert not model.is_replaced_by(other)  # there is none
    model.remember(ModelKind("three-view", {}))
    model.remember(STEP)
    assert model.is_replaced_by(other)
    assert not model.is_replaced_by(TrainSettings(steps=5))
    model.load(is_saved=False)  # nothing comes of it
    assert model.is_replaced_by(other)
    model.remember(SAVED)
    assert not model.is_replaced_by(other)


def test_a_model_with_other_rules_is_not_what_is_in_its_file():
    model = ModelAtHand()
    model.change()
    assert model.is_saved  # there is none
    model.remember(STEP)
    model.remember(SAVED)
    model.change()
    assert not model.is_saved
