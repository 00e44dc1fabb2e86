"""Step 2, last part: a slice that is painted twice."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from sparseseg.language import say, template
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.rows import row_of
from sparseseg.widgets.slice_score_words import class_words
from sparseseg.widgets.slices import SliceView
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from sparseseg.evaluation.slice_score import SliceScore
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea


class RepeatPanel(QWidget):
    """Offer a slice to be painted again, and compare it with the first time."""

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._messages = messages
        repeating = self._repeating = desk.repeating
        self.words = text_label(role="remark")
        self.begin = action_button(
            say("Paint a slice again"), _BEGIN, repeating.begin, messages=messages
        )
        self.compare = action_button(
            say("Compare both times"), _COMPARE, repeating.compare, messages=messages
        )
        self.cancel = action_button(
            say("Cancel"), _CANCEL, repeating.stop, messages=messages
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words)
        layout.addLayout(row_of(self.begin, self.compare, self.cancel))
        repeating.changed.connect(self._show)
        repeating.measured.connect(self._tell)
        repeating.failed.connect(messages.error)
        self._show()

    def _show(self) -> None:
        view = self._repeating.view
        is_on = view is not None
        self.words.setVisible(is_on)
        self.words.setText(say(_PAINT, view=view) if is_on else "")
        self.compare.setVisible(is_on)
        self.cancel.setVisible(is_on)
        self.begin.setVisible(self._repeating.can_begin and not is_on)
        self.setVisible(is_on or self._repeating.can_begin)

    def _tell(self, score: "SliceScore") -> None:
        view = SliceView(score.axis, score.index)
        if score.mean_dice is None:
            self._messages.note(
                say("Slice {view} was background both times.", view=view)
            )
            return
        self._messages.note(
            say(
                "On slice {view} you agree with what you had painted by a Dice of {dice:.2f} "
                "({classes}). A prediction cannot be expected to agree with you better.",
                view=view,
                dice=score.mean_dice,
                classes=class_words(score, self._desk.classes.table),
            )
        )


_BEGIN = say(
    "Show one of your complete slices blank, and paint it a second time: how well both agree "
    "is the best score that you can hope for. Nothing learns from the second time."
)
_COMPARE = say("Compare what you painted now with the first time, and take it away")
_CANCEL = say("Take away what you painted now, and show again what was hidden")
_PAINT = template(
    "Paint slice {view} as if for the first time. What you had painted is hidden, and "
    "nothing learns from this."
)
