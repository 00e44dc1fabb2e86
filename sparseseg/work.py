"""Work that is done bit by bit: generators that tell how far they are, and have a result."""

from collections.abc import Callable, Generator
from typing import TypeVar

_Told = TypeVar("_Told")
_Retold = TypeVar("_Retold")
_Result = TypeVar("_Result")


def retold(
    work: Generator[_Told, None, _Result], tell: Callable[[_Told], _Retold]
) -> Generator[_Retold, None, _Result]:
    """Do some work, yield what `tell` makes of what it yields, and return its result."""
    while True:
        try:
            told = next(work)
        except StopIteration as end:
            result: _Result = end.value
            return result
        yield tell(told)


def result_of(work: Generator[object, None, _Result]) -> _Result:
    """Do some work to its end, and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: _Result = end.value
            return result
