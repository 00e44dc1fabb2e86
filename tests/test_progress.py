"""What a model's history says of its two uses."""

import pytest

from sparseseg.progress import uses_in_words

HELD_OUT = {
    "slices": ["z 4", "y 2"],
    "best": "mixed",
    "mixed": {"mean_iou": 0.7},
    "unguided": {"mean_iou": 0.4},
}


def test_both_uses_are_told_apart():
    other = {"mean_iou": 0.4, "slices": ["z 4"], "left_out": "slices"}
    this, another = uses_in_words({"held_out": HELD_OUT, "other_volume": other})
    assert this.startswith("this volume, with its slices: mean IoU 0.70")
    assert "network and random walker, on slices z 4, y 2" in this
    assert another.startswith("another volume, without slices: mean IoU 0.40")
    assert "other slices of the same volume were learned from" in another


def test_a_volume_that_was_left_out_is_named_as_such():
    other = {"mean_iou": 0.3, "slices": ["z 1"], "left_out": "volume"}
    (words,) = uses_in_words({"other_volume": other})
    assert "on slice z 1 of a volume that was left out" in words


def test_the_estimate_of_another_volume_comes_before_its_score():
    estimate = {"mean_dice": 0.62, "low": 0.47, "high": 0.77}
    history = {
        "other_volume": {"mean_iou": 0.3, "slices": ["z 1"], "left_out": "volume"},
        "elsewhere": {"left_out": "volume", "estimate": estimate},
    }
    (words,) = uses_in_words(history)
    assert "estimated mean Dice 0.62 (0.47 to 0.77)" in words
    assert "left out in turn" in words


@pytest.mark.parametrize(
    "history",
    [
        {},
        {"held_out": None},
        {"held_out": {"best": ["mixed"]}, "other_volume": 3},
        {"held_out": {"best": "mixed", "mixed": {"mean_iou": "high"}}},
    ],
)
def test_what_is_not_known_is_not_told(history):
    assert uses_in_words(history) == []
