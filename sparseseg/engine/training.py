"""Training on sparse annotations: a generator of steps."""

import copy
import itertools
import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sparseseg.engine import looks, other_volume
from sparseseg.engine.held_out import HeldOut
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.nn.device import (
    choose_device,
    free_bytes,
    is_out_of_memory,
    probe,
)
from sparseseg.nn.losses import unlabelled_entropy
from sparseseg.progress import Preparing, Score, Step
from sparseseg.recipes import Batch, Case, Scene, Stage
from sparseseg.recipes.cases import check, named, outputs_of
from sparseseg.recipes.memory import check_memory, too_little
from sparseseg.settings.training import TrainSettings

_LOOK_SECONDS = 1.0
_WARM_UP_STEPS = 20
_LAST_RATE = 0.02
_ENDLESS_RATE = 0.5
_LONGEST_MEMORY = 0.99
_LARGEST_GRADIENT = 1.0
_MOST_FAILURES = 5
# Without a budget, stages but the last take their share of so many seconds.
_STAGED_SECONDS = 600.0
# Held-out slices teach as well once the network is ahead, in the longer part of a budget:
# what is left out for good is a slice that a person painted for nothing.
_JOIN = 0.4
_LATEST_JOIN = 0.7


def train(
    model: Model, cases: Sequence[Case], settings: TrainSettings
) -> Iterator[Step]:
    """Train a model in place; after every step it is ready to predict with.

    What is painted meanwhile joins within a second. Time counts only while this
    generator works, so whoever pauses it loses nothing. Without `minutes` and `steps`
    it goes on until it is dropped. A model that was trained in stages goes on in the
    one that it had reached. Raises `UserError` if training cannot go on, and where the
    memory does not suffice.
    """
    for item in work(model, cases, settings):
        if isinstance(item, Step):
            yield item


def work(
    model: Model, cases: Sequence[Case], settings: TrainSettings
) -> Iterator[Step | Preparing]:
    """Train as `train` does, and tell also of the work before and between the steps.

    No two items are far apart, so that whoever asks for them can soon be stopped.
    """
    items = _items(model, cases, settings)
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
    model: Model, cases: Sequence[Case], settings: TrainSettings
) -> Iterator[Step | Preparing]:
    model.table = named(cases, model.table)
    stages = _stages_left(model)
    trainee = _Trainee(model, cases, settings, stages[0])
    yield from map(Preparing, trainee.look())
    # A budget is for steps: what prepares the first one is not taken from it.
    clock = _Clock()
    schedule = _Schedule(settings, clock, stages)
    look = clock.now() + _LOOK_SECONDS
    for count in itertools.count(1):
        if clock.now() >= look:
            yield from _timed(clock, trainee.look())
            look = clock.now() + _LOOK_SECONDS
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
        score = last or (yield from _timed(clock, scoring))
        model.history["stage"] = schedule.stage.name
        _record(model, settings, count, clock.now(), score)
        if done is not None and done >= 1:
            yield from _timed(clock, trainee.score_other_volume())
        with clock.stopped():
            yield Step(count, clock.now(), loss, done, score)
        if done is not None and done >= 1:
            return


_Result = TypeVar("_Result")


