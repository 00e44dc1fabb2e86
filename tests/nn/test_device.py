import pytest
import torch
from torch import nn

from sparseseg.errors import UserError
from sparseseg.nn import device
from sparseseg.nn.device import PLAIN, Precision, choose_device, probe

HALF = Precision(bfloat16=True, channels_last=True)
LAST = Precision(bfloat16=False, channels_last=True)


def there(monkeypatch, *, cuda=False, mps=False):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("found", "kind"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": True, "mps": True}, "cuda")],
)
def test_auto_takes_the_fastest_that_is_there(monkeypatch, found, kind):
    there(monkeypatch, **found)
    assert choose_device("auto").type == kind


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(monkeypatch, name):
    there(monkeypatch)
    with pytest.raises(UserError, match=f"there is no {name} device here"):
        choose_device(name)
    assert choose_device("cpu").type == "cpu"


def test_an_unknown_device_is_refused_by_name():
    with pytest.raises(UserError, match="got 'tpu'"):
        choose_device("tpu")


@pytest.mark.parametrize(
    ("precision", "dtype"), [(PLAIN, torch.float32), (HALF, torch.bfloat16)]
)
def test_a_network_computes_in_the_precision_inside_the_block_only(precision, dtype):
    layer, inputs = nn.Linear(2, 2), torch.ones(1, 2)
    with precision.on(torch.device("cpu")):
        assert layer(inputs).dtype is dtype
    assert layer(inputs).dtype is torch.float32


@pytest.mark.parametrize(
    ("size", "last"), [((2, 3, 4, 5), (60, 1, 15, 3)), ((2, 3, 4), (12, 4, 1))]
)
def test_only_planes_and_volumes_are_laid_out_channels_last(size, last):
    inputs = torch.arange(2.0 * 3 * 4 * 5)[: torch.Size(size).numel()].reshape(size)
    found = LAST.laid_out(inputs)
    assert found.stride() == last
    assert torch.equal(found, inputs)
    assert PLAIN.laid_out(found).is_contiguous()


def test_preparing_a_network_changes_its_layout_and_no_weight():
    network = nn.Sequential(nn.Conv3d(2, 3, 2), nn.Linear(2, 2))
    before = network[0].weight.clone()
    LAST.prepare(network)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(network[0].weight, before)


@pytest.mark.parametrize("fastest", [PLAIN, LAST, HALF])
def test_the_probe_takes_the_fastest_and_leaves_no_gradient(monkeypatch, fastest):
    network = nn.Conv2d(2, 3, 3)
    seconds = iter(1.0 if c == fastest else 2.0 for c in device._candidates())

    def measure(work, least):
        work()
        return next(seconds)

    monkeypatch.setattr(device, "_measure", measure)
    assert probe(network, torch.randn(1, 2, 8, 8), network) == fastest
    assert network.weight.grad is None
    last = network.weight.is_contiguous(memory_format=torch.channels_last)
    assert last == fastest.channels_last


@pytest.mark.parametrize(("has_matrix_units", "first"), [(True, HALF), (False, LAST)])
def test_where_a_pass_takes_long_only_the_likely_fastest_is_tried(
    monkeypatch, has_matrix_units, first
):
    able = {"amx_bf16": has_matrix_units}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr(device, "_LONG_SECONDS", 0.0)
    tried = []
    assert device.fastest(nn.Conv3d(1, 1, 1), tried.append) == first
    assert set(tried) == {first}


def test_a_precision_whose_gradients_are_no_numbers_is_not_taken():
    network = nn.Conv3d(1, 1, 1)

    def answer(inputs):
        # As convolutions of a library in bfloat16, for some shapes.
        is_half = torch.is_autocast_enabled("cpu")
        return network(inputs) * (float("nan") if is_half else 1.0)

    assert not probe(network, torch.ones(1, 1, 2, 2, 2), answer).bfloat16
    assert network.weight.grad is None


def test_what_is_slow_at_first_is_not_measured_again(monkeypatch):
    monkeypatch.setattr(device, "_TELLING_SECONDS", 0.0)
    passes = []
    device._measure(lambda: passes.append(0), least=float("inf"))
    assert len(passes) == 3
    device._measure(lambda: passes.append(0), least=0.0)
    assert len(passes) == 4


def test_a_first_pass_that_only_loads_kernels_does_not_decide():
    passes = []
    device._measure(lambda: passes.append(0), least=0.0)
    assert len(passes) == 3


def test_the_probe_does_not_move_the_random_numbers():
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Dropout2d())
    before = torch.get_rng_state()
    probe(network, torch.ones(1, 2, 8, 8), network)
    assert torch.equal(torch.get_rng_state(), before)
