from threading import Event

import numpy as np
import pytest
from napari.layers import Labels

from sparseseg.widgets import ledger
from sparseseg.widgets.ledger import LedgerWatch


@pytest.fixture
def annotation() -> np.ndarray:
    return np.zeros((4, 5, 6), np.uint8)


@pytest.fixture
def counts(annotation):
    """What the watch over the annotation told; the last is newest."""
    watch, told = LedgerWatch(), []
    watch.counted.connect(told.append)
    watch.follow(annotation)
    yield watch, told
    watch.close()


def test_it_counts_at_once(counts):
    _, told = counts

    assert (told[0].shape, told[0].ledger.slices) == ((4, 5, 6), ())


def test_it_is_silent_while_nothing_changes(counts):
    watch, told = counts

    watch.look()

    assert len(told) == 1


def test_what_takes_long_is_counted_aside_and_told_later(monkeypatch, qtbot):
    monkeypatch.setattr(ledger, "_WAIT_SECONDS", 0.0)
    watch, told = LedgerWatch(), []
    watch.counted.connect(told.append)
    watch.follow(np.full((4, 5, 6), 255, np.uint8))

    qtbot.waitUntil(lambda: watch.look() or any(told))
    watch.close()

    assert told[-1].ledger.complete(0) == (0, 1, 2, 3)


def test_a_direct_write_is_seen(counts, annotation):
    watch, told = counts

    annotation[2] = 255
    annotation[1, 0, 0] = 3
    watch.look()

    assert told[-1].ledger.complete(0) == (2,)
    assert told[-1].numbers == {3}


def test_nothing_is_known_of_another_array_until_it_is_counted(
    counts, monkeypatch, qtbot
):
    watch, told = counts
    monkeypatch.setattr(ledger, "_WAIT_SECONDS", 0.0)
    wait = Event()
    monkeypatch.setattr(ledger, "_recount", lambda _labels: wait.wait() and None)

    watch.follow(np.full((4, 5, 6), 255, np.uint8))
    wait.set()

    assert watch.count is None
    assert told[-1] is None


def test_an_undo_is_seen(counts, annotation):
    watch, told = counts
    layer = Labels(annotation)
    layer.fill((2, 0, 0), 1)
    watch.look()
    assert told[-1].ledger.labelled(0) == (2,)

    layer.undo()
    watch.look()

    assert told[-1].ledger.labelled(0) == ()


def test_a_label_painted_outside_the_table_enters_it(opened):
    opened.link.annotation.paint((2, 10, 10), 7)

    opened.ledger.look()

    assert opened.classes.table.numbers == (1, 7)
