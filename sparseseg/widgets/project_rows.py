"""What the volumes of a project have, for a list: counted in a thread."""

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from sparseseg.widgets.background import Background
from sparseseg.widgets.project_work import Row, rows_in, with_ledger

if TYPE_CHECKING:
    from sparseseg.data.labels import Ledger


class ProjectRows(QObject):
    """Count what is annotated in each volume of the project that is open."""

    changed = Signal()
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._folder: Path | None = None
        self._counting = Background("volumes")
        self._counting.done.connect(self._take)
        self._counting.failed.connect(self.failed)

    def count(self, folder: Path) -> None:
        """Find out what the volumes have now, beside the journal, which goes on."""
        # Counting may take seconds, in which strokes are to be written.
        self._folder = folder
        self._counting.start(lambda: (folder, rows_in(folder)))

    def clear(self) -> None:
        """Forget the volumes of a project that is closed."""
        self._folder, self.rows = None, []

    def update(self, name: str, ledger: "Ledger") -> None:
        """Say what a volume has now; the journal has it within a second."""
        rows = [
            with_ledger(row, ledger) if row.name == name else row for row in self.rows
        ]
        if rows != self.rows:
            self.rows = rows
            self.changed.emit()

    def close(self) -> None:
        """Wait for the count under way, and be silent about it."""
        self._counting.close()

    def _take(self, counted: tuple[Path, list[Row]]) -> None:
        folder, rows = counted
        if folder == self._folder:  # and not one that was closed meanwhile
            self.rows = rows
            self.changed.emit()