def _timed(
    clock: "_Clock", work: Generator[float, None, _Result]
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


def _record(
    model: Model,
    settings: TrainSettings,
    step: int,
    seconds: float,
    score: Score | None,
) -> None:
    model.history.update(
        settings=settings.to_json(), step=step, seconds=round(seconds, 1)
    )
    if score is not None:
        model.history["held_out"] = score.to_json()
        if (found := other_volume.by_slices(score)) is not None:
            model.history["other_volume"] = found


class _Clock:
    """The seconds that a generator has worked, without those it was left waiting."""

    def __init__(self) -> None:
        self._worked = 0.0
        self._since: float | None = time.perf_counter()

    def now(self) -> float:
        running = 0.0 if self._since is None else time.perf_counter() - self._since
        return self._worked + running

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self._worked, self._since = self.now(), None
        try:
            yield
        finally:
            self._since = time.perf_counter()


class _Schedule:
    """How far a budget is spent, and the learning rate that this calls for."""

    def __init__(
        self, settings: TrainSettings, clock: _Clock, stages: Sequence[Stage]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._stages = stages
        self._ends = [*itertools.accumulate(stage.share for stage in stages)][:-1]
        self._place = 0
        self._first = 0
        self._since = 0
        self._enough: int | None = None
        self.steps = 0

    def teaches_until(self, enough: int | None) -> None:
        """Take in how many steps the labels that there are now are good for."""
        if enough != self._enough:
            self._enough, self._since = enough, self.steps

    @property
    def done(self) -> float | None:
        """The spent share of the budget, None if there is none."""
        if self._settings.steps is not None:
            return min(1.0, self.steps / self._settings.steps)
        if self._settings.minutes is None:
            return None
        time = self._clock.now() / (60 * self._settings.minutes)
        learned = self.steps / self._enough if self._enough else 0.0
        return min(1.0, max(time, learned))

    @property
    def stage(self) -> Stage:
        """The stage that is on."""
        return self._stages[self._place]

    def begins_stage(self) -> bool:
        """Go on to the stage whose time has come, and tell whether it is another."""
        done = self.done
        if done is None:
            done = self._clock.now() / _STAGED_SECONDS
        place = sum(done >= end for end in self._ends)
        if place == self._place:
            return False
        self._place, self._first = place, self.steps
        return True

    def rate(self) -> float:
        """Return the share of the recipe's learning rate: warm-up, then a half cosine.

        Each stage has its own.
        """
        warm = min(1.0, (self.steps + 1 - self._first) / _WARM_UP_STEPS)
        done = self.done
        if done is None:
            return warm * self._endless_rate()
        begin = ([0.0, *self._ends])[self._place]
        through = min(1.0, max(0.0, done - begin) / self.stage.share)
        return warm * _falling(through)

    def _endless_rate(self) -> float:
        """Return the rate without a budget: it falls, and rises when strokes join."""
        if self._enough is None:
            return _ENDLESS_RATE
        through = min(1.0, (self.steps - self._since) / self._enough)
        return _falling(through)


def _falling(through: float) -> float:
    """Return a half cosine from 1 to the last rate."""
    cosine = 0.5 + 0.5 * math.cos(math.pi * through)
    return _LAST_RATE + (1 - _LAST_RATE) * cosine


class _Trainee:
    """The network that learns, beside the averaged one that predicts."""

    def __init__(
        self,
        model: Model,
        cases: Sequence[Case],
        settings: TrainSettings,
        stage: Stage,
    ) -> None:
        self._model = model
        self._cases = list(cases)
        self._rng = np.random.default_rng(settings.seed)
        torch.manual_seed(settings.seed)
        self._device = choose_device(settings.device)
        memory = free_bytes(self._device)
        if memory is not None:
            check_memory(model.recipe, model.plan, memory)
        model.network.to(self._device)
        self.held_out = HeldOut(settings.held_out)
        self._wants_score, self._seed = settings.held_out, settings.seed
        self.seen = self._bare_scenes()
        self._scenes: list[Scene] = []
        self._failures = 0
        self.enough: int | None = None
        self._network: nn.Module
        self._stage = stage
        self._entropy = float(model.plan.options.get("entropy", 0.0))

    def look(self) -> Generator[float, None, None]:
        """Take in what was painted since the last look, and yield how far that is."""
        # Each has to be asked: asking is what remembers the look.
        changed = [labels.changed() for _, labels in self._cases]
        if self._scenes and not any(changed):
            return
        outputs = outputs_of(self._cases)
        check(self._cases, outputs)
        if missing := tuple(v for v in outputs if v not in self._model.plan.outputs):
            self._grow(missing)
        self.seen = [
            scene.seeing(labels)
            for scene, (_, labels) in zip(self.seen, self._cases, strict=True)
        ]
        self.held_out.choose(self.seen)
        yield from self._begin(thorough=not self._scenes)

    def join_held_out(
        self, step: int, seconds: float
    ) -> Generator[float, None, Score | None]:
        """Learn from the held-out slices as well, and return their last score."""
        if not any(self.held_out.slices):
            return None
        score = yield from self.held_out.score(
            self._model, self.seen, step, seconds, at_once=True
        )
        if scores := self.held_out.by_depth(self._model, self.seen):
            self._model.history["held_out_by_depth"] = scores
        temperature = self.held_out.temperature(self._model, self.seen)
        if temperature is not None:
            self._model.history["temperature"] = temperature
        if self.held_out.release():
            yield from self._begin(thorough=True)
        return score

    def score_other_volume(self) -> Generator[float, None, None]:
        """Measure once how well a volume is known that was not learned from."""
        if self._wants_score and len(self.seen) > 1:
            work = other_volume.by_volume(self._model, self.seen, self._seed)
            if (found := (yield from work)) is not None:
                self._model.history["other_volume"] = found

    def enter(self, stage: Stage) -> None:
        """Begin a stage: the recipe says what learns in it, and from what."""
        self._stage = stage
        recipe = self._model.recipe
        for network in (self._model.network, self._network):
            recipe.enter(network, stage)
        _copy_fixed(self._model.network, self._network)
        self._batches = recipe.batches(self._scenes, self._rng, stage)
        batch = self._moved(next(self._batches))

        def answer(inputs: Tensor) -> Tensor:
            return recipe.logits(self._network, replace(batch, inputs=inputs))[0]

        self._model.precision = probe(self._network, batch.inputs, answer)
        self._optimizer = recipe.optimizer(self._network)
        for group in self._optimizer.param_groups:
            group["initial_lr"] = group["lr"]

    def step(self, rate: float) -> float:
        """Take one step at a share of the learning rate, and return the loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate
        batch = self._moved(next(self._batches))
        self._network.train()
        with self._model.precision.on(self._device):
            answers = self._model.recipe.logits(self._network, batch)
        heads = tuple(logits.float() for logits in answers)
        loss = self._model.recipe.loss(heads, batch, self._weights)
        if self._entropy > 0:
            doubt = unlabelled_entropy(heads[0], batch.target)
            loss = (1 - self._entropy) * loss + self._entropy * doubt
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._network.parameters(), _LARGEST_GRADIENT)
        value = loss.item()
        if math.isfinite(value) and bool(torch.isfinite(norm)):
            self._optimizer.step()
            self._average()
            self._failures = 0
        else:
            self._go_back(value)
        return value

    def _begin(self, *, thorough: bool) -> Generator[float, None, None]:
        """Draw from the scenes as they are now; at first, also make the optimizer."""
        slices = self.held_out.slices
        self._scenes = [
            scene.without(out) for scene, out in zip(self.seen, slices, strict=True)
        ]
        recipe = self._model.recipe
        counts = np.sum([scene.counts for scene in self._scenes], axis=0)
        self._weights = recipe.class_weights(counts.tolist()).to(self._device)
        self.enough = recipe.enough(self._scenes)
        looks.record(self._model.history, self.seen)
        yield from recipe.prepare(
            self._model.network, self._scenes, self._rng, thorough=thorough
        )
        if hasattr(self, "_network"):
            self._batches = recipe.batches(self._scenes, self._rng, self._stage)
            _copy_fixed(self._model.network, self._network)
        else:
            self._network = copy.deepcopy(self._model.network).train()
            self._averaged = 0
            self.enter(self._stage)

    def _grow(self, values: tuple[int, ...]) -> None:
        table = named(self._cases, self._model.table)
        self._model.grow((*self._model.plan.outputs, *values), table)
        self.seen = self._bare_scenes()
        if hasattr(self, "_network"):
            del self._network

    def _bare_scenes(self) -> list[Scene]:
        plan = self._model.plan
        volumes = (volume for volume, _ in self._cases)
        return [Scene.of(plan, volume, device=self._device) for volume in volumes]

    def _moved(self, batch: Batch) -> Batch:
        inputs = self._model.precision.laid_out(batch.inputs.to(self._device))
        return replace(batch, inputs=inputs, target=batch.target.to(self._device))

    def _average(self) -> None:
        """Move the predicting network towards the learning one (Polyak averaging)."""
        self._averaged += 1
        memory = min(_LONGEST_MEMORY, (1 + self._averaged) / (10 + self._averaged))
        networks = self._model.network.parameters(), self._network.parameters()
        learning = [
            pair for pair in zip(*networks, strict=True) if pair[1].requires_grad
        ]
        means, new = zip(*learning, strict=True)
        with torch.no_grad():
            # At once: a large network has hundreds of small tensors.
            torch._foreach_lerp_(means, new, 1 - memory)
            for buffers in zip(
                self._model.network.buffers(), self._network.buffers(), strict=True
            ):
                buffers[0].copy_(buffers[1])

    def _go_back(self, loss: float) -> None:
        """Return to the averaged weights at half the rate, a few times at most."""
        self._failures += 1
        if self._failures > _MOST_FAILURES:
            raise UserError(
                f"training keeps failing with a loss of {loss}: look for extreme "
                "intensities in the image, or train with another recipe"
            )
        self._network.load_state_dict(self._model.network.state_dict())
        for group in self._optimizer.param_groups:
            group["initial_lr"] /= 2


def _copy_fixed(source: nn.Module, target: nn.Module) -> None:
    """Copy what steps do not train: frozen weights and buffers."""
    with torch.no_grad():
        for new, old in zip(source.parameters(), target.parameters(), strict=True):
            if not new.requires_grad:
                old.copy_(new)
        for fixed, copied in zip(source.buffers(), target.buffers(), strict=True):
            copied.copy_(fixed)
