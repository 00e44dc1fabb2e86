"""What a command of the command line consists of."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found: as an object for machines, and in words for people."""

    data: Mapping[str, Any]
    text: str
    code: int = 0
    """The exit code: 2 where a part of the work failed."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its flags, and what runs it."""

    name: str
    help: str
    add_flags: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], Answer]
