"""The journal of a project that is worked on, written in a thread of its own."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sparseseg.errors import UserError
from sparseseg.language import say, template
from sparseseg.project.deltas import Labels
from sparseseg.project.entries import Tool, Turn
from sparseseg.project.guard import Guard, Slice
from sparseseg.project.journal import Journal
from sparseseg.project.recorder import Recorder


class Journalled(Protocol):
    """Annotations with a journal: a project, or the draft of one."""

    journal: Journal

    def recorder(self, name: str, array: Labels) -> Recorder:
        """Keep the journal of an array that is painted on."""

    def guard(self, name: str) -> Guard:
        """Return what may not be changed on an annotation."""

    def close(self) -> None:
        """Let go of the journal."""


Result = TypeVar("Result")
Work = TypeVar("Work", bound=Journalled)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turned:
    """A step was undone or redone: of which volume and tool, and on which slice first."""

    action: Turn
    volume: str
    tool: str
    where: Slice


@dataclass(frozen=True, slots=True)
class Refused:
    """Voxels of a volume were set back, because they may not change."""

    volume: str
    voxels: int
    reason: str


@dataclass(frozen=True, slots=True)
class Idle:
    """There was no step to undo or redo, in a sentence."""

    words: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Something could not be written, in a sentence."""

    words: str


class Keeper(Generic[Work]):
    """Write what is painted on annotations, without making anyone wait.

    All work on the project is done in one thread, one piece after the other. `hear` is
    called in that thread with what has to be told. What could not be written is tried
    again with the next call.
    """

    def __init__(
        self, project: Work, hear: Callable[[Turned | Refused | Idle | Failed], None]
    ) -> None:
        self.project = project
        self._hear = hear
        self._worker = ThreadPoolExecutor(1, "sparseseg-journal")
        self._recorders: dict[str, Recorder] = {}
        self._steps: dict[str, int] = {}
        self._looks: dict[str, Future[None]] = {}

    def follow(self, name: str, array: Labels) -> None:
        """Keep the journal of a volume's array from now on; it is painted on in place."""

        def follow() -> None:
            self._recorders[name] = self.project.recorder(name, array)

        self._start(follow)

    def leave(self, name: str) -> None:
        """Write what is left of a volume, and let go of its array."""

        def leave() -> None:
            self._record(name, "script", ends=True)
            self._recorders.pop(name, None)

        self._start(leave)

    def look(self, name: str, tool: Tool, *, ends: bool = True) -> None:
        """Write what changed, unless an earlier look is still waiting.

        `ends` says that the stroke is over: what comes next is another step to undo.
        """
        pending = self._looks.get(name)
        if pending is None or pending.done() or ends:
            self._looks[name] = self._start(lambda: self._record(name, tool, ends=ends))

    def paint_over(self, name: str, values: frozenset[int] | None) -> None:
        """Let strokes on a volume replace these values only; None stands for all."""

        def choose() -> None:
            if recorder := self._recorders.get(name):
                recorder.over = values

        self._start(choose)

    def turn(self, action: Turn) -> None:
        """Undo or redo a step, of whichever volume it is; `hear` tells which."""
        self._start(lambda: self._turn(action))

    def do(self, work: Callable[[Work], None]) -> None:
        """Do other work on the project in turn; `hear` is told what it raises."""
        self._start(lambda: work(self.project))

    def ask(self, work: Callable[[Work], Result]) -> "Future[Result]":
        """Do other work on the project in turn; the result has what it raises."""
        return self._worker.submit(work, self.project)

    def close(self) -> None:
        """Write what is left of all volumes, and close the project."""
        for name in list(self._recorders):
            self.leave(name)
        self._start(self.project.close)
        self._worker.shutdown(wait=True)

    def _start(self, work: Callable[[], None]) -> "Future[None]":
        try:
            return self._worker.submit(self._telling, work)
        except RuntimeError:  # the interpreter ends, and has ended its threads
            self._telling(work)
            done: Future[None] = Future()
            done.set_result(None)
            return done

    def _telling(self, work: Callable[[], None]) -> None:
        try:
            work()
        except UserError as error:
            self._hear(Failed(str(error)))
        except Exception as error:  # noqa: BLE001  # it would vanish in the thread
            _LOG.exception("the journal could not be written")
            what = f"{type(error).__name__}: {error}"
            self._hear(
                Failed(
                    say(
                        "The journal could not be written ({what}); see the log.",
                        what=what,
                    )
                )
            )

    def _record(self, name: str, tool: Tool, *, ends: bool) -> None:
        recorder = self._recorders.get(name)
        if recorder is None:
            return
        step = self._steps.get(name) or self.project.journal.new_step()
        # Undo goes over all volumes, so that a step cannot go on after one of another.
        self._steps = {name: step}
        found = recorder.record(tool, step=step)
        if ends:
            self._steps.pop(name)
        if found.refused:
            self._hear(Refused(name, found.refused, found.reason))

    def _turn(self, action: Turn) -> None:
        for name in self._recorders:
            self._record(name, "script", ends=True)
        journal = self.project.journal
        change = journal.next_turn(action)
        if change is None:
            self._hear(Idle(_NOTHING[action]))
            return
        guard = self.project.guard(change.volume)
        for reason in filter(None, map(guard.reason, change.deltas)):
            raise UserError(_LOCKED[action], reason=reason, volume=change.volume)
        journal.undo() if action == "undo" else journal.redo()
        if recorder := self._recorders.get(change.volume):
            recorder.take(change)
        first = change.deltas[0]
        where = (first.axis, first.index)
        self._hear(Turned(action, change.volume, change.tool, where))


_NOTHING: dict[Turn, str] = {
    "undo": say("There is nothing to undo."),
    "redo": say("There is nothing to redo."),
}
_LOCKED: dict[Turn, str] = {
    "undo": template("cannot undo: {reason} in {volume!r}; unlock it"),
    "redo": template("cannot redo: {reason} in {volume!r}; unlock it"),
}
