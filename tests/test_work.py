"""Work that tells how far it is, and has a result."""

from sparseseg.work import result_of, retold


def counting(asked):
    for number in (1, 2, 3):
        asked.append(number)
        yield number
    return "done"


def test_work_ends_with_its_result():
    asked = []
    assert result_of(counting(asked)) == "done"
    assert asked == [1, 2, 3]


def test_work_is_retold_one_by_one_with_its_result():
    asked = []
    work = retold(counting(asked), lambda number: number / 3)
    assert next(work) == 1 / 3
    assert asked == [1]
    assert result_of(work) == "done"
