"""Everything of the dock that is not a widget, made together and closed together."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from sparseseg.classes import ClassTable
from sparseseg.errors import UserError
from sparseseg.models.store.folder import read_stored
from sparseseg.session import Session
from sparseseg.widgets.adoption import Adoption
from sparseseg.widgets.background import Background
from sparseseg.widgets.class_model import ClassModel
from sparseseg.widgets.doubts import DoubtfulPlaces
from sparseseg.widgets.filling import Filling
from sparseseg.widgets.geometry import check_image
from sparseseg.widgets.history import History
from sparseseg.widgets.layers import LayerLink
from sparseseg.widgets.ledger import LedgerWatch
from sparseseg.widgets.painting import Painter
from sparseseg.widgets.past_models import PastModels
from sparseseg.widgets.project_link import ProjectLink
from sparseseg.widgets.recovery import Autosave, ModelFolder
from sparseseg.widgets.relay import Relay
from sparseseg.widgets.repeating import Repeating
from sparseseg.widgets.result_layers import ResultLayers
from sparseseg.widgets.slice_scores import SliceScores
from sparseseg.widgets.state import State
from sparseseg.widgets.suggestions import Suggestions
from sparseseg.widgets.whole_predictions import WholePredictions
from sparseseg.widgets.writing import Writing

if TYPE_CHECKING:
    from napari.components import LayerList, ViewerModel
    from napari.layers import Image

    from sparseseg.session import SharedArrays
    from sparseseg.widgets.ledger import LedgerCount
    from sparseseg.widgets.recovery import Recovered
    from sparseseg.widgets.seat import Seat


class Desk:
    """Own the session, and the models that the panels show."""

    state_changed = Signal(State)
    """What the window works on, and so what is possible, has changed."""

    model_loaded = Signal()
    """Another model is in use, which was not trained here."""

    def __init__(self, viewer: "ViewerModel", session: "Session | None" = None) -> None:
        self.viewer = viewer
        self.models = ModelFolder()
        self.session = session = session or Session(folder=self.models.path)
        self.relay = Relay(session.events)
        self.classes = ClassModel()
        session.name_classes(self.classes.table)
        self.classes.changed.connect(session.name_classes)
        self.link = LayerLink(viewer, session, self.classes)
        self.results = ResultLayers(viewer, self.link, self.classes)
        self.painter = Painter(viewer, self.link)
        self.writing = Writing(self.link, self.painter)
        self.adoption = Adoption(self.link, self.classes, self.writing)
        self.filling = Filling(self.link, self.painter, self.writing, self.adoption)
        self.ledger = LedgerWatch()
        self.background = Background("window")
        self.whole_predictions = WholePredictions(self.link, self.relay)
        self.suggestions, self.doubts = Suggestions(self), DoubtfulPlaces(self)
        self.state = State()
        self._is_painted, self._is_open = False, True
        self._autosave: Autosave | None = None
        self._ending: list[Autosave] = []
        self.link.opened.connect(self._on_opened)
        self.ledger.counted.connect(self._on_counted)
        self.history = History(self)
        self.project = ProjectLink(self)
        self.past = PastModels(self)
        self.slice_scores = SliceScores(self)
        self.repeating = Repeating(self)
        self.adoption.done.connect(self.ledger.look)
        self._follow_state()

    def recover(self, found: "Recovered") -> None:
        """Start to put in an annotation that an earlier session left, with its names."""
        self.link.open()
        volume = self.link.volume
        assert volume is not None, "an open link has its volume"
        self.adoption.start(lambda: (found.read(volume), found.table))

    def load_model(self, path: Path, *, is_saved: bool = True) -> None:
        """Read a model for the chosen image, with its class names if nothing is painted."""
        self.link.annotate()
        self.session.load(path, is_saved=is_saved)
        self.past.forget_current()
        self.model_loaded.emit()
        self.take_classes(_classes_in(path))

    def take_classes(self, table: ClassTable) -> None:
        """Name the classes as a model does, where no image is painted yet."""
        self.classes.take(table, is_painted=bool(self.link.painted))

    def look(self) -> None:
        """See what was painted, and that it was painted where it counts."""
        self.link.look()
        self.ledger.look()
        if not self.writing.is_busy:  # what it writes is one step of the project
            self.history.look()
        self._look_at_state()

    def save_annotation(self) -> None:
        """Copy the annotation to disk if it changed; raises what the last copy did."""
        self.project.keep_view()
        if self.project.current:  # its journal has every stroke
            self._end_autosave(is_kept=False)
        elif self._autosave is None:
            self._begin_autosave()
        else:
            self._autosave.save()

    def close(self) -> None:
        """End the session, save what is painted and let go; calling it twice is fine."""
        if not self._is_open:
            return
        self._is_open = False
        self.adoption.close()
        self.writing.close()
        self.project.close()
        self.history.close()
        self.relay.close()
        self.session.close()
        self.past.close()
        self.models.close()
        self._end_autosave()
        for autosave in self._ending:
            autosave.wait()
        self.ledger.close()
        self.background.close()
        self.suggestions.close()
        self.doubts.close()
        self.slice_scores.close()
        self.repeating.close()
        self.painter.close()
        self.link.close()
        self.state_changed.disconnect()
        self.classes.changed.disconnect()

    def _follow_state(self) -> None:
        """Derive the state anew whenever a part of it may have changed."""
        for signal in (self.link.image_changed, self.link.images_changed):
            signal.connect(self._look_at_state)
        relay = self.relay
        for change in (relay.phase, relay.step, relay.rules, relay.saved):
            change.connect(self._look_at_state)

    def _look_at_state(self, *_: object) -> None:
        image, link, session = self.link.image, self.link, self.session
        state = State(
            image="" if image is None else str(image.name),
            problem="" if image is None else _problem_of(image),
            is_painted=self._is_painted,
            working_on=link.working_on,
            phase=session.phase,
            has_model=session.has_model,
            is_saved=session.is_saved,
            **_results_of(link.seat, self.viewer.layers),
        )
        if state != self.state:
            self.state = state
            self.state_changed.emit(state)

    def _on_opened(self, arrays: "SharedArrays | None") -> None:
        self._end_autosave()
        if arrays is None:
            self.ledger.leave()
            return
        if self.project.folder is None:  # a project keeps every stroke
            self._begin_autosave()
        self.ledger.follow(arrays.annotation)

    def _on_counted(self, count: "LedgerCount | None") -> None:
        self._is_painted = count is not None and bool(count.ledger.counts)
        if count is not None:
            self.classes.include(count.numbers)
        self._look_at_state()

    def _begin_autosave(self) -> None:
        seat = self.link.seat
        if seat is not None:
            self._autosave = Autosave(
                seat.labels, seat.volume, lambda: self.classes.table
            )

    def _end_autosave(self, *, is_kept: bool = True) -> None:
        """Write what is left, or remove the copy of what is kept elsewhere."""
        if self._autosave is not None:
            self._ending.append(self._autosave)
            self._autosave.close() if is_kept else self._autosave.drop()
        self._autosave = None


def _classes_in(path: Path) -> ClassTable:
    """Return the classes that the file of a model names; none if it names none."""
    with suppress(UserError, OSError):
        return ClassTable.from_json(read_stored(path).description.get("classes", []))
    return ClassTable()


def _results_of(seat: "Seat | None", layers: "LayerList") -> dict[str, bool]:
    """Tell what there is of an image besides its annotation."""
    if seat is None:
        return {}
    return {
        "has_prediction": seat.prediction is not None,
        "is_predicted": seat.is_predicted,
        "has_proposal": seat.proposal in layers,
        "has_objects": seat.objects in layers,
    }


def _problem_of(image: "Image") -> str:
    try:
        check_image(image)
    except UserError as error:
        return str(error)
    return ""
