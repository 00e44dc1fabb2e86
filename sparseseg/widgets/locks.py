"""What may not be painted on, in the project that is open in the window."""

from typing import TYPE_CHECKING

from sparseseg.project.guard import Guard

if TYPE_CHECKING:
    from sparseseg.widgets.project_link import ProjectLink
    from sparseseg.widgets.slices import SliceView


class Locks:
    """Lock classes and slices, and choose what a stroke may replace."""

    def __init__(self, link: "ProjectLink") -> None:
        self._link = link
        self.over: frozenset[int] | None = None
        """The values that strokes may replace; None stands for all."""

    @property
    def guard(self) -> Guard:
        """What is locked on the volume that is shown."""
        project, name = self._link.project, self._link.current
        return project.guard(name) if project is not None and name else Guard()

    def turn_class(self, number: int) -> None:
        """Lock a class in all volumes, or unlock it."""
        is_locked = number not in self.guard.classes
        self._link.errands.ask(
            lambda project: project.lock_class(number, is_locked=is_locked),
            lambda _: self._link.changed.emit(),
        )

    def turn_slice(self, view: "SliceView") -> None:
        """Lock a slice of the volume that is shown, or unlock it."""
        name, where = self._link.current, (view.axis, view.index)
        is_locked = where not in self.guard.slices
        self._link.errands.ask(
            lambda project: project.lock_slice(name, where, is_locked=is_locked),
            lambda _: self._link.changed.emit(),
        )

    def paint_over(self, values: frozenset[int] | None) -> None:
        """Let strokes replace these values only; None stands for all."""
        self.over = values
        self._link.paint_over(values)
