"""The painting half of the training process: predictions into the shared arrays."""

import zlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from sparseseg.boxes import Box, Tile, Triple
from sparseseg.errors import UserError
from sparseseg.progress import Method
from sparseseg.session.events import Job, Painted
from sparseseg.session.messages import Preview, Reply, Told
from sparseseg.session.progress import JobCourse
from sparseseg.session.protocol import EngineContract
from sparseseg.session.shared import SharedArrays

PREVIEW_SECONDS = 3.0
PREVIEW_REST = 3.0  # times its own length: a slow preview leaves time to train


@dataclass(frozen=True, slots=True)
class _Painting:
    tiles: Iterator[Tile]
    method: Method
    course: JobCourse
    began: float


class PredictionPainter:
    """Predicts the whole volume, or before that the slices on the screen, tile by tile.

    `method` and `step` say what is predicted with, and `has_model` whether that can be
    done at all; the loop sets them. Before there is a model, interpolation is shown, or
    what the network says so far, once `can_preview` says that it can be. A painting that fails is dropped, and a preview that
    fails is not repeated.
    """

    def __init__(
        self,
        engine: EngineContract,
        arrays: SharedArrays,
        *,
        send: Callable[[Reply], None],
        clock: Callable[[], float],
    ) -> None:
        self.has_model = False
        self.can_preview = False
        self.method: Method = "interpolation"
        self.step = 0
        self._engine = engine
        self._arrays = arrays
        self._send = send
        self._clock = clock
        self._prediction: _Painting | None = None
        self._preview: _Painting | None = None
        self._wanted: Preview | None = None
        self._seen: Hashable = None
        self._rest_until = float("-inf")

    @property
    def is_predicting(self) -> bool:
        """Whether the prediction of the whole volume is under way."""
        return self._prediction is not None

    @property
    def is_busy(self) -> bool:
        """Whether there is a tile to paint."""
        return self.is_predicting or self._preview is not None

    def predict(self, at: Triple | None = None) -> None:
        """Start to paint the whole volume, or the three slices through one voxel."""
        if not self.has_model:
            raise UserError(
                "there is no model yet: train one or load one, then predict"
            )
        z, y, x = shape = self._arrays.annotation.shape
        boxes = [Box.whole((z, y, x))]
        if at is not None:
            boxes = [Box.plane(shape, a, i) for a, i in enumerate(at)]
        self._prediction = self._start("predict", *boxes)

    def preview(self, wanted: Preview) -> None:
        """Paint these slices instead of earlier ones, as soon as that is possible."""
        self._wanted, self._preview, self._seen = wanted, None, None
        self.refresh()

    def refresh(self) -> None:
        """Paint the wanted slices again if they have changed."""
        can_paint = self.has_model or self.can_preview
        if self._wanted is None or not can_paint or self._seen == self._basis():
            return
        self._seen = self._basis()
        wanted, shape = self._wanted, self._arrays.annotation.shape
        places = ((wanted.axis, wanted.index), *wanted.beside)
        boxes = [Box.plane(shape, axis, index) for axis, index in places]
        self._preview = self._start("preview", *boxes)

    def repaint(self) -> None:
        """Paint the wanted slices again: what predicts is another network."""
        self._seen = None
        self.refresh()

    def refresh_now_and_then(self) -> None:
        """Refresh the preview, but leave most of the time to training."""
        if self._preview is None and self._clock() >= self._rest_until:
            self.refresh()

    def work(self) -> None:
        """Paint one tile: of the preview, or else of the prediction."""
        # What is painted is taken away first, and so dropped if it fails.
        if preview := self._preview:
            wanted, self._wanted, self._preview = self._wanted, None, None
            self._preview = self._paint(preview)
            self._wanted = wanted
            self._rest(self._clock() - preview.began)
        elif prediction := self._prediction:
            self._prediction = None
            self._prediction = self._paint(prediction)
            if not self.is_predicting:
                self._tell_quality()

    def _tell_quality(self) -> None:
        if words := self._engine.doubt:
            self._send(Told("noted", words))
        if (found := self._engine.estimate) is not None:
            self._send(found)

    def _start(self, job: Job, *boxes: Box) -> _Painting:
        parts = [
            self._engine.predict(self._arrays, box=box, method=self.method)
            for box in boxes
        ]
        tiles = parts[0] if len(parts) == 1 else _in_turn(parts)
        course = JobCourse(job, send=self._send, clock=self._clock)
        return _Painting(tiles, self.method, course, self._clock())

    def _paint(self, painting: _Painting) -> _Painting | None:
        """Return the painting if it goes on."""
        tile = next(painting.tiles, None)
        if tile is None:
            return None
        if not tile.write.is_empty:
            self._send(Painted(tile.write, painting.method, self.step))
        is_last = tile.done == tile.total
        painting.course.tell(tile.done / tile.total, at_once=is_last)
        return painting

    def _rest(self, length: float) -> None:
        seconds = max(PREVIEW_SECONDS, PREVIEW_REST * length)
        self._rest_until = self._clock() + seconds

    def _basis(self) -> Hashable:
        """Return what the prediction depends on now."""
        if self.method in ("walker", "interpolation"):
            return self.method, zlib.crc32(self._arrays.annotation.data)
        return self.method, self.step


def _in_turn(parts: Sequence[Iterator[Tile]]) -> Iterator[Tile]:
    """Yield the tiles of several boxes, and how far all of them are."""
    for place, tiles in enumerate(parts):
        for tile in tiles:
            done = place * tile.total + tile.done
            yield replace(tile, done=done, total=len(parts) * tile.total)
