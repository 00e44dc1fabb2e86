"""The part of a process that trains under the lead of another one."""

import copy
from collections.abc import Sequence
from dataclasses import replace

from sparseseg.engine.model import Model
from sparseseg.engine.team import Lesson, Team, Word
from sparseseg.engine.trainee import Trainee
from sparseseg.recipes import Case
from sparseseg.settings.training import LARGEST_SEED, TrainSettings


def follow(
    team: Team, model: Model, cases: Sequence[Case], settings: TrainSettings
) -> None:
    """Give gradients until the leader has enough; draw other crops than all others."""
    seed = (settings.seed + team.rank) % (LARGEST_SEED + 1)
    stage = model.recipe.stages(model.plan)[0]
    follower = Follower(model, cases, replace(settings, seed=seed), stage)
    while (word := team.heard()) != Word.END:
        if word == Word.LEARN:
            follower.take(team.lesson())
            team.share(follower.network)
        else:
            follower.answer(team)


class Follower(Trainee):
    """A trainee that learns nothing for itself."""

    def take(self, lesson: Lesson) -> None:
        """Draw from now on from what a lesson leaves in."""
        self._take_in()
        assert self._model.plan.outputs == lesson.outputs
        self._stage = lesson.stage
        self._leave_out(lesson.left_out)
        self._weights = lesson.weights.to(self._device)
        self.network = copy.deepcopy(self._model.network).train()
        recipe = self._model.recipe
        recipe.enter(self.network, lesson.stage)
        self._model.precision = lesson.precision
        lesson.precision.prepare(self.network)
        self._batches = recipe.batches(self._scenes, self._rng, lesson.stage)

    def answer(self, team: Team) -> None:
        """Give the gradients of one step."""
        team.share_learning(self.network)
        team.gathered(self.network, self._learn())
