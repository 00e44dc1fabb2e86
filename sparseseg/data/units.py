"""Units of length under one name each, however a file spells them."""

from math import isfinite

Spacing = tuple[float, float, float]

PIXEL = "pixel"
UNKNOWN: tuple[Spacing, str] = ((1.0, 1.0, 1.0), PIXEL)

_METRES = {"nm": 1e-9, "um": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}
_WORDS = {"nano": "nm", "micro": "um", "milli": "mm", "centi": "cm", "": "m"}
_SPELLINGS = {
    "micron": "um",
    # The micro sign, the Greek letter, and how ImageJ escapes the first.
    "\u00b5m": "um",
    "\u03bcm": "um",
    "\\u00b5m": "um",
    **{f"{prefix}meter": unit for prefix, unit in _WORDS.items()},
    **{f"{prefix}metre": unit for prefix, unit in _WORDS.items()},
}


def canonical(unit: str) -> str:
    """Return nm, um, mm, cm or m, or "pixel" for a unit that is none of them."""
    plain = unit.strip().lower()
    if plain in _METRES:
        return plain
    return _SPELLINGS.get(plain, _SPELLINGS.get(plain.removesuffix("s"), PIXEL))


def convert(length: float, unit: str, to: str) -> float:
    """Return a length of one canonical unit, not "pixel", in another."""
    return length if unit == to else length * (_METRES[unit] / _METRES[to])


def seven_digits(length: float) -> float:
    """Return a length as it was before a file stored it in 32 bits."""
    return float(f"{length:.7g}")


def in_one_unit(sizes: Spacing, units: tuple[str, str, str]) -> tuple[Spacing, str]:
    """Return voxel sizes z, y, x in the unit of x; `UNKNOWN` where that cannot be."""
    names = tuple(map(canonical, units))
    if not all(isfinite(size) and size > 0 for size in sizes):
        return UNKNOWN
    if len(set(names)) > 1 and PIXEL in names:
        return UNKNOWN
    z, y, x = (
        convert(size, name, names[2]) for size, name in zip(sizes, names, strict=True)
    )
    return (z, y, x), names[2]
