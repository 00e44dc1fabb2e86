"""The interactive default: a U-Net over three views, led by filters and annotation."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from sparseseg.boxes import Box, Triple
from sparseseg.data.intensity import (
    AS_STORED,
    GreyRule,
    equalising,
    is_ct,
    own_scale,
)
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.nn import losses
from sparseseg.nn.filters import filter_count, filter_grid
from sparseseg.nn.guided_unet import FOLDS, GuidedUNet
from sparseseg.recipes import plane_features
from sparseseg.recipes.cases import Case
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.planes import view_weights
from sparseseg.recipes.recipe import Batch, Heads, Plain, Stage
from sparseseg.recipes.scene import Scene
from sparseseg.settings.cards import GreyChoice, ThreeViewOptions, card
from sparseseg.settings.options import Options

_WIDTHS = (16, 32, 64)
_STEP = 2 ** (len(_WIDTHS) - 1)
_RATE = 2e-3
_FIT_STEPS = 400
_REFIT_SHARE = 4  # when strokes join a running training
_FIT_PIXELS = 150_000
_FEW_PIXELS = 1000
_CROP = 112
_PIXELS = 25_000  # a step
_PASSES = 400  # over the labelled pixels
_FEWEST_STEPS = 1000
_UNGUIDED = 0.15  # of the crops: the model has to work where nothing is annotated
_SEVERAL = 0.5  # the same, of several volumes: such a model is meant for others
# Of slices that no other crosses: all that guides them is a whole gap away.
_UNCROSSED = 0.5
_OWN = 0.1  # of these are guided by themselves: a prediction meets slices so near
_LEFT_OUT = 0.1  # of the guiding slices
_RARE = 0.3  # of the crops are centred on a class drawn evenly
_HALO = 24  # voxels that the U-Net reads beyond a tile
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
    cross its plane; a slice that is learned from never guides itself.
    """

    card = card("three-view")
    is_guided = True

    def plan(
        self, cases: Sequence[Case], outputs: Sequence[int], options: Options
    ) -> Plan:
        """Fit grey curves that give each annotated class its share of the contrast."""
        assert isinstance(options, ThreeViewOptions)
        volume = cases[0][0]
        rules = tuple(
            _rule([volume.array[channel] for volume, _ in cases], options.grey)
            for channel in range(volume.channels)
        )
        return Plan(
            recipe=self.card.name,
            outputs=tuple(outputs),
            spacing=volume.spacing,
            unit=volume.unit,
            curves=tuple(
                equalising([_balanced(case, channel, outputs, rule) for case in cases])
                for channel, rule in enumerate(rules)
            ),
            grey=rules,
            patch=(_CROP, _CROP, _CROP),
            # Where things lie in one volume may not hold for another: two have to show it.
            network={"widths": list(_WIDTHS), "coordinates": len(cases) > 1},
            options=options.to_json(),
        )

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network alone, for so many image channels.

        With `coordinates` it is told where in the foreground a voxel lies.
        """
        options = {"widths": _WIDTHS, **options}
        told = 1 + outputs + (3 if options.pop("coordinates", False) else 0)
        return GuidedUNet(
            channels * filter_count() + told,
            channels * len(plane_features.NEIGHBOURS) + 1 + outputs,
            outputs,
            **options,
        )

    def network(self, plan: Plan) -> nn.Module:
        """Build the network of a plan."""
        return self.module(plan.channels, len(plan.outputs), **plan.network)

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
            for done in plane_features.kept(scene):
                yield done * _FILTERING
        slates = _slates(scenes)
        for slate in slates:
            yield _FILTERING
            _ = slate.features
        pixels, target, folds = _labelled_pixels(slates, rng)
        steps = _FIT_STEPS if thorough else max(1, _FIT_STEPS // _REFIT_SHARE)
        for done in network.fit_voxelwise(pixels, target, folds, steps=steps, rng=rng):
            yield _FILTERING + (1 - _FILTERING) * done

    def unseen(
        self, network: nn.Module, scenes: Sequence[Scene], place: int, *, guided: bool
    ) -> Tensor | None:
        """Return what the classifier says that is blind to a slice.

        Where there is one slice only, nothing is blind to it.
        """
        assert isinstance(network, GuidedUNet)
        slates = _slates(scenes)
        if len(slates) < 2:
            return None
        slate = slates[place]
        planes = slate.inputs(slate.whole, slate.others if guided else ())
        with torch.inference_mode():
            return network.voxelwise(planes[None], slate.fold)[0]

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator, stage: Stage
    ) -> Iterator[Batch]:
        """Yield crops of annotated slices of one orientation."""
        views = view_weights(scenes)
        slates = [slate for slate in _slates(scenes) if views[slate.axis] > 0]
        sizes = np.sqrt([slate.labelled for slate in slates])
        while True:
            first = slates[rng.choice(len(slates), p=sizes / sizes.sum())]
            kind = first.axis, first.fold
            alike = [slate for slate in slates if (slate.axis, slate.fold) == kind]
            yield _batch(alike, rng)

    def enough(self, scenes: Sequence[Scene]) -> int | None:
        """Return the steps after which a few slices are known by heart.

        From then on the other voxels only lose: measured on seven volumes.
        """
        labelled = sum(sum(scene.counts) for scene in scenes)
        return max(_FEWEST_STEPS, _PASSES * labelled // _PIXELS)

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
            network.parameters(), lr=_RATE, weight_decay=0.02, betas=(0.9, 0.98)
        )

    def tile(self, plan: Plan, shape: Triple) -> Triple:
        """Write tiles of about the same extent along all axes."""
        side = (_TILE_VOXELS * np.prod(plan.anisotropy)) ** (1 / 3)
        grid = filter_grid(plan.anisotropy)
        z, y, x = (
            min(size, max(g, round(side / a / g) * g))
            for size, a, g in zip(shape, plan.anisotropy, grid, strict=True)
        )
        return z, y, x

    def reads(self, network: nn.Module, scene: Scene, box: Box) -> Box:
        """Read what the U-Net sees beyond the box, and what the filters see of that."""
        z, y, x = (_HALO + _STEP - 1 + n for n in plane_features.reach(scene.plan))
        return box.expand((z, y, x)).clip(scene.volume.shape)

    def tile_bytes(
        self, plan: Plan, size: Triple, spacing: tuple[float, float, float]
    ) -> int:
        """Return what filters of all that is read, and their copies, take."""
        z, y, x = (side + 2 * _HALO for side in size)
        filters = plan.channels * filter_count()
        return _BANK_BYTES + z * y * x * (2 * filters + 16 * len(plan.outputs))

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Average the views of a box; of a single slice, take its own view alone."""
        assert isinstance(network, GuidedUNet)
        views = network.views.tolist()
        flat = [axis for axis in range(3) if box.shape[axis] == 1 and views[axis] > 0]
        if flat:
            views = [float(axis == flat[0]) for axis in range(3)]
        read = _grown(box, scene, views)
        features = plane_features.features(scene, read)
        total = torch.zeros(len(scene.plan.outputs), *box.shape, device=scene.device)
        for axis, weight in enumerate(views):
            if weight > 0:
                seen = _view(network, scene, features, read, box, axis)
                total += weight / sum(views) * seen
        return total


