"""Names of volumes, made of what their files, parts and layers are called."""

from pathlib import Path

from sparseseg.data.formats import stem_of
from sparseseg.errors import UserError
from sparseseg.project.record import checked_name

_LONGEST = 90  # letters of a name that was made plain: a number may be added


def name_for(path: Path, part: str) -> str:
    """Return a name that tells the part of a file."""
    return "-".join([stem_of(path), *_words_in(part)])


def plain(name: str) -> str:
    """Return a name if a volume can have it, else what can be kept of it."""
    try:
        return checked_name(name)
    except UserError:
        return "-".join(_words_in(name))[:_LONGEST].strip(".-") or "volume"


def _words_in(text: str) -> list[str]:
    kept = (sign if sign.isalnum() or sign in ".-" else " " for sign in text)
    return "".join(kept).split()
