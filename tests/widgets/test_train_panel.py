import pytest

from sparseseg.evaluation.estimate import DiceEstimate, Likely
from sparseseg.session.events import Phase, Progress, ScoreReport, StepReport
from sparseseg.widgets.train_panel import TrainPanel


@pytest.fixture
def panel(qtbot, session, desk, messages) -> TrainPanel:
    panel = TrainPanel(desk, messages)
    qtbot.addWidget(panel)
    return panel


def score(method: str, mean_iou: float, shown: str, seconds: float = 48) -> ScoreReport:
    return ScoreReport(240, seconds, method, mean_iou, {1: mean_iou}, ("z 50",), shown)


@pytest.mark.parametrize(
    ("phase", "train", "pause", "stop"),
    [
        (Phase.IDLE, True, False, False),
        (Phase.PREPARING, False, True, True),
        (Phase.TRAINING, False, True, True),
        (Phase.PAUSED, False, True, True),
        (Phase.PREDICTING, False, False, True),
        (Phase.LOST, False, False, False),
    ],
)
def test_the_buttons_follow_the_phase(
    panel, opened, session, phase, train, pause, stop
):
    opened.filling.background(lambda _: None)
    opened.look()
    session.becomes(phase)

    buttons = (panel.train, panel.pause, panel.stop)
    assert tuple(button.isEnabled() for button in buttons) == (train, pause, stop)


def test_the_form_becomes_the_settings(panel, opened, session):
    opened.filling.background(lambda _: None)
    opened.look()
    panel.recipe.recipe.setCurrentText("LungNet (2019)")
    panel.minutes.setValue(7)

    panel.train.click()

    (settings,) = (call[1] for call in session.calls if call[0] == "train")
    assert (settings.recipe, settings.minutes) == ("lungnet", 7.0)
    chosen = {"entropy": 0.0, "patch": "", "dims": 2, "views": "all"}
    assert settings.options == chosen


def test_training_until_stopped_has_no_minutes(panel):
    panel.endless.setChecked(True)

    assert panel.settings().minutes is None
    assert not panel.minutes.isEnabled()


def test_without_anything_painted_training_is_not_offered_and_the_reason_is_said(
    panel, opened, session
):
    assert not panel.train.isEnabled()
    assert "Paint first" in panel.train.toolTip()
    assert "Paint first" in panel.status.text()


def test_one_button_pauses_and_resumes(panel, session):
    session.becomes(Phase.TRAINING)

    panel.pause.click()
    assert panel.pause.text() == "Resume"

    panel.pause.click()
    assert panel.pause.text() == "Pause"
    assert [call[0] for call in session.calls] == ["pause", "resume"]


def test_a_lost_process_can_be_restarted(panel, session):
    assert panel.restart.isHidden()

    session.becomes(Phase.LOST)
    assert "Your annotation is safe" in panel.status.text()
    panel.restart.click()

    assert session.called("restart") == 1
    assert panel.restart.isHidden()


def test_the_score_says_how_it_was_measured(panel, session):
    session.becomes(Phase.TRAINING)
    session.events.score.emit(score("interpolation", 0.741, "network"))
    session.events.score.emit(score("network", 0.812, "network"))
    session.events.step.emit(StepReport(400, 81, 0.3))

    assert panel.status.text() == (
        "Held-out IoU 0.81 on slice z 50 (network), step 240, 48 s\nclass 1 0.81\nNow step 400, 1 min 21 s, loss 0.3"
    )
    assert panel.status.toolTip().splitlines() == [
        "network 0.81",
        "interpolation 0.74",
        "class 1 0.81",
    ]
    assert "the network" in panel.shown.text()


def test_interpolation_is_named_while_it_is_better(panel, session):
    session.events.score.emit(score("network", 0.3, "interpolation"))
    session.events.score.emit(score("interpolation", 0.7, "interpolation"))

    assert panel.status.text().startswith("Held-out IoU 0.70 on slice z 50 (interpol")
    assert "until the network beats it" in panel.shown.text()


@pytest.mark.usefixtures("opened")
def test_the_estimate_between_the_slices_is_the_score_and_the_held_out_one_a_detail(
    panel, session
):
    session.becomes(Phase.TRAINING)
    session.events.score.emit(score("network", 0.812, "network"))
    likely = Likely(0.872, 0.831, 0.904)
    session.events.estimate.emit(DiceEstimate(likely, {1: likely}))

    assert panel.status.text().startswith(
        "Dice 0.87 (0.83 to 0.90) between your slices"
    )
    assert "Held-out" not in panel.status.text()
    assert "Held-out IoU 0.81" in panel.status.toolTip()


def test_each_image_has_the_estimate_of_its_own_prediction(
    panel, opened, session, image, viewer
):
    first, second = Likely(0.87, 0.83, 0.9), Likely(0.51, 0.4, 0.6)
    session.events.estimate.emit(DiceEstimate(first, {1: first}))
    opened.link.choose(viewer.add_image(image.data.copy() + 1, name="other"))
    opened.link.open()
    assert "Dice" not in panel.status.text()
    session.events.estimate.emit(DiceEstimate(second, {1: second}))
    assert "Dice 0.51" in panel.status.text()

    opened.link.choose(image)
    opened.link.open()

    assert "Dice 0.87" in panel.status.text()


