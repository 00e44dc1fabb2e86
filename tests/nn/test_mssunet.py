import pytest
import torch

from sparseseg.errors import UserError
from sparseseg.nn.losses import IGNORE, coarse_target
from sparseseg.nn.mssunet import HEAD_WEIGHTS, MSSUNet


def parameters(**options) -> int:
    with torch.device("meta"):
        network = MSSUNet(1, 3, **options)
    return sum(p.numel() for p in network.parameters())


def test_the_parameters_are_those_of_the_released_code():
    assert parameters() == 29_642_540
    assert parameters(flat=False) == 29_659_280


def test_the_patch_of_the_paper_is_supervised_at_five_scales():
    with torch.device("meta"):
        heads = MSSUNet(1, 3)(torch.empty(1, 1, 48, 192, 192))
    assert [tuple(head.shape[2:]) for head in heads] == [
        (48, 192, 192), (48, 96, 96), (48, 48, 48), (24, 24, 24), (12, 12, 12),
    ]  # fmt: skip


def test_the_weights_of_the_heads_sum_to_one():
    assert sum(HEAD_WEIGHTS) == pytest.approx(1)


def test_up_convolutions_and_heads_have_no_bias():
    network = MSSUNet(1, 2, width=2)
    assert all(layer.bias is None for layer in [*network.ups, *network.heads])


def test_kernels_are_flat_across_z_on_the_way_down_at_full_resolution_only():
    network = MSSUNet(1, 2, width=2)
    assert network.encoder[0][0].kernel_size == (1, 3, 3)
    assert network.encoder[1][0].kernel_size == (3, 3, 3)
    assert network.decoder[-1][0].kernel_size == (3, 3, 3)


def test_sides_that_strides_do_not_divide_are_refused_with_the_nearest():
    with pytest.raises(UserError, match="12 across z, the nearest are 8 and 16"):
        MSSUNet(1, 2, width=2)(torch.zeros(1, 1, 12, 32, 32))


def test_a_coarse_head_learns_the_commonest_of_the_labelled_voxels():
    fine = torch.full((1, 2, 2, 4), IGNORE)
    fine[0, 0, 0, :2] = torch.tensor([1, 2])
    fine[0, 1, 1, 0] = 2
    assert coarse_target(fine, (1, 1, 2), 3).tolist() == [[[[2, IGNORE]]]]


def test_a_head_of_full_size_learns_the_labels_as_they_are():
    fine = torch.randint(-1, 3, (1, 2, 3, 4))
    assert coarse_target(fine, (2, 3, 4), 3) is fine
