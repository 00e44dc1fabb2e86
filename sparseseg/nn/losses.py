"""Losses on sparsely labelled targets: an unlabelled voxel weighs nothing.

Logits are (n, k, z, y, x), targets int64 (n, z, y, x) with classes 0..k-1 or IGNORE;
two-dimensional networks leave z out. Where nothing is labelled a loss is 0, and so is
its gradient. Sums run in float32, whatever the logits are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORE = -1
_TINY = torch.finfo(torch.float32).tiny


def weighted_cross_entropy(
    logits: Tensor, target: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Return the sum of w * -log p over the sum of w, w being the class's weight.

    Softmax cross-entropy of Çiçek et al. (MICCAI 2016, section 3), where unlabelled
    voxels weigh 0; the division is that of the authors' Caffe layer.
    """
    return _cross_entropy(*_labelled(logits, target), class_weights)


def soft_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return 1 minus the mean soft Dice of the classes that are labelled in the batch.

    The Dice loss (Milletari et al., 3DV 2016, here without squares) is defined on
    dense labels; that its sums run over labelled voxels only is our extension.
    """
    return _dice(*_labelled(logits, target))


def cross_entropy_dice(
    logits: Tensor, target: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Return the sum of the weighted cross-entropy and the soft Dice loss."""
    scores, classes = _labelled(logits, target)
    return _cross_entropy(scores, classes, class_weights) + _dice(scores, classes)


def class_weights(counts: Sequence[int], *, power: float = 0.5) -> Tensor:
    """Return a weight per class from its labelled voxels: frequency ** -power.

    The weights of the classes that have voxels average 1; the others weigh 0.
    """
    voxels = torch.tensor(counts, dtype=torch.float64)
    present = voxels > 0
    weights = torch.where(present, voxels.clamp_min(1) ** -power, 0)
    mean = weights.sum() / present.sum().clamp_min(1)
    return (weights / mean.clamp_min(_TINY)).float()


def _labelled(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores (k, m) and classes (m) of the m labelled voxels.

    A few slices of a patch are labelled: most of the work is left out here.
    """
    places = (target.flatten() != IGNORE).nonzero().squeeze(1)
    scores = logits.movedim(1, 0).flatten(1).index_select(1, places)
    return scores.float(), target.flatten()[places]


def _cross_entropy(
    scores: Tensor, classes: Tensor, class_weights: Tensor | None
) -> Tensor:
    if class_weights is None:
        class_weights = scores.new_ones(len(scores))
    weights = class_weights.to(scores)
    losses = F.cross_entropy(scores[None], classes[None], weights, reduction="sum")
    return losses / weights[classes].sum().clamp_min(_TINY)


def _dice(scores: Tensor, classes: Tensor) -> Tensor:
    members = classes == torch.arange(len(scores), device=scores.device)[:, None]
    probabilities = scores.softmax(0)
    overlap = (probabilities * members).sum(1)
    labelled = members.sum(1)
    dice = 2 * overlap / (probabilities.sum(1) + labelled).clamp_min(_TINY)
    present = labelled > 0
    return ((1 - dice) * present).sum() / present.sum().clamp_min(1)
