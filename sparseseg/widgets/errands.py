"""Work on a project in a thread, whose results are taken in Qt's."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from sparseseg.errors import UserError
from sparseseg.widgets.background import Background

if TYPE_CHECKING:
    from concurrent.futures import Future

    from sparseseg.project.keeper import Keeper
    from sparseseg.project.project import Project

Take = Callable[[Any], None]
"""Takes the result of an errand."""


class Errands(QObject):
    """Do what is slow elsewhere; what was asked of a project that is closed is dropped."""

    failed = Signal(str)
    _ready = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._background = Background("project")
        self._background.done.connect(self._on_done)
        self._background.failed.connect(self._on_failed)
        self._ready.connect(self._telling)
        self._keeper: Keeper[Project] | None = None
        self._is_busy = False

    def serve(self, keeper: "Keeper[Project] | None") -> None:
        """Ask this project from now on."""
        self._keeper = keeper

    def start(self, work: Callable[[], Any], take: Take) -> None:
        """Do work beside the journal; raises `UserError` while other such work goes on."""
        if self._is_busy:
            raise UserError(
                "sparseseg still reads or writes a project: wait until that has ended, "
                "then try again."
            )
        self._is_busy = True

        def working() -> Callable[[], None]:
            return partial(take, work())

        self._background.start(working)

    def ask(
        self,
        work: "Callable[[Project], Any]",
        take: Take,
        *,
        give_up: Callable[[], None] = lambda: None,
    ) -> None:
        """Do work on the project in turn with the journal's; `give_up` if it fails."""
        if (keeper := self._keeper) is not None:
            keeper.ask(work).add_done_callback(
                lambda future: self._ready.emit(
                    partial(self._finish, keeper, future, take, give_up)
                )
            )

    def close(self) -> None:
        """Wait for the work under way, and be silent about it."""
        self._background.close()

    def _on_done(self, finish: Callable[[], None]) -> None:
        self._is_busy = False
        self._telling(finish)

    def _on_failed(self, words: str) -> None:
        self._is_busy = False
        self.failed.emit(words)

    def _telling(self, finish: Callable[[], None]) -> None:
        try:
            finish()
        except UserError as error:
            self.failed.emit(str(error))

    def _finish(
        self,
        keeper: "Keeper[Project]",
        future: "Future[Any]",
        take: Take,
        give_up: Callable[[], None],
    ) -> None:
        if future.exception() is not None:
            give_up()
        result = future.result()
        if keeper is self._keeper:
            take(result)