class _Slate:
    """One annotated slice ready for crops: its features are computed once."""

    def __init__(
        self, scene: Scene, number: int, *, fold: int, unguided: float
    ) -> None:
        plane = scene.planes[number]
        self.scene = scene
        self.fold = fold
        self.where = plane.where
        self.axis = plane.where.axis
        target = torch.from_numpy(plane.target.astype(np.int64))
        self.target = target.to(scene.device)
        self._places = scene.places[number]
        self._features: tuple[Tensor, Tensor] | None = None
        self.others = tuple(w for w in scene.slices if w != plane.where)
        self._unguided = unguided
        self.is_crossed = any(where.axis != self.axis for where in self.others)

    @property
    def whole(self) -> tuple[slice, slice]:
        rows, columns = self.target.shape
        return slice(0, rows), slice(0, columns)

    @property
    def unguided(self) -> float:
        """The share of its pixels that is learned without guidance."""
        return self._unguided if self.is_crossed else _UNCROSSED

    @property
    def own(self) -> float:
        """The share of its pixels that is learned with guidance by itself.

        A single slice has none: it would teach to trust it however far away it is.
        """
        return _OWN if self.others and not self.is_crossed else 0.0

    @property
    def labelled(self) -> int:
        return sum(map(len, self._places))

    @property
    def box(self) -> Box:
        start, stop = [0, 0, 0], list(self.scene.volume.shape)
        start[self.axis], stop[self.axis] = self.where.index, self.where.index + 1
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    @property
    def features(self) -> tuple[Tensor, Tensor]:
        """The filters and the neighbouring planes (c, rows, columns), half precision."""
        if self._features is None:
            found = (
                plane_features.features(self.scene, self.box),
                plane_features.neighbours(self.scene, self.box, self.axis),
            )
            filters, beside = (part.squeeze(self.axis + 1).half() for part in found)
            self._features = filters, beside
        return self._features

    def inputs(
        self, window: tuple[slice, slice], guiding: Sequence[AnnotatedSlice]
    ) -> Tensor:
        """Return the channels (c, rows, columns) of a window, led by these slices."""
        filters, beside = (
            part[:, window[0], window[1]].float() for part in self.features
        )
        box = _cut(self.box, self.axis, window)
        seen = self.scene.without(set(self.scene.slices) - set(guiding))
        return plane_features.stacked(filters, beside, seen, box, self.axis)

    def unseen(self, guiding: Sequence[AnnotatedSlice]) -> Tensor:
        """Return the target without the lines where guiding slices cross."""
        target = self.target.clone()
        rows = [axis for axis in range(3) if axis != self.axis]
        for where in guiding:
            if where.axis != self.axis:
                target.select(rows.index(where.axis), where.index).fill_(losses.IGNORE)
        return target

    def corner(self, size: tuple[int, int], rng: np.random.Generator) -> list[int]:
        """Draw where a crop begins: anywhere, or round a pixel of a class."""
        kinds = [places for places in self._places if len(places)]
        rare = rng.random() < _RARE
        places = kinds[rng.integers(len(kinds))] if rare else None
        room = [n - s for n, s in zip(self.target.shape, size, strict=True)]
        if places is None:
            return [int(rng.integers(r + 1)) for r in room]
        at = np.unravel_index(int(rng.choice(places)), self.target.shape)
        return [
            int(np.clip(a - rng.integers(s), 0, r))
            for a, s, r in zip(at, size, room, strict=True)
        ]


