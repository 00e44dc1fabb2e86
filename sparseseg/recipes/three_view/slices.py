"""Annotated slices to learn from: their inputs, crops of them, and drawn pixels."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.nn import losses
from sparseseg.nn.guided_unet import FOLDS
from sparseseg.recipes.guidance import GuidePlane
from sparseseg.recipes.kept import Kept
from sparseseg.recipes.recipe import Batch
from sparseseg.recipes.scene import Scene
from sparseseg.recipes.three_view import features
from sparseseg.recipes.three_view.imagined import imagined

CROP = 112
PIXELS = 25_000  # a step
TREE_PIXELS = 50_000  # that a forest grows from at most
_FIT_PIXELS = 150_000
_FEW_PIXELS = 1000
_UNGUIDED = 0.15  # of the crops: the model has to work where nothing is annotated
_SEVERAL = 0.5  # the same, of several volumes: such a model is meant for others
# Of slices whose guides are far away: those that none or just one other crosses.
_FAR_GUIDED = 0.5
_LEFT_OUT = 0.1  # of the guiding slices
_IMAGINED = 0.3  # of what other slices lead is led by an imagined neighbour as well
_RARE = 0.3  # of the crops are centred on a class drawn evenly


class TrainingSlice:
    """One annotated slice ready for crops: its features are computed once a volume."""

    def __init__(
        self, scene: Scene, number: int, *, fold: int, unguided: float
    ) -> None:
        plane = scene.planes[number]
        self.scene = scene
        self.plane = plane
        self.fold = fold
        self.where = plane.where
        self.axis = plane.where.axis
        target = torch.from_numpy(plane.target.astype(np.int64))
        self.target = target.to(scene.device)
        self._places = scene.places[number]
        self.others = tuple(other for other in scene.planes if other is not plane)
        self._unguided = unguided
        is_crossed = any(other.where.axis != self.axis for other in self.others)
        self.has_near_guides = is_crossed and len(self.others) > 1

    @property
    def whole(self) -> tuple[slice, slice]:
        """The window of all pixels."""
        rows, columns = self.target.shape
        return slice(0, rows), slice(0, columns)

    @property
    def unguided(self) -> float:
        """The share of its pixels that is learned without guidance."""
        return self._unguided if self.has_near_guides else _FAR_GUIDED

    @property
    def imagined(self) -> float:
        """The share of what other slices lead that an imagined neighbour leads as well.

        A single slice has none: of cells it says nothing, and would be followed.
        """
        return _IMAGINED if self.others else 0.0

    @property
    def labelled(self) -> int:
        """The number of labelled pixels."""
        return sum(self.counts)

    @property
    def counts(self) -> list[int]:
        """The number of pixels that are labelled as each output."""
        return [len(places) for places in self._places]

    @property
    def box(self) -> Box:
        """The box of the volume that the slice is."""
        return Box.plane(self.scene.volume.shape, self.axis, self.where.index)

    @property
    def features(self) -> tuple[Tensor, Tensor]:
        """The filters and the neighbouring planes (c, rows, columns), half precision."""
        known = _known(self.scene)
        place = self.axis, self.where.index
        if place not in known:
            found = (
                features.features(self.scene, self.box),
                features.neighbours(self.scene, self.box, self.axis),
            )
            filters, beside = (part.squeeze(self.axis + 1).half() for part in found)
            known[place] = filters, beside
        return known[place]

    @property
    def alone(self) -> Tensor:
        """The channels (c, rows, columns) without guidance: filters, and where it is."""
        places = self.scene.coordinates(self.box).squeeze(self.axis + 1)
        return torch.cat([self.features[0].float(), places])

    def labelled_of(self, channels: Tensor) -> Tensor:
        """Return the labelled pixels (c, n) of channels (c, rows, columns)."""
        return channels[:, self.target != losses.IGNORE]

    def put_back(self, pixels: Tensor) -> Tensor:
        """Return labelled pixels (c, n) in their places (c, rows, columns), 0 elsewhere."""
        found = pixels.new_zeros(len(pixels), *self.target.shape)
        found[:, self.target != losses.IGNORE] = pixels
        return found

    def part(self, window: tuple[slice, slice]) -> "TrainingSlice":
        """Return the same slice, of which only a window is labelled."""
        found = copy(self)
        found.target = torch.full_like(self.target, losses.IGNORE)
        found.target[window] = self.target[window]
        flat = found.target.cpu().numpy().reshape(-1)
        outputs = range(len(self._places))
        found._places = tuple(np.flatnonzero(flat == output) for output in outputs)
        return found

    def inputs(
        self, window: tuple[slice, slice], guiding: Sequence[GuidePlane]
    ) -> Tensor:
        """Return the channels (c, rows, columns) of a window, led by these planes."""
        filters, beside = (
            part[:, window[0], window[1]].float() for part in self.features
        )
        box = _cut(self.box, self.axis, window)
        seen = replace(self.scene, planes=tuple(guiding))
        return features.stacked(filters, beside, seen, box, self.axis)

    def unseen(self, guiding: Sequence[GuidePlane]) -> Tensor:
        """Return the target without the lines where guiding planes cross."""
        target = self.target.clone()
        rows = [axis for axis in range(3) if axis != self.axis]
        for where in (plane.where for plane in guiding):
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


_Known = dict[tuple[int, int], tuple[Tensor, Tensor]]
_KNOWN: Kept[_Known] = Kept()


def _known(scene: Scene) -> _Known:
    """Return the features of the slices of a volume, by axis and index."""
    key = features.key_of(scene)
    found = _KNOWN.get(scene.volume, key)
    if found is None:
        found = {}
        _KNOWN.keep(scene.volume, key, found)
    return found


def forget_others(scenes: Sequence[Scene]) -> None:
    """Let go of what is known of slices that are not learned from any more."""
    for scene in scenes:
        known = _known(scene)
        places = {(where.axis, where.index) for where in scene.slices}
        for place in known.keys() - places:
            del known[place]


def training_slices(scenes: Sequence[Scene]) -> list[TrainingSlice]:
    """Return all annotated slices of all scenes, dealt out to the folds in turn.

    A slice stays in its fold when others join: what is blind to it has to stay so.
    """
    share = _SEVERAL if len(scenes) > 1 else _UNGUIDED
    return [
        TrainingSlice(
            scene,
            place,
            fold=(plane.number * len(scenes) + turn) % FOLDS,
            unguided=share,
        )
        for turn, scene in enumerate(scenes)
        for place, plane in enumerate(scene.planes)
    ]


def labelled_pixels(
    drawn: Sequence[TrainingSlice], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw labelled pixels of all drawn evenly, with their target and fold.

    Some of them are shown without guidance, and some led by an imagined slice as well.
    """
    total = sum(one.labelled for one in drawn)
    share = min(1.0, _FIT_PIXELS / total)
    inputs, targets, folds = [], [], []
    for one in drawn:
        # Of a few strokes every pixel counts, guided or not.
        unguided = max(share * one.unguided, min(1.0, _FEW_PIXELS / total))
        led: list[tuple[tuple[GuidePlane, ...], float]] = [
            ((), unguided),
            (one.others, share),
        ]
        if one.imagined:
            neighbour = imagined(one.scene, one.plane, one.whole, rng)
            led.append(((*one.others, neighbour), share * one.imagined))
        for guiding, part in led:
            target = one.unseen(guiding)
            wanted = torch.from_numpy(rng.random(target.shape) < part)
            chosen = (target != losses.IGNORE) & wanted.to(target.device)
            inputs.append(one.inputs(one.whole, guiding)[:, chosen].T)
            targets.append(target[chosen])
            folds.append(torch.full_like(targets[-1], one.fold))
    return torch.cat(inputs), torch.cat(targets), torch.cat(folds)


