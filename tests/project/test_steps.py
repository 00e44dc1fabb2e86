"""What can be undone and redone follows from the entries in their order."""

import pytest

from sparseseg.project.entries import START
from sparseseg.project.steps import Steps


@pytest.mark.parametrize(
    ("entries", "to_undo", "to_redo"),
    [
        ([], None, None),
        ([(START, "change")], None, None),
        ([(1, "change"), (1, "change"), (2, "change")], 2, None),
        ([(1, "change"), (2, "change"), (2, "undo")], 1, 2),
        ([(1, "change"), (2, "change"), (2, "undo"), (2, "redo")], 2, None),
        ([(1, "change"), (1, "undo"), (2, "change")], 2, None),  # nothing to redo
        ([(1, "change"), (2, "change"), (1, "undo")], 2, None),  # not the newest
        ([(1, "change"), (1, "redo")], 1, None),
    ],
)
def test_the_entries_say_what_an_undo_and_a_redo_do(entries, to_undo, to_redo):
    steps = Steps()
    for step, action in entries:
        steps.follow(step, action)
    assert (steps.to_undo, steps.to_redo) == (to_undo, to_redo)


def test_a_new_step_comes_after_all_that_were_followed():
    steps = Steps()
    steps.follow(7, "change")
    assert [steps.new(), steps.new()] == [8, 9]
