import pytest
import torch

from sparseseg import recipes
from sparseseg.errors import UserError
from sparseseg.nn.denseunet import DenseLayout, DenseUNet, load_densenet161
from sparseseg.nn.hdenseunet import HDenseUNet, neighbours, part
from tests.miniature import thin_dense_networks

FLAT = DenseLayout(2, 8, 4, (1, 1, 1, 1), (10, 12, 8, 6), (32, 32))


def parameters(name, channels=1, outputs=3, **options) -> int:
    with torch.device("meta"):
        network = part(name, channels, outputs, **options)
    return sum(p.numel() for p in network.parameters())


@pytest.fixture
def network(monkeypatch) -> HDenseUNet:
    thin_dense_networks(monkeypatch)
    torch.manual_seed(0)
    return HDenseUNet(1, 3).eval()


@pytest.mark.parametrize(
    ("name", "connections", "expected"),
    [
        ("2d", True, 49_527_843),
        ("2d", False, 44_862_339),
        ("3d", True, 16_227_955),
        ("3d", False, 15_977_467),
        ("hybrid", True, 65_866_777),
        ("hybrid", False, 60_950_785),
    ],
)
def test_the_parameters_are_those_that_were_published(name, connections, expected):
    assert parameters(name, connections=connections) == expected


def test_the_fusion_has_110979_parameters():
    assert parameters("fusion") == 110_979


def test_the_encoder_is_densenet_161_without_its_classifier():
    with torch.device("meta"):
        names = part("2d", 1, 3).named_parameters()
    encoder = ("first.", "blocks.", "transitions.", "last.")
    assert sum(p.numel() for n, p in names if n.startswith(encoder)) == 26_472_000


@pytest.mark.slow
def test_the_sizes_of_the_paper_come_out_as_they_went_in():
    with torch.device("meta"):
        features, logits = part("2d", 1, 3)(torch.empty(2, 3, 224, 224))
        volume = part("hybrid", 1, 3)(torch.empty(1, 1, 12, 224, 224))
    assert features.shape == (2, 64, 224, 224)
    assert logits.shape == (2, 3, 224, 224)
    assert volume.shape == (1, 3, 12, 224, 224)


def test_each_plane_stands_between_its_neighbours():
    volume = torch.arange(3.0).view(1, 3, 1, 1)
    found = neighbours(volume)[:, :, 0, 0]
    assert found.tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2]]


def test_channels_stay_together_in_a_triplet():
    volume = torch.stack([torch.arange(3.0), 10 + torch.arange(3.0)]).view(2, 3, 1, 1)
    assert neighbours(volume)[1, :, 0, 0].tolist() == [0, 10, 1, 11, 2, 12]


def test_the_3d_network_sees_250_times_the_scores(network):
    volume, seen = torch.randn(1, 1, 4, 32, 32), []
    network.space.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(volume)
        _, scores = network.plane(neighbours(volume[0]))
    assert torch.equal(seen[0][:, :1], volume)
    torch.testing.assert_close(seen[0][:, 1:], 250 * scores.movedim(0, 1)[None])


def learning(network) -> set[str]:
    trained = [n for n, p in network.named_parameters() if p.requires_grad]
    return {name.split(".")[0] for name in trained}


def test_each_stage_trains_its_part(network):
    found = {}
    for stage in ("2d", "2d+u", "3d", "hybrid"):
        network.enter(stage)
        found[stage] = learning(network)
    assert found == {
        "2d": {"plane"},
        "2d+u": {"plane"},
        "3d": {"space", "fusion"},
        "hybrid": {"plane", "space", "fusion"},
    }


def test_the_first_stage_does_without_connections(network):
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        network.enter("2d")
        without = network.plane(image)[1]
        network.plane.lift.weight.add_(1)
        assert torch.equal(without, network.plane(image)[1])
        network.enter("2d+u")
        assert not torch.equal(without, network.plane(image)[1])


def test_frozen_normalisation_keeps_its_statistics(network):
    volume = 3 + torch.randn(1, 1, 4, 64, 64)
    before = {n: b.clone() for n, b in network.named_buffers() if "running" in n}
    network.enter("hybrid")
    network.train()(volume)
    moved = {
        ".".join(n.split(".")[:2])
        for n, b in network.named_buffers()
        if "running" in n and not torch.equal(b, before[n])
    }
    assert not {name for name in moved if name.startswith("plane.")}
    assert "space.blocks" not in moved
    assert "fusion.net" in moved


def test_a_saved_network_knows_its_stage(network):
    network.enter("2d+u")
    other = HDenseUNet(1, 3)
    assert not other.is_flat
    other.load_state_dict(network.state_dict())
    assert other.is_flat


def test_sides_are_multiples_of_four_and_thirty_two(network):
    with pytest.raises(UserError, match="6 across z, the nearest are 4 and 8"):
        network.space(torch.zeros(1, 4, 6, 32, 32))


def test_a_part_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="got '4d'"):
        part("4d", 1, 3)


def test_the_public_name_of_a_part_is_its_network():
    with torch.device("meta"):
        network = recipes.network("hdenseunet", channels=1, outputs=3, part="2d")
    assert isinstance(network, DenseUNet)


def torchvision_like(network: DenseUNet, *, dotted: bool) -> dict[str, torch.Tensor]:
    """Give the encoder's tensors the names that torchvision's files have."""
    norm, conv = ("norm.{}", "conv.{}") if dotted else ("norm{}", "conv{}")
    places = {"0": norm.format(1), "2": conv.format(1), "3": norm.format(2)}
    places["5"] = conv.format(2)
    found = {"classifier.weight": torch.zeros(1)}
    for name, tensor in network.state_dict().items():
        match name.split("."):
            case ["first", place, kind]:
                found[f"features.{('conv0', 'norm0')[int(place)]}.{kind}"] = tensor
            case ["last", _, kind]:
                found[f"features.norm5.{kind}"] = tensor
            case ["blocks", block, "units", unit, place, kind]:
                layer = f"denseblock{int(block) + 1}.denselayer{int(unit) + 1}"
                found[f"features.{layer}.{places[place]}.{kind}"] = tensor
            case ["transitions", block, place, kind]:
                word = {"0": "norm", "2": "conv"}[place]
                found[f"features.transition{int(block) + 1}.{word}.{kind}"] = tensor
    return found


@pytest.mark.parametrize("dotted", [False, True])
def test_the_encoder_starts_from_weights_with_torchvisions_names(dotted):
    torch.manual_seed(0)
    source, target = DenseUNet(3, 2, FLAT), DenseUNet(3, 2, FLAT)
    load_densenet161(target, torchvision_like(source, dotted=dotted))
    for name, tensor in source.blocks.state_dict().items():
        assert torch.equal(target.blocks.state_dict()[name], tensor)
    assert torch.equal(target.first[0].weight, source.first[0].weight)
    assert not torch.equal(target.head.weight, source.head.weight)


def test_other_channels_start_from_the_mean_of_the_three():
    source, target = DenseUNet(3, 2, FLAT), DenseUNet(6, 2, FLAT)
    load_densenet161(target, torchvision_like(source, dotted=False))
    grey = torch.ones(1, 1, 32, 32)
    with torch.no_grad():
        expected = source.first[0](grey.expand(-1, 3, -1, -1))
        found = target.first[0](grey.expand(-1, 6, -1, -1))
    torch.testing.assert_close(found, expected)


def test_weights_of_another_network_are_refused():
    with pytest.raises(UserError, match="not the weights of DenseNet-161"):
        load_densenet161(DenseUNet(3, 2, FLAT), {"conv1.weight": torch.zeros(1)})
