import pytest
import torch
from torch import Tensor, nn

from sparseseg.errors import UserError
from sparseseg.nn.unet3d import (
    MARGIN,
    UNet3d,
    check_size,
    legal_size,
    output_size,
    tile_for,
)


def parameters(**options) -> int:
    with torch.device("meta"):
        network = UNet3d(3, 3, **options)
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@pytest.fixture
def network() -> UNet3d:
    torch.manual_seed(0)
    return UNet3d(1, 2, width=1)


def test_the_parameters_are_those_of_the_paper():
    assert parameters() == 19_069_955


def test_learned_scale_and_shift_add_two_numbers_for_each_normalised_channel():
    assert parameters(affine=True) == 19_074_627


def test_convolutions_and_head_have_biases_and_up_convolutions_have_none():
    network = UNet3d(3, 3, width=1)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv3d)]
    assert [m.bias is not None for m in convolutions] == 15 * [True]
    ups = [m for m in network.modules() if isinstance(m, nn.ConvTranspose3d)]
    assert [(m.in_channels, m.out_channels) for m in ups] == [(16, 16), (8, 8), (4, 4)]
    assert [m.bias for m in ups] == 3 * [None]


def test_each_convolution_is_followed_by_normalisation_and_then_relu():
    kinds = [type(m) for m in UNet3d(1, 2, width=1).modules() if not list(m.children())]
    first = kinds.index(nn.Conv3d)
    assert kinds[first : first + 3] == [nn.Conv3d, nn.BatchNorm3d, nn.ReLU]
    assert kinds.count(nn.BatchNorm3d) == kinds.count(nn.ReLU) == 14


def test_the_tile_of_the_paper_gives_the_output_of_the_paper():
    with torch.device("meta"):
        logits = UNet3d(3, 4)(torch.empty(1, 3, 116, 132, 132))
    assert logits.shape == (1, 4, 28, 44, 44)


def test_the_smallest_tile_gives_four_voxels_along_each_axis(network):
    with torch.no_grad():
        assert network(torch.randn(1, 1, 92, 92, 92)).shape == (1, 2, 4, 4, 4)


def test_evaluation_uses_the_statistics_of_the_batch_as_training_does(network):
    image = torch.randn(1, 1, 92, 92, 92)
    with torch.no_grad():
        trained = network.train()(image)
        network(5 + 3 * image)
        evaluated = network.eval()(image)
    assert torch.equal(trained, evaluated)
    assert not list(network.buffers())


def mirror_weights(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            module.weight.copy_(module.weight.flip(2, 3, 4))


def test_skips_are_cropped_round_the_centre(network):
    """Mirrored weights and image mirror the output only if every crop is centred."""
    image = torch.randn(1, 1, 92, 92, 92)
    with torch.no_grad():
        logits = network(image)
        mirror_weights(network)
        mirrored = network(image.flip(2, 3, 4)).flip(2, 3, 4)
    torch.testing.assert_close(mirrored, logits, atol=1e-4, rtol=1e-4)


def without_normalisation(network: UNet3d) -> UNet3d:
    for block in [*network.encoder, *network.decoder]:
        for place in (1, 4):
            block[place] = nn.Identity()
    return network


def test_tiles_eight_voxels_apart_agree_but_for_the_normalisation(network):
    image = torch.randn(1, 1, 100, 92, 92)
    plain = without_normalisation(network)
    with torch.no_grad():
        whole, first, second = (
            plain(tile) for tile in (image, image[:, :, :92], image[:, :, 8:])
        )
    torch.testing.assert_close(whole[:, :, :4], first)
    torch.testing.assert_close(whole[:, :, 8:], second)


def relative_spread(tensor: Tensor, variance: float) -> float:
    return (tensor.var() / variance).item()


def test_weights_start_with_the_variance_of_he():
    torch.manual_seed(0)
    network = UNet3d(1, 2, width=8)
    convolution, up = network.encoder[3][3], network.upsample[0]
    assert relative_spread(convolution.weight, 2 / (64 * 27)) == pytest.approx(1, 0.05)
    assert relative_spread(up.weight, 2 / 128) == pytest.approx(1, 0.05)
    assert not convolution.bias.any()


def test_legal_sizes_are_four_more_than_multiples_of_eight_from_92():
    assert [n for n in range(130) if legal_size(n)] == [92, 100, 108, 116, 124]


def test_an_illegal_size_is_refused_with_its_nearest_legal_sizes():
    with pytest.raises(UserError) as error:
        check_size((128, 132, 132))
    assert str(error.value) == (
        "3D U-Net tiles are 8k + 4 voxels with k >= 11 (92, 100, 108, ...): "
        "got 128 across z, the nearest are 124 and 132"
    )


def test_every_illegal_axis_is_named():
    with pytest.raises(UserError, match="got 64 across z, the nearest is 92; got 93"):
        check_size((64, 92, 93))


def test_the_network_refuses_an_illegal_tile(network):
    with pytest.raises(UserError, match="got 96 across x"):
        network(torch.zeros(1, 1, 92, 92, 96))


def test_the_output_loses_the_margin_on_both_sides():
    assert MARGIN == 44
    assert output_size((116, 132, 132)) == (28, 44, 44)


@pytest.mark.parametrize(
    ("wanted", "tile"), [(1, 92), (4, 92), (5, 100), (12, 100), (13, 108), (44, 132)]
)
def test_a_tile_is_the_smallest_whose_output_covers_what_is_wanted(wanted, tile):
    assert tile_for((wanted, 4, 4), (500, 500, 500)) == (tile, 92, 92)


def test_a_tile_stays_within_its_limit():
    assert tile_for((500, 500, 500), (116, 135, 92)) == (116, 132, 92)


def test_a_limit_below_the_smallest_tile_is_refused():
    with pytest.raises(UserError, match=r"need 92 voxels .* from 91"):
        tile_for((4, 4, 4), (92, 91, 200))
