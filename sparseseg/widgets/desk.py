"""Everything of the dock that is not a widget, made together and closed together."""

from typing import TYPE_CHECKING

from sparseseg.widgets.background import Background
from sparseseg.widgets.class_model import ClassModel
from sparseseg.widgets.layers import LayerLink
from sparseseg.widgets.ledger import LedgerWatch
from sparseseg.widgets.painting import Painter
from sparseseg.widgets.recovery import Autosave
from sparseseg.widgets.relay import Relay
from sparseseg.widgets.result_layers import ResultLayers

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from sparseseg.session import Session, SharedArrays
    from sparseseg.widgets.ledger import LedgerCount
    from sparseseg.widgets.recovery import Recovered


class Desk:
    """Own the session, and the models that the panels show."""

    def __init__(self, viewer: "ViewerModel", session: "Session") -> None:
        self.viewer = viewer
        self.session = session
        self.relay = Relay(session.events)
        self.classes = ClassModel()
        session.name_classes(self.classes.table)
        self.classes.changed.connect(session.name_classes)
        self.link = LayerLink(viewer, session, self.classes)
        self.results = ResultLayers(viewer, self.link, self.classes)
        self.painter = Painter(viewer, self.link)
        self.ledger = LedgerWatch()
        self.background = Background("window")
        self._autosave: Autosave | None = None
        self._is_open = True
        self.link.opened.connect(self._on_opened)
        self.ledger.counted.connect(self._on_counted)

    def recover(self, found: "Recovered") -> None:
        """Put an annotation that an earlier session left into this one."""
        self.link.open()
        volume = self.link.volume
        assert volume is not None, "an open link has its volume"
        self.link.overwrite(found.read(volume))

    def save_annotation(self) -> None:
        """Copy the annotation to disk if it changed; raises what the last copy did."""
        if self._autosave is not None:
            self._autosave.save()

    def close(self) -> None:
        """End the session, save what is painted and let go; calling it twice is fine."""
        if not self._is_open:
            return
        self._is_open = False
        self.relay.close()
        self.session.close()
        self._end_autosave()
        self.ledger.close()
        self.background.close()
        self.painter.close()
        self.link.close()
        self.classes.changed.disconnect()

    def _on_opened(self, arrays: "SharedArrays") -> None:
        self._end_autosave()
        volume = self.link.volume
        assert volume is not None, "an open link has its volume"
        self._autosave = Autosave(arrays.annotation, volume)
        self.ledger.follow(arrays.annotation)

    def _on_counted(self, count: "LedgerCount") -> None:
        self.classes.include(count.numbers)

    def _end_autosave(self) -> None:
        if self._autosave is not None:
            self._autosave.close()
        self._autosave = None
