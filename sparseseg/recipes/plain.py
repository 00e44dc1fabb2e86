"""What most recipes do alike."""

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sparseseg.boxes import Box, Triple
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.errors import UserError
from sparseseg.recipes.cases import Case
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.recipe import WHOLE, Stage, Trained, Work
from sparseseg.recipes.scene import Scene
from sparseseg.settings.cards import Card


class Plain:
    """What a recipe does that has one stage, cannot be pruned, and answers at once."""

    card: Card
    is_exact = False
    is_guided = False
    has_classifiers = False

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network alone; each recipe has its own arguments."""
        raise NotImplementedError

    def network(self, plan: Plan) -> nn.Module:
        """Build the network of a plan."""
        return self.module(plan.channels, len(plan.outputs), **plan.network)

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Return (k, z, y, x) for a box; each recipe has its own way."""
        raise NotImplementedError

    def answers(self, network: nn.Module) -> bool:
        """Learn from steps alone."""
        return False

    def trees(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Have none: only recipes with classifiers are asked."""
        raise NotImplementedError

    def favoured(self, network: nn.Module, natural: Tensor, *, beside: bool) -> Tensor:
        """Leave it as it is."""
        return natural

    def favour(self, network: nn.Module, *, beside: bool) -> float:
        """Favour nothing: there is no forest."""
        return 0.0

    def shifted(
        self, network: nn.Module, scene: Scene
    ) -> Generator[float, None, Tensor | None]:
        """Expect nothing else in other volumes."""
        yield from ()
        return None

    def told_by_grey(self, network: nn.Module) -> float:
        """Trust grey values: nothing was left out."""
        return 1.0

    def tile_bytes(
        self, plan: Plan, size: Triple, spacing: tuple[float, float, float]
    ) -> int:
        """Return what sums over windows and their copies take, in single precision."""
        z, y, x = size
        return z * y * x * 4 * (3 * len(plan.outputs) + 2 * plan.channels)

    def work(self, network: nn.Module, scene: Scene, box: Box) -> Work:
        """Answer at once."""
        yield from ()
        return self.probabilities(network, scene, box)

    def decided(
        self, plan: Plan, probabilities: NDArray[np.float32]
    ) -> NDArray[np.intp]:
        """Return the likeliest output."""
        found: NDArray[np.intp] = probabilities.argmax(0)
        return found

    def depths(self, plan: Plan) -> tuple[int, ...]:
        """Return none."""
        return ()

    def pruned(self, plan: Plan, depth: int) -> Plan:
        """Leave the plan as it is: there is one depth."""
        return plan

    def stages(self, plan: Plan) -> tuple[Stage, ...]:
        """Train all in one."""
        return WHOLE

    def enter(self, network: nn.Module, stage: Stage) -> None:
        """Let all weights learn that are meant to."""

    def learned_axes(self, scenes: Sequence[Scene]) -> Collection[int]:
        """Learn from all slices."""
        return range(3)

    def patches(self, plan: Plan) -> Iterator[Triple]:
        """Yield none: a step learns from crops."""
        yield from ()

    def start(self, network: nn.Module, plan: Plan) -> None:
        """Start from the fresh weights."""

    def adopt(
        self, parent: Trained, cases: Sequence[Case], options: Mapping[str, str]
    ) -> Trained:
        """Go on with the parent, which keeps its options."""
        if options:
            raise UserError(
                "the model follows the recipe {name}, and a further training "
                "keeps its options: leave --option out",
                name=self.card.name,
            )
        return parent

    def anchored(self, network: nn.Module) -> dict[str, Tensor]:
        """Keep none."""
        return {}

    def enough(self, scenes: Sequence[Scene]) -> int | None:
        """Go on as long as there is time."""
        return None

    def prepare(
        self,
        network: nn.Module,
        scenes: Sequence[Scene],
        rng: np.random.Generator,
        *,
        thorough: bool = True,
    ) -> Iterator[float]:
        """Do nothing: all weights are trained by steps."""
        yield from ()

    def unseen(
        self,
        network: nn.Module,
        scenes: Sequence[Scene],
        place: int,
        *,
        guiding: Collection[AnnotatedSlice],
    ) -> Tensor | None:
        """Return None: the whole network sees all slices."""
        return None

    def unseen_trees(
        self, network: nn.Module, scenes: Sequence[Scene], places: Sequence[int]
    ) -> list[Tensor]:
        """Return nothing: there is no forest."""
        return []
