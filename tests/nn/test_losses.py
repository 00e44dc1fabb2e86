import math

import pytest
import torch
from torch.nn import functional as F

from sparseseg.nn.losses import (
    IGNORE,
    class_weights,
    cross_entropy_dice,
    exponential_logarithmic,
    half_cross_entropy_minus_dice,
    median_frequency_weights,
    soft_dice,
    unlabelled_agreement,
    unlabelled_entropy,
    weighted_cross_entropy,
)


def of_mssunet(logits, target):
    dice, classes = torch.tensor([0.4, 0.6]), torch.tensor([0.28, 0.28, 0.44])
    return exponential_logarithmic(
        logits, target, dice_weights=dice, class_weights=classes
    )


LOSSES = [
    weighted_cross_entropy,
    soft_dice,
    cross_entropy_dice,
    half_cross_entropy_minus_dice,
    of_mssunet,
]
every_loss = pytest.mark.parametrize("loss", LOSSES)


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Two patches of 3 x 4 x 5 voxels, 3 classes, about half of them unlabelled."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 3, 4, 5, generator=random)
    target = torch.randint(0, 3, (2, 3, 4, 5), generator=random)
    target[torch.rand(target.shape, generator=random) < 0.5] = IGNORE
    return logits, target


def probabilities_as_logits(*rows: tuple[float, ...]) -> torch.Tensor:
    """Return logits (1, k, 1, 1, n) whose softmax is a row for each voxel."""
    return torch.tensor(rows).log().T[None, :, None, None, :]


def line(*classes: int) -> torch.Tensor:
    return torch.tensor(classes)[None, None, None, :]


def test_cross_entropy_is_the_mean_over_labelled_voxels():
    logits = probabilities_as_logits((0.5, 0.5), (0.25, 0.75), (0.1, 0.9))
    loss = weighted_cross_entropy(logits, line(0, 1, IGNORE))
    assert loss.item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_cross_entropy_is_divided_by_the_sum_of_the_weights():
    logits = probabilities_as_logits((0.5, 0.5), (0.25, 0.75))
    loss = weighted_cross_entropy(logits, line(0, 1), torch.tensor([1.0, 3.0]))
    assert loss.item() == pytest.approx((math.log(2) + 3 * math.log(4 / 3)) / 4)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 1.0])])
def test_cross_entropy_agrees_with_torch_where_something_is_labelled(batch, weights):
    logits, target = batch
    expected = F.cross_entropy(logits, target, weights, ignore_index=IGNORE)
    torch.testing.assert_close(
        weighted_cross_entropy(logits, target, weights), expected
    )


def test_doubled_weights_leave_the_cross_entropy_as_it_is(batch):
    weights = torch.tensor([0.5, 2.0, 1.0])
    once, twice = (weighted_cross_entropy(*batch, w) for w in (weights, 2 * weights))
    torch.testing.assert_close(once, twice)


def test_dice_of_three_voxels_worked_out_by_hand():
    logits = probabilities_as_logits((0.8, 0.2), (0.4, 0.6), (0.9, 0.1))
    first = 2 * 0.8 / (0.8 + 0.4 + 1)
    second = 2 * 0.6 / (0.2 + 0.6 + 1)
    expected = 1 - (first + second) / 2
    assert soft_dice(logits, line(0, 1, IGNORE)).item() == pytest.approx(expected)


def test_dice_leaves_out_a_class_that_is_not_labelled_in_the_batch():
    logits = probabilities_as_logits((0.5, 0.25, 0.25), (0.25, 0.5, 0.25))
    one = 2 * 0.5 / (0.75 + 1)
    assert soft_dice(logits, line(0, 1)).item() == pytest.approx(1 - one)


def test_dice_sums_over_the_whole_batch():
    logits = probabilities_as_logits((0.8, 0.2), (0.4, 0.6))
    apart = logits.permute(4, 1, 2, 3, 0)
    together = soft_dice(logits, line(0, 1))
    torch.testing.assert_close(soft_dice(apart, line(0, 1).view(2, 1, 1, 1)), together)


def test_a_perfect_prediction_costs_nothing():
    logits = torch.tensor([[60.0, -60.0], [-60.0, 60.0]]).view(1, 2, 1, 1, 2)
    assert cross_entropy_dice(logits, line(0, 1)).item() == pytest.approx(0, abs=1e-6)


def test_the_combined_loss_is_the_sum_of_both(batch):
    weights = torch.tensor([0.5, 2.0, 1.0])
    both = weighted_cross_entropy(*batch, weights) + soft_dice(*batch)
    torch.testing.assert_close(cross_entropy_dice(*batch, weights), both)


@every_loss
def test_logits_at_unlabelled_voxels_do_not_matter(batch, loss):
    logits, target = batch
    unlabelled = (target == IGNORE)[:, None].expand_as(logits)
    other = torch.where(unlabelled, 100 * torch.randn_like(logits), logits)
    assert torch.equal(loss(logits, target), loss(other, target))


@every_loss
def test_the_gradient_is_zero_at_unlabelled_voxels_only(batch, loss):
    logits, target = batch
    loss(logits.requires_grad_(), target).backward()
    moved = logits.grad.abs().amax(1) > 0
    assert torch.equal(moved, target != IGNORE)


@every_loss
def test_an_unlabelled_batch_costs_nothing_and_moves_nothing(batch, loss):
    logits, target = batch
    value = loss(logits.requires_grad_(), torch.full_like(target, IGNORE))
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


@every_loss
def test_two_dimensional_batches_give_the_same_number(batch, loss):
    logits, target = (part[:, ..., :1, :, :] for part in batch)
    flat = loss(logits[:, :, 0], target[:, 0])
    torch.testing.assert_close(flat, loss(logits, target))


