"""The classes of labels in words that every file format has room for."""

import json

from sparseseg.classes import ClassTable
from sparseseg.errors import UserError

KEY = "sparseseg_classes"
"""What the words are called in a file."""
_LONGEST = 100_000


def in_words(table: ClassTable) -> str:
    """Return a table as one line of ASCII."""
    return json.dumps(table.to_json())


def from_words(words: object) -> ClassTable:
    """Return the table that a file names; none where the words are not ours."""
    if not isinstance(words, str) or len(words) > _LONGEST:
        return ClassTable()
    try:
        return ClassTable.from_json(json.loads(words))
    except (UserError, ValueError, RecursionError):
        return ClassTable()
