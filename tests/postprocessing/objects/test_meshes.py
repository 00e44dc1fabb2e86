"""Surfaces hold the volume of their voxels, are closed, and lie where the volume lies."""

import numpy as np
import pytest

from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.postprocessing.objects import MeshSettings, mesh_of
from tests.postprocessing.objects.bodies import ball

SPACING = (2.0, 1.0, 1.0)
SHAPE = (14, 26, 26)
BALL = ball(SHAPE, (6, 12, 12), 10.0, SPACING)


def like(**more) -> Volume:
    return Volume(np.zeros((1, *SHAPE), np.uint8), SPACING, "mm", **more)


def test_a_surface_holds_the_volume_of_its_voxels() -> None:
    voxels = BALL.sum() * 2.0
    plain = mesh_of(BALL, like())
    assert plain.is_closed
    assert plain.volume == pytest.approx(voxels, rel=0.03)
    smooth = mesh_of(BALL, like(), MeshSettings(smooth=2.0))
    assert smooth.is_closed
    assert smooth.volume == pytest.approx(voxels, rel=0.02)
    radii = np.linalg.norm(smooth.corners - [12, 12, 12], axis=1)
    assert np.ptp(radii) < np.ptp(np.linalg.norm(plain.corners - 12, axis=1))


def test_a_body_at_the_border_is_closed() -> None:
    whole = np.ones(SHAPE, bool)
    mesh = mesh_of(whole, like())
    assert mesh.is_closed
    assert mesh.corners.min(0).tolist() == [-0.5, -0.5, -1.0]
    assert mesh.corners.max(0).tolist() == [25.5, 25.5, 27.0]


def test_a_surface_lies_in_the_world_of_the_volume_and_faces_outward() -> None:
    affine = np.array([[-1, 0, 0, 50], [0, 1, 0, -7], [0, 0, 2, 3], [0, 0, 0, 1.0]])
    mesh = mesh_of(BALL, like(affine=affine))
    assert mesh.volume > 0
    centre = (mesh.corners.min(0) + mesh.corners.max(0)) / 2
    assert centre == pytest.approx([38, 5, 15])


def test_fewer_triangles_hold_about_the_same() -> None:
    pytest.importorskip("fast_simplification")
    whole = mesh_of(BALL, like(), MeshSettings(smooth=1.0))
    few = mesh_of(BALL, like(), MeshSettings(smooth=1.0, keep=0.2))
    assert len(few.faces) <= 0.21 * len(whole.faces)
    assert few.is_closed
    assert few.volume == pytest.approx(whole.volume, rel=0.02)


@pytest.mark.parametrize("ending", ["stl", "ply", "obj"])
def test_another_library_reads_the_same_body(tmp_path, ending) -> None:
    trimesh = pytest.importorskip("trimesh")
    mesh = mesh_of(BALL, like())
    mesh.write(tmp_path / f"a.{ending}")
    found = trimesh.load(tmp_path / f"a.{ending}", force="mesh")
    assert found.is_watertight
    assert found.volume == pytest.approx(mesh.volume, rel=1e-4)


def test_single_voxels_have_a_surface_however_smooth() -> None:
    one = np.zeros(SHAPE, bool)
    one[3, 4, 5] = True
    mesh = mesh_of(one, like(), MeshSettings(smooth=3.0))
    assert mesh.is_closed
    assert 0 < mesh.volume < 8


def test_an_empty_mask_and_bad_values_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="no voxel"):
        mesh_of(np.zeros(SHAPE, bool), like())
    with pytest.raises(UserError, match="keep must be above 0"):
        MeshSettings(keep=0)
    with pytest.raises(UserError, match="smooth must be 0 or more"):
        MeshSettings(smooth=-1)
    with pytest.raises(UserError, match=r"use an ending of \.stl"):
        mesh_of(BALL, like()).write(tmp_path / "a.vtk")
