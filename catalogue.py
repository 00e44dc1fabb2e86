"""Bring the catalogues of the other languages up to date with the texts in the code.

python catalogue.py            extract, merge, compile, and list what is not translated

A new language is a line in `sparseseg.language.LANGUAGES`; the next run makes its catalogue
in `sparseseg/locale/NAME/LC_MESSAGES`.
"""

import ast
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from sparseseg.language import CATALOGUES, DOMAIN, ENGLISH, LANGUAGES

PACKAGE = Path(__file__).parent / "sparseseg"
TAKES_TEMPLATE = {
    *("say", "say_count", "template", "UserError", "Note"),
    *("RefusedError", "TimeSeriesError", "BatchInterruptedError"),
}
"""What has a template as its first argument; `say_count` has one more for many."""

OF_ARGPARSE = (
    "usage: ",
    "positional arguments",
    "options",
    "show this help message and exit",
    "the following arguments are required: %s",
    "unrecognized arguments: %s",
    "argument %(argument_name)s: %(message)s",
    "expected one argument",
    "expected at least one argument",
    "invalid %(type)s value: %(value)r",
    "invalid choice: %(value)r (choose from %(choices)s)",
    "ambiguous option: %(option)s could match %(matches)s",
    "not allowed with argument %s",
)
"""What the help and the errors of the command line have from Python itself."""

# A date of its own would change the files with every run.
_DATE = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> int:
    """Update all catalogues; return 1 if a text lacks a translation."""
    template = extracted()
    empty: list[Message] = []
    for language in LANGUAGES:
        if language != ENGLISH:
            catalogue = updated(language, template)
            _file(language, "po").write_bytes(as_po(catalogue))
            _file(language, "mo").write_bytes(as_mo(catalogue))
            empty += untranslated(catalogue)
    sys.stdout.writelines(f"not translated: {message.id}\n" for message in empty)
    return bool(empty)


def modules() -> list[Path]:
    """Return all modules of the package, in the order of their names."""
    return sorted(PACKAGE.rglob("*.py"))


def extracted() -> Catalog:
    """Return every text that a person is told."""
    found = Catalog()
    for words in OF_ARGPARSE:
        found.add(words, locations=[("argparse", 0)])
    for file in modules():
        name = file.relative_to(PACKAGE.parent).as_posix()
        for _, texts in templates(file):
            found.add(texts[0] if len(texts) == 1 else texts, locations=[(name, 0)])
    return found


def templates(file: Path) -> Iterator[tuple[ast.Call, tuple[str, ...]]]:
    """Give each call of a module that has a template, and the template, or two of a count.

    Babel's own extraction does not look into calls within calls.
    """
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and called(node) in TAKES_TEMPLATE:
            given = node.args[: 2 if called(node) == "say_count" else 1]
            texts = tuple(
                one.value
                for one in given
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )
            if texts and len(texts) == len(given):
                yield node, texts


def called(call: ast.Call) -> str:
    """Return the name of what is called, without what it belongs to."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def read(language: str) -> Catalog:
    """Read the catalogue of a language as it is."""
    file = _file(language, "po")
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        return Catalog(language)
    with file.open("rb") as opened:
        return read_po(opened, language)


def updated(language: str, template: Catalog) -> Catalog:
    """Return the catalogue of a language with the texts of the template, and no others."""
    before = read(language)
    catalogue = Catalog(
        language, DOMAIN, project=DOMAIN, creation_date=_DATE, revision_date=_DATE
    )
    for message in template:
        if message.id:
            known = before.get(message.id)
            is_same = known is not None and known.id == message.id
            words = known.string if known is not None and is_same else None
            catalogue.add(message.id, words, locations=message.locations)
    return catalogue


def as_po(catalogue: Catalog) -> bytes:
    """Write a catalogue for people: by file, without lines, which would change often."""
    file = io.BytesIO()
    write_po(
        file,
        catalogue,
        width=88,
        omit_header=True,
        sort_by_file=True,
        include_lineno=False,
    )
    return file.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    """Write a catalogue for `gettext`."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def untranslated(catalogue: Catalog) -> Iterator[Message]:
    """Give the texts that have no translation."""
    for message in catalogue:
        words = message.string
        forms = [words] if isinstance(words, str) else words or [""]
        if message.id and not all(forms):
            yield message


def _file(language: str, kind: str) -> Path:
    return CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.{kind}"


if __name__ == "__main__":
    sys.exit(main())
