import pytest
import torch
from torch import nn

from sparseseg.errors import UserError
from sparseseg.nn.unetplusplus import WIDE, UNet, UNetPlusPlus

NARROW = (2, 3, 4, 5, 6)


def parameters(kind, channels=1, outputs=1, **options) -> int:
    with torch.device("meta"):
        network = kind(channels, outputs, **options)
    return sum(p.numel() for p in network.parameters())


@pytest.fixture
def network() -> UNetPlusPlus:
    torch.manual_seed(0)
    return UNetPlusPlus(1, 2, widths=NARROW).eval()


def pruned(network: UNetPlusPlus, depth: int) -> UNetPlusPlus:
    small = UNetPlusPlus(1, 2, widths=NARROW, heads=[depth])
    known = network.state_dict()
    small.load_state_dict({name: known[name] for name in small.state_dict()})
    return small.eval()


def test_the_parameters_at_each_depth_are_those_of_the_paper():
    found = [parameters(UNetPlusPlus, heads=[depth]) for depth in (1, 2, 3, 4)]
    assert found == [100_961, 511_105, 2_204_961, 9_041_601]


def test_three_more_heads_cost_33_parameters_each():
    assert parameters(UNetPlusPlus) == 9_041_601 + 3 * 33


def test_three_channels_cost_576_parameters_more():
    assert parameters(UNetPlusPlus, 3, heads=[4]) == 9_042_177


def test_the_baselines_have_the_parameters_of_the_released_code():
    assert parameters(UNet) == 7_759_521
    assert parameters(UNet, widths=WIDE) == 9_282_246


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_pruned_network_says_bit_for_bit_what_its_head_said(network, depth):
    image = torch.randn(2, 1, 32, 48)
    heads = network(image)
    assert torch.equal(pruned(network, depth)(image)[0], heads[4 - depth])


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_pruned_network_computes_the_nodes_of_its_triangle_and_no_others(
    network, depth
):
    small, computed = pruned(network, depth), set()
    for name, node in small.nodes.items():
        node.register_forward_hook(lambda *_, name=name: computed.add(name))
    small(torch.randn(1, 1, 16, 16))
    triangle = {f"{i}_{j}" for i in range(5) for j in range(5) if i + j <= depth}
    assert computed == triangle == set(small.nodes)


def test_a_node_sees_all_to_its_left_and_the_one_below(network):
    first = network.nodes["0_3"][0]
    assert first.in_channels == 4 * NARROW[0]
    assert network.ups["0_3"].in_channels == NARROW[1]


def test_volumes_are_taken_as_planes_are():
    torch.manual_seed(0)
    network = UNetPlusPlus(2, 3, dims=3, widths=NARROW, heads=[1, 2])
    heads = network(torch.randn(1, 2, 8, 4, 12))
    assert [head.shape for head in heads] == 2 * [(1, 3, 8, 4, 12)]


@pytest.mark.parametrize("kind", [UNetPlusPlus, UNet])
def test_a_side_that_cannot_be_halved_is_refused_with_the_nearest(kind):
    network = kind(1, 2, widths=NARROW)
    with pytest.raises(UserError, match="40 across x, the nearest are 32 and 48"):
        network(torch.zeros(1, 1, 16, 40))


def test_there_is_no_normalisation(network):
    kinds = {type(module) for module in network.modules()}
    assert not kinds & {nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm}


def test_the_plain_unet_has_the_size_of_its_image():
    (logits,) = UNet(1, 2, widths=NARROW)(torch.randn(1, 1, 16, 32))
    assert logits.shape == (1, 2, 16, 32)


def test_weights_begin_as_in_the_released_code():
    torch.manual_seed(0)
    network = UNetPlusPlus(1, 1)
    block, up = network.nodes["1_0"][0], network.ups["1_1"]
    he = (2 / (32 * 9)) ** 0.5
    glorot = (2 / (4 * 128 + 4 * 64)) ** 0.5
    assert block.weight.std().item() == pytest.approx(he, rel=0.05)
    assert up.weight.std().item() == pytest.approx(glorot, rel=0.05)
    assert not up.bias.any()
