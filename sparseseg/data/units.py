"""Units of length under one name each, however a file spells them."""

import warnings
from collections.abc import Iterator, Sequence
from math import isfinite

from sparseseg.errors import Note

Spacing = tuple[float, float, float]

PIXEL = "pixel"
UNKNOWN: tuple[Spacing, str] = ((1.0, 1.0, 1.0), PIXEL)

_METRES = {"nm": 1e-9, "um": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}
# Each other unit is a number of one of ours.
_PREFIXES = {
    "p": ("pico", 1e-3, "nm"),
    "n": ("nano", 1.0, "nm"),
    "u": ("micro", 1.0, "um"),
    "m": ("milli", 1.0, "mm"),
    "c": ("centi", 1.0, "cm"),
    "d": ("deci", 10.0, "cm"),
    "": ("", 1.0, "m"),
    "da": ("deca", 10.0, "m"),
    "h": ("hecto", 100.0, "m"),
    "k": ("kilo", 1000.0, "m"),
}
_INCH = 25.4  # mm
_UNITS: dict[str, tuple[float, str]] = {
    **{f"{sign}m": (times, unit) for sign, (_, times, unit) in _PREFIXES.items()},
    **{f"{word}meter": (n, unit) for word, n, unit in _PREFIXES.values()},
    **{f"{word}metre": (n, unit) for word, n, unit in _PREFIXES.values()},
    "micron": (1.0, "um"),
    # The micro sign, the Greek letter, and how ImageJ escapes the first.
    "\u00b5m": (1.0, "um"),
    "\u03bcm": (1.0, "um"),
    "\\u00b5m": (1.0, "um"),
    **dict.fromkeys(("a", "\u00e5", "\u212b", "a\u030a", "angstrom"), (0.1, "nm")),
    **dict.fromkeys(("\u00e5ngstr\u00f6m", "\u00e5ngstrom"), (0.1, "nm")),
    **dict.fromkeys(("in", "inch", "inche", '"'), (_INCH, "mm")),
    **dict.fromkeys(("ft", "foot", "feet"), (12 * _INCH, "mm")),
    **dict.fromkeys(("yd", "yard"), (36 * _INCH, "mm")),
    **dict.fromkeys(("mil", "thou"), (_INCH, "um")),
    **dict.fromkeys(("pt", "point"), (_INCH / 72, "mm")),
}


def measured(length: float, unit: str) -> tuple[float, str]:
    """Return a length in nm, um, mm, cm or m; in "pixel" if the unit is no length."""
    plain = unit.strip().lower()
    times, ours = _UNITS.get(plain) or _UNITS.get(plain.removesuffix("s"), (1, PIXEL))
    return length * times, ours


def canonical(unit: str) -> str:
    """Return nm, um, mm, cm or m, or "pixel" for a unit that is none of them."""
    times, ours = measured(1.0, unit)
    return ours if times == 1 else PIXEL


def convert(length: float, unit: str, to: str) -> float:
    """Return a length of one canonical unit, not "pixel", in another."""
    return length if unit == to else length * (_METRES[unit] / _METRES[to])


def seven_digits(length: float) -> float:
    """Return a length as it was before a file stored it in 32 bits."""
    return float(f"{length:.7g}")


def in_one_unit(sizes: Spacing, units: tuple[str, str, str]) -> tuple[Spacing, str]:
    """Return voxel sizes z, y, x in the unit of x, or the nearest that we have.

    A negative size only says in which direction an axis runs. An axis without a size
    gets that of the axis before or after it, and one whose unit is no length the unit of
    the others; a `Note` says so. `UNKNOWN` where no axis has a size.
    """
    names = _lengths(units)
    known = [measured(abs(size), name) for size, name in zip(sizes, names, strict=True)]
    lengths = [size for size, _ in known]
    are_given = [isfinite(size) and size > 0 for size in lengths]
    if not any(are_given):
        return UNKNOWN
    unit = known[2][1]
    z, y, x = (
        length if name == unit else convert(length, name, unit)
        for length, name in known
    )
    return _completed((z, y, x), are_given, unit), unit


def _lengths(units: tuple[str, str, str]) -> list[str]:
    """Return the units z, y, x, with that of another axis for one that is no length."""
    are_known = [measured(1.0, unit)[1] != PIXEL for unit in units]
    if all(are_known) or not any(are_known):
        return list(units)
    found = list(units)
    for axis, other in _stand_ins(are_known):
        found[axis] = units[other]
        warnings.warn(
            Note(
                "the file gives no unit of length along {axis} ({unit!r}): that along "
                "{other}, {other_unit}, is used",
                axis="zyx"[axis],
                unit=units[axis],
                other="zyx"[other],
                other_unit=units[other],
            ),
            stacklevel=4,
        )
    return found


def _stand_ins(are_known: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield each axis of which nothing is known, and the one that stands in for it."""
    for axis in (a for a, is_known in enumerate(are_known) if not is_known):
        yield axis, next(other for other in _STAND_IN[axis] if are_known[other])


# The planes of a stack are mostly square: y stands in for x, x for y, y for z.
_STAND_IN = {0: (1, 2), 1: (2, 0), 2: (1, 0)}


def _completed(sizes: Spacing, are_given: list[bool], unit: str) -> Spacing:
    if all(are_given):
        return sizes
    found = list(sizes)
    for axis, other in _stand_ins(are_given):
        found[axis] = sizes[other]
        warnings.warn(
            Note(
                "the file gives no voxel size along {axis} ({size:g}): the "
                "size along {other}, {other_size:g} {unit}, is used",
                axis="zyx"[axis],
                size=sizes[axis],
                other="zyx"[other],
                other_size=sizes[other],
                unit=unit,
            ),
            stacklevel=4,
        )
    return found[0], found[1], found[2]
