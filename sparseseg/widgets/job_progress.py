"""A progress bar that says how far a job is and how long it still takes."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QProgressBar

from sparseseg.language import say

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
        """Show the share of a job that is done and the time left."""
        self.show_share(progress.done, progress.seconds_left)

    def show_share(self, done: float, left: float | None) -> None:
        """Show a share that is done, 0..1, and the seconds left, if they are known."""
        self.setRange(0, 100)
        percent = round(100 * done)
        self.setValue(percent)
        rest = "" if left is None else say(", {duration} left", duration=duration(left))
        self.setFormat(f"{percent} %{rest}")
        self.show()

    def show_unknown(self) -> None:
        """Show that a job is under way which does not say how far it is."""
        self.setRange(0, 0)
        self.show()


def duration(seconds: float) -> str:
    """Return a time in words, such as "48 s" or "3 min 20 s"."""
    whole = round(seconds)
    if whole < _MINUTE:
        return say("{seconds} s", seconds=whole)
    minutes, rest = divmod(whole, _MINUTE)
    if minutes < _MINUTE:
        if not rest:
            return say("{minutes} min", minutes=minutes)
        return say("{minutes} min {rest} s", minutes=minutes, rest=rest)
    hours, minutes = divmod(minutes, _MINUTE)
    return say("{hours} h {minutes} min", hours=hours, minutes=minutes)
