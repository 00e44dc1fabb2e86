"""Randomised trees: a forest that tells classes apart by single voxels."""

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_TREES = 32
_DEPTH = 10
_SAMPLES = 20_000  # that each tree grows from at most
_TRIED = 24  # cuts at each node
_FEWEST = 5  # samples on each side of a cut
_PRIOR = 1.0  # samples of which each leaf has the shares of all
TOGETHER = 50_000  # pixels
_CACHED = 8_000  # pixels: what lies between two levels stays in the cache of a CPU
RARE = 0.25  # if nothing tells a better power

Pixels = NDArray[np.float32]
Indices = NDArray[np.intp]


class Trees(nn.Module):
    """Extremely randomised trees (Geurts et al., Machine Learning 2006) of one depth.

    A cut of a node lies between two of its samples, drawn at random; the best of a few
    is taken. Nodes are numbered as in a heap, so that all trees are walked at once. A
    node that is not cut sends everything to the left. The answer, how frequent each output
    is where a pixel comes to, is divided by a power, `rare`, of how frequent it is at all: a
    part of a correction of the prior (Saerens et al., Neural Computation 2002), without
    which rare outputs can be lost.
    """

    def __init__(self, channels: int, outputs: int, *, count: int = _TREES) -> None:
        super().__init__()
        self.channels = channels
        self._outputs = outputs
        nodes, leaves = 2**_DEPTH - 1, 2**_DEPTH
        self.feature: Tensor
        self.cut: Tensor
        self.shares: Tensor
        self.register_buffer("feature", torch.zeros(count, nodes, dtype=torch.int16))
        self.register_buffer("cut", torch.full((count, nodes), torch.inf))
        even = torch.full((count, leaves, outputs), 1 / outputs, dtype=torch.float16)
        self.register_buffer("shares", even)
        self.frequent: Tensor
        self.rare: Tensor
        self.register_buffer("frequent", torch.ones(outputs))
        self.register_buffer("rare", torch.tensor(RARE))

    def another(self, *, count: int = _TREES) -> "Trees":
        """Return fresh trees for the same pixels and outputs, on the same device."""
        fresh = Trees(self.channels, self._outputs, count=count)
        fresh.rare.copy_(self.rare)
        return fresh.to(self.cut.device)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the probabilities (n, k) of pixels (n, c)."""
        return self.favoured(self.natural(pixels), self.rare)

    def natural(self, pixels: Tensor) -> Tensor:
        """Return them as frequent as in what was learned."""
        levels = self._levels()
        count = _CACHED if pixels.device.type == "cpu" else TOGETHER
        parts = torch.split(pixels, count)
        return torch.cat([self._answered(part, levels) for part in parts])

    def favoured(self, natural: Tensor, power: float | Tensor) -> Tensor:
        """Divide natural probabilities (n, k) by a power of how frequent each output is."""
        found = natural / self.frequent**power
        return found / found.sum(1, keepdim=True)

    def _levels(self) -> list[tuple[Tensor, Tensor]]:
        """Return features and cuts of each level of all trees, tree by tree.

        So the places of the two nodes below a node are twice its own, and one more.
        """
        ends = [2**level - 1 for level in range(_DEPTH + 1)]
        return [
            (
                self.feature[:, begin:end].reshape(-1).int(),
                self.cut[:, begin:end].reshape(-1),
            )
            for begin, end in pairwise(ends)
        ]

    def _answered(self, pixels: Tensor, levels: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Walk all trees (t) at once, by flat places in 32 bits."""
        (count, channels), trees = pixels.shape, len(self.feature)
        numbers = torch.arange(trees, dtype=torch.int32, device=pixels.device)
        rows = torch.arange(count, dtype=torch.int32, device=pixels.device) * channels
        values, node = pixels.reshape(-1), numbers.repeat_interleave(count)
        for feature, cut in levels:
            place = feature.index_select(0, node)
            place.view(trees, count).add_(rows)
            right = values.index_select(0, place) > cut.index_select(0, node)
            node.mul_(2).add_(right)
        shares = self.shares.reshape(-1, self._outputs).index_select(0, node)
        total = shares.view(trees, count, self._outputs).float().sum(0)
        return total / total.sum(1, keepdim=True)

    def fit(self, pixels: Tensor, target: Tensor, rng: np.random.Generator) -> None:
        """Grow all trees from pixels (n, c) and their target (n)."""
        grown = _Grower(pixels.cpu().numpy(), target.cpu().numpy(), self._outputs, rng)
        self.frequent.copy_(torch.from_numpy(grown.frequent))
        trees = [grown.tree() for _ in self.feature]
        kept = (self.feature, self.cut, self.shares)
        for buffer, parts in zip(kept, zip(*trees, strict=True), strict=True):
            buffer.copy_(torch.from_numpy(np.stack(parts)))


def without(pixels: Tensor, hidden: Tensor) -> Tensor:
    """Return pixels (n, c) whose hidden channels (c) are 0, so that no tree cuts there."""
    return pixels.masked_fill(hidden.to(pixels.device), 0.0)


