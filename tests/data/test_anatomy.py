import numpy as np
import pytest

from sparseseg.data.anatomy import anatomy_of

LPS = np.diag([-2.0, -2.0, 5.0, 1.0])
RAS = np.diag([2.0, 2.0, 5.0, 1.0])


def test_an_axial_scan_from_the_feet_up_is_named_axis_by_axis():
    anatomy = anatomy_of(LPS)

    assert anatomy.stored == "LPS"
    assert anatomy.directions == ("F-H", "A-P", "R-L")
    assert anatomy.planes == ("axial", "coronal", "sagittal")
    assert anatomy.right_handed


@pytest.mark.parametrize(
    ("affine", "backwards"),
    [(LPS, (True, False, False)), (RAS, (True, True, True))],
    ids=["LPS", "RAS"],
)
def test_axes_to_the_head_the_face_and_the_right_run_backwards(affine, backwards):
    assert anatomy_of(affine).backwards == backwards


def test_a_sagittal_scan_is_named_by_where_its_axes_lead():
    # x leads to the back, y to the feet, z to the left.
    sagittal = np.array([[0, 0, -3, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])

    anatomy = anatomy_of(sagittal.astype(float))

    assert anatomy.stored == "PIL"
    assert anatomy.planes == ("sagittal", "axial", "coronal")
    assert anatomy.upright == (1, 2, 0)


def test_one_mirrored_axis_makes_it_left_handed():
    assert not anatomy_of(np.diag([-1.0, 1, 1, 1])).right_handed


def test_the_tilt_is_the_angle_to_the_patients_axes():
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    tilted = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])

    assert anatomy_of(tilted).tilt == pytest.approx(20)
    assert anatomy_of(LPS).tilt == pytest.approx(0)
