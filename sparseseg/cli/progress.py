"""What is said on stderr: notes, and on a terminal a bar with the time left."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[float, str], None]
"""Takes how far a job is (0..1) and a few words beside the bar."""


def note(words: str) -> None:
    """Say something on stderr, in one line.

    Of several processes that `torchrun` started, only the first one says it.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0":
        return
    complain(words)


def complain(words: str) -> None:
    """Say on stderr, in one line, what went wrong; each process may fail by itself."""
    print(f"sparseseg: {' '.join(words.split())}", file=sys.stderr, flush=True)


@contextmanager
def bar(title: str) -> Iterator[Show]:
    """Show a bar while the block works; nothing is shown where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda done, words: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[words]}"),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=1.0, words="")
        yield lambda done, words: bars.update(task, completed=done, words=words)
