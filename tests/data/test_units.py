from math import inf, nan

import pytest

from sparseseg.data.units import UNKNOWN, canonical, in_one_unit, measured
from sparseseg.errors import Note


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


@pytest.mark.parametrize("other", ["", "pixel", "reference frame", "s"])
def test_a_unit_that_is_no_length_takes_no_size_from_the_other_axes(other):
    with pytest.warns(Note, match="no unit of length along z"):
        assert in_one_unit((3.0, 1.0, 0.5), (other, "um", "um")) == (
            (3.0, 1.0, 0.5),
            "um",
        )
    with pytest.warns(Note, match="along x .* that along y, nm, is used"):
        assert in_one_unit((3000.0, 1000.0, 500.0), ("nm", "nm", other)) == (
            (3000.0, 1000.0, 500.0),
            "nm",
        )


@pytest.mark.parametrize("size", [0.0, nan, inf])
def test_an_axis_without_a_size_gets_that_of_its_neighbour(size):
    units = ("um", "um", "um")
    with pytest.warns(Note, match="along z"):
        assert in_one_unit((size, 2.0, 1.0), units) == ((2.0, 2.0, 1.0), "um")
    with pytest.warns(Note, match="along x"):
        assert in_one_unit((3.0, 2.0, size), units) == ((3.0, 2.0, 2.0), "um")
    assert in_one_unit((size, size, size), units) == UNKNOWN


def test_a_negative_size_tells_a_direction():
    assert in_one_unit((-2.0, 0.5, 0.5), ("um",) * 3) == ((2.0, 0.5, 0.5), "um")


@pytest.mark.parametrize(
    ("spelling", "length", "unit"),
    [
        ("\u00c5", 0.1, "nm"),
        ("\u212b", 0.1, "nm"),
        ("Angstroms", 0.1, "nm"),
        ("pm", 1e-3, "nm"),
        ("dm", 10.0, "cm"),
        ("kilometer", 1000.0, "m"),
        ("inches", 25.4, "mm"),
        ("mil", 25.4, "um"),
        ("pt", 25.4 / 72, "mm"),
        ("parsec", 1.0, "pixel"),
    ],
)
def test_units_that_are_not_ours_are_converted(spelling, length, unit):
    found, name = measured(1.0, spelling)
    assert found == pytest.approx(length)
    assert name == unit