def _rule(channels: Sequence[NDArray[Any]], choice: GreyChoice) -> GreyRule:
    """Return the rule that was chosen; "auto" keeps Hounsfield units as they are."""
    if choice == "auto":
        return "fixed" if all(map(is_ct, channels)) else "volume"
    return choice


def _balanced(
    case: Case, channel: int, outputs: Sequence[int], rule: GreyRule
) -> NDArray[np.float64]:
    """Return as many grey values of the whole volume as of each class, by a rule."""
    volume, labels = case
    rng = np.random.default_rng(0)
    grey, painted = volume.array[channel], labels.array
    parts = [grey.reshape(-1)[rng.integers(0, grey.size, _SAMPLES)]]
    for value in outputs:
        members = grey[painted == value]
        if members.size:
            parts.append(members[rng.integers(0, members.size, _SAMPLES)])
    scale = own_scale(volume.array, channel) if rule == "volume" else AS_STORED
    return scale(np.concatenate(parts))


_SAMPLES = 50_000


def _batch(slates: Sequence[_Slate], rng: np.random.Generator) -> Batch:
    smallest = np.min([slate.target.shape for slate in slates], axis=0)
    size = (min(_CROP, int(smallest[0])), min(_CROP, int(smallest[1])))
    count = max(1, round(_PIXELS / (size[0] * size[1])))
    crops = [
        _crop(slates[int(rng.integers(len(slates)))], size, rng) for _ in range(count)
    ]
    inputs, targets = zip(*crops, strict=True)
    return Batch(torch.stack(inputs), torch.stack(targets), slates[0].fold)


