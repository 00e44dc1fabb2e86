"""The class table of the open annotation, and what a user may do to it."""

import re
from collections.abc import Iterable
from dataclasses import replace

from napari.utils.colormaps import DirectLabelColormap
from psygnal import Signal

from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable, LabelClass
from sparseseg.errors import UserError

_LARGEST = BACKGROUND - 1
# Faint: who corrects an edge has to see the image below.
_BACKGROUND_ALPHA = "2e"


class ClassModel:
    """Hold the class table; every change emits the new one."""

    changed = Signal(ClassTable)

    def __init__(self) -> None:
        self._table = ClassTable.numbered([1])

    @property
    def table(self) -> ClassTable:
        """The table as it is now."""
        return self._table

    def replace(self, table: ClassTable) -> None:
        """Take another table."""
        self._table = table
        self.changed.emit(table)

    def take(self, table: ClassTable, *, is_painted: bool) -> None:
        """Take another table; where voxels are painted, only its missing classes."""
        if is_painted:
            own = self._table
            keys = {entry.key for entry in own.classes}
            missing = [
                replace(entry, key="" if entry.key in keys else entry.key)
                for entry in table.classes
                if entry.number not in own.numbers and entry.name not in own.names
            ]
            self._add(missing)
            self.include(table.numbers)  # of those whose name means another number here
        elif table.classes:
            self.replace(table)

    def add(self) -> int:
        """Add a class with the smallest free number and return that number."""
        free = set(range(1, _LARGEST + 1)) - set(self._table.numbers)
        if not free:
            raise UserError(
                "There are already {largest} classes, the most there can be.",
                largest=_LARGEST,
            )
        self.include([min(free)])
        return min(free)

    def include(self, numbers: Iterable[int]) -> None:
        """Add those of these classes that the table lacks, with plain names."""
        missing = set(numbers) - set(self._table.numbers)
        self._add(ClassTable.numbered(missing).classes)

    def _add(self, fresh: Iterable[LabelClass]) -> None:
        ordered = sorted((*self._table.classes, *fresh), key=lambda c: c.number)
        if len(ordered) > len(self._table.classes):
            self.replace(ClassTable(tuple(ordered)))

    def remove(self, number: int, *, painted: int) -> None:
        """Take a class out; refused while voxels are `painted` with it."""
        named = self._table[number].name
        if painted:
            raise UserError(
                "{named!r} is painted on {painted:,} voxels: erase them, then remove it.",
                named=named,
                painted=painted,
            )
        if len(self._table.classes) == 1:
            raise UserError(
                "{named!r} is the only class: rename it instead.", named=named
            )
        self.replace(self._table.without(number))

    def rename(self, number: int, name: str) -> None:
        """Give a class another name."""
        self.replace(self._table.renamed(number, name.strip()))

    def name_all(self, names: Iterable[str]) -> int:
        """Give names to classes: to those with plain ones first, then to new ones.

        Names that are there already are left out. Returns how many were given; nothing
        is changed where one of them is refused by `UserError`.
        """
        known = set(self._table.names)
        wanted = [name for name in dict.fromkeys(names) if name not in known]
        plain = [c.number for c in self._table.classes if c.name == _plain_name(c)]
        free = sorted(set(range(1, _LARGEST + 1)) - set(self._table.numbers))
        if len(wanted) > len(plain) + len(free):
            raise UserError(
                "{count} names are too many: there can be {largest} classes.",
                count=len(wanted),
                largest=_LARGEST,
            )
        chosen = dict(zip((*plain, *free), wanted, strict=False))
        fresh = ClassTable.numbered(set(chosen) & set(free)).classes
        named = [
            replace(c, name=chosen.get(c.number, c.name))
            for c in (*self._table.classes, *fresh)
        ]
        self.replace(ClassTable(tuple(sorted(named, key=lambda c: c.number))))
        return len(wanted)

    def recolour(self, number: int, colour: str) -> None:
        """Give a class another colour, "#rrggbb"."""
        self.replace(
            ClassTable(
                tuple(
                    replace(c, colour=colour) if c.number == number else c
                    for c in self._table.classes
                )
            )
        )


def names_in(text: str) -> list[str]:
    """Return the names in a text: one a line or cell, or else between commas.

    Raises `UserError` where there is none.
    """
    parts = re.split(r"[\t\n\r]+", text.strip())
    if len(parts) == 1:
        parts = re.split("[,;]", parts[0])
    names = [part.strip() for part in parts if part.strip()]
    if not names:
        raise UserError("There are no names to paste: copy a list, one name a line.")
    return names


def _plain_name(named: LabelClass) -> str:
    return ClassTable.numbered([named.number]).names[0]


def colormap_of(table: ClassTable) -> DirectLabelColormap:
    """Return the colours of a table: unlabelled is clear, the background faint."""
    colours: dict[int | None, str] = {None: "transparent", UNLABELLED: "transparent"}
    colours |= {c.number: c.colour for c in table.classes}
    colours[BACKGROUND] = table.colour_of(BACKGROUND) + _BACKGROUND_ALPHA
    return DirectLabelColormap(color_dict=colours)


def keys_of(table: ClassTable) -> dict[int, str]:
    """Return the key that picks each class: its own, else the next free digit.

    The digits and most letters alone are napari's own Labels keys, so these take Shift.
    """
    keys = {c.number: f"Shift+{c.key.upper()}" for c in table.classes if c.key}
    digits = (f"Shift+{digit}" for digit in "123456789")
    free = (key for key in digits if key not in keys.values())
    keyless = (c.number for c in table.classes if not c.key)
    return {BACKGROUND: "Shift+0", **keys, **dict(zip(keyless, free, strict=False))}
