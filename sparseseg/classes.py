"""What the numbers of an annotation mean: their names, colours and keys."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from sparseseg.errors import UserError
from sparseseg.language import template

UNLABELLED = 0
BACKGROUND = 255
BACKGROUND_COLOUR = "#7a7a99"

# Okabe and Ito's colour-blind-safe set without black, then colours that differ most
# from these, from the background and from each other (CIEDE2000, held by a test).
PALETTE = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
    "#aaffc3",
    "#882255",
    "#dcbeff",
    "#661100",
    "#000075",
)

_COLOUR = re.compile(r"#[0-9a-f]{6}")
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class: its number in annotation and prediction, name, ``#rrggbb`` and key."""

    number: int
    name: str
    colour: str
    key: str = ""

    def __post_init__(self) -> None:
        _check_number(self.number)
        _check_name(self.name)
        if not _COLOUR.fullmatch(self.colour):
            raise UserError(
                "colour must be like #e69f00, got {colour!r}", colour=self.colour
            )
        if len(self.key) > 1:
            raise UserError(
                "key must be one character or empty, got {key!r}", key=self.key
            )


@dataclass(frozen=True, slots=True)
class ClassTable:
    """The classes of an annotation; numbers, names and keys are each unique."""

    classes: tuple[LabelClass, ...] = ()

    def __post_init__(self) -> None:
        _check_unique([c.number for c in self.classes], _SAME_NUMBER)
        _check_unique([c.name for c in self.classes], _SAME_NAME)
        _check_unique([c.key for c in self.classes if c.key], _SAME_KEY)

    @classmethod
    def numbered(cls, numbers: Iterable[int]) -> "ClassTable":
        """Make a table of plain names ("class 1") and palette colours, by number."""
        return cls(tuple(_plain(number) for number in sorted(numbers)))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The class numbers, in the table's order."""
        return tuple(c.number for c in self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The class names, in the table's order."""
        return tuple(c.name for c in self.classes)

    def colour_of(self, number: int) -> str:
        """Return the colour of a class, or of the background, as ``#rrggbb``."""
        return BACKGROUND_COLOUR if number == BACKGROUND else self[number].colour

    def without(self, number: int) -> "ClassTable":
        """Return the table less one class."""
        gone = self[number]
        return ClassTable(tuple(c for c in self.classes if c is not gone))

    def renamed(self, number: int, name: str) -> "ClassTable":
        """Return the table with another name for one class."""
        old = self[number]
        return ClassTable(
            tuple(replace(c, name=name) if c is old else c for c in self.classes)
        )

    def __getitem__(self, number: int) -> LabelClass:
        found = next((c for c in self.classes if c.number == number), None)
        if found is None:
            raise UserError(
                "there is no class {number}, only {numbers}",
                number=number,
                numbers=list(self.numbers),
            )
        return found

    def to_json(self) -> list[dict[str, object]]:
        """Return the table as plain lists and dicts."""
        return [asdict(c) for c in self.classes]

    @classmethod
    def from_json(cls, data: object) -> "ClassTable":
        """Check and rebuild what `to_json` gave; `UserError` for anything else."""
        if not isinstance(data, list) or len(data) >= BACKGROUND:
            raise UserError(
                "a class table must be a list of at most 254 classes, got {data}",
                data=str(data)[:80],
            )
        return cls(tuple(_class_from_json(entry) for entry in data))


def _plain(number: int) -> LabelClass:
    colour = PALETTE[(number - 1) % len(PALETTE)]
    return LabelClass(number, f"class {number}", colour)


def _class_from_json(entry: object) -> LabelClass:
    match entry:
        case {
            "number": int(number),
            "name": str(name),
            "colour": str(colour),
            "key": str(key),
        }:
            return LabelClass(number, name, colour, key)
    raise UserError(
        "a class has number, name, colour and key, got {entry}", entry=str(entry)[:80]
    )


def _check_number(number: int) -> None:
    if isinstance(number, bool) or not UNLABELLED < number < BACKGROUND:
        raise UserError("a class number must be 1 to 254, got {number}", number=number)


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise UserError(
            "a class name must be 1 to {longest} printable characters, got {name!r}",
            longest=_LONGEST_NAME,
            name=name[:_LONGEST_NAME],
        )


def _check_unique(values: list[int] | list[str], complaint: str) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            raise UserError(complaint, value=value)


_SAME_NUMBER = template("two classes have the number {value}: give each its own")
_SAME_NAME = template("two classes have the name {value!r}: give each its own")
_SAME_KEY = template("two classes have the key {value!r}: give each its own")
