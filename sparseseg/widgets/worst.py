"""The worst volumes of a batch, taken into a project to be annotated."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QInputDialog, QWidget

from sparseseg.batch.triage import worst_images
from sparseseg.errors import UserError
from sparseseg.language import say, say_count
from sparseseg.project.project import Project
from sparseseg.project.record import NAME
from sparseseg.widgets.background import Background

if TYPE_CHECKING:
    from sparseseg.widgets.messages import MessageArea

_USUAL, _MOST = 3, 1000


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the worst volumes: their names, and why others were left out."""

    folder: Path
    names: tuple[str, ...]
    left_out: tuple[str, ...]


class Worst(QObject):
    """Asks how many volumes and which project, and adds them in a thread."""

    def __init__(self, parent: QWidget, messages: "MessageArea") -> None:
        super().__init__(parent)
        self._parent = parent
        self._messages = messages
        self._adding = Background("worst")
        self._adding.done.connect(self._tell)
        self._adding.failed.connect(messages.error)

    def take(self, output: Path) -> None:
        """Ask, and add the worst volumes of the batch in a folder."""
        question = say("How many volumes, the worst first?")
        count, is_given = QInputDialog.getInt(
            self._parent, say("Annotate the worst"), question, _USUAL, 1, _MOST
        )
        if not is_given:
            return
        words = say("Project, or an empty folder for a new one")
        folder = QFileDialog.getExistingDirectory(self._parent, words)
        if folder:
            self._adding.start(partial(taken, output, count, Path(folder)))

    def close(self) -> None:
        """Wait for what is being added."""
        self._adding.close()

    def _tell(self, found: Taken) -> None:
        text = say_count(
            "{count} volume was added to the project {folder}: press Open project to "
            "annotate it.",
            "{count} volumes were added to the project {folder}: press Open project to "
            "annotate them.",
            len(found.names),
            folder=found.folder,
        )
        self._messages.confirm("\n".join((text, *found.left_out)))


def taken(output: Path, count: int, folder: Path) -> Taken:
    """Add the worst volumes of a batch to a project, or to a new one in an empty folder.

    What cannot be added is left out and told. Raises `UserError` where there is no batch,
    or where the project is open or cannot be made.
    """
    images = worst_images(output, count)
    is_there = (folder / NAME).is_file()
    names, left_out = [], []
    with Project(folder) if is_there else Project.new(folder) as project:
        for image in images:
            try:
                names.append(project.add(image).name)
            except UserError as error:
                left_out.append(str(error))
    return Taken(folder, tuple(names), tuple(left_out))
