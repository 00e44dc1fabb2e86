"""Descriptions of models in JSON and YAML: read as data, and looked at with care."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sparseseg.errors import UserError

_LARGEST = 8 * 2**20
_DEEPEST = 24
_MOST_VALUES = 100_000
_LARGEST_NUMBER = 2**63
_REFERENCE = re.compile(r"@(\w+(?:(?:#|::)\w+)*)")


def read_description(path: Path) -> dict[str, Any]:
    """Read a description; raise `UserError` for one that is damaged or none."""
    size = path.stat().st_size
    if size > _LARGEST:
        raise UserError(
            "{name} has {size} bytes, and the description of a model has some "
            "thousands: it is not read",
            name=path.name,
            size=size,
        )
    try:
        text = path.read_text("utf-8")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        words = " ".join(str(error).split())[:160]
        raise UserError(
            "{name} is damaged or cut short ({words}): fetch the model again",
            name=path.name,
            words=words,
        ) from error
    if not isinstance(found, dict):
        raise UserError(
            "{name} holds a {kind}, and no description of a model: "
            "fetch the model again",
            name=path.name,
            kind=type(found).__name__,
        )
    _check_values(found, path.name)
    return found


def _check_values(root: dict[str, Any], name: str) -> None:
    """Raise `UserError` for too many values, and for whole numbers beyond 64 bits.

    Each use of an anchor counts: a few lines of YAML can stand for billions of values.
    """
    waiting: list[Any] = [root]
    left = _MOST_VALUES
    while waiting:
        value = waiting.pop()
        left -= 1
        if left < len(waiting):
            raise UserError(
                "{name} refers to itself, or is nested too deeply: it was not "
                "read further",
                name=name,
            )
        if isinstance(value, Mapping):
            waiting += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value
        elif isinstance(value, int) and abs(value) >= _LARGEST_NUMBER:
            raise UserError(
                "{name} holds a number of {bits} bits: it was not read further",
                name=name,
                bits=value.bit_length(),
            )


class Literals:
    """Plain values of a description, with references to others of its values.

    `@a#b` stands for the value b of the value a. Expressions, which begin with `$`, are
    never evaluated.
    """

    def __init__(self, root: Mapping[str, Any], name: str) -> None:
        self._root = root
        self._name = name
        self._left = _MOST_VALUES

    def value(self, given: Any, depth: int = 0) -> Any:
        """Return a value without references; raise `UserError` for an expression."""
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise UserError(
                "{name} refers to itself, or is nested too deeply: it was not "
                "read further",
                name=self._name,
            )
        if isinstance(given, str):
            return self._word(given, depth)
        if isinstance(given, Mapping):
            return {str(k): self.value(v, depth + 1) for k, v in given.items()}
        if isinstance(given, Sequence) and not isinstance(given, bytes):
            return [self.value(part, depth + 1) for part in given]
        return given

    def _word(self, word: str, depth: int) -> Any:
        if word.lstrip().startswith("$"):
            raise UserError(
                "{name} holds the expression {word!r}, and a model file may "
                "not run code: write the value in its place",
                name=self._name,
                word=word[:80],
            )
        found = _REFERENCE.fullmatch(word)
        if found is None:
            return word
        place: Any = self._root
        for part in re.split(r"#|::", found.group(1)):
            is_list = isinstance(place, list)
            place = place[int(part)] if is_list else place[part]
        return self.value(place, depth + 1)
