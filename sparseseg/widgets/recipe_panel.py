"""The choice of a recipe: what each is for, and the options that matter."""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from magicgui.widgets import create_widget
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from sparseseg.language import say
from sparseseg.settings.cards import CARDS, PRETRAINED, Card
from sparseseg.widgets.background import Background
from sparseseg.widgets.fold import FoldButton
from sparseseg.widgets.machine import Machine, this_computer, this_machine
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from qtpy.QtGui import QCloseEvent

_MILLION = 1_000_000


class RecipePanel(QWidget):
    """A list of recipes, the card of the chosen one, and its options folded away."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._is_pretrained = False
        self._machine = this_computer()
        self._asking = Background("machine")
        self._asking.done.connect(self._take_machine)
        self._asking.start(this_machine)
        self.recipe = QComboBox()
        for card in CARDS.values():
            self.recipe.addItem(card.title, card.name)
        self.recipe.setToolTip(say("The published network and schedule to train with"))
        self.card = text_label(role="hint")
        self.fold = FoldButton(
            say("Options"), say("Show or hide what can be chosen of this recipe")
        )
        self.form = OptionsForm(CARDS[self.name])
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.recipe, self.card, self.fold, self.form):
            self._layout.addWidget(widget)
        self.recipe.currentIndexChanged.connect(self._show)
        self._show()

    @property
    def name(self) -> str:
        """The chosen recipe."""
        return str(self.recipe.currentData())

    @property
    def options(self) -> dict[str, Any]:
        """What the form says, by the names of the options."""
        return self.form.values

    def show_pretrained(self, wanted: bool) -> None:
        """Offer what can be chosen of a pretrained model, instead of a recipe."""
        self._is_pretrained = wanted
        self.recipe.setHidden(wanted)
        self._show()

    def closeEvent(self, event: "QCloseEvent") -> None:
        """End the thread that asks for the GPU."""
        self._asking.close()
        super().closeEvent(event)

    def _take_machine(self, machine: Machine) -> None:
        self._machine = machine
        self._show_card()

    def _show(self) -> None:
        card = self._show_card()
        old, self.form = self.form, OptionsForm(card)
        self._layout.replaceWidget(old, self.form)
        old.deleteLater()
        self.fold.fold(self.form)
        self.chosen.emit(card.name)

    def _show_card(self) -> Card:
        card = PRETRAINED if self._is_pretrained else CARDS[self.name]
        self.card.setText(first_words(card, self._machine))
        self.card.setToolTip(card_words(card, self._machine))
        return card


def first_words(card: Card, machine: Machine) -> str:
    """Say what a recipe is for, and where it does not suit this machine, that too."""
    purpose = card.summary.splitlines()[0]
    if _suits(card, machine):
        return purpose
    return "\n".join((purpose, say("It {fit}.", fit=_fit(card, machine))))


def card_words(card: Card, machine: Machine) -> str:
    """Say in lines what a recipe is for, its size, whether it fits, and the paper."""
    size = say(
        "{millions:.2g} million parameters; {fit}.",
        millions=card.parameters / _MILLION,
        fit=_fit(card, machine),
    )
    return "\n".join((card.summary, size, card.paper))


def _suits(card: Card, machine: Machine) -> bool:
    has_room = card.training_gb <= machine.gigabytes
    return has_room and (machine.has_gpu or not card.wants_gpu)


def _fit(card: Card, machine: Machine) -> str:
    """Say whether a device has the memory that a step of training takes."""
    needs = say("takes about {need:.1f} GB to train", need=card.training_gb)
    has = _memory_of(machine)
    if card.training_gb > machine.gigabytes:
        is_cut = _has_patch(card)
        mend = say("choose a smaller patch") if is_cut else say("choose another")
        return say("{needs}, and {has}: {mend}", needs=needs, has=has, mend=mend)
    if card.wants_gpu and not machine.has_gpu:
        return say(
            "{needs}; slow here: it needs a GPU, and none was found", needs=needs
        )
    return say("{needs}, and {has}", needs=needs, has=has)


def _memory_of(machine: Machine) -> str:
    if machine.has_gpu:
        return say("this GPU has {size:.0f} GB", size=machine.gigabytes)
    return say("this computer has {size:.0f} GB", size=machine.gigabytes)


def _has_patch(card: Card) -> bool:
    return any(field.name == "patch" for field in dataclasses.fields(card.options))


class OptionsForm(QWidget):
    """What a recipe declares, one option a row; it starts with the defaults."""

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.fields = {field.name: field for field in _fields(card)}
        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        for field in self.fields.values():
            label = QLabel(field.label)
            label.setToolTip(field.tooltip)
            rows.addRow(label, field.native)

    @property
    def values(self) -> dict[str, Any]:
        """What is chosen, by the names of the options."""
        return {name: field.value for name, field in self.fields.items()}


def _fields(card: Card) -> Iterator[Any]:
    hints = get_type_hints(card.options, include_extras=True)
    for field in dataclasses.fields(card.options):
        kind, declared = get_args(hints[field.name])[:2]
        bounds = {
            name: declared[name] for name in ("min", "max", "step") if name in declared
        }
        made: Any = create_widget(
            field.default,
            annotation=kind,
            name=field.name,
            label=declared["label"],
            options={"tooltip": declared["help"].capitalize(), **bounds},
        )
        if kind is bool:
            made.text = ""  # the label of the row says it
        yield made
