import copy

import numpy as np
import pytest
import torch

from sparseseg.nn import classifier, guided_unet
from sparseseg.nn.device import PLAIN
from sparseseg.nn.guided_unet import FOLDS, GuidedUNet


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    for module in (classifier, guided_unet):
        monkeypatch.setattr(module, "FIT_PIXELS", 64)


def net(*, outputs=3):
    torch.manual_seed(0)
    return GuidedUNet(4, 2, outputs, widths=(4, 6, 8)).eval()


def trained(network):
    """Let the correction say something."""
    torch.nn.init.normal_(network.head.weight)
    return network


def labelled(count=60):
    torch.manual_seed(1)
    pixels = torch.randn(count, 6)
    return pixels, (pixels[:, 0] > 0).long(), torch.arange(count) % FOLDS


@pytest.fixture(autouse=True)
def one_precision(monkeypatch):
    # Which is fastest is measured, and differs from run to run.
    monkeypatch.setattr(guided_unet, "probe", lambda *_: PLAIN)


def fitted(network, pixels, target, folds, steps=30):
    rng = np.random.default_rng(0)
    torch.manual_seed(2)
    work = network.fit_voxelwise(
        pixels, target, folds, steps=steps, blind=max(1, steps // 4), rng=rng
    )
    list(work)
    return network


def test_a_fresh_network_says_what_its_voxelwise_classifier_says():
    network, planes = net(), torch.randn(2, 6, 8, 8)
    single = network.classifiers[FOLDS](planes[:, :4].movedim(1, -1)).softmax(-1)
    torch.testing.assert_close(network(planes).exp(), single.movedim(-1, 1))


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1), (1, 9)])
def test_logits_have_the_size_of_the_planes(size):
    assert trained(net())(torch.randn(2, 6, *size)).shape == (2, 3, *size)


def test_channels_around_reach_the_correction_and_not_the_classifier():
    planes = torch.randn(1, 6, 8, 8)
    other = planes.clone()
    other[:, 4:] += 1
    assert torch.equal(net()(planes), net()(other))
    assert not torch.allclose(trained(net())(planes), trained(net())(other))


def test_a_fold_is_answered_by_its_own_classifier():
    network, planes = net(), torch.randn(1, 6, 4, 4)
    answers = [network(planes, fold) for fold in (*range(FOLDS), None)]
    for place, answer in enumerate(answers):
        assert all(not torch.equal(answer, other) for other in answers[:place])


def test_the_classifier_of_a_fold_does_not_see_its_targets():
    pixels, target, folds = labelled()
    turned = torch.where(folds == 1, 1 - target, target)
    first = fitted(copy.deepcopy(net()), pixels, target, folds)
    second = fitted(copy.deepcopy(net()), pixels, turned, folds)
    same = [
        torch.equal(a[0].weight, b[0].weight)
        for a, b in zip(first.classifiers, second.classifiers, strict=True)
    ]
    assert same == [place == 1 for place in range(FOLDS + 1)]


def test_a_prediction_takes_half_of_the_correction_that_training_sees(monkeypatch):
    monkeypatch.setattr(guided_unet, "_DROPOUT", 0.0)
    network, planes = trained(net()), torch.randn(1, 6, 8, 8)
    single = network.classifiers[FOLDS](planes[:, :4].movedim(1, -1)).softmax(-1)
    likely = single.movedim(-1, 1).log()
    predicted = network(planes) - likely
    learned = network.train()(planes) - likely
    torch.testing.assert_close(2 * predicted, learned)


def test_fitting_learns_what_single_pixels_tell():
    pixels, target, folds = labelled(300)
    network = fitted(net(outputs=2), pixels, target, folds, steps=100)
    logits = network(pixels.T[None, :, :, None])[0, :, :, 0]
    assert (logits.argmax(0) == target).float().mean() > 0.95


def test_a_fresh_network_answers_after_the_steps_of_a_blind_one_and_a_fitted_one_as_before():
    pixels, target, folds = labelled()
    network, planes = net(), torch.randn(1, 6, 8, 8)
    for seed, wanted in ((0, [False] * 9 + [True] * 31), (1, [True] * 40)):
        answers, rng = [network(planes)], np.random.default_rng(seed)
        work = network.fit_voxelwise(
            pixels, target, folds[:1].repeat(60), steps=40, blind=10, rng=rng
        )
        fitted = []
        for _ in zip(range(40), work, strict=False):
            fitted.append(network.is_fitted)
            answers.append(network(planes))
        assert fitted == wanted
        changes = [n for n in range(1, 41) if not answers[n].equal(answers[n - 1])]
        assert changes == ([10] if seed == 0 else [])
        list(work)
    assert not network(planes).equal(answers[-1])


