"""The language in which a person is told things, and the texts in it.

Every text for a person is a template in plain English with named values; the catalogues
under `locale` hold it in other languages. The language is chosen once, when the first text
is asked for: by `SPARSESEG_LANGUAGE`, else as it was chosen in the window, else as the
system has it. English stands in for what a catalogue does not know.
"""

import gettext
import locale
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

VARIABLE = "SPARSESEG_LANGUAGE"
DOMAIN = "sparseseg"
CATALOGUES = Path(__file__).parent / "locale"
ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "zh_CN": "简体中文"}
"""Each language that there is, by its own name."""

# What systems call the languages that have another name here.
_ALIASES = {"zh": "zh_CN", "zh_SG": "zh_CN", "zh_Hans": "zh_CN", "zh_Hans_CN": "zh_CN"}

_spoken: gettext.NullTranslations | None = None


def say(template: str, /, **values: object) -> str:
    """Return a text in the language of the person, with its values filled in.

    The template has the names of the values in braces, as `str.format` has them. A text
    without values is taken as it is, braces included.
    """
    text = _catalogue().gettext(template) if template else ""
    return text.format(**values) if values else text


def say_count(one: str, many: str, count: int, /, **values: object) -> str:
    """Return a text whose words depend on a count, which is `{count}` in both templates."""
    text = _catalogue().ngettext(one, many, count)
    return text.format(count=count, **values)


def template(text: str) -> str:
    """Mark a template that an error is made of later, so that the catalogues have it."""
    return text


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language while the block runs, in all threads."""
    global _spoken
    before, _spoken = _spoken, _opened(language)
    try:
        yield
    finally:
        _spoken = before


def chosen() -> str:
    """Return the language that was asked for, or English where there is no such one."""
    return _known(_asked()) or _of_system()


def unknown() -> str:
    """Return what `SPARSESEG_LANGUAGE` asks for where there is no such language, or ""."""
    asked = os.environ.get(VARIABLE, "")
    return "" if _known(asked) else asked


def choose(language: str) -> None:
    """Keep the choice of a language for the next start; "" follows the system again.

    Raises `OSError` where it cannot be written.
    """
    path = _setting()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(language, encoding="utf-8")


def kept() -> str:
    """Return the language that was kept for the next start, or ""."""
    try:
        return _known(_setting().read_text(encoding="utf-8").strip())
    except (OSError, UnicodeError):
        return ""


def _asked() -> str:
    return os.environ.get(VARIABLE) or kept()


def _of_system() -> str:
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # has no windll elsewhere

        number = ctypes.windll.kernel32.GetUserDefaultUILanguage()
        return _known(locale.windows_locale.get(number, "")) or ENGLISH
    given = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return _known(next(filter(None, given), "")) or ENGLISH


def _known(name: str) -> str:
    """Return our name of a language, "" if there is none; "zh_CN.UTF-8" is "zh_CN"."""
    plain = name.partition(".")[0].partition("@")[0].replace("-", "_")
    plain = _ALIASES.get(plain, plain)
    short = plain.partition("_")[0]
    return next((known for known in (plain, short) if known in LANGUAGES), "")


def _catalogue() -> gettext.NullTranslations:
    global _spoken
    if _spoken is None:
        _spoken = _opened(chosen())
    return _spoken


def _opened(language: str) -> gettext.NullTranslations:
    if language == ENGLISH:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, CATALOGUES, [language])


def _setting() -> Path:
    return platformdirs.user_config_path("sparseseg") / "language"
