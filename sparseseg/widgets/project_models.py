"""A model that was trained while a project is open goes into the project."""

from pathlib import Path
from typing import TYPE_CHECKING

from sparseseg.session.events import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sparseseg.project.models import Curve
    from sparseseg.project.project import Project
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.project_link import ProjectLink


class ProjectModels:
    """Save the model when a training ends, with its curves and what it learned from."""

    def __init__(self, desk: "Desk", link: "ProjectLink") -> None:
        self._desk = desk
        self._link = link
        self._phase = Phase.IDLE
        self._saving = Path()
        self.curves: Callable[[], Mapping[str, Curve]] = dict
        """Gives the curves of the training that has ended."""
        desk.relay.phase.connect(self._on_phase)
        desk.relay.saved.connect(self._on_saved)

    def _on_phase(self, phase: Phase) -> None:
        before, self._phase = self._phase, phase
        has_ended = before is Phase.TRAINING and phase is Phase.IDLE
        project, session = self._link.project, self._desk.session
        if project is None or not has_ended or not session.has_model:
            return
        self._saving = project.next_model().absolute()
        self._saving.parent.mkdir(exist_ok=True)
        session.save(self._saving)

    def _on_saved(self, path: str) -> None:
        link = self._link
        if link.project is None or Path(path) != self._saving:
            return
        names = self._learned_from()
        curves = dict(self.curves())

        def describe(project: "Project") -> None:
            project.describe_model(Path(path), names, curves)

        link.errands.ask(describe, lambda _: link.refresh())

    def _learned_from(self) -> tuple[str, ...]:
        """Return the volume that was trained on, and all others that are annotated."""
        at_work, names = self._desk.link.at_work, self._desk.history.seats
        own = self._link.current if at_work is None else names.get(at_work, "")
        rest = (row.name for row in self._link.rows if row.slices and row.name != own)
        return own, *rest
