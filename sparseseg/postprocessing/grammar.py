"""How a rule is written in one line of words."""

import re
from collections.abc import Callable

from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.data.units import canonical
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.postprocessing.amounts import VOXELS, Length, Size
from sparseseg.postprocessing.regions import Region
from sparseseg.postprocessing.rules import (
    DropBelow,
    FillHoles,
    KeepAbove,
    KeepLargest,
    KeepTouching,
    KeepWithin,
    Rule,
)

FORMS = (
    "keep 2 largest of A",
    "keep A touching B",
    "keep A within 5 mm of B",
    "keep A above 0.9",
    "drop below 50 mm3",
    "drop A below 50 mm3",
    "fill holes of A",
    "fill holes of A over B",
)
"""One example of each form; A and B stand for a class, or for several: "A or B"."""

_AMOUNT = r"(\d+\.?\d*|\.\d+)"
_UNIT = r"(?:nm|um|\u00b5m|\u03bcm|mm|cm|m)"


def read_rule(text: str, table: ClassTable | None) -> Rule:
    """Make a rule of its words; classes are numbers, or names of the table.

    Raises `UserError` for other words, showing which there are, and for a class that
    the table does not have.
    """
    words = " ".join(text.split())
    try:
        for pattern, build in _BUILDERS:
            if found := re.fullmatch(pattern, words):
                return build(found, table)
    except UserError as error:
        raise UserError("{text!r}: {error}", text=text, error=error) from error
    raise UserError(
        "there is no rule {text!r}: write one like {forms}",
        text=text,
        forms="; ".join(FORMS),
    )


def _largest(found: re.Match[str], table: ClassTable | None) -> Rule:
    return KeepLargest(int(found[1]), _region(found[2], table))


def _touching(found: re.Match[str], table: ClassTable | None) -> Rule:
    return KeepTouching(_region(found[1], table), _region(found[2], table))


def _within(found: re.Match[str], table: ClassTable | None) -> Rule:
    distance = Length(float(found[2]), _unit(found[3]))
    return KeepWithin(_region(found[1], table), distance, _region(found[4], table))


def _above(found: re.Match[str], table: ClassTable | None) -> Rule:
    return KeepAbove(_number(found[1], table), float(found[2]))


def _below(found: re.Match[str], table: ClassTable | None) -> Rule:
    region = _region(found[1], table) if found[1] else ()
    return DropBelow(Size(float(found[2]), _unit(found[3])), region)


def _holes(found: re.Match[str], table: ClassTable | None) -> Rule:
    over = _region(found[2], table) if found[2] else ()
    return FillHoles(_region(found[1], table), over)


_BUILDERS: tuple[
    tuple[str, Callable[[re.Match[str], ClassTable | None], Rule]], ...
] = (
    (r"keep (\d+) largest of (.+)", _largest),
    (r"keep (.+?) touching (.+)", _touching),
    (rf"keep (.+?) within {_AMOUNT} ?({_UNIT}|voxels?) of (.+)", _within),
    (rf"keep (.+) above {_AMOUNT}", _above),
    (rf"drop (?:(.+) )?below {_AMOUNT} ?({_UNIT}3|{_UNIT}\u00b3|voxels?)", _below),
    (r"fill holes of (.+?)(?: over (.+))?", _holes),
)


def _unit(words: str) -> str:
    if words.startswith("voxel"):
        return VOXELS
    return canonical(words.rstrip("3\u00b3"))


def _region(words: str, table: ClassTable | None) -> Region:
    """Read one class, or several with "or" between; a name may itself hold an "or"."""
    if table is not None and words in table.names:
        return (_number(words, table),)
    numbers = tuple(_number(word, table) for word in words.split(" or "))
    return tuple(dict.fromkeys(numbers))


def _number(word: str, table: ClassTable | None) -> int:
    if word.isdecimal():
        number = int(word)
        if not 0 < number < BACKGROUND:
            raise UserError("a class number is 1 to 254, got {number}", number=number)
        return number if table is None else table[number].number
    names = {} if table is None else {c.name: c.number for c in table.classes}
    if word not in names:
        known = ", ".join(names) or say("none: give its number")
        raise UserError(
            "there is no class called {word!r}, the names are {known}",
            word=word,
            known=known,
        )
    return names[word]
