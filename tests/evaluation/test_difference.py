import numpy as np

from sparseseg.evaluation.difference import difference_between, differing_labels


def test_a_change_is_told_by_class_and_place():
    before = np.zeros((4, 5, 5), np.uint8)
    after = before.copy()
    before[1, 0, 0] = 2
    after[3, :2] = 1
    found = difference_between(before, after)
    assert found.voxels == 11
    assert found.share == 0.11
    assert found.gained == {1: 10, 2: -1}
    assert found.where == (0, 3)


def test_what_became_background_can_be_seen():
    before, after = (np.zeros((1, 1, 3), np.uint8) for _ in range(2))
    before[0, 0] = [1, 1, 0]
    after[0, 0] = [1, 0, 2]
    assert differing_labels(before, after).ravel().tolist() == [0, 255, 2]


def test_equal_predictions_do_not_differ():
    labels = np.ones((2, 2, 2), np.uint8)
    assert difference_between(labels, labels).voxels == 0
    assert difference_between(labels, labels).gained == {1: 0}
