"""A progress bar that says how far a job is and how long it still takes."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QProgressBar

if TYPE_CHECKING:
    from sparseseg.session.events import Progress

_MINUTE = 60


class JobProgress(QProgressBar):
    """Stay hidden until there is progress to show."""

    def __init__(self) -> None:
        super().__init__()
        self.setRange(0, 100)
        self.hide()

    def show_progress(self, progress: "Progress") -> None:
        """Show the share that is done and the time left."""
        percent = round(100 * progress.done)
        self.setValue(percent)
        left = progress.seconds_left
        rest = "" if left is None else f", {duration(left)} left"
        self.setFormat(f"{percent} %{rest}")
        self.show()


def duration(seconds: float) -> str:
    """Return a time in words, such as "48 s" or "3 min 20 s"."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    minutes, rest = divmod(whole, _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours} h {minutes} min"
