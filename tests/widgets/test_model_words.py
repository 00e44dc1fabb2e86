import pytest

from sparseseg.models.store.entries import Licence, ModelEntry
from sparseseg.widgets.model_words import Pick, card, fit_words, fits, line

ENTRY = ModelEntry(
    id="kidneys",
    title="Kidneys of the world",
    organ=("kidney",),
    modality="CT",
    classes={1: "kidney", 2: "tumour"},
    spacing=(2.0, 1.0, 1.0),
    range=(-80.0, 300.0),
    licence=Licence(weights="CC BY-NC 4.0", data="?", commercial="no"),
    citation=("Somebody 2026",),
    status="format-verified",
)
PICK = Pick("kidneys", ENTRY)


def test_the_card_says_what_may_be_done_and_what_was_tried():
    words = card(PICK)
    assert "1 kidney, 2 tumour" in words
    assert "not for commercial use" in words
    assert "these weights never run by us" in words
    assert "Somebody 2026" in words
    assert line(PICK).startswith("\N{WHITE CIRCLE}")


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({}, True),
        ({"word": "TUMOUR"}, True),
        ({"word": "liver"}, False),
        ({"modality": "MR"}, False),
        ({"commercial": "no"}, True),
        ({"commercial": "yes"}, False),
        ({"here": True}, False),
    ],
)
def test_filters(filters, passes):
    every = {"word": "", "modality": "", "commercial": "", "here": False}
    assert fits(PICK, **{**every, **filters}) is passes


@pytest.mark.parametrize(
    ("spacing", "unit", "grey", "warns"),
    [
        ((2.0, 1.0, 1.0), "mm", (-100.0, 400.0), False),
        ((2000.0, 1000.0, 1100.0), "um", (-100.0, 400.0), False),
        ((5.0, 1.0, 1.0), "mm", (-100.0, 400.0), True),
        ((2.0, 1.0, 1.0), "pixel", None, True),
        ((2.0, 1.0, 1.0), "mm", (1000.0, 4000.0), True),
        ((2.0, 1.0, 1.0), "mm", (0.0, 1.0), True),
    ],
)
def test_a_model_is_compared_with_the_image(spacing, unit, grey, warns):
    words, found = fit_words(PICK, spacing, unit, grey)
    assert found is warns
    assert ("try three slices" in words) is warns


def test_without_an_image_nothing_is_compared():
    assert fit_words(PICK, None, "", None) == (
        "Open an image to see whether the model fits it.",
        False,
    )
