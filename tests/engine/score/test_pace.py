from sparseseg.engine.score.pace import Pace


def looks(total: float, cost: float) -> list[float]:
    """Return when a training of so many seconds looks, if each look costs so many."""
    pace, found = Pace(), []
    for second in range(1, round(total) + 1):
        if pace.is_time(second, second / total):
            found.append(second)
            pace.looked(second, cost)
    return found


def test_a_short_training_is_looked_at_only_in_the_end():
    assert looks(60, cost=1.0) == [60]


def test_a_longer_one_is_looked_at_as_often_as_costs_a_twentieth():
    assert looks(300, cost=1.0) == [21, 41, 61, 81, *range(101, 300, 20), 300]
    assert looks(300, cost=5.0) == [21, 121, 221, 300]


def test_looks_that_are_dear_take_at_most_a_seventh_but_for_the_last():
    # After the first look of 20 s, another one and the last would take 60 of 300 s.
    assert looks(300, cost=20.0) == [21, 300]


def test_a_training_without_an_end_goes_on_being_looked_at():
    pace = Pace()
    assert not pace.is_time(1.0, None)
    assert pace.is_time(21.0, None)
    pace.looked(21.0, 2.0)
    assert not pace.is_time(60.0, None)
    assert pace.is_time(61.0, None)


def test_a_look_may_take_what_is_left_of_a_share_of_the_training():
    pace = Pace()
    assert pace.left(100.0) == 15.0
    pace.looked(100.0, 10.0)
    assert pace.left(100.0) == 5.0
    assert pace.left(10.0) == 2.0
