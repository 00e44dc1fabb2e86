"""The journal of annotations that belong to no project yet, for their undo."""

from sparseseg.project.deltas import Labels
from sparseseg.project.entries import START
from sparseseg.project.guard import Guard
from sparseseg.project.journal import Journal
from sparseseg.project.recorder import Recorder


class Draft:
    """Keep the changes of annotations in memory, as a project keeps them on disk."""

    def __init__(self) -> None:
        self.journal = Journal.in_memory()

    def recorder(self, name: str, array: Labels) -> Recorder:
        """Keep the journal of an array; what is there at first is never undone."""
        z, y, x = array.shape
        self.journal.add_volume(name, (z, y, x))
        Recorder(self.journal, name, array).record("import", step=START)
        return Recorder(self.journal, name, array)

    def guard(self, _name: str) -> Guard:
        """Return that everything may be changed: locks need a project."""
        return Guard()

    def close(self) -> None:
        """Forget all changes."""
        self.journal.close()
