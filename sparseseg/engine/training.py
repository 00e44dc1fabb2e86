"""Training on sparse annotations: a generator of steps."""

import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from sparseseg.engine import other_volume
from sparseseg.engine.mixing import without_annotation
from sparseseg.engine.model import Model
from sparseseg.engine.schedule import Clock, Schedule
from sparseseg.engine.team import Team
from sparseseg.engine.trainee import Trainee
from sparseseg.errors import UserError
from sparseseg.nn.device import (
    is_out_of_memory,
)
from sparseseg.progress import Preparing, Score, Step
from sparseseg.recipes import Case, Stage
from sparseseg.recipes.cases import named
from sparseseg.recipes.memory import too_little
from sparseseg.settings.training import TrainSettings

_LOOK_SECONDS = 1.0
# Held-out slices teach as well once the network is ahead, in the longer part of a budget:
# what is left out for good is a slice that a person painted for nothing.
_JOIN = 0.4
_LATEST_JOIN = 0.7


def train(
    model: Model,
    cases: Sequence[Case],
    settings: TrainSettings,
    *,
    seconds: Callable[[], float] | None = None,
) -> Iterator[Step]:
    """Train a model in place; after every step it is ready to predict with.

    What is painted meanwhile joins within a second. Time counts only while this
    generator works, so whoever pauses it loses nothing; `seconds` may tell another time
    than the clock on the wall. Without `minutes` and `steps`
    it goes on until it is dropped. A model that was trained in stages goes on in the
    one that it had reached. Raises `UserError` if training cannot go on, and where the
    memory does not suffice.
    """
    for item in work(model, cases, settings, seconds=seconds):
        if isinstance(item, Step):
            yield item


def work(
    model: Model,
    cases: Sequence[Case],
    settings: TrainSettings,
    *,
    seconds: Callable[[], float] | None = None,
    team: Team | None = None,
) -> Iterator[Step | Preparing]:
    """Train as `train` does, and tell also of the work before and between the steps.

    No two items are far apart, so that whoever asks for them can soon be stopped. A team
    is led, and dismissed by whoever has it.
    """
    items = _items(model, cases, settings, Clock(seconds), team)
    while True:
        try:
            item = next(items, None)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(too_little(model.recipe, model.plan)) from error
        if item is None:
            return
        yield item


def _items(
    model: Model,
    cases: Sequence[Case],
    settings: TrainSettings,
    clock: Clock,
    team: Team | None,
) -> Iterator[Step | Preparing]:
    model.table = named(cases, model.table)
    stages = _stages_left(model)
    trainee = Trainee(model, cases, settings, stages[0], team, now=clock.now)
    yield from map(Preparing, trainee.look())
    clock.restart()  # a budget is for steps, not for what prepares the first one
    schedule = Schedule(settings, clock, stages)
    looks = _Looks(trainee, schedule, clock)
    for count in itertools.count(1):
        if looks.is_due:
            yield from _timed(clock, trainee.look())
            looks.wait()
        # What is never ahead before the slices join is never shown.
        join = _JOIN if trainee.held_out.is_ahead else _LATEST_JOIN
        last: Score | None = None
        if schedule.done is not None and schedule.done >= join:
            joining = trainee.join_held_out(count - 1, clock.now())
            last = yield from _timed(clock, joining)
        schedule.teaches_until(trainee.enough)
        if schedule.begins_stage():
            trainee.enter(schedule.stage)
        loss = trainee.step(schedule.rate())
        schedule.steps = count
        done = schedule.done
        scoring = trainee.held_out.score(model, trainee.seen, count, clock.now())
        score = last or (yield from _timed(clock, looks.first(scoring)))
        ending = schedule.ending if done == 1 else None
        step = Step(count, clock.now(), loss, done, score, ending=ending)
        _record(model, settings, step, schedule.stage)
        found = yield from _timed(
            clock, looks.first(trainee.sum_up(step.seconds, done))
        )
        with clock.stopped():
            yield replace(step, seconds=clock.now(), estimate=found)
        if done == 1:
            return


_Result = TypeVar("_Result")


class _Looks:
    """When to look for what was painted: about once a second, scores or not."""

    def __init__(self, trainee: Trainee, schedule: Schedule, clock: Clock) -> None:
        self._trainee, self._schedule, self._clock = trainee, schedule, clock
        self._has_dropped = False
        self.wait()

    def wait(self) -> None:
        """Let the next look be due in a second."""
        self._next = self._clock.now() + _LOOK_SECONDS

    @property
    def is_due(self) -> bool:
        """Whether it is time to look."""
        return self._clock.now() >= self._next

    def first(
        self, judging: Generator[float, None, _Result | None]
    ) -> Generator[float, None, _Result | None]:
        """Judge, but drop that for what is painted meanwhile: it is judged anew then.

        Whoever paints without a pause is told at least every second time, and what is
        judged in the end is never dropped.
        """
        while True:
            try:
                done = next(judging)
            except StopIteration as end:
                found: _Result | None = end.value
                self._has_dropped &= found is None
                return found
            if self.is_due and not self._has_dropped and self._schedule.done != 1:
                if self._trainee.is_painted_on:
                    self._has_dropped = True
                    judging.close()
                    return None
                self.wait()
            yield done


def _timed(
    clock: Clock, work: Generator[float, None, _Result]
) -> Generator[Preparing, None, _Result]:
    """Tell how far some work is, and return its result; waiting does not count."""
    while True:
        try:
            done = next(work)
        except StopIteration as end:
            result: _Result = end.value
            return result
        with clock.stopped():
            yield Preparing(done)


def _stages_left(model: Model) -> tuple[Stage, ...]:
    """Return the stage that a model has reached and those after it; shares sum to 1."""
    stages = model.recipe.stages(model.plan)
    names = [stage.name for stage in stages]
    reached = model.history.get("stage")
    left = stages[names.index(reached) if reached in names else 0 :]
    whole = sum(stage.share for stage in left)
    return tuple(replace(stage, share=stage.share / whole) for stage in left)


def _record(model: Model, settings: TrainSettings, step: Step, stage: Stage) -> None:
    model.history.update(
        settings=settings.to_json(),
        step=step.step,
        seconds=round(step.seconds, 1),
        stage=stage.name,
        without_annotation=without_annotation(model.recipe),
        # Whoever drops the generator before its last step has stopped it.
        ending=step.ending or "stopped",
    )
    if step.score is not None:
        model.history["held_out"] = step.score.to_json()
        if (found := other_volume.by_slices(step.score)) is not None:
            model.history["other_volume"] = found
