"""A large volume goes on from the tiles that are done."""

from pathlib import Path

import numpy as np
import pytest

from sparseseg.batch.items import find_items
from sparseseg.batch.kept_tiles import KeptTiles, TileLog
from sparseseg.batch.run import run
from sparseseg.batch.settings import BatchSettings
from sparseseg.boxes import Box, Tile
from sparseseg.data.files import read
from sparseseg.engine import prediction, tiling
from sparseseg.engine.output import Output
from sparseseg.evaluation.confidence import Confidence
from sparseseg.models.readers import read_model
from tests.models.paths import V2, image


def tile(number: int) -> Tile:
    """One of three planes of a volume of 3 x 2 x 2 voxels."""
    box = Box((number - 1, 0, 0), (number, 2, 2))
    return Tile(box, box, number, 3)


class Answers:
    """A worker that gives each tile its number, and counts them."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def answers(self, tiles, wanted):
        for one in tiles:
            self.asked.append(one.done)
            part = wanted.output(one.write)
            part.labels[...] = one.done
            sure = np.full((2, 1, 2, 2), 0.25 * one.done, np.float32)
            part.confidence.add(sure, np.ones((1, 2, 2), np.intp))
            yield one, part


def arrays() -> Output:
    return Output(np.zeros((3, 2, 2), np.uint8), confidence=Confidence(2))


def kept(
    path: Path, out: Output, *, key: str = "k", changed: bool = False
) -> KeptTiles:
    log = TileLog(path, key)
    if not log.is_begun:
        log.begin()
    return KeptTiles(Answers(), out, log, is_changed_afterwards=changed)


TILES = [tile(1), tile(2), tile(3)]


def test_what_is_done_is_read_and_the_rest_is_asked_for(tmp_path):
    out = arrays()
    first = kept(tmp_path / "log", out)
    for one, part in first.answers(TILES, out.wanted):
        if one.done == 3:  # killed before the third is written
            break
        out.take(part)

    second = kept(tmp_path / "log", out)
    found = list(second.answers(TILES, out.wanted))

    assert second.workers.asked == [3]
    assert [(one.done, part.labels.max()) for one, part in found] == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]
    expected = [
        part.confidence.sums for _, part in Answers().answers(TILES, out.wanted)
    ]
    assert [part.confidence.sums for _, part in found] == expected


def test_tiles_of_another_model_or_image_are_not_used(tmp_path):
    out = arrays()
    list(kept(tmp_path / "log", out).answers(TILES, out.wanted))

    assert not TileLog(tmp_path / "log", "other").is_begun


@pytest.mark.parametrize("cut", [1, 20])
def test_a_line_that_was_cut_costs_one_tile(tmp_path, cut):
    out, path = arrays(), tmp_path / "log"
    list(kept(path, out).answers(TILES, out.wanted))
    path.write_bytes(path.read_bytes()[:-cut])

    second = kept(path, out)
    list(second.answers(TILES, out.wanted))
    third = kept(path, out)
    list(third.answers(TILES, out.wanted))

    assert (second.workers.asked, third.workers.asked) == ([3], [])


def test_labels_that_rules_change_are_not_gone_on_from(tmp_path):
    out = arrays()
    list(kept(tmp_path / "log", out, changed=True).answers(TILES, out.wanted))

    assert not TileLog(tmp_path / "log", "k").is_begun


@pytest.fixture
def large(tmp_path, monkeypatch) -> BatchSettings:
    """A batch of one volume that counts as large, and is cut into several tiles."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nii.gz").write_bytes(image(0).read_bytes())
    for name in ("volume", "scratch"):
        monkeypatch.setattr(f"sparseseg.batch.{name}.VOLUME_SHARE", 1e-7)
    monkeypatch.setattr(tiling, "tile_within", lambda *_: (16, 24, 24))
    return BatchSettings(
        model=str(V2),
        folder=str(tmp_path / "in"),
        output=str(tmp_path / "out"),
        options={"mirror": "false"},
        uncertainty=True,
        device="cpu",
    )


def predicted(settings: BatchSettings, monkeypatch) -> tuple[int, dict, list]:
    """Run a batch; return how many tiles were computed, the facts and the results."""
    asked = []
    real = prediction.answer
    monkeypatch.setattr(
        prediction, "answer", lambda *given: asked.append(1) or real(*given)
    )
    reports = list(run(read_model(V2), find_items(settings), settings))
    monkeypatch.setattr(prediction, "answer", real)
    (entry,) = [r.entry for r in reports if r.entry]
    assert entry.state == "done", entry.error
    out = Path(settings.output)
    results = [read(path).array for path in sorted(out.glob("*.nii.gz"))]
    assert not list(out.glob(".*.part"))
    return len(asked), dict(entry.facts), results


@pytest.mark.slow
def test_a_volume_that_was_interrupted_is_the_same_in_the_end(
    large, monkeypatch, tmp_path
):
    every, facts, expected = predicted(large, monkeypatch)
    for path in Path(large.output).glob("*.nii.gz"):
        path.unlink()
    work = run(read_model(V2), find_items(large), large)
    done = 0
    while done < 3:
        done += next(work).done > 0
    work.close()
    assert list(Path(large.output).glob(".*.tiles.part"))

    rest, facts_then, found = predicted(large, monkeypatch)

    assert every - 3 <= rest <= every - 2
    assert facts_then == facts
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize(("tiles_before", "kept"), [(0, False), (3, True)])
def test_tiles_stay_where_anything_fails(large, monkeypatch, tiles_before, kept):
    real, asked = prediction.answer, []

    def failing(*given):
        if len(asked) == tiles_before:
            raise RuntimeError("the device is gone")
        asked.append(1)
        return real(*given)

    monkeypatch.setattr(prediction, "answer", failing)
    reports = list(run(read_model(V2), find_items(large), large))
    (entry,) = [r.entry for r in reports if r.entry]
    assert (entry.state, entry.error) == ("failed", "the device is gone")
    assert bool(list(Path(large.output).glob(".*.part"))) is kept
    monkeypatch.setattr(prediction, "answer", real)

    rest, _, _ = predicted(large, monkeypatch)

    assert rest == 8 - tiles_before


@pytest.mark.slow
def test_a_failure_after_the_last_tile_costs_no_tile(large, monkeypatch):
    def failing(*_given, **_options):
        raise IndexError("a fault of the program")

    with monkeypatch.context() as broken:
        broken.setattr("sparseseg.batch.volume.facts_of", failing)
        with pytest.raises(IndexError):
            list(run(read_model(V2), find_items(large), large))

    assert predicted(large, monkeypatch)[0] == 0
