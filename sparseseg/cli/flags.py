"""Flags made from the declarations of the settings."""

import dataclasses
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.settings.cards import ThreeViewOptions, card
from sparseseg.settings.options import read_options
from sparseseg.settings.training import TrainSettings

_GREY_HELP = get_args(get_type_hints(ThreeViewOptions, include_extras=True)["grey"])[1][
    "help"
]
Chosen = TypeVar("Chosen")
_REPEATED = {dict: "NAME=VALUE", Mapping: "NAME=VALUE", tuple: "NAME"}
_EXCLUSIVE = ("minutes", "steps")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def add_settings(parser: ArgumentParser) -> None:
    """Give a parser one flag for each training setting."""
    budget = parser.add_mutually_exclusive_group()
    parser.add_argument(
        "--grey",
        dest="options",
        action="append",
        default=SUPPRESS,
        type="grey={}".format,
        metavar="auto|volume|fixed",
        help=_GREY_HELP,
    )
    spelled = {
        "options": Spelled("--option"),
        "parent": Spelled("--from", metavar="MODEL"),
    }
    groups = dict.fromkeys(_EXCLUSIVE, budget)
    add_given(parser, TrainSettings, spelled=spelled, groups=groups)


@dataclass(frozen=True, slots=True)
class Spelled:
    """How the command line writes a declared field, where it is not --name NAME."""

    flag: str
    """Such as -o; a word without dashes is known by its place."""
    metavar: str = ""


def add_given(
    parser: ArgumentParser,
    declared: type[Any],
    *,
    spelled: Mapping[str, Spelled],
    groups: Mapping[str, Any] = _NOTHING,
) -> None:
    """Give a parser one flag for each field of a settings class.

    Nothing is said of a field whose flag is not given, so that a file can say it.
    `groups` are where some of the flags go instead.
    """
    hints = get_type_hints(declared, include_extras=True)
    for field in dataclasses.fields(declared):
        kind, about = get_args(hints[field.name])
        written = spelled.get(field.name, Spelled(_flag(field.name)))
        reading = _reading(kind)
        if written.metavar:
            reading["metavar"] = written.metavar
        if written.flag.startswith("-"):
            reading |= {"dest": field.name, "default": SUPPRESS}
        else:
            reading["nargs"] = "?"
        groups.get(field.name, parser).add_argument(
            written.flag, help=_help(about["help"], field.default), **reading
        )


def add_fields(parser: ArgumentParser, declared: type[Any]) -> None:
    """Give a parser one flag for each field of a settings class."""
    hints = get_type_hints(declared, include_extras=True)
    for field in dataclasses.fields(declared):
        kind, about = get_args(hints[field.name])
        parser.add_argument(
            _flag(field.name),
            default=field.default,
            help=_help(about["help"], field.default),
            **_reading(kind),
        )


def fields(arguments: Namespace, declared: type[Chosen]) -> Chosen:
    """Return settings from flags; what was not given is as declared."""
    names = {field.name for field in dataclasses.fields(declared)}  # type: ignore[arg-type]
    given = {name: value for name, value in vars(arguments).items() if name in names}
    return declared(**given)


def settings(arguments: Namespace, **others: Any) -> TrainSettings:
    """Return the settings: what was given, else `others`, else the declared defaults.

    Raises `UserError` for a value out of bounds, and for a recipe or an option that
    there is not.
    """
    names = {field.name for field in dataclasses.fields(TrainSettings)}
    given = {name: value for name, value in vars(arguments).items() if name in names}
    if "options" in given:
        given["options"] = dict(map(pair, given["options"]))
    chosen = TrainSettings(**others | given)
    if not chosen.parent:
        read_options(card(chosen.recipe).options, chosen.options)
    return chosen


def add_device(parser: ArgumentParser) -> None:
    """Give a parser the one setting that prediction needs as well."""
    kind, declared = get_args(
        get_type_hints(TrainSettings, include_extras=True)["device"]
    )
    parser.add_argument(
        "--device", default="auto", help=declared["help"], **_reading(kind)
    )


def add_count(parser: ArgumentParser, words: str, default: int) -> None:
    """Give a parser `--count`: how many of what is found are told."""
    parser.add_argument(
        "--count", type=_count, default=default, metavar="N", help=_help(words, default)
    )


def _count(words: str) -> int:
    if not words.isdecimal() or int(words) < 1:
        raise UserError("--count is 1 or more, got {count}", count=words)
    return int(words)


def pair(words: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, equals, value = words.partition("=")
    if not equals:
        raise UserError("an option is NAME=VALUE, got {words!r}", words=words)
    return name.strip(), value.strip()


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _help(words: str, default: object) -> str:
    if default in (None, "", (), dataclasses.MISSING):
        return words
    return say("{words} (default: {default})", words=words, default=default)


def _reading(kind: Any) -> dict[str, Any]:
    """Return how argparse reads a value of a declared type."""
    if kind is bool:
        return {"action": BooleanOptionalAction}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    if repeated := _REPEATED.get(get_origin(kind)):
        return {"action": "append", "metavar": repeated}
    inner = [part for part in get_args(kind) if part is not NoneType] or [kind]
    metavar = {str: "NAME", int: "N", float: "M"}[inner[0]]
    return {"type": inner[0], "metavar": metavar}
