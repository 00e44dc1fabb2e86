"""Formats that other packages add through the entry point `sparseseg.formats`."""

import warnings
from importlib.metadata import entry_points

from sparseseg.data.formats.format import Format
from sparseseg.errors import Note
from sparseseg.language import say

GROUP = "sparseseg.formats"


def added() -> tuple[Format, ...]:
    """Return the formats of installed packages; a `Note` for each that does not load."""
    found = []
    for entry in entry_points(group=GROUP):
        try:
            one = entry.load()
        except Exception as error:  # noqa: BLE001 - another package may fail in any way
            _note(entry.name, f"{type(error).__name__}: {error}")
            continue
        if isinstance(one, Format):
            found.append(one)
        else:
            _note(
                entry.name,
                say("it is {kind} and not a Format", kind=type(one).__name__),
            )
    return tuple(found)


def _note(name: str, why: str) -> None:
    warnings.warn(
        Note(
            "the file format {name!r} of another package is left out ({why}): update or "
            "remove that package",
            name=name,
            why=why,
        ),
        stacklevel=3,
    )
