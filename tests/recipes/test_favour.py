"""How much a forest favours rare classes, as what is left out tells."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.nn.losses import IGNORE
from sparseseg.nn.trees import Trees
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view import favour
from sparseseg.recipes.three_view.slices import training_slices
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create
from sparseseg.work import result_of

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
    return result_of(work)


def test_a_class_that_nothing_shows_surely_is_favoured_until_it_is_found():
    # Of a quarter 3 in 10 are of class 1, which is 0.075 of all. It is said from the power on
    # with (0.925 / 0.075) ** power > 7 / 3, which is 0.337.
    alike = [annotated([(0.75, 0.0), (0.25, 0.3)], seed=n) for n in range(3)]
    assert best(*alike).power == 0.375


def test_a_class_that_is_found_anyway_is_not_favoured_where_it_is_in_doubt():
    # All of a tenth, and 2 in 5 of a twentieth: the IoU is 0.10 / 0.12 without these, and
    # 0.12 / 0.15 with them, which (0.88 / 0.12) ** 0.25 > 3 / 2 would say.
    alike = [
        annotated([(0.85, 0.0), (0.1, 1.0), (0.05, 0.4)], seed=n) for n in range(3)
    ]
    assert best(*alike).power == 0.0


def test_slices_without_any_class_tell_nothing():
    without = [annotated([(1.0, 0.0)], seed=n) for n in range(2)]
    assert best(*without) == (favour.FAVOUR, 1.0)


def test_slices_on_which_a_class_is_never_found_tell_no_power():
    # Of all looks alike, 1 in 100 is of class 1, which no power up to a half can find.
    rare = [annotated([(1.0, 0.01)], seed=n) for n in range(2)]
    assert best(*rare) == (favour.FAVOUR, 0.0)


def test_how_well_looks_tell_a_class_is_the_iou_on_what_was_left_out():
    # Said of the second look, where 3 in 4 are of class 1, and 1 in 4 of the first are too.
    alike = [annotated([(0.5, 0.25), (0.5, 0.75)], seed=n) for n in range(3)]
    assert best(*alike) == (0.0, pytest.approx(0.375 / 0.625))


def slice_of(plane):
    """Return the only annotated slice of a volume, and its plan; 0 is not labelled."""
    annotation = np.zeros((8, *plane.shape), np.uint8)
    annotation[3] = plane
    labels = SparseLabels(annotation)
    noise = np.random.default_rng(0).normal(size=annotation.shape).astype(np.float32)
    case = Volume.from_array(noise), labels
    plan = create([case], TrainSettings(device="cpu")).plan
    (one,) = training_slices([Scene.of(plan, *case)])
    return one, plan


def test_a_single_slice_is_cut_into_quarters_through_the_middle_of_its_classes():
    plane = np.full((12, 16), 255, np.uint8)
    plane[4:9, 6:13] = 1  # its middle is row 6, column 9
    one, plan = slice_of(plane)
    quarters = favour._quarters(one, plan)
    shown = [(part.target != IGNORE).numpy() for part in quarters]
    assert [np.argwhere(part)[0].tolist() for part in shown] == [
        [0, 0], [0, 9], [6, 0], [6, 9],
    ]  # fmt: skip
    assert np.sum(shown, axis=0).tolist() == np.ones((12, 16)).tolist()
    assert [part.counts for part in quarters] == [
        [6 * 9 - 6, 6], [6 * 7 - 8, 8], [6 * 9 - 9, 9], [6 * 7 - 12, 12],
    ]  # fmt: skip
    assert one.labelled == 12 * 16


def test_quarters_without_a_label_are_none_and_a_slice_without_a_class_is_whole():
    plane = np.zeros((12, 16), np.uint8)
    plane[2, 3:14] = 1
    plane[3, 3:14] = 255
    one, plan = slice_of(plane)
    # The middle of the class is its only row, with columns up to 8, and on.
    assert [part.labelled for part in favour._quarters(one, plan)] == [10, 12]
    bare = one.part((slice(3, 4), slice(0, 16)))
    assert bare.counts == [11, 0]
    assert favour._quarters(bare, plan) == [bare]


def test_of_several_volumes_whole_volumes_are_left_out():
    """Each looks alike within, and the other way round in the other one."""
    one = [annotated([(0.7, 0.0), (0.3, 1.0)], scene=1, seed=n) for n in range(3)]
    other = [annotated([(0.3, 1.0), (0.7, 0.0)], scene=2, seed=n) for n in range(3)]
    left = favour._groups([*one, *other], PLAN)
    assert [len(group) for group in left] == [3, 3]
    assert [len(group) for group in favour._groups(one, PLAN)] == [1, 1, 1]


def test_beside_a_network_rare_classes_are_favoured_more_in_other_volumes_only():
    one, several = [None], [None, None]
    assert favour.favour_beside(0.125, one) == 0.125
    assert favour.favour_beside(0.125, several) == 0.5
    assert favour.favour_beside(0.5, several) == 1.0
