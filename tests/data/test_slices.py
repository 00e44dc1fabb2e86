import numpy as np
import pytest

from sparseseg.data.labels import SparseLabels
from sparseseg.data.slices import AnnotatedSlice, annotate_slices, survey
from sparseseg.errors import UserError


def empty(*shape):
    return np.zeros(shape or (6, 7, 8), np.uint8)


def named(annotation):
    return [str(s) for s in survey(annotation).slices]


def test_an_empty_annotation_has_no_slices():
    assert named(empty()) == []


def test_lines_of_a_complete_slice_do_not_annotate_the_planes_they_cross():
    annotation = empty()
    annotation[2] = 255
    assert survey(annotation).slices == (AnnotatedSlice(0, 2, 56, True),)


def test_crossing_complete_slices_each_hold_all_their_voxels():
    annotation = empty()
    annotation[2], annotation[:, 3], annotation[:, :, 4] = 1, 255, 2
    assert survey(annotation).slices == (
        AnnotatedSlice(0, 2, 56, True),
        AnnotatedSlice(1, 3, 48, True),
        AnnotatedSlice(2, 4, 42, True),
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_unlabelled_voxel_makes_a_slice_incomplete(axis):
    annotation = empty()
    plane = np.moveaxis(annotation, axis, 0)[3]
    plane[:] = 1
    plane[0, 0] = 0
    (found,) = survey(annotation).slices
    assert found == AnnotatedSlice(axis, 3, plane.size - 1, False)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_scribble_belongs_to_the_slice_it_was_painted_on(axis):
    annotation = empty(8, 8, 8)
    np.moveaxis(annotation, axis, 0)[3, 2:5, 2:6] = 1
    assert survey(annotation).slices == (AnnotatedSlice(axis, 3, 12, False),)


def test_a_scribble_beside_complete_slices_is_found():
    annotation = empty(8, 8, 8)
    annotation[:, 0], annotation[:, :, 0] = 255, 255
    annotation[3, 2:5, 2:6] = 1
    assert named(annotation) == ["z 3", "y 0", "x 0"]
    assert survey(annotation).slices[0].voxels == 12


def test_a_scribble_on_a_line_of_a_complete_slice_is_explained_by_it():
    annotation = empty(8, 8, 8)
    annotation[2] = 255
    annotation[4, 3, 1:7] = 1
    annotation[4, 4, 1:7] = 1
    found = survey(annotation).slices
    assert found == (AnnotatedSlice(0, 2, 64, True), AnnotatedSlice(0, 4, 12, False))


def test_a_crossing_of_scribbles_falls_to_the_one_with_the_larger_share():
    annotation = empty(8, 8, 8)
    annotation[2, 1:7, 1:7] = 1
    annotation[1:5, 3, 2:6] = 2
    assert survey(annotation).slices == (
        AnnotatedSlice(0, 2, 36, False),
        AnnotatedSlice(1, 3, 12, False),
    )


def test_a_single_voxel_of_equal_shares_falls_to_the_lower_axis():
    annotation = empty(5, 5, 5)
    annotation[1, 2, 3] = 1
    assert survey(annotation).slices == (AnnotatedSlice(0, 1, 1, False),)


def test_share_is_of_the_plane_and_not_a_count_of_voxels():
    annotation = empty(2, 9, 9)
    annotation[0, 3:5, 4] = 1  # 2 of 81 in z, 2 of 18 in x
    assert named(annotation) == ["x 4"]


def test_a_full_annotation_is_complete_in_every_plane():
    annotation = np.full((2, 3, 4), 255, np.uint8)
    found = survey(annotation).slices
    assert len(found) == 9
    assert all(s.complete for s in found)


def random_annotation(seed):
    rng = np.random.default_rng(seed)
    annotation = np.zeros(rng.integers(2, 7, 3), np.uint8)
    for axis in range(3):
        planes = np.moveaxis(annotation, axis, 0)
        for index in rng.integers(0, len(planes), 2):
            painted = rng.random(planes[0].shape) < rng.choice([0.3, 0.8, 1.1])
            planes[index][painted] = rng.integers(1, 256)
    return annotation


def slow_slices(annotation):
    """The rule as it is told, one voxel at a time."""
    planes = [np.moveaxis(annotation, axis, 0) for axis in range(3)]
    complete = [[bool(p.all()) for p in axis] for axis in planes]
    left = {
        voxel
        for voxel in zip(*np.nonzero(annotation), strict=True)
        if not any(complete[a][voxel[a]] for a in range(3))
    }
    open_planes = [complete[axis].count(False) for axis in range(3)]
    areas = [np.prod(open_planes) / max(1, open_planes[a]) for a in range(3)]

    def share(voxel, axis):
        return sum(v[axis] == voxel[axis] for v in left) / areas[axis]

    owned = {
        (axis, i): planes[axis][i].size
        for axis in range(3)
        for i, whole in enumerate(complete[axis])
        if whole
    }
    for voxel in left:
        axis = max(range(3), key=lambda a: (share(voxel, a), -a))
        owned[axis, int(voxel[axis])] = owned.get((axis, int(voxel[axis])), 0) + 1
    return {(a, i, n, complete[a][i]) for (a, i), n in owned.items()}


@pytest.mark.parametrize("seed", range(30))
def test_the_fast_count_agrees_with_the_rule_told_voxel_by_voxel(seed):
    annotation = random_annotation(seed)
    found = {(s.axis, s.index, s.voxels, s.complete) for s in survey(annotation).slices}
    assert found == slow_slices(annotation)


@pytest.mark.parametrize("seed", range(10))
def test_slice_values_hold_each_painted_voxel_and_no_other(seed):
    """Every label appears; only crossings of complete slices appear twice."""
    annotation = random_annotation(seed)
    labels = SparseLabels(annotation)
    rebuilt = np.zeros_like(annotation)
    for which in labels.slices():
        values = labels.slice_values(which)
        assert np.count_nonzero(values) == which.voxels
        plane = np.moveaxis(rebuilt, which.axis, 0)[which.index]
        assert which.complete or not (plane[values > 0] > 0).any()
        plane[values > 0] = values[values > 0]
    np.testing.assert_array_equal(rebuilt, annotation)


def test_annotated_slices_lie_where_the_protocol_puts_them():
    truth = np.zeros((4, 5, 6), np.uint8)
    truth[:, :, 3:] = 2
    expected = np.zeros((4, 5, 6), np.uint8)
    expected[1] = expected[3] = [255, 255, 255, 2, 2, 2]
    expected[:, :, 3] = 2
    np.testing.assert_array_equal(annotate_slices(truth, (2, 0, 1)), expected)


def test_a_shift_moves_slices_by_their_distance_and_not_beyond_the_end():
    annotation = annotate_slices(np.ones((10, 2, 2), int), (2, 0, 0), shift=0.3)
    assert np.flatnonzero(annotation[:, 0, 0]).tolist() == [4, 9]
    late = annotate_slices(np.ones((10, 2, 2), int), (2, 0, 0), shift=0.9)
    assert np.flatnonzero(late[:, 0, 0]).tolist() == [7, 9]


def test_a_shift_out_of_the_volume_is_refused():
    with pytest.raises(UserError, match=r"-0\.5 or more, got -0\.9"):
        annotate_slices(np.ones((10, 2, 2), int), (2, 0, 0), shift=-0.9)


def test_a_truth_of_instances_is_refused():
    with pytest.raises(UserError, match="value 300"):
        annotate_slices(np.full((4, 4, 4), 300), (1, 0, 0))


# Sizes x, y, z of the three Xenopus kidneys; slices are yz, xz, xy (Cicek et al. 2016).
KIDNEYS = [(248, 244, 64), (245, 244, 56), (246, 244, 59)]


def labelled_share(size, slices):
    yz, xz, xy = slices
    truth = np.zeros(size[::-1], np.uint8)
    ledger = SparseLabels(annotate_slices(truth, (xy, xz, yz))).ledger()
    assert [len(ledger.complete(axis)) for axis in range(3)] == [xy, xz, yz]
    return 100 * ledger.share


@pytest.mark.parametrize(
    ("slices", "percent"),
    [((1, 1, 1), 2.48), ((2, 2, 1), 3.28), ((3, 3, 2), 5.71), ((5, 5, 3), 8.88)],
)
def test_labelled_voxels_are_the_published_share(slices, percent):
    """Table 2, column "GT voxels", of the 3D U-Net paper, averaged over the samples."""
    shares = [labelled_share(size, slices) for size in KIDNEYS]
    assert round(sum(shares) / 3, 2) == percent


@pytest.mark.parametrize(
    ("size", "slices", "percent"),
    [
        (KIDNEYS[0], (7, 5, 21), 36.0),
        (KIDNEYS[1], (6, 7, 12), 25.6),
        (KIDNEYS[2], (4, 5, 10), 20.0),
    ],
)
def test_the_published_annotations_cover_what_was_derived(size, slices, percent):
    assert round(labelled_share(size, slices), 1) == percent