class _Grower:
    """Grow trees from pixels (n, c) and their target (n), level by level."""

    def __init__(
        self,
        pixels: Pixels,
        target: NDArray[np.int64],
        outputs: int,
        rng: np.random.Generator,
    ) -> None:
        self._pixels, self._target, self._rng = pixels, target, rng
        self._outputs = outputs
        self._all = np.bincount(target, minlength=outputs) / len(target)

    @property
    def frequent(self) -> Pixels:
        """How frequent each output (k) is; 1 for one that there is not."""
        found: Pixels = np.where(self._all > 0, self._all, 1).astype(np.float32)
        return found

    def tree(self) -> tuple[Indices, Pixels, Pixels]:
        """Return the features and cuts of all nodes, and the shares in all leaves."""
        drawn = self._drawn()
        pixels, target = self._pixels[drawn].T.copy(), self._target[drawn]
        place = np.zeros(len(drawn), np.intp)  # of the node, in its level
        features, cuts = [], []
        for level in range(_DEPTH):
            feature, cut = self._cuts(pixels, target, place, 2**level)
            right = pixels[feature[place], np.arange(len(drawn))] > cut[place]
            place = 2 * place + right
            features.append(feature)
            cuts.append(cut)
        leaves = self._counts(place * self._outputs + target, 2**_DEPTH)
        shares = self._shares(leaves, np.bincount(target, minlength=self._outputs))
        return np.concatenate(features), np.concatenate(cuts), shares

    def _drawn(self) -> Indices:
        """Draw as many samples of each output that there is, or all of a rare one."""
        each = _SAMPLES // np.count_nonzero(self._all)
        places = (np.flatnonzero(self._target == n) for n in range(self._outputs))
        return np.concatenate([self._rng.permutation(part)[:each] for part in places])

    def _shares(self, leaves: NDArray[np.intp], drawn: NDArray[np.intp]) -> Pixels:
        """Return how much there is of each output (leaves, k), of so many drawn (k)."""
        known = leaves * (self._all * drawn.sum() / np.maximum(drawn, 1))
        known += _PRIOR * self._all
        shares = known / known.sum(1, keepdims=True)
        found: Pixels = shares.astype(np.float32)
        return found

    def _cuts(
        self, pixels: Pixels, target: NDArray[np.int64], place: Indices, nodes: int
    ) -> tuple[Indices, Pixels]:
        """Return the best of a few random cuts of each node of a level.

        The pixels are (c, n) here, and taken node by node, so that what is next to each
        other is read together.
        """
        order = np.argsort(place, kind="stable")
        place = place[order]
        kind = place * self._outputs + target[order]  # of node and output
        members = _Members(place, order, nodes, self._rng)
        values, size = pixels.reshape(-1), pixels.shape[1]
        whole = self._counts(kind, nodes)
        best = np.square(whole).sum(1) / np.maximum(whole.sum(1), 1) + 1e-6
        feature = np.zeros(nodes, np.intp)
        cut = np.full(nodes, np.inf, np.float32)
        for _ in range(_TRIED):
            tried = self._rng.integers(0, len(pixels), nodes)
            ends = [pixels[tried, members.one()] for _ in range(2)]
            share = self._rng.random(nodes, np.float32)
            between = ends[0] + share * (ends[1] - ends[0])
            places = np.repeat(size * tried, members.sizes) + order
            left = values[places] <= np.repeat(between, members.sizes)
            gain = _purity(self._counts(kind[left], nodes), whole)
            better = gain > best
            best = np.where(better, gain, best)
            feature = np.where(better, tried, feature)
            cut = np.where(better, between, cut)
        return feature, cut

    def _counts(self, kind: Indices, nodes: int) -> NDArray[np.intp]:
        """Return how many samples of each output are in each node (nodes, k)."""
        counts = np.bincount(kind, minlength=nodes * self._outputs)
        return counts.reshape(nodes, self._outputs)


class _Members:
    """The samples of each node, to draw from; an empty node has any."""

    def __init__(
        self, place: Indices, order: Indices, nodes: int, rng: np.random.Generator
    ) -> None:
        self._order = order
        self.sizes = np.bincount(place, minlength=nodes)
        self._starts = np.cumsum(self.sizes) - self.sizes
        self._rng = rng

    def one(self) -> Indices:
        """Draw one sample of each node."""
        within = (self._rng.random(len(self.sizes)) * self.sizes).astype(np.intp)
        drawn = np.minimum(self._starts + within, len(self._order) - 1)
        found: Indices = self._order[drawn]
        return found


def _purity(left: NDArray[np.intp], whole: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how pure both sides of a cut are (Gini), or -inf where one is too small."""
    right = whole - left
    sizes = left.sum(1), right.sum(1)
    sides = zip((left, right), sizes, strict=True)
    pure = sum(np.square(side).sum(1) / np.maximum(size, 1) for side, size in sides)
    return np.where(np.minimum(*sizes) >= _FEWEST, pure, -np.inf)
