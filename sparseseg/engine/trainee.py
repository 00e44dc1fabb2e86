"""The network that learns, with all that its steps need."""

import copy
import math
from collections.abc import Collection, Generator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from sparseseg.classes import BACKGROUND
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.engine import looks, other_volume
from sparseseg.engine.anchor import Anchor
from sparseseg.engine.averaging import average, copy_fixed
from sparseseg.engine.deadline import WALL, Now, after
from sparseseg.engine.held_out import HeldOut
from sparseseg.engine.model import Model
from sparseseg.engine.score.evidence import keep_elsewhere
from sparseseg.engine.score.gathering import gather
from sparseseg.engine.score.pace import Pace
from sparseseg.engine.segment import best_method
from sparseseg.engine.team import Lesson, Team
from sparseseg.errors import UserError
from sparseseg.evaluation.estimate import DiceEstimate, estimate
from sparseseg.nn.device import choose_device, free_bytes, probe
from sparseseg.nn.losses import unlabelled_entropy
from sparseseg.progress import Score
from sparseseg.recipes import Batch, Case, Scene, Stage
from sparseseg.recipes.cases import check, named, outputs_of
from sparseseg.recipes.memory import check_training_memory
from sparseseg.settings.training import TrainSettings

_LONGEST_MEMORY = 0.99
_LARGEST_GRADIENT = 1.0
_MOST_FAILURES = 5


