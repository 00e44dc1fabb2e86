from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from sparseseg.errors import UserError
from sparseseg.settings.options import Options, read_options


@dataclass(frozen=True, kw_only=True)
class Chosen(Options):
    side: Annotated[Literal[2, 3], {"help": "of a test"}] = 2
    deep: Annotated[bool, {"help": "or not"}] = True
    count: Annotated[int, {"min": 1, "help": "how many"}] = 4


def test_words_become_values_of_the_declared_kinds():
    words = {"side": "3", "deep": "no", "count": "7", "entropy": "0.1"}
    found = read_options(Chosen, words)
    assert found == Chosen(side=3, deep=False, count=7, entropy=0.1)


def test_what_is_not_given_is_as_declared():
    assert read_options(Chosen, {}) == Chosen()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"depth": 2},
            "no option 'depth' here: choose from entropy, side, deep, count",
        ),
        ({"side": 4}, "option side is one of 2, 3, got 4"),
        ({"deep": "perhaps"}, "option deep takes true or false, got 'perhaps'"),
        ({"count": "many"}, "option count takes a whole number, got 'many'"),
        ({"count": 0}, "option count goes from 1 to 0, got 0"),
        ({"entropy": "nan"}, "option entropy goes from 0.0 to 1.0, got nan"),
    ],
)
def test_what_does_not_fit_is_named_with_what_does(given, words):
    with pytest.raises(UserError, match=words):
        read_options(Chosen, given)