@every_loss
def test_half_precision_logits_are_summed_in_full_precision(batch, loss):
    logits, target = batch
    assert loss(logits.half(), target).dtype == torch.float32


def test_only_labels_of_a_class_without_weight_cost_nothing():
    logits = probabilities_as_logits((0.5, 0.5))
    loss = weighted_cross_entropy(logits, line(1), torch.tensor([1.0, 0.0]))
    assert loss.item() == 0


def test_class_weights_fall_with_the_frequency_and_average_one():
    assert class_weights([1, 3], power=1).tolist() == pytest.approx([1.5, 0.5])
    assert class_weights([1, 9], power=0.5).tolist() == pytest.approx([1.5, 0.5])
    assert class_weights([7, 70], power=0).tolist() == [1, 1]


def test_a_class_without_voxels_weighs_nothing():
    assert class_weights([1, 0, 3], power=1).tolist() == pytest.approx([1.5, 0, 0.5])
    assert class_weights([0, 0]).tolist() == [0, 0]


def test_over_voxels_the_cross_entropy_is_not_divided_by_the_weights():
    logits = probabilities_as_logits((0.5, 0.5), (0.25, 0.75), (0.1, 0.9))
    loss = weighted_cross_entropy(
        logits, line(0, 1, IGNORE), torch.tensor([1.0, 3.0]), over="voxels"
    )
    assert loss.item() == pytest.approx((math.log(2) + 3 * math.log(4 / 3)) / 2)


def test_half_the_cross_entropy_minus_dice_of_one_sigmoid_by_hand():
    logits = torch.tensor([0.8, 0.4]).logit().view(1, 1, 1, 1, 2)
    binary = -(math.log(0.8) + math.log(0.6)) / 2
    dice = (2 * 0.8 + 1) / (1.2 + 1 + 1)
    loss = half_cross_entropy_minus_dice(logits, line(1, 0))
    assert loss.item() == pytest.approx(0.5 * binary - dice, rel=1e-5)


def test_two_softmax_channels_cost_as_much_as_each_class_against_the_rest():
    logits = probabilities_as_logits((0.8, 0.2), (0.4, 0.6))
    binary = -(math.log(0.8) + math.log(0.6)) / 2
    dice = ((2 * 0.8 + 1) / (1.2 + 1 + 1) + (2 * 0.6 + 1) / (0.8 + 1 + 1)) / 2
    loss = half_cross_entropy_minus_dice(logits, line(0, 1))
    assert loss.item() == pytest.approx(0.5 * binary - dice, rel=1e-5)


def test_a_surely_wrong_network_still_learns():
    logits = torch.tensor([[200.0], [-200.0], [0.0]]).reshape(1, 3, 1, 1, 1)
    logits.requires_grad_()
    half_cross_entropy_minus_dice(logits, line(1)).backward()
    assert logits.grad[0, 0].item() > 0.1
    assert logits.grad[0, 1].item() < -0.1


def test_the_exponential_logarithmic_loss_of_two_voxels_by_hand():
    logits = probabilities_as_logits((0.8, 0.2), (0.4, 0.6))
    dice = 2 * 0.6 / (0.8 + 1)
    entropy = (0.25 * -math.log(0.8) + 0.75 * -math.log(0.6)) / 1
    loss = exponential_logarithmic(
        logits,
        line(0, 1),
        dice_weights=torch.tensor([0.5]),
        class_weights=torch.tensor([0.25, 0.75]),
    )
    expected = 0.5 * (-math.log(dice)) ** 0.3 + entropy
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_the_gradient_at_a_perfect_prediction_is_finite():
    logits = torch.tensor([[60.0, -60, -60], [-60, 60, -60], [-60, -60, 60]])
    logits = logits.T.reshape(1, 3, 1, 1, 3).requires_grad_()
    of_mssunet(logits, line(0, 1, 2)).backward()
    assert logits.grad.isfinite().all()


def test_the_entropy_is_that_of_unlabelled_voxels_alone():
    logits = probabilities_as_logits((0.5, 0.5), (0.25, 0.75), (0.1, 0.9))
    expected = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    found = unlabelled_entropy(logits, line(0, IGNORE, 1))
    assert found.item() == pytest.approx(expected)
    assert unlabelled_entropy(logits, line(0, 1, 1)).item() == 0


def test_a_class_of_median_frequency_weighs_one():
    weights = median_frequency_weights([100, 50, 10, 0])
    assert weights.tolist() == pytest.approx([0.5, 1.0, 5.0, 0.0])
    assert median_frequency_weights([0, 0]).tolist() == [0, 0]


def test_agreement_with_a_teacher_by_hand():
    """One unlabelled voxel: the teacher is sure to 3 : 1, and knows two of three."""
    teacher = torch.tensor([math.log(3), 0.0, -math.inf]).view(1, 3, 1, 1, 1)
    logits = torch.tensor([0.0, 0.0, 5.0]).view(1, 3, 1, 1, 1)
    target = torch.full((1, 1, 1, 1), IGNORE)
    assert unlabelled_agreement(logits, teacher, target).item() == pytest.approx(
        math.log(2)
    )
    same = teacher.clone()
    same[0, 2] = 9.0
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert unlabelled_agreement(same, teacher, target).item() == pytest.approx(entropy)


@pytest.mark.parametrize(
    ("known", "label"), [((0.0, -math.inf), IGNORE), ((0.0, 1.0), 1)]
)
def test_a_teacher_that_knows_nothing_or_labels_everywhere_ask_for_nothing(
    known, label
):
    teacher = torch.tensor(known).view(1, 2, 1, 1, 1)
    logits = torch.zeros(1, 2, 1, 1, 1, requires_grad=True)
    target = torch.full((1, 1, 1, 1), label)
    loss = unlabelled_agreement(logits, teacher, target)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0
