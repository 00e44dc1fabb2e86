"""Which steps of a journal can be undone and redone: what its entries say in their order."""

from sparseseg.project.entries import START


class Steps:
    """Follow the entries of a journal, the oldest first."""

    def __init__(self) -> None:
        self.newest = START
        """The largest number of a step."""
        self._done: list[int] = []
        self._undone: list[int] = []

    @property
    def to_undo(self) -> int | None:
        """The step that an undo takes back, if there is one."""
        return self._done[-1] if self._done else None

    @property
    def to_redo(self) -> int | None:
        """The step that a redo makes again, if there is one."""
        return self._undone[-1] if self._undone else None

    def new(self) -> int:
        """Return the number of a step that has no entry yet."""
        self.newest += 1
        return self.newest

    def follow(self, step: int, action: str) -> None:
        """Take the next entry; an undo of another step than the last is no undo."""
        self.newest = max(self.newest, step)
        if action == "undo" and step == self.to_undo:
            self._undone.append(self._done.pop())
        elif action == "redo" and step == self.to_redo:
            self._done.append(self._undone.pop())
        elif action == "change" and step != START:
            self._undone.clear()
            if step != self.to_undo:
                self._done.append(step)
