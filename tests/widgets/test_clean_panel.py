import numpy as np
import pytest

from sparseseg.session.events import Rules
from sparseseg.widgets.clean_panel import CleanPanel
from sparseseg.widgets.layer_kinds import CLEANED


@pytest.fixture
def panel(qtbot, opened, messages):
    panel = CleanPanel(opened, messages)
    qtbot.addWidget(panel)
    yield panel
    panel.close()


@pytest.fixture
def predicted(opened):
    """A large and a small component of class 1."""
    opened.results.show()
    prediction = opened.link.arrays.prediction
    prediction[1:4, 2:9, 2:9], prediction[5, 20, 20] = 1, 1
    return prediction


def press(qtbot, panel, *lines):
    panel.rules.setPlainText("\n".join(lines))
    panel.apply.click()
    qtbot.waitUntil(panel.apply.isEnabled)


def test_the_cleaned_prediction_is_a_layer_of_its_own(
    qtbot, panel, predicted, opened, viewer, session, messages
):
    press(qtbot, panel, "keep 1 largest of class 1", "", "fill holes of 1")

    cleaned = viewer.layers[f"cells {CLEANED}"].data
    assert cleaned[5, 20, 20] == 0
    assert cleaned[2, 4, 4] == 1
    assert predicted[5, 20, 20] == 1
    assert not opened.results.prediction.visible
    assert messages.texts[0].startswith("1 voxels were dropped and 0 filled")
    rules = ("keep 1 largest of class 1", "fill holes of 1")
    assert session.calls[-1] == ("keep_rules", rules)


def test_cleaning_up_again_takes_the_place_of_the_first(
    qtbot, panel, predicted, viewer
):
    press(qtbot, panel, "keep 1 largest of 1")
    press(qtbot, panel, "drop below 9999 voxels")

    assert [layer.name for layer in viewer.layers].count(f"cells {CLEANED}") == 1
    assert not np.any(viewer.layers[f"cells {CLEANED}"].data)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((), "Tick or write a rule first"),
        (("keep the best",), "there is no rule 'keep the best'"),
        (("keep 1 largest of spleen",), "no class called 'spleen'"),
        (("keep 1 above 0.5",), "keeps no probabilities"),
    ],
)
def test_what_cannot_be_done_is_told(panel, predicted, messages, viewer, lines, words):
    panel.rules.setPlainText("\n".join(lines))
    panel.apply.click()

    assert words in messages.texts[0]
    assert f"cells {CLEANED}" not in viewer.layers


def test_cleaning_up_waits_for_a_prediction(panel, opened):
    assert not panel.apply.isEnabled()
    assert "press Predict volume first" in panel.apply.toolTip()

    opened.results.show()

    assert panel.apply.isEnabled()


def test_in_an_empty_prediction_there_is_nothing_to_clean_up(
    qtbot, panel, opened, messages
):
    opened.results.show()
    panel.rules.setPlainText("keep 1 largest of 1")
    panel.apply.click()

    qtbot.waitUntil(panel.apply.isEnabled)
    assert "press Predict volume first" in messages.texts[0]


def test_the_rules_of_a_loaded_model_are_shown(panel, session):
    session.events.rules.emit(Rules(("keep 2 largest of 1", "drop below 5 voxels")))

    assert panel.lines == ("keep 2 largest of 1", "drop below 5 voxels")
    assert not panel.rules.isHidden()


def test_boxes_write_the_usual_rules_for_each_class(panel, opened):
    opened.classes.add()
    panel.common.specks.setChecked(True)
    panel.common.size.setValue(30)
    panel.common.holes.setChecked(True)
    panel.rules.setPlainText("keep 2 within 5 voxels of 1")

    assert panel.lines == (
        "drop below 30 voxels",
        "fill holes of 1",
        "fill holes of 2",
        "keep 2 within 5 voxels of 1",
    )


def test_the_usual_rules_of_a_loaded_model_are_ticked(panel, session):
    rules = ("drop below 30 voxels", "keep 1 largest of 1", "keep 1 touching 2")
    session.events.rules.emit(Rules(rules))

    assert panel.lines == rules
    assert (panel.common.specks.isChecked(), panel.common.size.value()) == (True, 30)
    assert panel.common.largest.isChecked()
    assert not panel.common.holes.isChecked()
    assert panel.rules.toPlainText() == "keep 1 touching 2"


def test_boxes_never_change_the_order_of_rules(panel, session):
    rules = ("fill holes of 1", "drop below 30 voxels")
    session.events.rules.emit(Rules(rules))

    assert panel.lines == rules
    assert not panel.common.specks.isChecked()


def test_a_model_without_rules_shows_none(panel, session):
    panel.rules.setPlainText("keep 2 largest of 1")
    session.events.rules.emit(Rules(()))

    assert panel.lines == ()
