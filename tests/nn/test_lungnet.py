import pytest
import torch

from sparseseg.nn.lungnet import DILATIONS, LungNet


def parameters(channels, outputs, **options) -> int:
    with torch.device("meta"):
        network = LungNet(channels, outputs, **options)
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("channels", "outputs", "expected"),
    [(1, 6, 130_056), (1, 7, 130_089), (3, 11, 131_057)],
)
def test_the_parameters_are_those_of_the_released_code(channels, outputs, expected):
    assert parameters(channels, outputs) == expected


def test_the_transcription_to_volumes_has_three_times_the_kernel():
    assert parameters(1, 6, dims=3) == 296_520


def test_dilations_are_the_fibonacci_numbers():
    assert all(
        c == a + b
        for a, b, c in zip(DILATIONS, DILATIONS[1:], DILATIONS[2:], strict=False)
    )


def local(network: LungNet) -> LungNet:
    """Take the normalisation out: by its statistics a pixel sees the whole image."""
    for module in network.modules():
        if hasattr(module, "scale"):
            torch.nn.init.zeros_(module.scale)
    # Nothing positive is lost in a ReLU.
    for parameter in network.parameters():
        parameter.data.abs_()
    return network.eval()


def test_a_pixel_sees_287_pixels_across():
    torch.manual_seed(0)
    network = local(LungNet(1, 2, width=2))
    image = torch.rand(1, 1, 1, 601)
    other = image.clone()
    other[..., 300] += 1
    with torch.no_grad():
        # In double precision no change is lost in rounding.
        changed = (network.double()(image.double()) != network(other.double())).any(1)
    places = changed[0, 0].nonzero()[:, 0]
    assert places[0] == 300 - 143
    assert places[-1] == 300 + 143


def test_normalisation_is_added_to_what_it_normalises():
    network = LungNet(1, 2, width=2)
    image = 5 + 3 * torch.randn(1, 1, 20, 20)
    spread = (image.var(correction=0) + 1e-3).sqrt()
    torch.testing.assert_close(
        network.first(image), image + (image - image.mean()) / spread
    )


def test_evaluation_uses_the_statistics_of_the_image():
    torch.manual_seed(0)
    network = LungNet(1, 2, width=2, dropout=0.0)
    image = torch.randn(1, 1, 9, 11)
    with torch.no_grad():
        assert torch.equal(network.train()(image), network.eval()(image))
    assert not list(network.buffers())


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (3, 4, 5)])
def test_logits_have_the_size_of_the_image(size):
    network = LungNet(2, 3, width=2, dims=len(size))
    assert network(torch.randn(1, 2, *size)).shape == (1, 3, *size)
