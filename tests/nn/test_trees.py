import numpy as np
import pytest
import torch

from sparseseg.nn import trees as trees_module
from sparseseg.nn.guided_unet import GuidedUNet
from sparseseg.nn.trees import Trees


def grown(pixels, target, outputs=2, *, rare=0.5, frequent=None, hidden=None):
    trees = Trees(pixels.shape[1], outputs)
    trees.rare.fill_(rare)
    if hidden is not None:
        trees.deal(torch.tensor(hidden))
    if frequent is None:
        frequent = np.bincount(target, minlength=outputs) / len(target)
    trees.fit(pixels, target, np.array(frequent), np.random.default_rng(0))
    return trees


def drawn(count=4000):
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(0))


def test_trees_find_a_class_that_two_channels_tell_only_together():
    pixels = drawn()
    target = ((pixels[:, 0] > 0.5) != (pixels[:, 2] > 0.5)).long()
    trees = grown(pixels[:3000], target[:3000])
    found = trees(pixels[3000:]).argmax(1)
    assert (found == target[3000:]).float().mean() > 0.9


def test_beyond_all_that_was_seen_trees_say_what_they_say_at_its_end():
    pixels = drawn()
    trees = grown(pixels, (pixels[:, 1] > 0.5).long())
    ends = torch.tensor([[0.5, 1.0, 0.5], [0.5, 100.0, 0.5]])
    end, beyond = trees(ends)
    assert torch.equal(end, beyond)
    assert end[1] > 0.9


def test_where_nothing_tells_classes_apart_half_of_the_prior_counts():
    target = torch.tensor([0, 0, 0, 1]).repeat(1000)
    found = grown(torch.ones(4000, 2), target)(torch.ones(1, 2))[0]
    # 0.75 / sqrt(0.75) and 0.25 / sqrt(0.25), which are 0.866 and 0.5 of 1.366
    np.testing.assert_allclose(found, [0.634, 0.366], atol=1e-3)


def test_a_rare_class_is_found_where_it_is_much_more_frequent_than_elsewhere():
    # Of 10,000 pixels 200 are of class 1, all of them among 500 that look alike.
    pixels, target = torch.zeros(10_000, 2), torch.zeros(10_000, dtype=torch.long)
    pixels[:500], target[:200] = 1, 1
    found = grown(pixels, target)(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    # 0.6 / sqrt(0.98) is 0.606, and 0.4 / sqrt(0.02) is 2.828
    np.testing.assert_allclose(found[1], [0.177, 0.823], atol=0.02)
    assert found[0, 0] > 0.99


def test_without_favour_trees_say_how_frequent_a_class_is():
    target = torch.tensor([0, 0, 0, 1]).repeat(1000)
    found = grown(torch.ones(4000, 2), target, rare=0.0)(torch.ones(1, 2))[0]
    np.testing.assert_allclose(found, [0.75, 0.25], atol=1e-3)


def test_leaves_count_as_frequent_as_in_nature_however_often_a_class_was_drawn():
    target = torch.tensor([0, 1]).repeat(2000)
    found = grown(torch.ones(4000, 2), target, rare=0.0, frequent=[0.9, 0.1])
    np.testing.assert_allclose(found(torch.ones(1, 2))[0], [0.9, 0.1], atol=1e-3)


def test_trees_never_look_at_what_is_hidden_from_them():
    pixels = drawn()
    target = (pixels[:, 1] > 0.5).long()
    first, second = [False, True, False], [False, False, False]
    trees = grown(pixels, target, hidden=[first, second])
    looked = [set(one.tolist()) for one in trees.feature]
    assert all(1 not in channels for channels in looked[:16])
    assert all(1 in channels for channels in looked[16:])
    assert torch.equal(trees.another(count=2).hidden, torch.tensor([first, second]))


def test_others_favour_rare_classes_as_much():
    assert float(
        grown(drawn(), torch.zeros(4000).long(), rare=0.125).another().rare
    ) == (0.125)


def test_a_class_that_was_never_seen_is_never_said():
    found = grown(drawn(), torch.zeros(4000, dtype=torch.long))(drawn(10))
    np.testing.assert_array_equal(found, [[1.0, 0.0]] * 10)


def test_trees_that_have_not_grown_say_nothing():
    np.testing.assert_allclose(Trees(2, 4)(torch.zeros(3, 2)), 0.25)


def test_a_network_of_a_version_without_trees_is_read():
    network = GuidedUNet(6, 2, 2, widths=[2, 2], alone=3)
    old = {k: v for k, v in network.state_dict().items() if "trees" not in k}
    other = GuidedUNet(6, 2, 2, widths=[2, 2], alone=3)
    other.load_state_dict(old)
    assert torch.equal(other.head.weight, network.head.weight)


def test_all_trees_walked_at_once_say_what_a_walk_node_by_node_says(monkeypatch):
    monkeypatch.setattr(trees_module, "_CACHED", 7)  # two parts, and a rest
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.normal(size=(300, 3)).astype(np.float32))
    forest = Trees(3, 2, count=4)
    half = np.array([0.5, 0.5])
    forest.fit(pixels, (pixels[:, 0] > pixels[:, 1]).long(), half, rng)
    expected = torch.stack([_walked(forest, pixel) for pixel in pixels[:16]])
    torch.testing.assert_close(forest(pixels[:16]), expected)


def _walked(forest, pixel):
    """Go from node to node, numbered as in a heap, in one tree after the other."""
    total = torch.zeros(2)
    for feature, cut, shares in zip(
        forest.feature, forest.cut, forest.shares, strict=True
    ):
        node = 0
        while node < len(cut):
            node = 2 * node + 1 + int(pixel[int(feature[node])] > cut[node])
        total += shares[node - len(cut)].float()
    favoured = total / total.sum() / forest.frequent**forest.rare
    return favoured / favoured.sum()


def test_trees_of_an_earlier_version_are_less_deep_and_answer():
    old = GuidedUNet(6, 2, 2, widths=[2, 2], alone=3)
    assert old.trees.feature.shape[1] == 2**10 - 1
    np.testing.assert_allclose(old.trees(torch.zeros(3, 3)), 0.5)


def test_a_mean_of_a_version_with_one_favour_stays_as_it_was():
    network = GuidedUNet(6, 2, 2, widths=[2, 2], alone=3)
    network.trees.rare.fill_(0.0)
    old = {k: v for k, v in network.state_dict().items() if k != "trees.beside"}
    other = GuidedUNet(6, 2, 2, widths=[2, 2], alone=3)
    other.load_state_dict(old)
    assert float(other.trees.favour(beside=True)) == 0.0


@pytest.mark.parametrize("depth", [0, 21, 10**12])
def test_a_depth_that_a_file_makes_up_is_refused_at_once(depth):
    with pytest.raises(ValueError, match="depth"):
        Trees(2, 2, depth=depth)
