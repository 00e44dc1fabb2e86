"""Randomised trees: a forest that tells classes apart by single voxels."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_TREES = 32
DEPTH = 12
OLD_DEPTH = 10  # of trees in models of earlier versions
_DEEPEST = 20  # a file may claim any depth, and their size doubles with each
_TRIED = 24  # channels, each cut once, at each node
_FEWEST = 5  # samples on each side of a cut
_PRIOR = 1.0  # samples of which each leaf has the shares of all
TOGETHER = 50_000  # pixels
_CACHED = 8_000  # pixels: what lies between two levels stays in the cache of a CPU
FAVOUR = 0.25  # of rare outputs, if nothing tells a better one

Pixels = NDArray[np.float32]
Indices = NDArray[np.intp]


class Trees(nn.Module):
    """Extremely randomised trees (Geurts et al., Machine Learning 2006) of one depth.

    scikit-learn grows them from samples that may have rare outputs more often than nature;
    the leaves count as frequent as in nature again. Each tree may look at some channels
    only; `hidden` (t, c) has the others. Nodes are numbered as in a heap, so that all trees are
    walked at once. A node that is not cut sends everything to the left. The answer, how
    frequent each output is where a pixel comes to, is divided by a power, the *favour* of rare
    outputs, of how frequent it is at all: a part of a correction of the prior (Saerens et al., Neural
    Computation 2002), without which rare outputs can be lost.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        count: int = _TREES,
        depth: int = DEPTH,
    ) -> None:
        super().__init__()
        if not 1 <= depth <= _DEEPEST:
            raise ValueError(f"trees of depth {depth}: it has to be 1 to {_DEEPEST}")
        self.channels = channels
        self._outputs, self._depth = outputs, depth
        nodes, leaves = 2**depth - 1, 2**depth
        self.feature: Tensor
        self.cut: Tensor
        self.shares: Tensor
        self.register_buffer("feature", torch.zeros(count, nodes, dtype=torch.int16))
        self.register_buffer("cut", torch.full((count, nodes), torch.inf))
        even = torch.full((count, leaves, outputs), 1 / outputs, dtype=torch.float16)
        self.register_buffer("shares", even)
        self.hidden: Tensor
        self.register_buffer("hidden", torch.zeros(count, channels, dtype=torch.bool))
        self.frequent: Tensor
        # The favour of trees alone, under the name that files have for it.
        self.rare: Tensor
        self.beside: Tensor
        self.register_buffer("frequent", torch.ones(outputs))
        self.register_buffer("rare", torch.tensor(FAVOUR))
        self.register_buffer("beside", torch.tensor(FAVOUR))
        self.iou: Tensor
        # Mean over the classes, of what was left out; 1 where that was never measured.
        self.register_buffer("iou", torch.tensor(1.0))
        self.shift: Tensor
        # The power of how much more frequent outputs are in a volume without annotation.
        self.register_buffer("shift", torch.tensor(0.0))

    def another(self, *, count: int = _TREES) -> "Trees":
        """Return fresh trees for the same pixels and outputs, on the same device."""
        fresh = Trees(self.channels, self._outputs, count=count, depth=self._depth)
        fresh.rare.copy_(self.rare)
        fresh.deal(self.hidden)
        return fresh.to(self.cut.device)

    def deal(self, hidden: Tensor) -> None:
        """Hide channels (m, c): of m choices as many trees as possible take each."""
        places = torch.arange(len(self.hidden)) * len(hidden) // len(self.hidden)
        self.hidden.copy_(hidden[places.to(hidden.device)])

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the probabilities (n, k) of pixels (n, c)."""
        return self.favoured(self.natural(pixels), self.rare)

    def favour(self, *, beside: bool) -> Tensor:
        """Return that of trees alone, or that of trees `beside` a network in a mean."""
        return self.beside if beside else self.rare

    def natural(self, pixels: Tensor) -> Tensor:
        """Return them as frequent as in what was learned."""
        levels = self._levels()
        count = _CACHED if pixels.device.type == "cpu" else TOGETHER
        parts = torch.split(pixels, count)
        return torch.cat([self._answered(part, levels) for part in parts])

    def favoured(self, natural: Tensor, favour: float | Tensor) -> Tensor:
        """Divide natural probabilities (n, k) by this power of how frequent each output is."""
        found = natural / self.frequent**favour
        return found / found.sum(1, keepdim=True)

    def expect(self, times: Tensor) -> None:
        """Take outputs (k) for so many times as frequent in nature as the trees were told."""
        shares = self.shares.float() * times
        self.shares.copy_(shares / shares.sum(-1, keepdim=True))
        known = self.frequent < 1
        likely = self.frequent * times
        self.frequent.copy_(torch.where(known, likely / likely[known].sum(), 1.0))

    def _levels(self) -> list[tuple[Tensor, Tensor]]:
        """Return features and cuts of each level of all trees, tree by tree.

        So the places of the two nodes below a node are twice its own, and one more.
        """
        ends = [2**level - 1 for level in range(self._depth + 1)]
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

    def fit(
        self,
        pixels: Tensor,
        target: Tensor,
        frequent: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> None:
        """Grow all trees from pixels (n, c) and their target (n).

        Outputs are as `frequent` (k) in nature, if not among the pixels.
        """
        values, truth = pixels.cpu().numpy(), target.cpu().numpy()
        shown = np.bincount(truth, minlength=self._outputs)
        hidden, choice = np.unique(
            self.hidden.cpu().numpy(), axis=0, return_inverse=True
        )
        for number, unseen in enumerate(hidden):
            places = torch.from_numpy(np.flatnonzero(choice.reshape(-1) == number))
            seen = np.where(unseen, np.float32(0), values)
            features, cuts, counts = self._forest(seen, truth, len(places), rng)
            self.feature[places] = torch.from_numpy(features).to(self.feature)
            self.cut[places] = torch.from_numpy(cuts).to(self.cut)
            shares = _shares(counts, shown, frequent)
            self.shares[places] = torch.from_numpy(shares).to(self.shares)
        self.frequent.copy_(torch.from_numpy(np.where(frequent > 0, frequent, 1)))

    def _forest(
        self, values: Pixels, truth: Indices, count: int, rng: np.random.Generator
    ) -> tuple[Indices, Pixels, Pixels]:
        """Grow so many trees; return their features and cuts, and counts in all leaves."""
        # Only whoever grows trees waits for this import.
        from sklearn.ensemble import ExtraTreesClassifier

        forest = ExtraTreesClassifier(
            count,
            max_depth=self._depth,
            max_features=min(_TRIED, self.channels),
            min_samples_leaf=_FEWEST,
            random_state=int(rng.integers(2**31)),
        ).fit(values, truth)
        grown = [self._grown(one.tree_, forest.classes_) for one in forest.estimators_]
        features, cuts, counts = (np.stack(part) for part in zip(*grown, strict=True))
        return features, cuts, counts

    def _grown(self, tree: Any, outputs: Indices) -> tuple[Indices, Pixels, Pixels]:
        """Return features and cuts of all nodes, and counts of outputs in all leaves.

        A node without children is its own left child down to the last level.
        """
        node = np.zeros(1, np.intp)
        features, cuts = [], []
        for _ in range(self._depth):
            left, right = tree.children_left[node], tree.children_right[node]
            is_cut = left >= 0
            features.append(np.where(is_cut, tree.feature[node], 0))
            cuts.append(np.where(is_cut, tree.threshold[node], np.inf))
            both = np.where(is_cut, left, node), np.where(is_cut, right, node)
            node = np.stack(both, 1).reshape(-1)
        counts = np.zeros((len(node), self._outputs), np.float32)
        counts[:, outputs] = tree.value[node, 0] * tree.n_node_samples[node, None]
        return np.concatenate(features), np.concatenate(cuts), counts


def _shares(
    counts: Pixels, shown: Indices, every: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how much there is of each output (trees, leaves, k), from counts of samples.

    So many (k) were `shown` to the trees; `every` has the share (k) of each in nature.
    """
    known = counts * (every * shown.sum() / np.maximum(shown, 1)) + _PRIOR * every
    found: NDArray[np.float64] = known / known.sum(-1, keepdims=True)
    return found