def _crop(
    slate: _Slate, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Cut a crop; pixels that a guiding slice crosses are not learned from."""
    guiding = [] if rng.random() < slate.unguided else list(slate.others)
    guiding = [where for where in guiding if rng.random() >= _LEFT_OUT]
    if rng.random() < slate.own:
        guiding.append(slate.where)
    corner = slate.corner(size, rng)
    window = (
        slice(corner[0], corner[0] + size[0]),
        slice(corner[1], corner[1] + size[1]),
    )
    inputs = slate.inputs(window, guiding)
    target = slate.unseen(guiding)[window[0], window[1]]
    return _flipped(inputs, target, rng)


def _flipped(
    inputs: Tensor, target: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    axes = [axis for axis in (-2, -1) if rng.random() < 0.5]
    return inputs.flip(axes), target.flip(axes)


def _cut(box: Box, axis: int, window: Sequence[slice]) -> Box:
    start, stop = list(box.start), list(box.stop)
    for other, part in zip((a for a in range(3) if a != axis), window, strict=True):
        start[other], stop[other] = part.start, part.stop
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _grown(box: Box, scene: Scene, views: Sequence[float]) -> Box:
    """Return the box with what the U-Net reads beyond it, inside the volume."""
    seen = [
        any(w > 0 and view != axis for view, w in enumerate(views)) for axis in range(3)
    ]
    z, y, x = (_HALO * sees for sees in seen)
    wide = box.expand((z, y, x)).clip(scene.volume.shape)
    # Poolings fall in step whatever the tile, where its start is a multiple of theirs.
    z, y, x = (
        start // _STEP * _STEP if sees else start
        for start, sees in zip(wide.start, seen, strict=True)
    )
    return Box((z, y, x), wide.stop)


def _slates(scenes: Sequence[Scene]) -> list[_Slate]:
    share = _SEVERAL if len(scenes) > 1 else _UNGUIDED
    every = [(scene, number) for scene in scenes for number in range(len(scene.planes))]
    return [
        _Slate(scene, number, fold=place % FOLDS, unguided=share)
        for place, (scene, number) in enumerate(every)
    ]


def _labelled_pixels(
    slates: Sequence[_Slate], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw labelled pixels of all slates evenly, with their target and fold.

    Some of them are shown without guidance, and some led by their own slice.
    """
    total = sum(slate.labelled for slate in slates)
    share = min(1.0, _FIT_PIXELS / total)
    inputs, targets, folds = [], [], []
    for slate in slates:
        # Of a few strokes every pixel counts, guided or not.
        unguided = max(share * slate.unguided, min(1.0, _FEW_PIXELS / total))
        led = (
            ((), unguided),
            (slate.others, share),
            (slate.scene.slices, share * slate.own),
        )
        for guiding, part in led:
            target = slate.unseen(guiding)
            wanted = torch.from_numpy(rng.random(target.shape) < part)
            chosen = (target != losses.IGNORE) & wanted.to(target.device)
            inputs.append(slate.inputs(slate.whole, guiding)[:, chosen].T)
            targets.append(target[chosen])
            folds.append(torch.full_like(targets[-1], slate.fold))
    return torch.cat(inputs), torch.cat(targets), torch.cat(folds)


def _view(
    network: nn.Module, scene: Scene, features: Tensor, read: Box, box: Box, axis: int
) -> Tensor:
    """Return the corrected probabilities of one view for a box inside `read`."""
    found = torch.empty(len(scene.plan.outputs), *box.shape, device=scene.device)
    rows = max(
        1,
        _PIXELS
        * 4
        // (read.shape[0] * read.shape[1] * read.shape[2] // read.shape[axis]),
    )
    for first in range(0, box.shape[axis], rows):
        part = _slab(read, box, axis, first, rows)
        offset = part.start[axis] - read.start[axis]
        size = part.shape[axis]
        filters = features.narrow(axis + 1, offset, size).float()
        planes = plane_features.stacked(
            filters, plane_features.neighbours(scene, part, axis), scene, part, axis
        )
        logits = network(planes.movedim(axis + 1, 0).contiguous())
        corrected = logits.float().softmax(1).movedim(0, axis + 1)
        inner = [
            slice(a - r, b - r)
            for a, b, r in zip(box.start, box.stop, read.start, strict=True)
        ]
        inner[axis] = slice(None)
        found.narrow(axis + 1, first, size).copy_(corrected[(slice(None), *inner)])
    return found


def _slab(read: Box, box: Box, axis: int, first: int, rows: int) -> Box:
    start, stop = list(read.start), list(read.stop)
    start[axis] = box.start[axis] + first
    stop[axis] = min(box.stop[axis], start[axis] + rows)
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
