"""Answers that are means of others, by odds worked out by hand."""

from types import SimpleNamespace

import pytest
import torch

from sparseseg.engine.mixing import (
    SHARES,
    combined,
    favour,
    made_of,
    needs,
    of_classes,
    parts_of,
    seen_by,
    weighed,
)
from sparseseg.progress import METHODS


def answer(first):
    """Return the probabilities of one voxel for two outputs."""
    return torch.tensor([first, 1 - first]).view(2, 1, 1, 1)


SAID = {
    "network": answer(0.5),
    "unguided": answer(0.5),
    "trees": answer(0.7),
    "beside": answer(0.8),
    "walker": answer(0.9),
    "interpolation": answer(0.3),
}


# Of a geometric mean the logarithms of the odds are the mean: 4 of the trees, 9 of the walker.
@pytest.mark.parametrize(
    ("method", "odds"),
    [
        ("forest", 4 ** (2 / 3)),
        ("mixed", 9 ** (1 / 3)),
        ("near", 4 ** (2 / 9) * 9 ** (2 / 3)),
        ("walked", 9 ** (2 / 3)),
    ],
)
def test_a_mean_has_the_weighted_odds_of_its_parts(method, odds):
    found = combined(method, SAID)
    assert found.flatten().tolist() == pytest.approx(
        [odds / (1 + odds), 1 / (1 + odds)]
    )


def test_what_answers_on_its_own_stays_as_it_is():
    assert combined("walker", SAID) is SAID["walker"]


def test_outputs_are_weighed_after_a_mix_or_alone():
    box = None
    assert weighed(None, ()) is None
    mix = weighed(None, (1.0, 3.0))
    # Odds of 1 to 1 become 1 to 3.
    assert mix(answer(0.5), box).flatten().tolist() == pytest.approx([0.25, 0.75])
    after = weighed(lambda found, box: answer(0.6), (1.0, 3.0))
    assert after(answer(0.5), box).flatten().tolist() == pytest.approx(
        [0.6 / 1.8, 1.2 / 1.8]
    )


def test_each_method_has_shares_that_sum_to_one():
    assert SHARES.keys() == METHODS.keys() - {"classwise"}
    for shares in SHARES.values():
        assert sum(shares.values()) == pytest.approx(1)


def test_only_the_parts_that_methods_need_are_asked():
    assert parts_of(["forest", "walked"]) == {"beside", "unguided", "walker", "network"}


def test_a_mean_has_its_share_of_what_trees_add_for_rare_classes():
    recipe = SimpleNamespace(
        favour=lambda _network, *, beside: 0.75 if beside else 0.25
    )
    found = {method: favour(recipe, None, method) for method in SHARES}
    assert found.pop("trees") == 0.25
    assert found.pop("forest") == pytest.approx(0.5)
    assert found.pop("near") == pytest.approx(1 / 6)
    assert set(found.values()) == {0}


def of_two_classes(by_class):
    return SimpleNamespace(by_class=by_class, plan=SimpleNamespace(classes=(0, 1, 2)))


def test_each_class_has_its_own_answer_and_the_background_their_mean():
    model = of_two_classes({1: "forest", 2: "walker"})
    answers = {
        "forest": torch.tensor([0.2, 0.7, 0.1]).view(3, 1, 1, 1),
        "walker": torch.tensor([0.4, 0.0, 0.6]).view(3, 1, 1, 1),
    }
    # 0.3 of the background, 0.7 and 0.6 of the classes: together 1.6.
    assert of_classes(model, answers).flatten().tolist() == pytest.approx(
        [0.3 / 1.6, 0.7 / 1.6, 0.6 / 1.6]
    )
    # A class that was painted later has no answer of its own: 0.3, 0.7 and 0.35 of 1.35.
    later = of_two_classes({1: "forest"})
    assert of_classes(later, answers).flatten().tolist() == pytest.approx(
        [0.3 / 1.35, 0.7 / 1.35, 0.35 / 1.35]
    )


def test_what_classes_are_taken_from_is_asked_and_nothing_else():
    scene = SimpleNamespace(slices=["z 1"], without=lambda _slices: "bare")
    model = of_two_classes({1: "trees", 2: "near", 3: "trees"})
    assert made_of("classwise", model) == ("trees", "near")
    assert made_of("walker", model) == ("walker",)
    assert needs("classwise", model, "walker")
    assert not needs("classwise", model, "network", "interpolation")
    assert seen_by("classwise", model, scene) == "bare"
    led = of_two_classes({1: "trees", 2: "mixed"})
    assert seen_by("classwise", led, scene) is scene
    assert seen_by("walker", led, scene) is scene
    assert seen_by("near", led, scene) == "bare"
