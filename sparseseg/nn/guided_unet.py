"""A voxel-wise classifier, and a small U-Net over planes that corrects it."""

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparseseg.nn.classifier import FIT_PIXELS, Fit, classifier
from sparseseg.nn.device import probe
from sparseseg.nn.trees import OLD_DEPTH, Trees

FOLDS = 9
_LEAST = 1e-4
_TRUST = 0.5  # of the correction, in a prediction
_DROPOUT = 0.15
_CACHED_ROWS = 2048
_CACHED_PIXELS = 32_768


class GuidedUNet(nn.Module):
    """Map planes to logits (n, k, y, x), corrected from those of single voxels.

    A plane (n, c, y, x) has `voxelwise` channels that tell of a single voxel, guidance
    among them, and then `around` channels that only the U-Net looks at. Voxel-wise
    classifiers are fitted within seconds and then stay: one to all annotated slices,
    and for each fold of the slices one that is blind to it. The U-Net sees an answer
    and learns the correction that it needs; for a slice that it learns from, this is
    the answer of the classifier that has not seen it, and in a prediction that of the
    one that has seen all (stacking, Wolpert, Neural Networks 1992). A prediction takes
    half of the correction, which is the geometric mean of both answers: a U-Net that
    knows a few slices is too sure of what it has learned there. Trees, which see the
    first `alone` channels, those without guidance, give an answer of their own, after
    `depth` cuts at most. There is no
    normalisation layer: inputs are standardised by fixed numbers, so that a prediction
    does not depend on how it was tiled.
    """

    def __init__(
        self,
        voxelwise: int,
        around: int,
        outputs: int,
        *,
        widths: Sequence[int],
        alone: int | None = None,
        depth: int = OLD_DEPTH,
    ) -> None:
        super().__init__()
        self.voxelwise_channels = voxelwise
        self.around_channels = around
        self._folds: set[int] = set()  # that a classifier was fitted to be blind to
        self.classifiers = nn.ModuleList(
            classifier(voxelwise, outputs) for _ in range(FOLDS + 1)
        ).requires_grad_(requires_grad=False)
        self.trees = Trees(voxelwise if alone is None else alone, outputs, depth=depth)
        sources = [outputs + voxelwise + around, *widths[:-1]]
        self.encoder = nn.ModuleList(
            _block(source, width) for source, width in zip(sources, widths, strict=True)
        )
        self.decoder = nn.ModuleList(
            _block(deep + skip, skip) for skip, deep in list(pairwise(widths))[::-1]
        )
        self.head = nn.Conv2d(widths[0], outputs, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(_bias(self.head))
        self._add_numbers(voxelwise + around)

    def _add_numbers(self, channels: int) -> None:
        """Make the fixed numbers that inputs are standardised by, as if nothing was fitted."""
        self.mean: Tensor
        self.deviation: Tensor
        self.low: Tensor
        self.high: Tensor
        self.hidden: Tensor
        self.views: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.register_buffer("low", torch.full((channels,), -torch.inf))
        self.register_buffer("high", torch.full((channels,), torch.inf))
        # Which of the first `alone` channels neither classifiers nor the U-Net look at.
        self.register_buffer("hidden", torch.zeros(self.trees.channels).bool())
        # How much each of the three views counts; set by what is annotated.
        self.register_buffer("views", torch.ones(3))

    def forward(self, planes: Tensor, fold: int | None = None) -> Tensor:
        """Return the corrected logits; `fold` is that of the slice learned from."""
        planes = self.standardised(planes)
        first = self.first(planes, fold)
        return self.corrected(first, torch.cat([first, planes], 1))

    def voxelwise(self, planes: Tensor, fold: int | None = None) -> Tensor:
        """Return the probabilities (n, k, y, x) of the classifier blind to a fold.

        Without a fold, of the one that has seen all slices. It looks at the first
        channels alone, and planes may end with these.
        """
        return self.first(self.standardised(planes[:, : self.voxelwise_channels]), fold)

    def corrected(self, first: Tensor, planes: Tensor) -> Tensor:
        """Return the logits of planes that begin with `first`, then standardised channels.

        The probabilities `first` (n, k, y, x) may be in a finer number type than the planes.
        """
        x = self._unet(planes)
        correction: Tensor = self.head(F.dropout2d(x, _DROPOUT, self.training))
        likely: Tensor = first.clamp_min(_LEAST).log()
        return likely + (correction if self.training else _TRUST * correction)

    def first(self, planes: Tensor, fold: int | None = None) -> Tensor:
        """Return the probabilities (n, k, y, x) of planes that are standardised."""
        self.classifiers.eval()
        blind = self.classifiers[FOLDS if fold is None else fold]
        single = planes[:, : self.voxelwise_channels].movedim(1, -1)
        rows = single.reshape(-1, self.voxelwise_channels)
        # What is between its layers stays in a cache of the CPU: three times as fast.
        count = _CACHED_ROWS if rows.device.type == "cpu" else max(1, len(rows))
        found = torch.cat([blind(part) for part in torch.split(rows, count)]).softmax(
            -1
        )
        return found.view(*single.shape[:-1], -1).movedim(-1, 1)

    def standardised(self, planes: Tensor) -> Tensor:
        """Return planes (n, c, ...) with mean 0 and deviation 1 on what was fitted.

        What lies beyond the range that was fitted is taken for its end: nothing was
        learned of it. Planes may have the first channels alone.
        """
        return _standardised(planes, *self._numbers(slice(0, planes.shape[1])))

    def standardise_into(self, out: Tensor, channels: Tensor, *, begin: int) -> None:
        """Write channels (c, z, y, x), of which the first is number `begin`, standardised.

        `out` may have another number type and layout. On a CPU a few planes are taken at a
        time, so that what is in between stays in its cache: three times as fast.
        """
        numbers = self._numbers(slice(begin, begin + len(channels)))
        shape = channels.shape
        on_cpu = channels.device.type == "cpu"
        few = max(1, _CACHED_PIXELS // (shape[2] * shape[3])) if on_cpu else shape[1]
        parts, places = (torch.split(whole, few, 1) for whole in (channels, out))
        for part, there in zip(parts, places, strict=True):
            found = _standardised(part.float()[None], *numbers)[0]
            there.copy_(found.to(out.dtype))

    def _numbers(self, channels: slice) -> tuple[Tensor, ...]:
        every = (self.low, self.high, self.mean, self.deviation)
        return tuple(numbers[channels] for numbers in every)

    @property
    def younger(self) -> set[str]:
        """What models of earlier versions lack: a range, trees, and what is hidden."""
        trees = (f"trees.{name}" for name, _ in self.trees.named_buffers())
        return {"low", "high", "hidden", *trees}

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *others: Any
    ) -> None:
        # One favour served both before; in files it is called rare.
        if (rare := state_dict.get(f"{prefix}trees.rare")) is not None:
            state_dict.setdefault(prefix + "trees.beside", rare)
        for name in self.younger:
            state_dict.setdefault(prefix + name, self.get_buffer(name))
        super()._load_from_state_dict(state_dict, prefix, *others)

    def _unet(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else F.max_pool2d(x, 2, ceil_mode=True))
            skips.append(x)
        for block, skip in zip(self.decoder, skips[-2::-1], strict=True):
            wide = F.interpolate(x, size=skip.shape[2:], mode="nearest")
            x = block(torch.cat([wide, skip], 1))
        return x

    def fit_voxelwise(
        self,
        pixels: Tensor,
        target: Tensor,
        folds: Tensor,
        *,
        steps: int,
        blind: int,
        rng: np.random.Generator,
    ) -> Iterator[float]:
        """Fit classifiers to pixels (n, c) of slices in `folds` (n), target (n).

        The classifier that sees all takes so many `steps`, and each `blind` one fewer: those
        only show the U-Net what mistakes to expect. Yields how far it is; until it is at its
        end, the network answers as before. One that was never fitted answers after as many
        steps as a blind one takes: a first look at a model is worth more than a good one
        later.
        """
        numbers = self._numbers_of(pixels)
        single = _standardised(pixels, *numbers)[:, : self.voxelwise_channels]
        is_first = not self.is_fitted
        there = sorted(set(folds.tolist()))
        fresh = self._begun(there).requires_grad_(requires_grad=True)
        precision = probe(fresh[FOLDS], single[:FIT_PIXELS], fresh[FOLDS])
        fit = Fit(precision, rng)
        total, done = steps + blind * len(there), 0
        for fold in (FOLDS, *there):
            # A single fold has no other to learn from.
            seen = folds != fold if len(there) > 1 else folds >= 0
            count = steps if fold == FOLDS else blind
            for _ in fit(fresh[fold], single[seen], target[seen], steps=count):
                done += 1
                if is_first and done == blind:
                    self._take(numbers, fresh)
                yield done / total
        self._take(numbers, fresh)
        self._folds |= set(there)

    def _numbers_of(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return ends, means and deviations of pixels (n, c); of what is hidden, means alone."""
        low, high, mean = pixels.amin(0), pixels.amax(0), pixels.mean(0)
        deviation = pixels.std(0, correction=0).clamp_min(1e-3)
        hidden = F.pad(self.hidden, (0, len(mean) - len(self.hidden)))
        low, high = (torch.where(hidden, mean, end) for end in (low, high))
        return low, high, mean, deviation

    def _begun(self, folds: Sequence[int]) -> nn.ModuleList:
        """Return copies of the classifiers to fit on.

        What is blind to a fold that is new begins as what has seen all others.
        """
        fresh = copy.deepcopy(self.classifiers)
        new = set(folds) - self._folds if self.has_blind else set()
        for fold in new:
            fresh[fold].load_state_dict(self.classifiers[FOLDS].state_dict())
        return fresh

    @property
    def has_blind(self) -> bool:
        """Whether classifiers were fitted here that are blind to one of several folds."""
        return len(self._folds) > 1

    @property
    def is_fitted(self) -> bool:
        """Whether the classifier has learned from any pixels."""
        return bool(torch.isfinite(self.low).all())

    def _take(self, numbers: Sequence[Tensor], classifiers: nn.Module) -> None:
        """Answer from now on by these numbers of the channels, and by classifiers."""
        kept = (self.low, self.high, self.mean, self.deviation)
        for buffer, number in zip(kept, numbers, strict=True):
            buffer.copy_(number)
        self.classifiers.load_state_dict(classifiers.state_dict())
        self.classifiers.eval()


def _standardised(planes: Tensor, *numbers: Tensor) -> Tensor:
    """Cut planes (n, c, ...) to low and high, subtract means, divide by deviations."""
    shape = (-1, *[1] * (planes.ndim - 2))
    low, high, mean, deviation = (part.view(shape) for part in numbers)
    cut = torch.minimum(torch.maximum(planes, low), high)
    return cut.sub_(mean).div_(deviation)


def _block(source: int, width: int) -> nn.Sequential:
    layers = [
        nn.Conv2d(source, width, 3, padding=1),
        nn.Conv2d(width, width, 3, padding=1),
    ]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(_bias(layer))
    # In place: a fresh output would be written to memory that is in no cache.
    relu = nn.ReLU(inplace=True)
    return nn.Sequential(layers[0], relu, layers[1], relu)


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
