"""The session: training and prediction of one volume, as the window sees them."""

import atexit
import tempfile
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Triple
from sparseseg.classes import ClassTable
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.session.actions import ACTION_NAMES, Action, check_possible
from sparseseg.session.announcer import Announcer
from sparseseg.session.at_hand import ModelAtHand
from sparseseg.session.desk import OpenVolume
from sparseseg.session.events import Phase, SessionEvents
from sparseseg.session.kind import ModelKind
from sparseseg.session.messages import (
    SNAPSHOT,
    ChooseDepth,
    KeepRules,
    Load,
    Others,
    Pause,
    Predict,
    Preview,
    Reply,
    Request,
    Resume,
    Save,
    Told,
    Train,
)
from sparseseg.session.process import Ended, TrainerProcess
from sparseseg.session.shared import SharedArrays
from sparseseg.settings.training import TrainSettings


class Session:
    """Trains and predicts in a process of its own, and says how it goes.

    The engine runs in that process; image, annotation and results lie in memory that
    both share, so what is painted is seen without being sent. What comes of a call is
    announced by `events`, from a thread of the session. A call in a phase in which it
    is not possible (see `POSSIBLE`) raises UserError.

    Several volumes may be open; one of them is the current one, which is trained on and
    predicted. There is one model, which goes along from volume to volume. A snapshot of
    it lies in `folder`, and stays there when the session is closed with a model that was
    not saved.

    A session has to be closed; it closes itself when the interpreter exits.
    """

    def __init__(
        self, engine: str = "sparseseg.session.engine", *, folder: Path | None = None
    ) -> None:
        self.events = SessionEvents()
        self._engine = engine
        self._keeps = folder is not None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="sparseseg-"))
        self._model = ModelAtHand()
        self._announcer = Announcer(self.events)
        self._lock = threading.RLock()  # calls come from the window, replies do not
        self._phase = Phase.IDLE
        self._desk: OpenVolume | None = None
        self._desks: list[OpenVolume] = []
        self._table: ClassTable | None = None
        self._process: TrainerProcess | None = None
        self._waiting: TrainerProcess | None = None  # for its first volume
        self._generation = 0  # of processes: an earlier one is not heard any more
        self._is_stopping = self._is_closed = False
        atexit.register(self.close)

    @property
    def phase(self) -> Phase:
        """What the training process is doing."""
        return self._phase

    @property
    def has_model(self) -> bool:
        """Whether there is a model to predict with."""
        return self._model.is_there

    @property
    def is_saved(self) -> bool:
        """Whether the model is in a file of the user's."""
        return self._model.is_saved

    @property
    def current(self) -> SharedArrays | None:
        """The arrays of the volume that is trained on and predicted."""
        return None if self._desk is None else self._desk.shared.arrays

    def open(
        self, volume: Volume, annotation: NDArray[np.uint8] | None = None
    ) -> SharedArrays:
        """Start on a volume; return the arrays to make layers on.

        Image and annotation are copied into shared memory, the image in a thread: leave
        it as it is. A volume that was open
        before stays open, and the model at hand goes along; what is at work is ended,
        which takes up to two seconds. Raises UserError, and changes nothing, if the
        annotation does not fit or the memory does not suffice.
        """
        if self._is_closed:
            raise UserError("this session is closed: make a new one")
        desk = OpenVolume.set_up(
            volume,
            annotation,
            folder=self._folder,
            failed=lambda words: self._announcer.post(Told("failed", words)),
        )
        self._desks.append(desk)
        self._go_over(desk)
        return desk.shared.arrays

    def get_ready(self) -> None:
        """Load the libraries of the training process before there is a volume for it."""
        with self._lock:
            if not (self._is_closed or self._process or self._waiting):
                self._waiting = TrainerProcess(self._engine)

    def go_over(self, arrays: SharedArrays) -> None:
        """Make another open volume the current one; the model at hand goes along."""
        desk = self._desk_of(arrays)
        if desk is not self._desk:
            self._go_over(desk)

    def let_go(self, arrays: SharedArrays) -> None:
        """Close a volume and give its memory back; arrays in use stay usable."""
        desk = self._desk_of(arrays)
        if desk is self._desk:
            self._leave()
        self._desks.remove(desk)
        desk.shared.unlink()

    def name_classes(self, table: ClassTable) -> None:
        """Give the next training the names and colours that its model is saved with."""
        self._table = table

    def replaces_model(self, settings: TrainSettings) -> bool:
        """Tell whether a training would begin anew where there is an unsaved model."""
        return self._model.is_replaced_by(settings)

    def forget_model(self) -> None:
        """Drop the model at hand, so that the next training begins anew."""
        with self._lock:
            desk = self._check("load")
        self._leave()
        self._drop_model()
        desk.shown, desk.step = "interpolation", 0
        self._go_over(desk)

    def train(self, settings: TrainSettings, *, others: Others | None = None) -> None:
        """Train the model at hand (loaded, or trained before), or else a new one.

        It learns from the current volume, and from others of a project if these are given.
        """
        with self._lock:
            desk = self._check("train")
            desk.others = others
            self._train(desk, settings)

    def pause(self) -> None:
        """Leave training after the step at hand; previews are still answered."""
        with self._lock:
            self._post(self._check("pause"), Pause())

    def resume(self) -> None:
        """Go on after a pause."""
        with self._lock:
            self._post(self._check("resume"), Resume())

    def stop(self) -> None:
        """End the process, which frees the accelerator, but keep the model.

        The phase is IDLE once the process is gone. The next call starts another one.
        """
        with self._lock:
            self._check("stop")
            if self._process is not None:
                self._is_stopping = True
                self._process.stop()

    def preview(self, axis: int, index: int, *beside: tuple[int, int]) -> None:
        """Predict this slice soon, and every few seconds while training.

        After it come those `beside` it, each an axis and an index. They take the place
        of earlier ones. Before there is a model they wait for it.
        """
        with self._lock:
            desk = self._open_desk("preview")
            for place in ((axis, index), *beside):
                desk.check_slice(*place)
            desk.wanted = Preview(axis, index, beside)
            if self._process is not None:
                self._process.post(desk.wanted)

    def predict(self, at: Triple | None = None) -> None:
        """Predict the whole volume; training waits until that is done.

        With `at`, a voxel z, y, x, only the three slices through it.
        """
        with self._lock:
            self._post(self._check("predict"), Predict(at))
            self._set_phase(Phase.PREDICTING)

    def prune(self, depth: int | None) -> None:
        """Predict and save with the network pruned to a depth, or whole if None.

        `events.depths` tells which depths there are.
        """
        with self._lock:
            self._post(self._check("prune"), ChooseDepth(depth))

    def keep_rules(self, lines: tuple[str, ...]) -> None:
        """Save the model with rules that its predictions are cleaned up with.

        `events.rules` tells those of a model that was loaded.
        """
        with self._lock:
            self._post(self._open_desk("keep rules"), KeepRules(lines))
            self._model.change()

    def save(self, path: str | Path) -> None:
        """Write the model to a file."""
        with self._lock:
            self._post(self._check("save"), Save(Path(path).absolute()))

    def copy(self, path: str | Path) -> None:
        """Write a copy of the model to a file that will go: it counts as not saved.

        `events.copied` tells when it is there.
        """
        with self._lock:
            self._post(self._check("save"), Save(Path(path).absolute(), is_copy=True))

    def load(self, path: str | Path, *, is_saved: bool = True) -> None:
        """Read a model from a file, to predict with it or to train it further.

        Not `is_saved` says that the file is a copy for recovery, which will go.
        """
        with self._lock:
            desk = self._check("load")
            self._post(desk, Load(Path(path).absolute()))
            desk.shown, desk.step = "network", 0
            self._model.load(is_saved=is_saved)

    def restart(self) -> None:
        """Start a new process on the last snapshot; train on if that was lost."""
        with self._lock:
            desk = self._check("restart")
            self._launch(desk)
            if desk.settings is None:
                self._set_phase(Phase.IDLE)
            else:
                self._train(desk, desk.settings)

    def close(self) -> None:
        """End the process and the session within two seconds.

        The arrays that `open` returned stay usable. Calling it twice is fine.
        """
        if self._is_closed:
            return
        self._is_closed = True
        atexit.unregister(self.close)
        self._leave()
        if self._waiting is not None:
            self._waiting.dismiss()
        for desk in self._desks:
            desk.shared.unlink()
        if not (self._keeps and self.has_model and not self.is_saved):
            self._drop_model()
        self._announcer.close(seconds=0.5)
        with suppress(OSError):  # it stays if there is a log or a model in it
            self._folder.rmdir()

    def _desk_of(self, arrays: SharedArrays) -> OpenVolume:
        for desk in self._desks:
            if desk.shared.arrays is arrays:
                return desk
        raise UserError("this volume is not open any more: open it again")

    def _go_over(self, desk: OpenVolume) -> None:
        """Leave the current volume, and start a process on another one."""
        before = self._desk
        self._leave()
        with self._lock:
            if self.has_model and before is not None and desk.step != before.step:
                desk.shown, desk.step = "network", before.step
            self._desk = desk
            self._launch(desk)

    def _leave(self) -> None:
        """End the process; its last words are the newest snapshot of the model."""
        with self._lock:
            self._generation += 1
            self._is_stopping = False
            process, self._process = self._process, None
            self._desk = None
            self._set_phase(Phase.IDLE)
        if process is not None:  # not under the lock: its reader may be waiting for it
            process.end(keep=self.has_model)

    def _drop_model(self) -> None:
        self._model = ModelAtHand()
        (self._folder / SNAPSHOT).unlink(missing_ok=True)

    def _launch(self, desk: OpenVolume) -> None:
        self._generation += 1
        hear = partial(self._hear, self._generation)
        self._process = self._next_process()
        self._process.begin(desk.assignment, hear=hear)
        kind = self._model.kind
        restore = desk.restore(parent=kind.parent if kind else "")
        for request in (restore, desk.wanted):
            if request is not None:
                self._process.post(request)

    def _next_process(self) -> TrainerProcess:
        waiting, self._waiting = self._waiting, None
        is_ready = waiting is not None and waiting.is_alive
        return waiting if waiting and is_ready else TrainerProcess(self._engine)

    def _post(self, desk: OpenVolume, request: Request) -> None:
        if self._process is None:
            self._launch(desk)
        assert self._process is not None
        self._process.post(request)

    def _train(self, desk: OpenVolume, settings: TrainSettings) -> None:
        desk.settings = settings
        self._post(desk, Train(settings, self._table, desk.others))
        self._set_phase(Phase.PREPARING)

    def _set_phase(self, phase: Phase) -> None:
        if phase != self._phase:
            self._phase = phase
            self._announcer.post(phase)

    def _open_desk(self, action: str) -> OpenVolume:
        if self._desk is None:
            raise UserError(
                "cannot {action}: open a volume first", action=ACTION_NAMES[action]
            )
        return self._desk

    def _check(self, action: Action) -> OpenVolume:
        desk = self._open_desk(action)
        check_possible(action, self._phase, is_stopping=self._is_stopping)
        return desk

    def _hear(self, generation: int, reply: Reply | Ended) -> None:
        """Take a reply, in the reader's thread."""
        with self._lock:
            desk = self._desk
            if generation != self._generation or desk is None:
                return
            if isinstance(reply, Ended):
                self._on_end(desk, reply)
            elif isinstance(reply, Phase):
                self._set_phase(reply)
            else:
                self._model.remember(reply)
                if not isinstance(reply, ModelKind):
                    self._announcer.post(reply)
            desk.remember(reply)

    def _on_end(self, desk: OpenVolume, end: Ended) -> None:
        was_asked, self._is_stopping = self._is_stopping, False
        self._process = None
        if was_asked:
            desk.settings = None
            self._set_phase(Phase.IDLE)
        else:
            self._set_phase(Phase.LOST)
            self._announcer.post(Told("failed", desk.obituary(end.how)))
