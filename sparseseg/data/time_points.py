"""Time series: one point of time is named by `FILE#t=3`, each of them by `FILE#t=all`."""

from sparseseg.errors import UserError
from sparseseg.language import template

ALL = "t=all"
_POINT = "t="


class TimeSeriesError(UserError):
    """Say that a file holds several points of time, and none was named."""

    def __init__(self, points: int, hint: str = "", *, file: str = "") -> None:
        super().__init__(
            template(
                "{before}has a time axis of {points} points: add #t=0 for the first one, "
                "or give {file}#t=all to `predict` for each of them{hint}"
            ),
            before=f"{file}: " if file else "",
            points=points,
            file=file or "FILE",
            hint=hint,
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
            "has no part {part!r}: a point of time is named by #t=0, #t=1 and so on",
            part=part,
        )
    return int(number)


def check_point(point: int, points: int) -> None:
    """Raise `UserError` for a point behind the last one."""
    if point >= points:
        raise UserError(
            "has no point of time {point}: they run from 0 to {last}",
            point=point,
            last=points - 1,
        )