def test_a_loaded_model_has_no_score_of_the_one_before(
    panel, opened, session, tmp_path
):
    session.becomes(Phase.TRAINING)
    session.events.score.emit(score("network", 0.812, "network"))
    likely = Likely(0.87, 0.83, 0.9)
    session.events.estimate.emit(DiceEstimate(likely, {1: likely}))
    session.becomes(Phase.IDLE)

    opened.load_model(tmp_path / "m.safetensors")

    assert "0.8" not in panel.status.text()


def test_without_an_estimate_the_held_out_score_stays(panel, session):
    session.becomes(Phase.TRAINING)
    session.events.score.emit(score("network", 0.812, "network"))
    session.events.estimate.emit(DiceEstimate(None, {}, "too few"))

    assert panel.status.text().startswith("Held-out IoU 0.81")


def test_before_a_score_the_loss_is_shown(panel, session):
    session.becomes(Phase.TRAINING)
    session.events.step.emit(StepReport(3, 1.2, 0.51234))

    assert panel.status.text() == "Now step 3, 1 s, loss 0.512"


def test_the_worst_classes_are_named_with_their_scores(panel, opened, session):
    for _ in range(5):
        opened.classes.add()
    opened.classes.rename(2, "vessel")
    iou = {0: 0.99, 1: 0.9, 2: 0.2, 3: float("nan"), 4: 0.5, 5: 0.7, 6: 0.8}
    report = ScoreReport(240, 48, "network", 0.62, iou, ("z 50",), "network")

    session.events.score.emit(report)

    words = panel.status.text().splitlines()[1]
    assert words == "vessel 0.20, class 4 0.50, class 5 0.70, class 6 0.80, 1 more"
    assert panel.status.toolTip().endswith("class 6 0.80, class 1 0.90")


def test_where_classes_are_taken_from_several_methods_each_is_named(
    panel, opened, session
):
    opened.classes.add()
    opened.classes.rename(1, "bone")
    iou = {0: 0.9, 1: 0.8, 2: 0.7}
    by_class = {1: "trees", 2: "walker"}
    report = ScoreReport(
        1, 1, "classwise", 0.75, iou, ("z 5",), "classwise", by_class=by_class
    )

    session.events.score.emit(report)

    words = panel.status.toolTip().splitlines()
    assert words[0] == "the best answer for each class 0.75"
    assert words[-2:] == ["bone: random forest", "class 2: random walker"]


def test_without_a_score_the_reason_and_what_to_paint_is_said(panel, session):
    session.becomes(Phase.TRAINING)
    why, what = "There is no score yet: 1 slice.", "Paint across y."
    nothing = ScoreReport(1, 1, "network", None, {}, (), "network", why, what)

    session.events.score.emit(nothing)

    assert panel.status.text().splitlines()[0] == why
    assert panel.advice.text() == what
    assert not panel.advice.isHidden()


def test_a_new_training_starts_over(panel, session):
    session.events.step.emit(StepReport(3, 1.2, 0.5))
    session.events.score.emit(score("network", 0.8, "network"))

    session.becomes(Phase.PREPARING)

    assert panel.status.text().startswith("Preparing")
    assert panel.curves.isHidden()


def test_the_curves_are_drawn_a_little_later(qtbot, panel, session):
    for step in range(5):
        session.events.step.emit(StepReport(step, step * 0.5, 1 / (step + 1)))
    session.events.score.emit(score("network", 0.8, "network"))
    assert panel.curves.points("loss") == []

    qtbot.waitUntil(lambda: len(panel.curves.points("loss")) == 5)

    assert panel.curves.points("loss")[1] == (0.5, 0.5)
    assert panel.curves.points("network") == [(48, 0.8)]
    assert panel.curves.points("shown") == [(48, 0.8)]


def test_the_curve_of_what_is_shown_follows_the_best_answer(qtbot, panel, session):
    for method, iou in (("network", 0.5), ("mixed", 0.6), ("walker", 0.4)):
        session.events.score.emit(score(method, iou, "mixed"))

    qtbot.waitUntil(lambda: bool(panel.curves.points("shown")))

    assert panel.curves.points("shown") == [(48, 0.6)]
    assert panel.curves.points("network") == [(48, 0.5)]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_curves_take_every_theme(panel, theme):
    panel.curves.set_theme(theme)


def test_progress_is_shown_until_training_ends(panel, session):
    session.becomes(Phase.TRAINING)
    session.events.progress.emit(Progress("train", 0.27, 132))
    assert panel.progress.text() == "27 %, 2 min 12 s left"

    session.becomes(Phase.IDLE)
    assert panel.progress.isHidden()


def test_a_training_starts_from_a_model_with_what_can_be_chosen_of_it(panel):
    panel.start_from("tiny-lits", "pretrained")
    assert panel.recipe.recipe.isHidden()
    assert "Starts from tiny-lits" in panel.origin.text()
    settings = panel.settings()
    assert settings.parent == "tiny-lits"
    assert settings.options["encoder"] == "full"
    panel.start_from("mine", "three-view")
    assert panel.recipe.isHidden()
    assert (panel.settings().parent, panel.settings().options) == ("mine", {})
    panel.from_nothing.click()
    assert not panel.recipe.isHidden()
    assert (panel.settings().parent, panel.settings().recipe) == ("", "three-view")
