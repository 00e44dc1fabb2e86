"""Models that came from elsewhere, as a recipe: predict as they do, train further."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from sparseseg.boxes import Box, Triple
from sparseseg.errors import UserError
from sparseseg.nn import losses
from sparseseg.recipes.cases import Case
from sparseseg.recipes.plain import Plain
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.pretrained import networks, patches, prediction, start
from sparseseg.recipes.pretrained.folds import Folds
from sparseseg.recipes.pretrained.preparation import inference_of
from sparseseg.recipes.recipe import Batch, Heads, Stage, Trained, Work
from sparseseg.recipes.scene import Scene
from sparseseg.settings.cards import PRETRAINED
from sparseseg.settings.options import Options, read_options
from sparseseg.work import result_of

# Of the first level that are there at once in a forward pass: measured on the usual
# networks of nnU-Net, 64 to 128 voxels a side.
_ACTIVATIONS = 6.5
_SUM_BYTES = 6  # in half precision, with a copy while they are resampled
_ANSWER_BYTES = 32  # in double precision between two axes, then single, turned
_ENCODER_RATES = {"full": 1.0, "slow": 0.1, "frozen": 0.0}


class PretrainedRecipe(Plain):
    """A network, and the way that its own library applies it.

    It has no training from nothing. From a model that is there, with the voxel size,
    grey values and axes of its own training, it learns on patches round labelled
    voxels: cross-entropy and Dice over labelled voxels (nnU-Net's sum, masked), each
    coarser head weighing half of the finer one, the coarsest nothing. On unlabelled voxels
    it goes on saying what it said at the start, of the outputs that it knew then.
    """

    card = PRETRAINED
    is_exact = True

    def plan(
        self, cases: Sequence[Case], outputs: Sequence[int], options: Options
    ) -> Plan:
        """Refuse: there is nothing to start from."""
        raise UserError(
            "the recipe pretrained starts from a model: give one with --from, "
            "`sparseseg models list` names them"
        )

    def adopt(
        self, parent: Trained, cases: Sequence[Case], options: Mapping[str, str]
    ) -> Trained:
        """Take over all weights, and of the heads the rows of classes that are known.

        Raises `UserError` for a network that only predicts here.
        """
        if not networks.learns(parent.plan.network):
            raise UserError(
                "this model can predict, but not be trained further: its network is one "
                "of MONAI or ONNX; start from another model, or from nothing"
            )
        chosen = read_options(self.card.options, options).to_json()
        plan, table, rows = start.planned(parent, cases, chosen)
        network = self.network(plan)
        start.take_over(network, parent.network, rows)
        return Trained(plan, network, table)

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the networks of `folds`; see `networks.made` for the others."""
        count = int(options["folds"])
        every = [networks.made(channels, outputs, options) for _ in range(count)]
        return Folds(every, encoder_rate=float(options.get("encoder_rate", 1.0)))

    def network(self, plan: Plan) -> nn.Module:
        """Build the networks of a plan; of regions, the background has no output."""
        regions = inference_of(plan).regions
        rate = _ENCODER_RATES[str(plan.options.get("encoder", "full"))]
        outputs = len(plan.outputs) - regions
        return self.module(plan.channels, outputs, **plan.network, encoder_rate=rate)

    def enter(self, network: nn.Module, stage: Stage) -> None:
        """Let the encoder learn or not, as was chosen."""
        _folds(network).freeze()

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator, stage: Stage
    ) -> Iterator[Batch]:
        """Yield one augmented patch a step."""
        yield from patches.batches(scenes, rng)

    def logits(self, network: nn.Module, batch: Batch) -> Heads:
        """Return the logits of all heads, full resolution first, and the teacher's."""
        heads: Heads = network(batch.inputs)
        return (*heads, _folds(network).taught(batch.inputs))

    def loss(self, heads: Heads, batch: Batch, weights: Tensor) -> Tensor:
        """Return the weighted sum over the heads, and the agreement with the teacher."""
        *own, teacher = heads
        counting = own[: max(1, len(own) - 1)]
        shares = [2.0**-place for place in range(len(counting))]
        parts = [
            share
            / sum(shares)
            * losses.cross_entropy_dice(
                head,
                losses.coarse_target(batch.target, head.shape[2:], head.shape[1]),
                weights,
            )
            for share, head in zip(shares, counting, strict=True)
        ]
        kept = losses.unlabelled_agreement(own[0], teacher, batch.target)
        return torch.stack(parts).sum() + kept

    def class_weights(self, counts: Sequence[int]) -> Tensor:
        """Return equal weights, as nnU-Net has them."""
        return losses.class_weights(counts, power=0.0)

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Return AdamW, under which rows of classes that are new learn faster."""
        return _folds(network).optimizer()

    def tile(self, plan: Plan, shape: Triple) -> Triple:
        """Take the whole volume: windows stand where all of it says."""
        return shape

    def reads(self, network: nn.Module, scene: Scene, box: Box) -> Box:
        """Read the whole volume: its grey values are normalised by all of it."""
        return Box.whole(scene.volume.shape)

    def tile_bytes(
        self, plan: Plan, size: Triple, spacing: tuple[float, float, float]
    ) -> int:
        """Return what a window, the sums over windows and their resampling take."""
        voxels, outputs = int(np.prod(size)), len(plan.outputs)
        finer = np.prod(np.divide(spacing, plan.spacing))
        sums = voxels * max(1.0, float(finer)) * _SUM_BYTES * (outputs + 1)
        width = networks.width_of(plan.network)
        window = _ACTIVATIONS * width * int(np.prod(plan.patch)) * 4
        return int(window + sums + voxels * outputs * _ANSWER_BYTES)

    def work(self, network: nn.Module, scene: Scene, box: Box) -> Work:
        """Return the probabilities of a box, window by window."""
        mirror = bool(scene.plan.options.get("mirror", True))
        every = [*_folds(network).folds]
        return prediction.probabilities(every, scene, box, mirror=mirror)

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Return (k, z, y, x) for a box, all at once."""
        return result_of(self.work(network, scene, box))

    def decided(
        self, plan: Plan, probabilities: NDArray[np.float32]
    ) -> NDArray[np.intp]:
        """Return the likeliest output; of regions, the last that is likely."""
        if inference_of(plan).regions:
            return prediction.painted(probabilities)
        return super().decided(plan, probabilities)


def _folds(network: nn.Module) -> Folds:
    assert isinstance(network, Folds)
    return network
