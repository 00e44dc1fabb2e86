"""The loop of the training process, run here, with a clock of its own."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

from sparseseg.boxes import Box
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.evaluation.estimate import DiceEstimate
from sparseseg.progress import Preparing, Step
from sparseseg.session.events import (
    Depths,
    Exports,
    Painted,
    Phase,
    Progress,
    ScoreReport,
    StepReport,
)
from sparseseg.session.kind import ModelKind
from sparseseg.session.loop import WorkLoop
from sparseseg.session.messages import (
    Assignment,
    ChooseDepth,
    Load,
    Pause,
    Predict,
    Preview,
    Reply,
    Request,
    Restore,
    Save,
    Stop,
    Told,
    Train,
)
from sparseseg.session.shared import SharedArrays
from sparseseg.settings.training import TrainSettings
from tests.session import fake_engine

SHAPE = (6, 8, 8)


class Inbox(SimpleQueue[Request]):
    """Tells the loop to stop where it would wait."""

    def get(self, block: bool = True, timeout: float | None = None) -> Request:
        return Stop(keep=False) if self.empty() else super().get(block, timeout)


class Bench:
    """A loop with its inbox, its replies, and a clock that only the engine moves."""

    def __init__(self, folder: Path, volume: Volume) -> None:
        self.now = 0.0
        self.seconds_a_step = 1.0
        self.snapshots: list[float] = []
        self.replies: list[Reply] = []
        self.answers: list[tuple[Callable[[Reply], bool], Request]] = []
        self.inbox = Inbox()
        zeros = (np.zeros(volume.shape, np.uint8) for _ in range(3))
        self.arrays = SharedArrays(*zeros)
        self.engine = ClockedEngine(self)
        self.engine.open(volume, self.arrays.annotation)
        self.assignment = Assignment({}, {}, folder)
        self.loop = WorkLoop(
            self.engine,
            self.arrays,
            self.assignment,
            send=self.send,
            clock=lambda: self.now,
        )

    def send(self, reply: Reply) -> None:
        self.replies.append(reply)
        for answer in [answer for answer in self.answers if answer[0](reply)]:
            self.answers.remove(answer)
            self.inbox.put(answer[1])

    def when(self, fits: Callable[[Reply], bool], request: Request) -> None:
        """Post the request in answer to the first reply that fits."""
        self.answers.append((fits, request))

    def run(self, *requests: Request) -> list[Reply]:
        """Run the loop on these until nothing is left to do."""
        for request in requests:
            self.inbox.put(request)
        self.replies.clear()
        self.loop.run(self.inbox)
        return list(self.replies)

    def kinds(self) -> list[str]:
        return [type(reply).__name__ for reply in self.replies]


class ClockedEngine(fake_engine.Engine):
    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench

    def work(self) -> None:
        self.bench.now += self.bench.seconds_a_step

    def save(self, path: Path) -> None:
        super().save(path)
        self.bench.snapshots.append(self.bench.now)


@pytest.fixture
def bench(tmp_path: Path, volume: Volume) -> Bench:
    return Bench(tmp_path, volume)


def train(steps: int, recipe: str = "well") -> Train:
    return Train(TrainSettings(recipe=recipe, steps=steps))


def painted(replies: list[Reply]) -> list[Painted]:
    return [reply for reply in replies if isinstance(reply, Painted)]


def is_step(number: int) -> Callable[[Reply], bool]:
    return lambda reply: isinstance(reply, StepReport) and reply.step == number


def depths(replies: list[Reply]) -> list[Depths]:
    return [reply for reply in replies if isinstance(reply, Depths)]


def test_depths_are_told_once_there_is_a_model_and_when_one_is_chosen(
    bench: Bench,
) -> None:
    assert depths(bench.run(train(3))) == [Depths((1, 2), None)]
    assert depths(bench.run(ChooseDepth(1))) == [Depths((1, 2), 1)]
    assert bench.engine.depth == 1


def test_what_a_model_cannot_be_exported_as_is_told_once(bench: Bench) -> None:
    replies = [*bench.run(train(3)), *bench.run(ChooseDepth(1))]
    told = [reply for reply in replies if isinstance(reply, Exports)]
    assert told == [Exports({"nnunet": "no network of nnU-Net"})]


def test_a_loaded_model_is_whole_again_and_that_is_told(
    bench: Bench, tmp_path: Path
) -> None:
    bench.run(train(1))
    bench.run(ChooseDepth(1), Save(tmp_path / "m.safetensors"))
    replies = bench.run(Load(tmp_path / "m.safetensors"))
    assert depths(replies) == [Depths((1, 2), None)]


def test_another_depth_paints_the_wanted_slice_again(bench: Bench) -> None:
    bench.run(train(1), Preview(0, 5))
    (again,) = painted(bench.run(ChooseDepth(2)))
    assert again.box.start[0] == 5


def test_a_depth_that_there_is_not_is_told(bench: Bench) -> None:
    bench.run(train(1))
    told = [r for r in bench.run(ChooseDepth(7)) if isinstance(r, Told)]
    assert told == [Told("failed", "there is no depth 7")]


def test_previews_come_before_the_prediction_and_that_before_training(
    bench: Bench,
) -> None:
    bench.run(train(1))
    replies = bench.run(train(1), Predict(), Preview(0, 5))
    assert [reply.box.start[0] for reply in painted(replies)] == [5, 0, 2, 4]
    kinds = bench.kinds()
    assert kinds.index("StepReport") > len(kinds) - kinds[::-1].index("Painted") - 1
    phases = [reply for reply in replies if isinstance(reply, Phase)]
    assert phases == [
        *(Phase.PREPARING, Phase.PREDICTING, Phase.PREPARING),
        *(Phase.TRAINING, Phase.IDLE),
    ]


def test_the_newest_preview_takes_the_place_of_one_that_is_waiting(
    bench: Bench,
) -> None:
    bench.run(train(1))
    replies = bench.run(Preview(0, 1), Preview(0, 2), Predict())
    assert [reply.box.start[0] for reply in painted(replies)] == [2, 0, 2, 4]


def test_the_newest_preview_takes_the_place_of_one_that_is_half_done(
    bench: Bench,
) -> None:
    bench.run(train(1))
    bench.when(lambda reply: isinstance(reply, Painted), Preview(2, 3))
    replies = bench.run(Preview(1, 0), Predict())  # across y: three tiles
    first, second, third, fourth, *_ = painted(replies)
    assert first.box == Box((0, 0, 0), (2, 1, 8))
    assert [b.box.start for b in (second, third, fourth)] == [
        (0, 0, 3), (2, 0, 3), (4, 0, 3)
    ]  # fmt: skip


def test_a_preview_waits_for_the_first_model(bench: Bench) -> None:
    bench.run(Preview(0, 1), train(2))
    kinds = bench.kinds()
    assert kinds.index("StepReport") < kinds.index("Painted")
    assert "Told" not in kinds


def test_a_preview_is_repeated_every_three_seconds_of_training(bench: Bench) -> None:
    bench.run(Preview(0, 1), train(10))
    steps = [reply.step for reply in painted(bench.replies)]
    assert steps == [1, 4, 7, 10]


def test_a_slow_preview_leaves_three_times_its_length_to_training(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = bench.engine.predict

    def slow_predict(*args: object, **keywords: object) -> Iterator[object]:
        for tile in predict(*args, **keywords):  # type: ignore[arg-type]
            bench.now += 4
            yield tile

    monkeypatch.setattr(bench.engine, "predict", slow_predict)
    bench.run(Preview(0, 1), train(30))
    steps = [reply.step for reply in painted(bench.replies)]
    assert steps == [1, 13, 25, 30]  # the last when training has ended


def test_interpolation_is_shown_until_the_network_wins(bench: Bench) -> None:
    bench.run(Preview(0, 1), train(6))
    assert [(p.step, p.method) for p in painted(bench.replies)] == [
        (1, "interpolation"),
        (4, "network"),
        (6, "network"),
    ]
    assert bench.arrays.prediction[1].max() == 6


def test_interpolation_is_shown_before_the_first_step(bench: Bench) -> None:
    bench.engine.preparations = 4
    bench.run(Preview(0, 1), train(1))
    first = painted(bench.replies)[0]
    assert (first.step, first.method) == (0, "interpolation")
    assert bench.replies.index(first) < bench.kinds().index("StepReport")


def test_what_a_network_says_before_its_first_step_is_shown(bench: Bench) -> None:
    bench.engine.preparations, bench.engine.answers = 4, True
    bench.run(Preview(0, 1), train(1))
    first = painted(bench.replies)[0]
    assert (first.step, first.method) == (0, "network")
    assert bench.replies.index(first) < bench.kinds().index("StepReport")


def test_the_first_answer_of_the_network_is_shown_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.engine.preparations, bench.seconds_a_step = 9, 0.1
    known = property(lambda _self: bench.now > 0.25)
    monkeypatch.setattr(ClockedEngine, "answers", known)
    bench.run(Preview(0, 1), train(1))
    first = [(p.step, p.method) for p in painted(bench.replies)][:2]
    assert first == [(0, "interpolation"), (0, "network")]


def test_preparing_is_told_as_progress_and_heard_by_a_pause(bench: Bench) -> None:
    bench.engine.preparations = 4
    bench.when(lambda reply: isinstance(reply, Progress), Pause())
    bench.run(train(9))
    progress = [reply.done for reply in bench.replies if isinstance(reply, Progress)]
    assert progress == [0.25]
    assert bench.engine.step == 0
    assert bench.replies[-1] == Phase.PAUSED


def test_nothing_is_saved_or_predicted_before_the_first_step(bench: Bench) -> None:
    bench.engine.preparations = 2
    bench.when(lambda reply: isinstance(reply, Progress), Predict())
    replies = bench.run(train(1))
    told = next(reply for reply in replies if isinstance(reply, Told))
    assert told.text.startswith("there is no model yet")


def test_a_whole_prediction_comes_with_its_estimate(bench: Bench) -> None:
    bench.run(train(1))
    bench.run(Predict())
    (found,) = (reply for reply in bench.replies if isinstance(reply, DiceEstimate))
    assert str(found) == "0.87 (0.83 to 0.90) between your slices"


def test_the_snapshot_is_of_the_model_that_an_estimate_tells_of(bench: Bench) -> None:
    estimated = DiceEstimate(None, {})
    own = bench.engine.train

    def steps(*asked: Any) -> Iterator[Step | Preparing]:
        for step in own(*asked):
            assert isinstance(step, Step)
            yield replace(step, estimate=estimated if step.step == 5 else None)

    bench.engine.train = steps  # type: ignore[method-assign]
    told = lambda reply: reply is estimated and bench.snapshots[-1] == 5.0  # noqa: E731
    bench.when(told, Pause())
    bench.run(train(9))
    assert bench.replies[-1] == Phase.PAUSED


def test_every_method_is_scored_and_the_winner_is_named(bench: Bench) -> None:
    first, second = (
        reply for reply in bench.run(train(5)) if isinstance(reply, ScoreReport)
    )
    assert (first.method, first.mean_iou) == ("interpolation", 0.5)
    assert (second.method, second.iou) == ("network", {1: 0.9})
    assert first.shown == second.shown == "network"


def test_interpolation_is_repeated_only_where_labels_changed(bench: Bench) -> None:
    bench.engine.score = lambda: None  # type: ignore[method-assign]
    bench.run(Preview(0, 1), train(8))
    assert len(painted(bench.replies)) == 1
    bench.arrays.annotation[0, 0, 0] = 1
    bench.run(train(1))
    assert len(painted(bench.replies)) == 1


def test_steps_are_told_ten_times_a_second_and_the_last_one_always(
    bench: Bench,
) -> None:
    bench.seconds_a_step = 1 / 32
    bench.run(train(11))
    steps = [reply.step for reply in bench.replies if isinstance(reply, StepReport)]
    assert steps == [1, 5, 9, 11]


def test_progress_tells_the_seconds_left(bench: Bench) -> None:
    bench.run(train(4))
    progress = [reply for reply in bench.replies if isinstance(reply, Progress)]
    assert progress == [
        Progress("train", 0.25, None),
        Progress("train", 0.5, 2.0),
        Progress("train", 0.75, 1.0),
        Progress("train", 1.0, 0.0),
    ]


def test_snapshots_are_taken_at_once_every_15_seconds_and_at_the_end(
    bench: Bench,
) -> None:
    bench.run(train(40))
    assert bench.snapshots == [1, 16, 31, 40]


def test_a_pause_takes_a_snapshot_and_refreshes_the_preview(bench: Bench) -> None:
    bench.when(is_step(5), Pause())
    replies = bench.run(Preview(0, 1), train(100))
    assert bench.snapshots == [1, 5]
    assert painted(replies)[-1].step == 5
    assert Phase.PAUSED in replies


def test_a_stop_takes_a_snapshot_only_if_it_is_asked_to(bench: Bench) -> None:
    bench.when(is_step(3), Stop(keep=False))
    bench.run(train(100))
    assert bench.snapshots == [1]


def test_a_kept_stop_takes_a_snapshot(bench: Bench) -> None:
    bench.when(is_step(3), Stop(keep=True))
    bench.run(train(100))
    assert bench.snapshots == [1, 3]


def test_a_restored_model_shows_what_was_shown(bench: Bench) -> None:
    bench.run(train(2))
    replies = bench.run(Restore("interpolation", 2), Predict())
    assert {(p.method, p.step) for p in painted(replies)} == {("interpolation", 2)}


def test_a_restored_model_is_known_to_start_from_its_parent(bench: Bench) -> None:
    bench.run(train(2))
    replies = bench.run(Restore("network", 2, parent="mine"))
    kinds = [reply for reply in replies if isinstance(reply, ModelKind)]
    assert [kind.parent for kind in kinds] == ["mine"]


def test_a_loaded_model_is_shown_and_has_a_snapshot(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "other").write_text("[9, []]")
    replies = bench.run(Load(tmp_path / "other"), Predict())
    assert {p.method for p in painted(replies)} == {"network"}
    assert bench.arrays.prediction.min() == 9
    assert bench.assignment.snapshot.read_text() == "[9, []]"


def test_a_job_that_fails_is_dropped_and_the_others_go_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_keywords: object) -> Iterator[object]:
        raise UserError("the tile does not fit")
        yield

    monkeypatch.setattr(bench.engine, "predict", fail)
    replies = bench.run(Preview(0, 1), train(20))
    assert replies.count(Told("failed", "the tile does not fit")) == 1
    assert replies[-1] == Phase.IDLE
    assert any(is_step(20)(reply) for reply in replies)


def test_a_full_disk_is_told_but_does_not_end_training(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(bench.engine, "save", fail)
    replies = bench.run(train(20))
    told = [reply.text for reply in replies if isinstance(reply, Told)]
    assert len(told) == 3  # at step 1, at 16 and at the end
    assert told[0].endswith("snapshot.safetensors: No space left on device")


def test_a_training_that_fails_is_idle_again(bench: Bench) -> None:
    replies = bench.run(train(1, "wrong"))
    assert replies == [
        Phase.PREPARING,
        Told("failed", "nothing is painted yet: paint a slice"),
        Phase.IDLE,
    ]


def test_a_prediction_without_a_model_says_again_that_it_is_idle(
    bench: Bench,
) -> None:
    replies = bench.run(Predict())
    assert isinstance(replies[0], Told)
    assert replies[1:] == [Phase.IDLE]
