"""What a person may choose of a recipe, declared once for forms, flags and files."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from sparseseg.errors import UserError
from sparseseg.language import say

_YES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every recipe can be told; each recipe adds what matters to it.

    The dictionaries are read by the form and by the command line: a label of a few
    plain words, bounds and help.
    """

    entropy: Annotated[
        float,
        {
            "min": 0.0,
            "max": 1.0,
            "step": 0.05,
            "label": say("Use unlabelled"),
            "help": say("weight of the entropy on unlabelled voxels in the loss"),
        },
    ] = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the options as a plain dictionary."""
        return dataclasses.asdict(self)


Chosen = TypeVar("Chosen", bound=Options)


def read_options(kind: type[Chosen], given: Mapping[str, Any]) -> Chosen:
    """Make options from values or from their words, as a command line has them.

    Raises `UserError` for a name that there is not, or a value that does not fit.
    """
    hints = get_type_hints(kind, include_extras=True)
    names = [field.name for field in dataclasses.fields(kind)]
    for name in given:
        if name not in names:
            raise UserError(
                "there is no option {name!r} here: choose from {names}",
                name=name,
                names=", ".join(names),
            )
    return kind(**{name: _read(name, given[name], hints[name]) for name in given})


def _read(name: str, value: Any, hint: Any) -> Any:
    kind, declared = get_args(hint)[:2]
    if get_origin(kind) is Literal:
        return _one_of(name, value, get_args(kind))
    try:
        read = _YES[str(value).lower()] if kind is bool else kind(value)
    except (KeyError, TypeError, ValueError):
        raise UserError(
            "option {name} takes {kind}, got {value!r}",
            name=name,
            kind=_kind_in_words(kind),
            value=value,
        ) from None
    low, high = declared.get("min", read), declared.get("max", read)
    if not low <= read <= high:
        raise UserError(
            "option {name} goes from {low} to {high}, got {read}",
            name=name,
            low=low,
            high=high,
            read=read,
        )
    return read


def _one_of(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    found = [choice for choice in choices if str(choice) == str(value)]
    if not found:
        words = ", ".join(map(str, choices))
        raise UserError(
            "option {name} is one of {words}, got {value!r}",
            name=name,
            words=words,
            value=value,
        )
    return found[0]


def _kind_in_words(kind: type) -> str:
    words = {
        bool: say("true or false"),
        int: say("a whole number"),
        float: say("a number"),
    }
    return words.get(kind, "words")