def test_what_is_blind_to_a_new_fold_begins_as_what_had_seen_all_others():
    pixels, target, folds = labelled()
    known, network = folds < 8, net()
    fitted(network, pixels[known], target[known], folds[known])
    before = [one[0].weight.clone() for one in network.classifiers]
    rng = np.random.default_rng(0)
    list(network.fit_voxelwise(pixels, target, folds, steps=5, blind=0, rng=rng))
    after = [one[0].weight for one in network.classifiers]
    assert torch.equal(after[8], before[FOLDS])
    assert all(torch.equal(after[n], before[n]) for n in range(8))
    assert not torch.equal(after[FOLDS], before[FOLDS])


def test_one_slice_alone_is_fitted_by_all_classifiers():
    pixels, target, _ = labelled(300)
    zero = torch.zeros_like(target)
    network = fitted(net(outputs=2), pixels, target, zero, steps=100)
    logits = network(pixels.T[None, :, :, None], 0)[0, :, :, 0]
    assert (logits.argmax(0) == target).float().mean() > 0.9


def test_inputs_are_standardised_by_what_was_fitted():
    pixels, target, folds = labelled()
    network = fitted(net(), pixels * 7 + 100, target, folds, steps=1)
    standard = network.standardised(pixels * 7 + 100)
    torch.testing.assert_close(standard.mean(0), torch.zeros(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(standard.std(0, correction=0), torch.ones(6))


def test_a_channel_that_never_varies_stays_finite():
    pixels, target, folds = labelled()
    pixels[:, 2] = 5
    network = fitted(net(), pixels, target, folds, steps=2)
    assert network(torch.randn(1, 6, 4, 4)).isfinite().all()


def test_a_single_labelled_pixel_stays_finite():
    pixels, target, folds = (part[:1] for part in labelled())
    network = fitted(net(), pixels, target, folds, steps=2)
    assert network(torch.randn(1, 6, 4, 4)).isfinite().all()


def test_steps_train_the_correction_and_never_the_classifiers():
    network = fitted(trained(net()).train(), *labelled(), steps=2)
    network(torch.randn(2, 6, 8, 8), 0).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.startswith("classifiers"), name


def test_a_prediction_does_not_depend_on_how_far_away_a_plane_ends():
    network, planes = trained(net()), torch.randn(1, 6, 80, 80)
    part = network(planes[..., 8:72, 8:72])[..., 24:-24, 24:-24]
    torch.testing.assert_close(part, network(planes)[..., 32:-32, 32:-32])


def test_what_is_known_of_the_voxels_before_gives_the_same_logits():
    network, planes = trained(net()), torch.randn(2, 6, 50, 50)  # more than one part
    first = network.voxelwise(planes[:, :4])
    torch.testing.assert_close(first, network.voxelwise(planes))
    shown = torch.cat([first, network.standardised(planes)], 1)
    torch.testing.assert_close(network.corrected(first, shown), network(planes))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_channels_are_standardised_into_planes_of_any_axis_to_the_bit(
    monkeypatch, kind
):
    monkeypatch.setattr(guided_unet, "_CACHED_PIXELS", 70)  # two planes, and one
    network = fitted(net(), *labelled(), steps=1)
    channels = torch.randn(3, 5, 6, 7).half()  # c, z, y, x
    planes = torch.empty(7, 3, 5, 6, dtype=kind)  # across x
    network.standardise_into(planes.movedim(0, 3), channels, begin=2)
    every = torch.cat([torch.zeros(2, 5, 6, 7), channels.float()])[None]
    expected = network.standardised(every)[0, 2:].to(kind)
    assert torch.equal(planes, expected.movedim(3, 0))


def test_what_is_hidden_changes_no_answer():
    pixels, target, folds = labelled()
    network = net()
    network.hidden[1] = True
    fitted(network, pixels, target, folds)
    trained(network)
    planes = torch.randn(1, 6, 8, 8)
    other = planes.clone()
    other[:, 1] = 7
    torch.testing.assert_close(network(planes), network(other))
    rows, changed = (p.movedim(1, -1).reshape(-1, 6)[:, :4] for p in (planes, other))
    torch.testing.assert_close(network.trees(rows), network.trees(changed))
    other[:, 0] = 7
    assert not torch.equal(network(planes), network(other))


def test_a_model_without_the_buffer_hides_nothing():
    known = net().state_dict()
    del known["hidden"]
    network = net()
    network.load_state_dict(known)
    assert not network.hidden.any()