def bare_pixels(
    drawn: Sequence[TrainingSlice], count: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw about so many labelled pixels evenly, without guidance, and their target."""
    totals = _totals(drawn)
    return _bare(drawn, np.full(len(totals), count / totals.sum()), rng)


def balanced_pixels(
    drawn: Sequence[TrainingSlice], count: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, NDArray[np.float64]]:
    """Draw as many labelled pixels of each output that there is, or all of a rare one.

    Returns the pixels (n, c) without guidance, their target (n), and how frequent each
    output is (k) among all labelled pixels.
    """
    totals = _totals(drawn)
    each = count / np.count_nonzero(totals)
    pixels, target = _bare(drawn, each / np.maximum(totals, 1), rng)
    return pixels, target, totals / totals.sum()


def _totals(drawn: Sequence[TrainingSlice]) -> NDArray[np.intp]:
    """Return how many pixels are labelled as each output (k)."""
    found: NDArray[np.intp] = np.sum([one.counts for one in drawn], axis=0)
    return found


def _bare(
    drawn: Sequence[TrainingSlice],
    shares: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw of the labelled pixels of each output a share (k), without guidance."""
    pixels, targets = [], []
    for one in drawn:
        odds = torch.from_numpy(shares).to(one.target.device)
        wanted = torch.from_numpy(rng.random(one.target.shape)).to(one.target.device)
        is_labelled = one.target != losses.IGNORE
        chosen = is_labelled & (wanted < odds[one.target.clamp_min(0)])
        pixels.append(one.alone[:, chosen].T)
        targets.append(one.target[chosen])
    return torch.cat(pixels), torch.cat(targets)


def batch_of(drawn: Sequence[TrainingSlice], rng: np.random.Generator) -> Batch:
    """Draw crops, all of one size, of slices across one axis."""
    smallest = np.min([one.target.shape for one in drawn], axis=0)
    size = (min(CROP, int(smallest[0])), min(CROP, int(smallest[1])))
    count = max(1, round(PIXELS / (size[0] * size[1])))
    crops = [
        _crop(drawn[int(rng.integers(len(drawn)))], size, rng) for _ in range(count)
    ]
    inputs, targets = zip(*crops, strict=True)
    return Batch(torch.stack(inputs), torch.stack(targets), drawn[0].fold)


def _crop(
    one: TrainingSlice, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Cut a crop; pixels that a guiding slice crosses are not learned from."""
    corner = one.corner(size, rng)
    window = (
        slice(corner[0], corner[0] + size[0]),
        slice(corner[1], corner[1] + size[1]),
    )
    guiding: list[GuidePlane] = []
    if rng.random() >= one.unguided:
        guiding = [plane for plane in one.others if rng.random() >= _LEFT_OUT]
        if rng.random() < one.imagined:
            guiding.append(imagined(one.scene, one.plane, window, rng))
    inputs = one.inputs(window, guiding)
    target = one.unseen(guiding)[window[0], window[1]]
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
