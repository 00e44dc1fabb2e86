"""Questions before something of the user's would be lost."""

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from sparseseg.language import say

if TYPE_CHECKING:
    from sparseseg.widgets.desk import Desk

ENDING = ".safetensors"
MODEL_FILES = say("Model (*{ending})", ending=ENDING)
BEFORE_LOADING = say(
    "The model that you trained is not saved. Save it before you load another one?"
)
_SAVING_MS = 30_000


def ask_where_to_save(parent: QWidget, image: str) -> Path | None:
    """Ask for the file of a model, proposed after the image; None if that was stopped."""
    proposed = str(Path.home() / f"{Path(image).stem or 'model'}{ENDING}")
    path, _ = QFileDialog.getSaveFileName(
        parent, say("Save model"), proposed, MODEL_FILES
    )
    return Path(path.removesuffix(ENDING) + ENDING) if path else None


def may_lose_model(parent: QWidget, desk: "Desk", question: str) -> bool:
    """Ask to save a model that is not saved; return whether to go on."""
    if not desk.state.is_worth_asking:
        return True
    buttons = QMessageBox.StandardButton
    answer = QMessageBox.question(
        parent,
        say("The model is not saved"),
        question,
        buttons.Save | buttons.Discard | buttons.Cancel,
        buttons.Save,
    )
    if answer == buttons.Save:
        return save_now(parent, desk)
    return bool(answer == buttons.Discard)


def save_now(parent: QWidget, desk: "Desk") -> bool:
    """Ask for a file and wait until the model is in it; return whether it is."""
    path = ask_where_to_save(parent, desk.state.image)
    if path is None:
        return False
    loop = QEventLoop()
    for signal in (desk.relay.saved, desk.relay.failed):
        signal.connect(loop.quit)
    QTimer.singleShot(_SAVING_MS, loop.quit)
    desk.session.save(path)
    if not desk.session.is_saved:
        loop.exec()
    return bool(desk.session.is_saved)
