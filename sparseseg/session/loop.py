"""The loop of the training process: one item of work at a time, by urgency."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import singledispatchmethod
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.progress import Method, Preparing, Score, Step
from sparseseg.session.events import (
    Depths,
    Exports,
    Phase,
    Rules,
    StepReport,
    score_reports,
)
from sparseseg.session.messages import (
    Assignment,
    ChooseDepth,
    KeepRules,
    Load,
    Pause,
    Predict,
    Preview,
    Reply,
    Request,
    Restore,
    Resume,
    Save,
    Stop,
    Told,
    Train,
)
from sparseseg.session.painter import PredictionPainter
from sparseseg.session.progress import JobCourse
from sparseseg.session.protocol import EngineContract
from sparseseg.session.shared import SharedArrays

if TYPE_CHECKING:
    from sparseseg.session.kind import ModelKind

SNAPSHOT_SECONDS = 15.0

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class _Training:
    items: Iterator[Step | Preparing]
    course: JobCourse
    preparation: JobCourse
    untold: Step | None = None
    has_stepped: bool = False
    is_paused: bool = False


class WorkLoop:
    """Takes what was posted, does the most urgent item of work, and so on.

    A preview comes before the prediction of the whole volume, that before training.
    Each is an iterator of the engine, so each is left between two items only. A job
    that fails is told and dropped; the others go on.
    """

    def __init__(
        self,
        engine: EngineContract,
        arrays: SharedArrays,
        assignment: Assignment,
        *,
        send: Callable[[Reply], None],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._painter = PredictionPainter(engine, arrays, send=send, clock=clock)
        self._assignment = assignment
        self._send = send
        self._clock = clock
        self._training: _Training | None = None
        self._is_unsaved = False
        self._snapshot_due = float("-inf")
        self._phase_told: Phase | None = Phase.IDLE
        self._depths_told = Depths((), None)
        self._exports_told: Exports | None = None
        self._kind_told: ModelKind | None = None

    def run(self, inbox: SimpleQueue[Request]) -> None:
        """Work until a `Stop` comes; wait where there is nothing to do."""
        while self._take(inbox):
            with self._telling_failures():
                self._work()
            self._tell_phase()

    def _take(self, inbox: SimpleQueue[Request]) -> bool:
        while not self._is_busy or not inbox.empty():
            request = inbox.get()
            if isinstance(request, Train | Predict):
                self._phase_told = None  # the window has guessed it, perhaps wrongly
            with self._telling_failures():
                self._handle(request)
            if isinstance(request, Stop):
                return False
            self._tell_phase()
        return True

    @property
    def _is_busy(self) -> bool:
        trains = self._training is not None and not self._training.is_paused
        return trains or self._painter.is_busy

    def _work(self) -> None:
        if self._painter.is_busy:
            self._painter.work()
        elif self._training is not None:
            self._train(self._training)

    # Requests

    @singledispatchmethod
    def _handle(self, request: Request) -> None:
        raise NotImplementedError(f"a request of {type(request)}")

    @_handle.register
    def _(self, request: Train) -> None:
        course, preparation = (
            JobCourse("train", send=self._send, clock=self._clock) for _ in range(2)
        )
        items = self._engine.train(request.settings, request.table, request.others)
        self._training = _Training(items, course, preparation)

    @_handle.register
    def _(self, _request: Pause) -> None:
        if self._training is not None:
            self._training.is_paused = True
            self._training.course.rest()
            self._settle()

    @_handle.register
    def _(self, _request: Resume) -> None:
        if self._training is not None:
            self._training.is_paused = False

    @_handle.register
    def _(self, request: Preview) -> None:
        self._painter.preview(request)

    @_handle.register
    def _(self, request: Predict) -> None:
        self._painter.predict(request.at)
        if words := self._engine.unlike:
            self._send(Told("noted", words))

    @_handle.register
    def _(self, request: ChooseDepth) -> None:
        self._engine.choose_depth(request.depth)
        self._painter.repaint()
        self._tell_depths()

    @_handle.register
    def _(self, request: KeepRules) -> None:
        self._engine.keep_rules(request.lines)
        self._is_unsaved = self._painter.has_model

    @_handle.register
    def _(self, request: Save) -> None:
        if not self._painter.has_model:
            raise UserError("there is no model to save yet: train one first")
        self._write(self._engine.export, request.path)
        self._send(Told("copied" if request.is_copy else "saved", str(request.path)))

    @_handle.register
    def _(self, request: Load) -> None:
        self._engine.load(request.path)
        self._send(Rules(self._engine.rules))
        self._show(self._engine.possible("network"), step=0)
        self._is_unsaved = True
        self._settle()
        self._send(Told("loaded", request.path.name))

    @_handle.register
    def _(self, request: Restore) -> None:
        self._engine.load(self._assignment.snapshot, parent=request.parent)
        self._show(self._engine.possible(request.method), step=request.step)

    @_handle.register
    def _(self, request: Stop) -> None:
        if request.keep:
            self._keep_snapshot()

    # Training

    def _train(self, training: _Training) -> None:
        # It is taken away first, and so dropped if it fails.
        self._training = None
        item = next(training.items, None)
        if item is None:
            self._finish(training)
            return
        self._training = training
        if isinstance(item, Step):
            self._after_step(training, item)
        else:
            self._while_preparing(training, item)

    def _while_preparing(self, training: _Training, item: Preparing) -> None:
        """Show how far it is before the first step, and what is known until then."""
        if not training.has_stepped:
            training.preparation.tell(item.done)
        self._painter.can_preview = True
        if not self._painter.has_model:  # the answers were not compared yet
            known: Method = "network" if self._engine.answers else "interpolation"
            is_new, self._painter.method = known != self._painter.method, known
            if is_new:
                self._painter.refresh()
        self._painter.refresh_now_and_then()

    def _after_step(self, training: _Training, step: Step) -> None:
        training.has_stepped = self._is_unsaved = True
        self._tell_phase()
        self._show(self._painter.method, step=step.step)
        if step.score is not None:
            self._tell_score(step.score)
        if step.estimate is not None:
            self._keep_snapshot()  # which has this estimate
            self._send(step.estimate)
        told = training.course.tell(step.done, _step_report(step))
        training.untold = None if told else step
        if self._clock() >= self._snapshot_due:
            self._keep_snapshot()
        self._painter.refresh_now_and_then()

    def _finish(self, training: _Training) -> None:
        if last := training.untold:
            training.course.tell(last.done, _step_report(last), at_once=True)
        self._settle()

    def _settle(self) -> None:
        """Bring snapshot and preview up to the newest model."""
        self._keep_snapshot()
        self._painter.refresh()

    def _show(self, method: Method, *, step: int) -> None:
        self._painter.has_model = True
        self._painter.method, self._painter.step = method, step
        self._tell_kind()
        self._tell_depths()
        self._tell_exports()

    def _keep_snapshot(self) -> None:
        self._snapshot_due = self._clock() + SNAPSHOT_SECONDS
        if self._is_unsaved:
            self._write(self._engine.save, self._assignment.snapshot)
            self._is_unsaved = False

    def _write(self, write: Callable[[Path], None], path: Path) -> None:
        try:
            write(path)
        except OSError as error:
            raise UserError(
                "cannot write {path}: {strerror}", path=path, strerror=error.strerror
            ) from error

    # What is told

    def _tell_phase(self) -> None:
        phase = self._phase()
        if phase != self._phase_told:
            self._send(phase)
            self._phase_told = phase

    def _tell_kind(self) -> None:
        kind = self._engine.kind
        if kind != self._kind_told:
            self._send(kind)
            self._kind_told = kind

    def _tell_depths(self) -> None:
        depths = self._engine.depths
        if depths != self._depths_told:
            self._send(depths)
            self._depths_told = depths

    def _tell_exports(self) -> None:
        exports = self._engine.exports
        if exports != self._exports_told:
            self._send(exports)
            self._exports_told = exports

    def _phase(self) -> Phase:
        if self._painter.is_predicting:
            return Phase.PREDICTING
        if self._training is None:
            return Phase.IDLE
        if self._training.is_paused:
            return Phase.PAUSED
        return Phase.TRAINING if self._training.has_stepped else Phase.PREPARING

    def _tell_score(self, score: Score) -> None:
        self._painter.method = score.best
        for report in score_reports(score):
            self._send(report)

    def _telling_failures(self) -> AbstractContextManager[None]:
        return telling_failures(self._send, log=self._assignment.log)


@contextmanager
def telling_failures(send: Callable[[Reply], None], *, log: Path) -> Iterator[None]:
    """Tell what goes wrong inside the block instead of raising it."""
    try:
        yield
    except UserError as error:
        send(Told("failed", str(error)))
    except Exception as error:
        _LOGGER.exception("a job of the training process failed")
        what = f"{type(error).__name__}: {error}"
        text = say(
            "{what}. This is a bug in sparseseg; details are in {log}",
            what=what,
            log=log,
        )
        send(Told("failed", text))


def _step_report(step: Step) -> StepReport:
    return StepReport(step.step, step.seconds, step.loss, step.ending)
