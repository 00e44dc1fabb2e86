"""How soon a stroke that is painted while training runs is learned from, and shown.

A session trains on a volume in its own process, as in the window. A square is painted into
the shared annotation on a slice that has none. Measured are the seconds until the first
step that had this stroke in its slices has its loss, on the clock and of the processor, and
until the slice is painted anew.
"""

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import records
import volumes
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND
from sparseseg.engine.trainee import Trainee
from sparseseg.session import Session
from sparseseg.session.engine import Engine as OwnEngine
from sparseseg.session.events import Painted, Phase
from sparseseg.settings.training import TrainSettings

_LOG = "SPARSESEG_JOINING"
_PATIENCE = 600.0
_SIDE, _REST = 12, 5.0


class Engine(OwnEngine):
    """The engine of the window, which writes down when strokes are learned from."""

    def __init__(self) -> None:
        super().__init__()
        begin, step = Trainee._begin, Trainee.step
        is_new = [False]

        def begins(self: Trainee, *, thorough: bool) -> Any:
            yield from begin(self, thorough=thorough)
            is_new[0] = True

        def steps(self: Trainee, rate: float) -> float:
            loss = step(self, rate)
            if is_new[0]:
                is_new[0] = False
                with Path(os.environ[_LOG]).open("a") as log:
                    log.write(f"{time.time()} {time.process_time()}\n")
            return loss

        Trainee._begin, Trainee.step = begins, steps  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--strokes", type=int, default=5)
    out = Path(__file__).with_name("results") / "joining.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    for name in volumes.chosen(args):
        row = _measured(name, args)
        records.append(args.out, {"volume": name, **row})
        words = (
            f"{kind} {median(row[kind]):.1f} (at most {max(row[kind]):.1f})"
            for kind in ("learned", "processor", "shown")
        )
        print(f"{name}, seconds: {', '.join(words)}")


def _measured(name: str, args: argparse.Namespace) -> dict[str, Any]:
    case = volumes.load(name, args.data, (3, 3, 3), 0.0)
    log = Path(tempfile.mkdtemp()) / "log"
    os.environ[_LOG] = str(log)
    session = Session(engine="joining")
    painted: list[tuple[float, Painted]] = []
    session.events.painted.connect(lambda what: painted.append((time.time(), what)))
    arrays = session.open(case.volume, case.annotation)
    session.train(TrainSettings(minutes=None))
    _wait(lambda: session.phase is Phase.TRAINING)
    found: dict[str, list[float]] = {"learned": [], "processor": [], "shown": []}
    free = [z for z, plane in enumerate(case.annotation) if not plane.all()]
    for number in range(args.strokes):
        z = free[(number * 7 + 3) % len(free)]
        session.preview(0, z)
        time.sleep(_REST)
        begin, used = time.time(), _processor(session)
        _paint(arrays.annotation[z], case.truth[z])
        learned, spent = _wait(partial(_after, log, begin))
        shown = _wait(partial(_shown, painted, learned, z))
        found["learned"].append(learned - begin)
        found["processor"].append(spent - used)
        found["shown"].append(shown - begin)
    session.close()
    return found


def _paint(plane: NDArray[np.uint8], truth: NDArray[Any]) -> None:
    """Paint a square as a person who knows the truth."""
    square = np.s_[4 : 4 + _SIDE, 4 : 4 + _SIDE]
    plane[square] = np.where(truth[square] == 0, BACKGROUND, truth[square])


def _processor(session: Session) -> float:
    """Return the seconds of the processor that the training process has used."""
    assert session._process is not None
    times = psutil.Process(session._process._process.pid).cpu_times()
    return float(times.user + times.system)


def _after(log: Path, begin: float) -> tuple[float, float] | None:
    """Return when a step had learned from what is new, and the processor's time then."""
    lines = log.read_text().splitlines() if log.exists() else []
    found = [(float(a), float(b)) for a, b in map(str.split, lines)]
    return next((pair for pair in found if pair[0] > begin), None)


def _shown(
    painted: list[tuple[float, Painted]], learned: float, z: int
) -> float | None:
    for moment, what in painted:
        if moment > learned and what.box.start[0] == z and what.box.shape[0] == 1:
            return moment
    return None


def _wait(ready: Any) -> Any:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if found := ready():
            return found
        time.sleep(0.02)
    raise SystemExit("that took too long")


if __name__ == "__main__":
    main()
