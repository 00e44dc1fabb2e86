"""Models of earlier trainings: kept with their scores, gone back to, compared."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from sparseseg.boxes import Box
from sparseseg.evaluation.estimate import DiceEstimate
from sparseseg.session.events import Phase
from sparseseg.session.messages import SNAPSHOT
from sparseseg.widgets.past_panel import PastPanel

WHOLE = Box.whole((6, 30, 40))


@pytest.fixture
def panel(qtbot, opened, messages) -> PastPanel:
    panel = PastPanel(opened, messages)
    qtbot.addWidget(panel)
    return panel


def train(qtbot, desk, dice: float, *, slices: int = 3) -> None:
    """End a training whose model estimates itself so."""
    session = desk.session
    session.becomes(Phase.PREPARING)
    session.becomes(Phase.TRAINING)
    session.learns()
    snapshot(desk, dice, slices=slices)
    with qtbot.waitSignal(desk.past.changed):
        session.becomes(Phase.IDLE)


def snapshot(desk, dice: float, *, slices: int = 3, step: int = 300) -> None:
    """Let the training process write its model."""
    estimate = {"mean_dice": dice, "low": dice - 0.02, "high": dice + 0.02}
    history = {
        "step": step,
        "ending": "finished",
        "learned_from": [{"foreground": slices / 10}],
        "estimate": {**estimate, "classes": {}},
        "between_slices": {
            "method": "network",
            "slices": slices,
            "classes": {},
            "mean": None,
            "calibration": [0, 1, 0, 0],
            "annotated": slices,
        },
    }
    description = {"plan": {"recipe": "three-view"}, "history": history}
    save_file(
        {"weights": np.zeros(1)},
        desk.models.path / SNAPSHOT,
        metadata={"sparseseg": json.dumps(description)},
    )


def predict(qtbot, desk, labels) -> None:
    desk.session.becomes(Phase.PREDICTING)
    desk.session.paints(WHOLE, labels)
    with qtbot.waitSignal(desk.past._packing.done):
        desk.session.becomes(Phase.IDLE)


def rows(panel: PastPanel) -> list[str]:
    return [panel.list.item(row).text() for row in range(panel.list.count())]


def select(panel: PastPanel, row: int) -> None:
    panel.list.setCurrentRow(row)


def test_each_training_leaves_its_model_with_its_score(qtbot, panel, opened):
    train(qtbot, opened, 0.80)
    assert panel.isHidden()
    train(qtbot, opened, 0.85)
    assert not panel.isHidden()
    assert rows(panel) == [
        "model-002, in use: Dice 0.85 (0.83 to 0.87)",
        "model-001: Dice 0.80 (0.78 to 0.82)",
    ]
    assert "300 steps, finished" in panel.list.item(0).toolTip()


def test_the_only_model_is_shown_once_another_one_is_in_use(qtbot, panel, opened):
    train(qtbot, opened, 0.80)
    opened.past.forget_current()
    assert not panel.isHidden()
    assert rows(panel) == ["model-001: Dice 0.80 (0.78 to 0.82)"]


def test_a_training_without_a_step_leaves_none_and_the_model_in_use(
    qtbot, panel, opened, session
):
    train(qtbot, opened, 0.80)
    session.becomes(Phase.PREPARING)
    session.becomes(Phase.IDLE)
    assert len(opened.past.models) == 1
    assert opened.past.current == "model-001"


def test_going_back_loads_the_model(qtbot, panel, opened, session):
    train(qtbot, opened, 0.80)
    train(qtbot, opened, 0.85)
    select(panel, 1)
    panel.back.click()
    assert session.calls[-1][0] == "load"
    assert session.calls[-1][1].name == "model-001.safetensors"
    assert rows(panel)[1].startswith("model-001, in use")


def test_the_model_in_use_cannot_be_gone_back_to(qtbot, panel, opened):
    train(qtbot, opened, 0.80)
    train(qtbot, opened, 0.85)
    select(panel, 0)
    assert not panel.back.isEnabled()
    assert "in use" in panel.back.toolTip()


def test_a_better_model_of_the_same_slices_stays_in_use(
    qtbot, panel, opened, messages, session
):
    train(qtbot, opened, 0.85)
    train(qtbot, opened, 0.80)
    assert "model-001 stays in use: it has Dice 0.85" in messages.texts[0]
    assert session.calls[-1][1].name == "model-001.safetensors"
    assert opened.past.current == "model-001"
    assert rows(panel)[1].startswith("model-001, in use")

    messages.cards[0].button.click()
    assert session.calls[-1][1].name == "model-002.safetensors"
    assert opened.past.current == "model-002"


def test_a_better_model_of_other_slices_is_only_offered(
    qtbot, panel, opened, messages, session
):
    train(qtbot, opened, 0.85)
    train(qtbot, opened, 0.80, slices=4)
    assert "which did not learn from the same slices" in messages.texts[0]
    assert opened.past.current == "model-002"
    assert session.calls[-1][0] != "load"

    messages.cards[0].button.click()
    assert session.calls[-1][1].name == "model-001.safetensors"


def test_what_is_estimated_while_training_can_be_gone_back_to(
    qtbot, panel, opened, session
):
    session.becomes(Phase.PREPARING)
    session.becomes(Phase.TRAINING)
    for step, dice in ((100, 0.70), (200, 0.75), (300, 0.80)):
        snapshot(opened, dice, step=step)
        with qtbot.waitSignal(opened.past.changed):
            session.events.estimate.emit(DiceEstimate(None, {}))
    assert not panel.back.isEnabled()
    session.becomes(Phase.IDLE)
    train(qtbot, opened, 0.80)  # its end is the moment of step 300
    assert rows(panel) == [
        "model-001, in use: Dice 0.80 (0.78 to 0.82)",
        "at step 200: Dice 0.75 (0.73 to 0.77)",
        "at step 100: Dice 0.70 (0.68 to 0.72)",
    ]
    select(panel, 2)
    panel.back.click()
    (path,) = session.calls[-1][1:]
    assert path.name == "model-001-step-100.safetensors"
    assert path.exists()
    opened.close()
    assert not path.exists()


def test_of_many_moments_those_that_score_least_are_forgotten(qtbot, panel, opened):
    session = opened.session
    session.becomes(Phase.PREPARING)
    session.becomes(Phase.TRAINING)
    for step, dice in enumerate((0.7, 0.6, 0.8, 0.75, 0.72, 0.5)):
        snapshot(opened, dice, step=step)
        with qtbot.waitSignal(opened.past.changed):
            session.events.estimate.emit(DiceEstimate(None, {}))
    assert [m.history["step"] for m in opened.past.listed] == [2, 3, 4, 5]


def test_a_model_that_scores_about_the_same_is_not_asked_about(
    qtbot, panel, opened, messages
):
    train(qtbot, opened, 0.805)
    train(qtbot, opened, 0.80)
    assert messages.texts == ()


def test_two_models_are_compared_where_both_predicted(
    qtbot, panel, opened, messages, viewer
):
    labels = np.zeros((6, 30, 40), np.uint8)
    train(qtbot, opened, 0.80)
    predict(qtbot, opened, labels)
    train(qtbot, opened, 0.81)
    labels[4, :10, :12] = 1
    select(panel, 1)
    panel.compare.click()
    assert "model-002 has not predicted this volume yet" in messages.texts[0]

    predict(qtbot, opened, labels)
    with qtbot.waitSignal(opened.past.compared):
        panel.compare.click()
    words = messages.texts[0]
    assert "120 voxels differ (1.7%), most on slice z 4" in words
    assert "class 1: +120 voxels" in words
    assert "The intervals overlap" in words
    assert opened.link.seat.changes.data[4, 0, 0] == 1
    assert opened.painter.view.index == 4


def test_models_are_not_left_behind_when_the_window_closes(qtbot, panel, opened):
    train(qtbot, opened, 0.80)
    (model,) = opened.past.models
    assert model.path.exists()
    opened.close()
    assert not model.path.exists()
