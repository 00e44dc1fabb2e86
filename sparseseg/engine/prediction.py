"""Dense prediction, tile by tile, into given arrays: a generator."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.boxes import Box, Tile
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.mixing import (
    Mix,
    alone,
    made_of,
    mix_of,
    needs,
    seen_by,
    weighed,
)
from sparseseg.engine.output import Output, Wanted, Workers
from sparseseg.engine.predictor import Predictor
from sparseseg.engine.propagation import remembered
from sparseseg.engine.tiling import halves, plan_tiles
from sparseseg.errors import UserError
from sparseseg.nn.device import PLAIN, Precision, fastest, is_out_of_memory
from sparseseg.progress import Method
from sparseseg.recipes import Scene
from sparseseg.work import retold


def predict(
    model: Predictor,
    volume: Volume,
    out: Output,
    *,
    labels: SparseLabels | None = None,
    box: Box | None = None,
    method: Method = "network",
) -> Iterator[Tile]:
    """Write a prediction into `out`, and yield each tile once it is written.

    While a tile takes long, tiles are yielded that write nothing, to tell how far it is.
    The tiles cover the volume, or one box of it, exactly once. With the annotation of
    this volume as `labels` the prediction follows it; tiles are so small
    that they take about the memory of the model. A tile that does not fit is halved.
    What walks or interpolates needs the annotation.
    Raises `UserError` for a volume that does not fit the model.
    """
    scene = Scene.of(model.plan, volume, labels, device=model.device)
    seen = seen_by(method, model, scene)
    is_walked = needs(method, model, "walker")
    if (is_walked or method == "interpolation") and not scene.planes:
        raise UserError("nothing is annotated to interpolate from: paint a slice")
    if not made_of(method, model):
        raise UserError(
            "this model takes all classes from one answer: ask for no method, or for another"
        )
    out.check(volume)
    planned = plan_tiles(model, seen, box=box)
    walked = (yield from _waited_for(remembered(scene))) if is_walked else None
    other = alone(method, model, seen, walked)
    factors = yield from _shifted(model, scene, method)
    mix = weighed(mix_of(method, model, seen, walked), factors)
    for tile in planned:
        if other:
            _write(model, out, tile.write, other(tile.write).cpu().numpy())
        else:
            yield from _written(model, seen, out, tile, mix)
        yield tile


def answer(model: Predictor, scene: Scene, tile: Tile, wanted: Wanted) -> Output:
    """Return the prediction of a tile, in arrays of its own; a walk needs a whole volume."""
    part = wanted.output(tile.write)
    mix = weighed(mix_of(wanted.method, model, scene, None), wanted.factors)
    for _ in _written(model, scene, part, tile, mix):
        pass
    return part


@dataclass(frozen=True, slots=True, eq=False)
class ThisProcess:
    """The one worker that is always there."""

    model: Predictor
    volume: Volume

    def answers(
        self, tiles: Sequence[Tile], wanted: Wanted
    ) -> Iterator[tuple[Tile, Output]]:
        """Yield each tile with its prediction, in the precision that is fastest."""
        tune(self.model, self.volume)
        scene = Scene.of(self.model.plan, self.volume, device=self.model.device)
        for tile in tiles:
            yield tile, answer(self.model, scene, tile, wanted)


def predict_by(
    workers: Workers,
    model: Predictor,
    volume: Volume,
    out: Output,
    *,
    box: Box | None,
    method: Method,
) -> Iterator[Tile]:
    """Write what workers predict, and yield each tile in their order.

    Before the first one, tiles are yielded that write nothing, where it is asked how
    frequent classes are. The sums of the confidence are taken in the order of the tiles, as
    if they had been predicted here. Raises `UserError` for a volume that does not fit the model.
    """
    out.check(volume)
    scene = Scene.of(model.plan, volume, device=model.device)
    planned = plan_tiles(model, scene, box=box)
    factors = yield from _shifted(model, scene, method)
    sums: dict[int, list[list[float]]] = {}
    wanted = replace(out.wanted, method=method, factors=factors)
    answers = workers.answers(planned, wanted)
    for done, (tile, part) in enumerate(answers, 1):
        out.take(part)
        if part.confidence is not None:  # of which no more is kept, of many tiles
            sums[tile.done] = part.confidence.sums
        yield replace(tile, done=done)
    for _, told in sorted(sums.items(), key=itemgetter(0)):
        if out.confidence is not None:
            out.confidence.restore(told)


def _shifted(
    model: Predictor, scene: Scene, method: Method
) -> Generator[Tile, None, tuple[float, ...]]:
    """Return by what outputs are multiplied that are rarer or more frequent here.

    Nothing where the annotation tells, or where no forest answers.
    """
    if scene.planes or method != "forest":
        return ()
    found = yield from _waited_for(model.recipe.shifted(model.network, scene))
    return () if found is None else tuple(found.tolist())


_Found = TypeVar("_Found")


def _waited_for(
    work: Generator[object, None, _Found],
) -> Generator[Tile, None, _Found]:
    """Return the result of some work; meanwhile yield tiles that write nothing."""
    nothing = Box((0, 0, 0), (0, 0, 0))
    return retold(work, lambda _: Tile(nothing, nothing, 0, 1))


def tune(model: Predictor, volume: Volume) -> None:
    """Let a model predict in the precision that is fastest here, if it pays.

    It is measured on a part of the volume. On a small one, and by models of other
    libraries, it is predicted in plain single precision.
    """
    model.precision = PLAIN
    if model.recipe.is_exact or np.prod(volume.shape) < _WORTH_TUNING:
        return
    scene = Scene.of(model.plan, volume, device=model.device)
    start = [max(0, side // 2 - _TRIED // 2) for side in volume.shape]
    z, y, x = (
        min(side, a + _TRIED) for a, side in zip(start, volume.shape, strict=True)
    )
    box = Box((start[0], start[1], start[2]), (z, y, x))

    def work(precision: Precision) -> None:
        with torch.inference_mode(), precision.on(model.device):
            model.recipe.probabilities(model.network, scene, box)

    model.precision = fastest(model.network, work)


_AROUND = (128, 128, 128)
"""Voxels round a tile that are held in memory at most."""
_WORTH_TUNING = 8_000_000  # voxels
_TRIED = 48  # voxels a side


def _written(
    model: Predictor, scene: Scene, out: Output, tile: Tile, mix: Mix | None
) -> Generator[Tile, None, None]:
    """Write a tile; where the memory does not suffice, write its halves."""
    try:
        probabilities = yield from _worked(model, scene, tile)
    except (MemoryError, RuntimeError) as error:
        parts = halves(tile) if is_out_of_memory(error) else []
        if not parts:
            raise
    else:
        if mix:
            probabilities = mix(probabilities, tile.write)
        _write(model, out, tile.write, probabilities.cpu().numpy())
        return
    for half in parts:
        yield from _written(model, scene, out, half, mix)


def _worked(
    model: Predictor, scene: Scene, tile: Tile
) -> Generator[Tile, None, Tensor]:
    """Yield how far a tile is, and return its probabilities."""
    # Of a small tile that depends on a whole large volume, a part is held.
    scene.hold(tile.read.intersect(tile.write.expand(_AROUND)))
    work = model.recipe.work(model.network, scene, tile.write)
    nothing = Box(tile.write.start, tile.write.start)
    while True:
        try:
            # Not around the yield: it would hold for whoever is asked to go on.
            with torch.inference_mode(), model.precision.on(model.device):
                done, parts = next(work)
        except StopIteration as end:
            found: Tensor = end.value
            return found.float()
        if done < parts:
            before = (tile.done - 1) * parts + done
            yield Tile(tile.read, nothing, before, tile.total * parts)


def _write(
    model: Predictor, out: Output, box: Box, probabilities: NDArray[np.float32]
) -> None:
    values = np.array(model.plan.classes, np.uint8)
    index = model.recipe.decided(model.plan, probabilities)
    out.write(box, values[index], index, probabilities)
