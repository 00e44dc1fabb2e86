"""Losses on sparsely labelled targets: an unlabelled voxel weighs nothing.

Logits are (n, k, z, y, x), targets int64 (n, z, y, x) with classes 0..k-1 or IGNORE;
two-dimensional networks leave z out. Where nothing is labelled a loss is 0, and so is
its gradient. Sums run in float32, whatever the logits are.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORE = -1
_SMOOTH = 1e-5
_LEAST_COST = 1e-4
_TINY = torch.finfo(torch.float32).tiny


def weighted_cross_entropy(
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None = None,
    *,
    over: Literal["weights", "voxels"] = "weights",
) -> Tensor:
    """Return the sum of w * -log p over the sum of w, w being the class's weight.

    Softmax cross-entropy of Çiçek et al. (MICCAI 2016, section 3), where unlabelled
    voxels weigh 0; the division is that of the authors' Caffe layer. Over "voxels" the
    sum is divided by the number of labelled voxels, as H-DenseUNet does (Li et al., TMI
    2018).
    """
    scores, classes = _labelled(logits, target)
    loss = _cross_entropy(scores, classes, class_weights)
    if over == "weights" or class_weights is None:
        return loss
    weights = class_weights.to(scores)[classes]
    return loss * weights.sum() / max(1, len(classes))


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


def half_cross_entropy_minus_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return 0.5 * binary cross-entropy - Dice; about -1 is the least.

    The loss of one head of UNet++ (Zhou et al., DLMIA 2018, as their code has it): the
    Dice is (2 * overlap + 1) / (sums + 1) over the whole batch. One channel is a sigmoid
    for class 1. More channels are a softmax whose classes are averaged, each against the
    rest; this, and the restriction to labelled voxels, is our extension.
    """
    scores, classes = _labelled(logits, target)
    if not len(classes):
        return scores.sum()
    if len(scores) == 1:
        odds, members = scores, (classes == 1)[None].float()
    else:
        odds, members = _against_the_rest(scores), _members(classes, len(scores))
    probabilities = odds.sigmoid()
    binary = F.binary_cross_entropy_with_logits(odds, members)
    overlap = 2 * (probabilities * members).sum(1) + 1
    dice = overlap / (probabilities.sum(1) + members.sum(1) + 1)
    return 0.5 * binary - dice.mean()


def exponential_logarithmic(
    logits: Tensor,
    target: Tensor,
    *,
    dice_weights: Tensor,
    class_weights: Tensor,
) -> Tensor:
    """Return weighted cross-entropy + the sum of w * (-log Dice) ** 0.3.

    The loss of one head of MSS U-Net (Zhao and Zeng 2019, as their code has it, after
    Wong et al., MICCAI 2018): cross-entropy has no exponent; the background, which is
    class 0, has no Dice. The gradient of (-log D) ** 0.3 has no end as D goes to 1, so
    -log D is kept above 1e-4. The restriction to labelled voxels is our extension.
    """
    scores, classes = _labelled(logits, target)
    if not len(classes):
        return scores.sum()
    probabilities, members = scores.softmax(0), _members(classes, len(scores))
    sums = probabilities.sum(1) + members.sum(1)
    dice = (2 * (probabilities * members).sum(1) + _SMOOTH) / (sums + _SMOOTH)
    cost = (-dice.log()).clamp_min(_LEAST_COST) ** _EXPONENT
    weighted = (dice_weights.to(scores) * cost[1:]).sum()
    return weighted + _cross_entropy(scores, classes, class_weights)


_EXPONENT = 0.3


def unlabelled_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean entropy of the voxels that are not labelled, 0 if all are.

    The unsupervised half of LungNet's loss (Anthimopoulos et al., JBHI 2019): it asks
    the network to make up its mind where nobody has painted.
    """
    places = (target.flatten() == IGNORE).nonzero().squeeze(1)
    scores = logits.movedim(1, 0).flatten(1).index_select(1, places).float()
    likely = scores.log_softmax(0)
    return -(likely.exp() * likely).sum() / max(1, len(places))


def unlabelled_agreement(logits: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
    """Return how far the unlabelled voxels are from what a teacher says of them.

    The cross-entropy between both softmaxes over the outputs that the teacher knows; the
    others are -inf in its logits (n, k, ...), and free. It keeps a model from forgetting
    what few labels do not show (learning without forgetting, Li and Hoiem, ECCV 2016).
    0 where the teacher knows fewer than two outputs.
    """
    known = torch.isfinite(teacher).flatten(2).all(2).all(0)
    places = (target.flatten() == IGNORE).nonzero().squeeze(1)
    if int(known.sum()) < 2 or not len(places):
        return logits.sum() * 0
    said, heard = (
        part.movedim(1, 0).flatten(1)[known].index_select(1, places).float()
        for part in (teacher, logits)
    )
    return -(said.softmax(0) * heard.log_softmax(0)).sum(0).mean()


def median_frequency_weights(counts: Sequence[int]) -> Tensor:
    """Return the median frequency of the classes over the frequency of each.

    LungNet's class weights; a class without voxels weighs 0 and is not in the median.
    """
    voxels = torch.tensor(counts, dtype=torch.float64)
    present = voxels > 0
    if not bool(present.any()):
        return torch.zeros(len(voxels))
    median = voxels[present].quantile(0.5)
    return torch.where(present, median / voxels.clamp_min(1), 0).float()


def class_weights(counts: Sequence[int], *, power: float = 0.5) -> Tensor:
    """Return a weight per class from its labelled voxels: frequency ** -power.

    The weights of the classes that have voxels average 1; the others weigh 0.
    """
    voxels = torch.tensor(counts, dtype=torch.float64)
    present = voxels > 0
    weights = torch.where(present, voxels.clamp_min(1) ** -power, 0)
    mean = weights.sum() / present.sum().clamp_min(1)
    return (weights / mean.clamp_min(_TINY)).float()


def coarse_target(target: Tensor, size: Sequence[int], outputs: int) -> Tensor:
    """Return targets (n, z, y, x) of a coarser head: the commonest labelled class.

    A block of voxels none of which is labelled is unlabelled.
    """
    if target.shape[1:] == tuple(size):
        return target
    kinds = torch.arange(outputs, device=target.device).view(1, -1, 1, 1, 1)
    members = (target[:, None] == kinds).float()
    z, y, x = size
    share = F.adaptive_avg_pool3d(members, (z, y, x))
    return torch.where(share.sum(1) > 0, share.argmax(1), IGNORE)


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
    members = _members(classes, len(scores))
    probabilities = scores.softmax(0)
    overlap = (probabilities * members).sum(1)
    labelled = members.sum(1)
    dice = 2 * overlap / (probabilities.sum(1) + labelled).clamp_min(_TINY)
    present = labelled > 0
    return ((1 - dice) * present).sum() / present.sum().clamp_min(1)


def _against_the_rest(scores: Tensor) -> Tensor:
    """Return (k, m) logits whose sigmoid is the softmax of the scores.

    The gradient of a logit does not vanish where a probability rounds to 0 or 1.
    """
    rest = [torch.cat([scores[:k], scores[k + 1 :]]) for k in range(len(scores))]
    return scores - torch.stack([others.logsumexp(0) for others in rest])


def _members(classes: Tensor, outputs: int) -> Tensor:
    """Return (k, m): 1 where a voxel is of a class, else 0."""
    return (classes == torch.arange(outputs, device=classes.device)[:, None]).float()
