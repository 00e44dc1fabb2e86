"""The interactive default: a U-Net over three views, led by filters and annotation."""

from collections.abc import Collection, Generator, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from sparseseg.boxes import Box, Triple
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.nn import losses
from sparseseg.nn.device import pays_fused
from sparseseg.nn.filters import filter_count, filter_grid
from sparseseg.nn.guided_unet import GuidedUNet
from sparseseg.nn.trees import DEPTH, TOGETHER
from sparseseg.recipes.balanced import balanced_curves, rules_for
from sparseseg.recipes.cases import Case
from sparseseg.recipes.plain import Plain
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.planes import view_weights
from sparseseg.recipes.recipe import Batch, Heads, Stage, Work
from sparseseg.recipes.scene import Scene
from sparseseg.recipes.three_view import features, frequencies, slices, views
from sparseseg.recipes.three_view.favour import favour_rare
from sparseseg.recipes.three_view.surroundings import hidden_channels
from sparseseg.settings.cards import ThreeViewOptions, card
from sparseseg.settings.options import Options
from sparseseg.work import result_of, retold

_RATE = 2e-3
_FIT_STEPS = 400
# When strokes join a running training it has to learn from them within seconds.
_REFIT_SHARE = 5
_BLIND_SHARE, _BLIND_REFIT_SHARE = 4, 64  # of what is blind to a fold
_PASSES = 400  # over the labelled pixels
_FEWEST_STEPS = 200
_FILTERING = 0.3  # of the time of preparing
_BANK_BYTES = 400 * 2**20  # while the filters of one part are made
_TILE_VOXELS = 6_000_000


