"""How much a forest favours rare classes, as left-out slices tell."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sparseseg.nn.trees import Trees
from sparseseg.recipes.three_view import favour

SIZE = 4000
PLAN = SimpleNamespace(classes=(0, 1), outputs=(None, None))


@pytest.fixture(autouse=True)
def pixels_as_they_are(monkeypatch):
    def drawn(group, _, rng):
        parts = zip(*(one.pixels for one in group), strict=True)
        return tuple(torch.cat(part) for part in parts)

    def balanced(group, _, rng):
        pixels, target = drawn(group, _, rng)
        return pixels, target, np.bincount(target, minlength=2) / len(target)

    monkeypatch.setattr(favour, "bare_pixels", drawn)
    monkeypatch.setattr(favour, "balanced_pixels", balanced)


def annotated(parts, *, scene=None, seed=0):
    """Make a slice of looks, each on a share of it and with a share of class 1."""
    rng = np.random.default_rng(seed)
    looks, target = [], []
    for look, (size, share) in enumerate(parts):
        count = round(size * SIZE)
        looks += [look] * count
        target += [1] * round(share * count) + [0] * (count - round(share * count))
    order = rng.permutation(len(target))
    pixels = torch.tensor(looks, dtype=torch.float32)[order, None].repeat(1, 2)
    return SimpleNamespace(scene=scene, pixels=(pixels, torch.tensor(target)[order]))


def best(*drawn):
    work = favour.best_favour(drawn, Trees(2, 2), PLAN, np.random.default_rng(0))
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_a_class_that_nothing_shows_surely_is_favoured_until_it_is_found():
    # Of a quarter 3 in 10 are of class 1, which is 0.075 of all. It is said from the power on
    # with (0.925 / 0.075) ** power > 7 / 3, which is 0.337.
    alike = [annotated([(0.75, 0.0), (0.25, 0.3)], seed=n) for n in range(3)]
    assert best(*alike) == 0.375


def test_a_class_that_is_found_anyway_is_not_favoured_where_it_is_in_doubt():
    # All of a tenth, and 2 in 5 of a twentieth: the IoU is 0.10 / 0.12 without these, and
    # 0.12 / 0.15 with them, which (0.88 / 0.12) ** 0.25 > 3 / 2 would say.
    alike = [
        annotated([(0.85, 0.0), (0.1, 1.0), (0.05, 0.4)], seed=n) for n in range(3)
    ]
    assert best(*alike) == 0.0


def test_a_single_slice_tells_nothing():
    assert best(annotated([(0.75, 0.0), (0.25, 0.3)])) == favour.FAVOUR


def test_slices_without_any_class_tell_nothing():
    assert best(*[annotated([(1.0, 0.0)], seed=n) for n in range(2)]) == favour.FAVOUR


def test_slices_on_which_a_class_is_never_found_tell_nothing():
    # Of all looks alike, 1 in 100 is of class 1, which no power up to a half can find.
    assert best(*[annotated([(1.0, 0.01)], seed=n) for n in range(2)]) == favour.FAVOUR


def test_of_several_volumes_whole_volumes_are_left_out():
    """Each looks alike within, and the other way round in the other one."""
    one = [annotated([(0.7, 0.0), (0.3, 1.0)], scene=1, seed=n) for n in range(3)]
    other = [annotated([(0.3, 1.0), (0.7, 0.0)], scene=2, seed=n) for n in range(3)]
    left = favour._groups([*one, *other])
    assert [len(group) for group in left] == [3, 3]
    assert [len(group) for group in favour._groups(one)] == [1, 1, 1]


def test_beside_a_network_rare_classes_are_favoured_more_in_other_volumes_only():
    one, several = [None], [None, None]
    assert favour.favour_beside(0.125, one) == 0.125
    assert favour.favour_beside(0.125, several) == 0.5
    assert favour.favour_beside(0.5, several) == 1.0
