"""What every recipe offers to the engine."""

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from sparseseg.boxes import Box, Triple
from sparseseg.classes import ClassTable
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.recipes.cases import Case
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.scene import Scene
from sparseseg.settings.cards import Card
from sparseseg.settings.options import Options

Heads = tuple[Tensor, ...]
"""Logits of each supervised head, the one that predicts first."""
Work = Generator[tuple[int, int], None, Tensor]
"""Yields how many parts of how many are done, and returns the answer."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one training step sees."""

    inputs: Tensor
    """(n, c, ...), float32."""
    target: Tensor
    """(n, ...), int64: the index of the output, or IGNORE where unlabelled."""
    fold: int | None = None
    """The fold of the slices in this batch, if the recipe fits in folds."""
    asked: Tensor | None = None
    """(m), the indices of the outputs that are asked for, if those are not all; then a
    target is an index into them."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training, in which other weights learn than in the next."""

    name: str
    share: float
    """Of the budget; those of all stages sum to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained network, with its plan and the classes that it tells apart."""

    plan: Plan
    network: nn.Module
    table: ClassTable


WHOLE = (Stage("whole", 1.0),)


class Learning(Protocol):
    """How a recipe plans and trains its network; without state, shared by all models."""

    def plan(
        self, cases: Sequence[Case], outputs: Sequence[int], options: Options
    ) -> Plan:
        """Decide sizes, spacing and grey curves from the training volumes."""

    def start(self, network: nn.Module, plan: Plan) -> None:
        """Set the weights that a new model starts from, if a person gave some."""

    def adopt(
        self, parent: Trained, cases: Sequence[Case], options: Mapping[str, str]
    ) -> Trained:
        """Return what a training that goes on from a parent starts with.

        It is the parent itself where nothing of it has to change. Raises `UserError`
        for options that cannot be chosen any more.
        """

    def stages(self, plan: Plan) -> tuple[Stage, ...]:
        """Return the stages of the training, in order."""

    def enter(self, network: nn.Module, stage: Stage) -> None:
        """Wire a network for a stage, and let those weights learn that do."""

    def prepare(
        self,
        network: nn.Module,
        scenes: Sequence[Scene],
        rng: np.random.Generator,
        *,
        thorough: bool = True,
    ) -> Iterator[float]:
        """Set what is not trained by steps; called whenever annotation changed.

        Not `thorough` means that strokes join a running training: be quick. Yields now
        and then how far it is (0..1).
        """

    def unseen(
        self,
        network: nn.Module,
        scenes: Sequence[Scene],
        place: int,
        *,
        guiding: Collection[AnnotatedSlice],
    ) -> Tensor | None:
        """Return what parts of a network say of a slice that they have not seen.

        `place` counts the slices of all scenes. It is (k, rows, columns), with guidance
        by those slices of `guiding` that are others, and means something where the slice
        is labelled; None where nothing is blind to a slice.
        """

    def unseen_trees(
        self, network: nn.Module, scenes: Sequence[Scene], places: Sequence[int]
    ) -> list[Tensor]:
        """Return what a random forest says of slices that it grew without.

        `places` count the slices of all scenes; each answer is (k, rows, columns), and means
        something where the slice is labelled. There is none where no other slice is left, and where the recipe is not guided.
        """

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator, stage: Stage
    ) -> Iterator[Batch]:
        """Yield training batches without end, drawn where something is labelled."""

    def learned_axes(self, scenes: Sequence[Scene]) -> Collection[int]:
        """Return the axes across which slices are learned from."""

    def patches(self, plan: Plan) -> Iterator[Triple]:
        """Yield the patches that a step may learn from, from the plan's own down.

        Yields none where a step takes little memory whatever the volume.
        """

    def anchored(self, network: nn.Module) -> dict[str, Tensor]:
        """Return the weights that a further training keeps near those of its parent.

        There are none where a mean of old and new weights would not answer, or is not
        known to be better.
        """

    def enough(self, scenes: Sequence[Scene]) -> int | None:
        """Return after how many steps these labels teach nothing more, if ever."""

    def logits(self, network: nn.Module, batch: Batch) -> Heads:
        """Return what the network says of a batch while it learns."""

    def loss(self, heads: Heads, batch: Batch, weights: Tensor) -> Tensor:
        """Return the loss; `weights` are those of the classes."""

    def class_weights(self, counts: Sequence[int]) -> Tensor:
        """Return the weight of each output from its labelled voxels."""

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Return the optimizer of what learns now, at its highest learning rate."""


class Answering(Protocol):
    """How a trained network of a recipe answers for any box of a volume."""

    is_exact: bool
    """Whether it predicts in single precision, to equal the library it came from."""
    is_guided: bool
    """Whether the annotation of a volume leads the prediction of that volume."""
    has_classifiers: bool
    """Whether voxel-wise classifiers stand beside the network: a forest, and those that
    are blind to a slice that is learned from."""

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network alone, for so many image channels."""

    def network(self, plan: Plan) -> nn.Module:
        """Build the network with fresh weights."""

    def tile(self, plan: Plan, shape: Triple) -> Triple:
        """Return how many voxels z, y, x a tile writes at most."""

    def tile_bytes(
        self, plan: Plan, size: Triple, spacing: tuple[float, float, float]
    ) -> int:
        """Return about how many bytes it takes to predict a tile.

        `spacing` is the voxel size in the unit of the plan.
        """

    def reads(self, network: nn.Module, scene: Scene, box: Box) -> Box:
        """Return the voxels of the volume that the answer for a box depends on."""

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Return (k, z, y, x) for a box."""

    def answers(self, network: nn.Module) -> bool:
        """Tell whether a network says something before it has learned from any step."""

    def trees(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Return how frequent a random forest says that outputs are (k, z, y, x)."""

    def favoured(self, network: nn.Module, natural: Tensor, *, beside: bool) -> Tensor:
        """Favour rare outputs in what a forest says (k, ...); more `beside` a network."""

    def favour(self, network: nn.Module, *, beside: bool) -> float:
        """Return the power of how frequent an output is, that the favoured is over."""

    def shifted(
        self, network: nn.Module, scene: Scene
    ) -> Generator[float, None, Tensor | None]:
        """Return by what (k) to multiply outputs in a volume that nobody annotated.

        They may be more frequent there than where the network learned, or less. None where
        that is not asked; yields how far it is.
        """

    def told_by_grey(self, network: nn.Module) -> float:
        """Return how well grey values alone tell the classes apart, 0..1: a mean IoU."""

    def work(self, network: nn.Module, scene: Scene, box: Box) -> Work:
        """Return the probabilities bit by bit, where a box takes long."""

    def decided(
        self, plan: Plan, probabilities: NDArray[np.float32]
    ) -> NDArray[np.intp]:
        """Return the index of the output that each voxel (k, z, y, x) is."""


class Pruning(Protocol):
    """How a trained network is made smaller."""

    def depths(self, plan: Plan) -> tuple[int, ...]:
        """Return the depths that a trained network can be pruned to, if it can."""

    def pruned(self, plan: Plan, depth: int) -> Plan:
        """Return the plan of a network pruned to one of its depths."""


class Recipe(Learning, Answering, Pruning, Protocol):
    """One published system as a whole."""

    card: Card
    """What a person has to know of it, and may choose."""