class ThreeViewRecipe(Plain):
    """Ours, built to learn within the first minute.

    A voxel is looked at in up to three planes, each by the same 2-D U-Net, and the three
    answers are averaged; depth comes in through 3-D filters at four octaves and through
    two neighbouring planes on each side. On the annotated slices all voxels have labels,
    so that a step learns from every voxel that it computes; a 3-D patch of the same cost
    holds a tenth of them. Guidance (`sparseseg.recipes.guidance`) tells the voxel-wise
    classifier what all other annotated slices say, and the U-Net what those say that
    cross its plane. A slice that is learned from does not guide itself, but an imagined
    neighbour of it does (`imagined`).
    """

    card = card("three-view")
    is_guided = True
    has_classifiers = True

    def plan(
        self, cases: Sequence[Case], outputs: Sequence[int], options: Options
    ) -> Plan:
        """Fit grey curves that give each annotated class its share of the contrast."""
        assert isinstance(options, ThreeViewOptions)
        volume = cases[0][0]
        rules = rules_for(cases, options.grey)
        return Plan(
            recipe=self.card.name,
            outputs=tuple(outputs),
            spacing=volume.spacing,
            unit=volume.unit,
            curves=balanced_curves(cases, outputs, rules),
            grey=rules,
            patch=(slices.CROP, slices.CROP, slices.CROP),
            # Where things lie in one volume may not hold for another: two have to show it.
            network={
                "widths": list(views.WIDTHS),
                "coordinates": len(cases) > 1,
                "bank": features.BANK,
                "depth": DEPTH,
            },
            options=options.to_json(),
        )

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network alone, for so many image channels.

        With `coordinates` it is told where in the foreground a voxel lies. `bank` says
        which filters it looks at, `depth` after how many cuts trees answer.
        """
        options = {"widths": views.WIDTHS, **options}
        options.pop("bank", None)
        alone = channels * filter_count()
        alone += 3 if options.pop("coordinates", False) else 0
        return GuidedUNet(
            alone + 1 + outputs,
            channels * len(features.NEIGHBOURS) + 1 + outputs,
            outputs,
            alone=alone,
            **options,
        )

    def prepare(
        self,
        network: nn.Module,
        scenes: Sequence[Scene],
        rng: np.random.Generator,
        *,
        thorough: bool = True,
    ) -> Iterator[float]:
        """Fit the voxel-wise classifier, and let each annotated view count."""
        assert isinstance(network, GuidedUNet)
        network.views.copy_(torch.tensor(view_weights(scenes)))
        for scene in scenes:
            for done in features.kept(scene):
                yield done * _FILTERING
        slices.forget_others(scenes)
        drawn = slices.training_slices(scenes)
        for one in drawn:
            yield _FILTERING
            _ = one.features
        is_first, trees = not network.is_fitted, network.trees
        if thorough or is_first:
            choice = hidden_channels(drawn, trees, scenes[0].plan, rng)
            trees.deal((yield from retold(choice, lambda _: _FILTERING)))
        if is_first:
            network.hidden.copy_(trees.hidden.all(0))
        pixels, target, folds = slices.labelled_pixels(drawn, rng)
        is_begun = network.has_blind and not thorough
        few = _BLIND_REFIT_SHARE if is_begun else _BLIND_SHARE
        steps = _FIT_STEPS if thorough else max(1, _FIT_STEPS // _REFIT_SHARE)
        blind = max(1, _FIT_STEPS // few)
        fitting = network.fit_voxelwise(
            pixels, target, folds, steps=steps, blind=blind, rng=rng
        )
        for done in fitting:
            yield _FILTERING + (1 - _FILTERING) * done
        growing = self._grow_trees(
            network, scenes, drawn, rng, favours=thorough or is_first
        )
        yield from retold(growing, lambda _: 1.0)

    def _grow_trees(
        self,
        network: GuidedUNet,
        scenes: Sequence[Scene],
        drawn: Sequence[slices.TrainingSlice],
        rng: np.random.Generator,
        *,
        favours: bool,
    ) -> Generator[object, None, None]:
        """Grow the trees; `favours` says to choose how much they favour what is rare, too."""
        trees = network.trees
        trees.fit(*slices.balanced_pixels(drawn, slices.TREE_PIXELS, rng), rng)
        if favours:
            yield from favour_rare(drawn, trees, scenes, rng)
        ask = partial(self.trees, network)
        yield from frequencies.expect_frequencies(scenes, trees, ask)

    def unseen(
        self,
        network: nn.Module,
        scenes: Sequence[Scene],
        place: int,
        *,
        guiding: Collection[AnnotatedSlice],
    ) -> Tensor | None:
        """Return what the classifier says that is blind to a slice, where it is labelled.

        Where there is one slice only, nothing is blind to it.
        """
        assert isinstance(network, GuidedUNet)
        drawn = slices.training_slices(scenes)
        if len(drawn) < 2:
            return None
        one = drawn[place]
        planes = one.inputs(one.whole, [p for p in one.others if p.where in guiding])
        with torch.inference_mode():
            pixels = network.voxelwise(
                one.labelled_of(planes)[None, ..., None], one.fold
            )
        return one.put_back(pixels[0, ..., 0])

    def unseen_trees(
        self, network: nn.Module, scenes: Sequence[Scene], places: Sequence[int]
    ) -> list[Tensor]:
        """Return what trees say of slices, where they are labelled, that grew from others."""
        assert isinstance(network, GuidedUNet)
        drawn = slices.training_slices(scenes)
        known = [one for place, one in enumerate(drawn) if place not in places]
        if not known:
            return []
        rng = np.random.default_rng(places)
        trees = network.trees.another()
        trees.fit(*slices.balanced_pixels(known, slices.TREE_PIXELS, rng), rng)
        found = []
        for place in places:
            one = drawn[place]
            with torch.inference_mode():
                answer = trees.natural(one.labelled_of(one.alone).T.contiguous())
            found.append(one.put_back(answer.T))
        return found

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator, stage: Stage
    ) -> Iterator[Batch]:
        """Yield crops of annotated slices of one orientation."""
        views = view_weights(scenes)
        drawn = [one for one in slices.training_slices(scenes) if views[one.axis] > 0]
        sizes = np.sqrt([one.labelled for one in drawn])
        while True:
            first = drawn[rng.choice(len(drawn), p=sizes / sizes.sum())]
            kind = first.axis, first.fold
            alike = [one for one in drawn if (one.axis, one.fold) == kind]
            yield slices.batch_of(alike, rng)

    def anchored(self, network: nn.Module) -> dict[str, Tensor]:
        """Keep all numbers of a fitted network but its trees, whose means are no trees."""
        assert isinstance(network, GuidedUNet)
        if not network.is_fitted:
            return {}
        weights: dict[str, Tensor] = network.state_dict()
        return {
            name: weight
            for name, weight in weights.items()
            if weight.is_floating_point() and not name.startswith("trees.")
        }

    def enough(self, scenes: Sequence[Scene]) -> int | None:
        """Return the steps after which a few slices are known by heart.

        From then on the other voxels only lose: measured on seven volumes.
        """
        labelled = sum(sum(scene.counts) for scene in scenes)
        return max(_FEWEST_STEPS, _PASSES * labelled // slices.PIXELS)

    def logits(self, network: nn.Module, batch: Batch) -> Heads:
        """Ask the classifier that has not seen the slices of this batch."""
        return (network(batch.inputs, batch.fold),)

    def loss(self, heads: Heads, batch: Batch, weights: Tensor) -> Tensor:
        """Return the sum of cross-entropy and Dice."""
        return losses.cross_entropy_dice(heads[0], batch.target, weights)

    def class_weights(self, counts: Sequence[int]) -> Tensor:
        """Return equal weights: others would thicken thin structures."""
        return losses.class_weights(counts, power=0.0)

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Return AdamW with a rate for the first minutes."""
        return AdamW(
            network.parameters(),
            lr=_RATE,
            weight_decay=0.02,
            betas=(0.9, 0.98),
            fused=pays_fused(network),
        )

    def tile(self, plan: Plan, shape: Triple) -> Triple:
        """Write tiles of about the same extent along all axes."""
        side = (_TILE_VOXELS * np.prod(plan.anisotropy)) ** (1 / 3)
        grid = filter_grid(features.sides(plan))
        z, y, x = (
            min(size, max(g, round(side / a / g) * g))
            for size, a, g in zip(shape, plan.anisotropy, grid, strict=True)
        )
        return z, y, x

    def reads(self, network: nn.Module, scene: Scene, box: Box) -> Box:
        """Read what the U-Net sees beyond the box, and what the filters see of that."""
        z, y, x = (views.HALO + views.STEP - 1 + n for n in features.reach(scene.plan))
        return box.expand((z, y, x)).clip(scene.volume.shape)

    def tile_bytes(
        self, plan: Plan, size: Triple, spacing: tuple[float, float, float]
    ) -> int:
        """Return what filters of all that is read, and their copies, take."""
        z, y, x = (side + 2 * views.HALO for side in size)
        filters = plan.channels * filter_count()
        return _BANK_BYTES + z * y * x * (2 * filters + 16 * len(plan.outputs))

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Average the views of a box; of a single slice, take its own view alone."""
        return result_of(self.work(network, scene, box))

    def work(self, network: nn.Module, scene: Scene, box: Box) -> Work:
        """Do the same, and yield how far it is."""
        assert isinstance(network, GuidedUNet)
        return views.averaged(network, scene, box)

    def answers(self, network: nn.Module) -> bool:
        """Answer by the voxel-wise classifier as soon as that is fitted."""
        assert isinstance(network, GuidedUNet)
        return network.is_fitted

    def favoured(self, network: nn.Module, natural: Tensor, *, beside: bool) -> Tensor:
        """Divide by a power of how frequent each output is."""
        assert isinstance(network, GuidedUNet)
        rows = natural.flatten(1).T
        found = network.trees.favoured(rows, network.trees.favour(beside=beside))
        return found.T.reshape(natural.shape)

    def favour(self, network: nn.Module, *, beside: bool) -> float:
        """Return that power."""
        assert isinstance(network, GuidedUNet)
        return float(network.trees.favour(beside=beside))

    def told_by_grey(self, network: nn.Module) -> float:
        """Return the mean IoU of trees, which see grey values alone, on what was left out."""
        assert isinstance(network, GuidedUNet)
        return float(network.trees.iou)

    def shifted(
        self, network: nn.Module, scene: Scene
    ) -> Generator[float, None, Tensor | None]:
        """Ask the trees about a few boxes, if the model has learned from one volume.

        Of several volumes, those that are left out tell how much to favour what is rare.
        """
        assert isinstance(network, GuidedUNet)
        trees = network.trees
        if not trees.shift:
            return None
        ask = partial(self.trees, network)
        return (yield from frequencies.factors(scene, trees, ask))

    def trees(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Ask the trees about the filters of each voxel, and where it lies."""
        assert isinstance(network, GuidedUNet)
        channels = features.features(scene, box), scene.coordinates(box)
        bank, places = (torch.split(part.flatten(1), TOGETHER, 1) for part in channels)
        found = [
            network.trees.natural(torch.cat([one.float(), other]).T.contiguous())
            for one, other in zip(bank, places, strict=True)
        ]
        return torch.cat(found).T.reshape(-1, *box.shape)
