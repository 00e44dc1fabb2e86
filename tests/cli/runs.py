"""What the tests of the commands share: a run, its answer, and a training that is none."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sparseseg.engine.model import Model
from sparseseg.progress import Step

Run = Callable[..., tuple[int, str, str]]
"""Runs a command; gives its exit code, stdout and stderr."""


def two_steps(
    model: Model, cases: Sequence[Any], settings: Any, *, team: None = None
) -> Iterator[Step]:
    for step in (1, 2):
        model.history.update(settings=settings.to_json(), step=step, seconds=step / 10)
        yield Step(step, step / 10, 1.0, step / 2, None)


def last_object(stdout: str) -> dict[str, Any]:
    """Return the object that --json promises in the last line."""
    found = json.loads(stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found