class Trainee:
    """The network that learns, beside the averaged one that predicts."""

    def __init__(
        self,
        model: Model,
        cases: Sequence[Case],
        settings: TrainSettings,
        stage: Stage,
        team: Team | None = None,
        *,
        now: Now = WALL,
    ) -> None:
        self._model = model
        self._team = team
        self._now = now
        self._is_taught = False  # the team, of what is learned from now
        self._cases = list(cases)
        self._rng = np.random.default_rng(settings.seed)
        torch.manual_seed(settings.seed)
        self._device = choose_device(settings.device)
        memory = free_bytes(self._device)
        if memory is not None:
            check_training_memory(model.recipe, model.plan, memory)
        model.network.to(self._device)
        self.held_out = HeldOut(settings.held_out, now=now)
        kept = model.recipe.anchored(model.network) if settings.parent else {}
        self._anchor = Anchor(kept) if kept else None
        self._wants_score, self._seed = settings.held_out, settings.seed
        self.seen = self._bare_scenes()
        self._scenes: list[Scene] = []
        self._failures = 0
        self._pace = Pace()
        self.enough: int | None = None
        self.network: nn.Module
        self._stage = stage
        self._entropy = float(model.plan.options.get("entropy", 0.0))

    def look(self) -> Generator[float, None, None]:
        """Take in what was painted since the last look, and yield how far that is."""
        # Each has to be asked: asking is what remembers the look.
        changed = [labels.changed() for _, labels in self._cases]
        if self._scenes and not any(changed):
            return
        self._take_in()
        learned = self._model.recipe.learned_axes(self.seen)
        self.held_out.choose(self.seen, learned)
        yield from self._begin(thorough=not self._scenes)

    @property
    def is_painted_on(self) -> bool:
        """Whether anything was painted since the last look, which stays to be looked at."""
        return any(labels.is_changed for _, labels in self._cases)

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
        self.held_out.release()
        yield from self._begin(thorough=False)
        judged = yield from self.held_out.score(
            self._model, self.seen, step, seconds, at_once=True
        )
        return judged or score

    def score_other_volume(self) -> Generator[float, None, None]:
        """Measure once how well a volume is known that was not learned from."""
        if not self._wants_score:
            return
        model, scenes = self._model, self._scenes
        slices = yield from other_volume.blind_elsewhere(model, scenes, self._seed)
        if not slices:
            return
        if len(scenes) > 1:
            model.history["other_volume"] = other_volume.by_volume(model, slices)
        keep_elsewhere(model.history, other_volume.elsewhere(model, scenes, slices))

    def sum_up(
        self, seconds: float, done: float | None
    ) -> Generator[float, None, DiceEstimate | None]:
        """Look from time to time, and in the end, at how good it is between slices.

        Only what the network learns from by now is left out in turn. `done` is the share of
        the training, None if it has no end.
        """
        if done == 1:
            yield from self.score_other_volume()
        if not self._wants_score or not self._pace.is_time(seconds, done):
            return None
        begin = self._now()
        labels = [labels for _, labels in self._cases]
        method = best_method(self._model, is_annotated=True)
        is_late = after(self._pace.left(seconds), self._now)
        found = yield from gather(
            self._model, self._scenes, labels, method, is_late=is_late
        )
        self._pace.looked(seconds, self._now() - begin)
        told = estimate(found)
        self._model.history["estimate"] = told.to_json()
        return told

    def enter(self, stage: Stage) -> None:
        """Begin a stage: the recipe says what learns in it, and from what."""
        self._stage, self._is_taught = stage, False
        recipe = self._model.recipe
        for network in (self._model.network, self.network):
            recipe.enter(network, stage)
        copy_fixed(self._model.network, self.network)
        self._batches = recipe.batches(self._scenes, self._rng, stage)
        batch = self._moved(next(self._batches))

        def answer(inputs: Tensor) -> Tensor:
            return recipe.logits(self.network, replace(batch, inputs=inputs))[0]

        self._model.precision = probe(self.network, batch.inputs, answer)
        self._optimizer = recipe.optimizer(self.network)
        for group in self._optimizer.param_groups:
            group["initial_lr"] = group["lr"]

    def step(self, rate: float) -> float:
        """Take one step at a share of the learning rate, and return the loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate
        if self._team is not None:
            self._lead(self._team)
        loss = self._learn()
        if self._team is not None:
            loss = self._team.gathered(self.network, loss)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        # Together, because each number that comes from a GPU waits for all of the step.
        numbers: list[float] = torch.stack([loss.detach(), norm]).tolist()
        value, size = numbers
        if math.isfinite(value) and math.isfinite(size):
            self._optimizer.step()
            self._average()
            self._failures = 0
        else:
            self._go_back(value)
        return value

    def _learn(self) -> Tensor:
        """Leave the gradients of a batch on the network, and return the loss."""
        batch = self._moved(next(self._batches))
        self.network.train()
        with self._model.precision.on(self._device):
            answers = self._model.recipe.logits(self.network, batch)
        heads = tuple(logits.float() for logits in answers)
        loss = self._model.recipe.loss(heads, batch, self._weights)
        if self._entropy > 0:
            doubt = unlabelled_entropy(heads[0], batch.target)
            loss = (1 - self._entropy) * loss + self._entropy * doubt
        self.network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _lead(self, team: Team) -> None:
        """Let the team take the next step too, and first tell it what is new."""
        lesson = Lesson(
            self._model.plan.outputs,
            [frozenset(out) for out in self.held_out.slices],
            self._stage,
            self._model.precision,
            self._weights.cpu(),
        )
        team.begin_step(self.network, None if self._is_taught else lesson)
        self._is_taught = True

    def _take_in(self) -> None:
        """See the labels as they are now."""
        outputs = outputs_of(self._cases)
        check(self._cases, outputs)
        if missing := tuple(v for v in outputs if v not in self._model.plan.outputs):
            self._grow(missing)
        self.seen = [
            scene.seeing(labels)
            for scene, (_, labels) in zip(self.seen, self._cases, strict=True)
        ]

    def _leave_out(self, slices: Sequence[Collection[AnnotatedSlice]]) -> None:
        """Learn from all slices but these of each volume."""
        self._scenes = [
            scene.without(out) for scene, out in zip(self.seen, slices, strict=True)
        ]

    def _begin(self, *, thorough: bool) -> Generator[float, None, None]:
        """Draw from the scenes as they are now; at first, also make the optimizer."""
        self._leave_out(self.held_out.slices)
        self._is_taught = False
        recipe = self._model.recipe
        counts = np.sum([scene.counts for scene in self._scenes], axis=0)
        self._weights = recipe.class_weights(counts.tolist()).to(self._device)
        self.enough = recipe.enough(self._scenes)
        if self.enough is not None and self._team is not None:
            self.enough = self._team.shared(self.enough)
        looks.record(self._model.history, self.seen)
        yield from recipe.prepare(
            self._model.network, self._scenes, self._rng, thorough=thorough
        )
        if self._anchor is not None:
            self._anchor.weigh(sum(len(scene.slices) for scene in self._scenes))
            self._anchor.pull(self._model.network)
        if hasattr(self, "network"):
            self._batches = recipe.batches(self._scenes, self._rng, self._stage)
            copy_fixed(self._model.network, self.network)
        else:
            self.network = copy.deepcopy(self._model.network).train()
            self._averaged = 0
            self.enter(self._stage)

    def _grow(self, values: tuple[int, ...]) -> None:
        known = self._model.plan.outputs
        background = tuple(value for value in values if value == BACKGROUND)
        classes = tuple(value for value in values if value != BACKGROUND)
        table = named(self._cases, self._model.table)
        self._model.grow((*background, *known, *classes), table)
        self.seen = self._bare_scenes()
        self.held_out.forget()
        self._anchor = None  # the parent knows nothing of the new classes
        if hasattr(self, "network"):
            del self.network

    def _bare_scenes(self) -> list[Scene]:
        plan = self._model.plan
        volumes = (volume for volume, _ in self._cases)
        return [Scene.of(plan, volume, device=self._device) for volume in volumes]

    def _moved(self, batch: Batch) -> Batch:
        inputs = self._model.precision.laid_out(batch.inputs.to(self._device))
        return replace(batch, inputs=inputs, target=batch.target.to(self._device))

    def _average(self) -> None:
        """Move the predicting network towards the learning one."""
        self._averaged += 1
        memory = min(_LONGEST_MEMORY, (1 + self._averaged) / (10 + self._averaged))
        average(self._model.network, self.network, memory, self._anchor)

    def _go_back(self, loss: float) -> None:
        """Return to the averaged weights at half the rate, a few times at most."""
        self._failures += 1
        if self._failures > _MOST_FAILURES:
            raise UserError(
                "training keeps failing with a loss of {loss}: look for extreme "
                "intensities in the image, or train with another recipe",
                loss=loss,
            )
        self.network.load_state_dict(self._model.network.state_dict())
        for group in self._optimizer.param_groups:
            group["initial_lr"] /= 2
