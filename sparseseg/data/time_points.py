"""Time series: one point of time is named by `FILE#t=3`, each of them by `FILE#t=all`."""

from sparseseg.errors import UserError

ALL = "t=all"
_POINT = "t="


class TimeSeriesError(UserError):
    """Say that a file holds several points of time, and none was named."""

    def __init__(self, points: int, hint: str = "", *, file: str = "") -> None:
        before = f"{file}: " if file else ""
        super().__init__(
            f"{before}has a time axis of {points} points: add #t=0 for the first one, or "
            f"give {file or 'FILE'}#t=all to `predict` for each of them{hint}"
        )
        self.points, self._hint = points, hint

    def about(self, file: object) -> "TimeSeriesError":
        """Return the same with the name of the file."""
        return TimeSeriesError(self.points, self._hint, file=str(file))


def point_of(part: str) -> int:
    """Return the point of time that a part names, such as "t=3"; they count from 0."""
    number = part.removeprefix(_POINT)
    if not part.startswith(_POINT) or not number.isdecimal():
        raise UserError(
            f"has no part {part!r}: a point of time is named by #t=0, #t=1 and so on"
        )
    return int(number)


def check_point(point: int, points: int) -> None:
    """Raise `UserError` for a point behind the last one."""
    if point >= points:
        raise UserError(
            f"has no point of time {point}: they run from 0 to {points - 1}"
        )
