"""Step 2, first half: where the annotation comes from, and the one list of classes."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.language import say, say_count
from sparseseg.widgets.background import Background
from sparseseg.widgets.buttons import action_button, show_reason
from sparseseg.widgets.class_model import names_in
from sparseseg.widgets.class_table import ClassTableView
from sparseseg.widgets.rows import row_of
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtGui import QCloseEvent

    from sparseseg.widgets.adoption import Adoption
    from sparseseg.widgets.class_model import ClassModel
    from sparseseg.widgets.layers import LayerLink
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.painting import Painter
    from sparseseg.widgets.state import State

_NEW, _AGAIN = say("New annotation"), say("Show annotation")


class ClassPanel(QWidget):
    """Start an annotation or take one over; edit the classes and pick one to paint."""

    def __init__(
        self,
        viewer: "ViewerModel",
        link: "LayerLink",
        adoption: "Adoption",
        classes: "ClassModel",
        painter: "Painter",
        messages: "MessageArea",
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._link = link
        self._adoption = adoption
        self._classes = classes
        self._painter = painter
        self._messages = messages
        self._counting = Background("class")
        self.table = ClassTableView()
        self.add = self._button(say("Add class"), _ADD, self._add)
        self.remove = self._button(say("Remove class"), _REMOVE, self._remove)
        self.new = self._button(_NEW, _NEW_TIP, link.annotate, role="primary")
        self.use = self._button(say("Use selected layer"), _USE_TIP, self._adopt)
        self.hint = text_label(_HINT, "hint")
        self._build()
        self._connect()
        self.table.show_table(classes.table)

    def closeEvent(self, event: "QCloseEvent") -> None:
        """End the thread with its panel."""
        self._counting.close()
        super().closeEvent(event)

    def show_state(self, state: "State") -> None:
        """Say in the tooltips why no annotation can be begun now, if that is so."""
        reason = state.reason("annotate")
        show_reason(self.new, _NEW_TIP, reason)
        show_reason(self.use, _USE_TIP, reason)

    def _button(
        self, text: str, tip: str, action: Callable[[], object], role: str = ""
    ) -> QPushButton:
        return action_button(text, tip, action, messages=self._messages, role=role)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row_of(self.new, self.use))
        layout.addWidget(self.table)
        layout.addLayout(row_of(self.add, self.remove))
        layout.addWidget(self.hint)

    def _connect(self) -> None:
        self.table.picked.connect(self._on_picked)
        self.table.renamed.connect(self._on_renamed)
        self.table.pasted.connect(self._paste)
        self.table.recoloured.connect(self._classes.recolour)
        self._classes.changed.connect(self.table.show_table)
        self._painter.label_changed.connect(self.table.show_picked)
        self._counting.done.connect(self._take_away)
        self._counting.failed.connect(self._messages.error)
        self._adoption.done.connect(self._say_adopted)
        self._adoption.failed.connect(self._messages.error)
        self._link.annotation_changed.connect(self._show_new)
        self._link.image_changed.connect(self._show_new)
        self._link.opened.connect(self._show_new)

    def _add(self) -> None:
        number = self._classes.add()
        self.table.show_picked(number)
        self._on_picked(number)

    def _paste(self, text: str) -> None:
        with self._messages.catching():
            count = self._classes.name_all(names_in(text))
            self._messages.confirm(
                say_count(
                    "{count} class got its name from the list.",
                    "{count} classes got their names from the list.",
                    count,
                )
            )

    def _remove(self) -> None:
        number = self.table.number
        if number not in (None, BACKGROUND, UNLABELLED):
            self._counting.start(lambda: (number, self._link.count(number)))

    def _take_away(self, counted: tuple[int, int]) -> None:
        number, painted = counted
        if number not in self._classes.table.numbers:
            return
        with self._messages.catching():
            self._classes.remove(number, painted=painted)
            self._on_picked(self._classes.table.numbers[0])

    def _adopt(self) -> None:
        self._adoption.adopt(self._viewer.layers.selection.active)

    def _say_adopted(self, changed: int) -> None:
        self._messages.confirm(
            say(
                "{changed:,} voxels of the annotation were replaced; Ctrl+Z undoes that.",
                changed=changed,
            )
        )

    def _on_picked(self, number: int) -> None:
        if self._link.annotation is not None:
            self._painter.select(number)

    def _on_renamed(self, number: int, name: str) -> None:
        with self._messages.catching():
            self._classes.rename(number, name)
        self.table.show_table(self._classes.table)

    def _show_new(self) -> None:
        link = self._link
        is_open = link.seat is not None
        self.new.setText(_AGAIN if is_open and link.annotation is None else _NEW)
        is_there = is_open and link.annotation is not None
        self.new.setHidden(is_there)
        self.hint.setHidden(is_there)


_HINT = say(
    "Unlabelled is what you have not painted: it never counts as background. "
    "Paint background too, at least a little."
)
_ADD = say(
    "Add one more class. Or click the table and paste a list of names, one a line (Ctrl+V)."
)
_REMOVE = say("Remove the selected class; only one that is not painted anywhere")
_NEW_TIP = say("Add an empty annotation on the chosen image and pick up the brush")
_USE_TIP = say(
    "Copy the Labels layer that is selected in the layer list into the annotation: "
    "0 stays unlabelled, 1 to 254 are classes, 255 is background"
)
