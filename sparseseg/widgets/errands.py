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
        self._background.done.connect(lambda take: take())
        self._background.failed.connect(self.failed)
        self._ready.connect(lambda finish: finish())
        self._keeper: Keeper[Project] | None = None

    def serve(self, keeper: "Keeper[Project] | None") -> None:
        """Ask this project from now on."""
        self._keeper = keeper

    def start(self, work: Callable[[], Any], take: Take) -> None:
        """Do work beside the journal, which goes on meanwhile."""

        def working() -> Callable[[], None]:
            return partial(take, work())

        self._background.start(working)

    def ask(self, work: "Callable[[Project], Any]", take: Take) -> None:
        """Do work on the project in turn with the journal's."""
        if (keeper := self._keeper) is not None:
            keeper.ask(work).add_done_callback(
                lambda future: self._ready.emit(
                    partial(self._finish, keeper, future, take)
                )
            )

    def close(self) -> None:
        """Wait for the work under way, and be silent about it."""
        self._background.close()

    def _finish(
        self, keeper: "Keeper[Project]", future: "Future[Any]", take: Take
    ) -> None:
        try:
            result = future.result()
        except UserError as error:
            self.failed.emit(str(error))
            return
        if keeper is self._keeper:
            take(result)
