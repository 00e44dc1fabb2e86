from math import inf, nan

import pytest

from sparseseg.data.units import UNKNOWN, canonical, in_one_unit


@pytest.mark.parametrize(
    "spelling",
    ["um", "µm", "μm", "\\u00B5m", "micron", "Microns", " micrometer", "micrometres"],
)
def test_every_spelling_of_a_micron_is_um(spelling):
    assert canonical(spelling) == "um"


@pytest.mark.parametrize(
    ("spelling", "unit"),
    [
        ("nanometers", "nm"),
        ("mm", "mm"),
        ("cm", "cm"),
        ("meter", "m"),
        ("", "pixel"),
        ("pixels", "pixel"),
        ("furlong", "pixel"),
    ],
)
def test_other_units_have_one_name(spelling, unit):
    assert canonical(spelling) == unit


def test_mixed_units_become_the_unit_of_x():
    spacing, unit = in_one_unit((2.0, 500.0, 0.5), ("um", "nm", "um"))
    assert spacing == pytest.approx((2.0, 0.5, 0.5))
    assert unit == "um"


def test_sizes_of_an_unknown_unit_keep_their_proportions():
    assert in_one_unit((3.0, 1.0, 1.0), ("", "", "")) == ((3.0, 1.0, 1.0), "pixel")


def test_a_known_and_an_unknown_unit_cannot_be_put_together():
    assert in_one_unit((3.0, 1.0, 1.0), ("um", "um", "")) == UNKNOWN


@pytest.mark.parametrize("size", [0.0, -1.0, nan, inf])
def test_an_impossible_size_is_unknown(size):
    assert in_one_unit((size, 1.0, 1.0), ("um", "um", "um")) == UNKNOWN
