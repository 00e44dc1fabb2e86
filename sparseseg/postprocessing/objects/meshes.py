"""Surfaces of labels as triangles: STL, PLY and OBJ, in the unit of the volume."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparseseg.data.atomic import replacing
from sparseseg.data.optional import library
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.postprocessing.objects.surfaces import triangles
from sparseseg.settings.objects import MESH_ENDINGS, MeshSettings

_LEAST = 4
"""Triangles of a closed surface."""


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A closed surface of triangles."""

    corners: NDArray[np.float64]
    """Corners x, y, z: in the world of the volume, or else from its first voxel."""
    faces: NDArray[np.integer[Any]]
    """Three corners each, turning left as seen from outside."""

    @property
    def volume(self) -> float:
        """The volume inside, by the divergence theorem."""
        a, b, c = (self.corners[self.faces[:, i]] for i in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)

    @property
    def is_closed(self) -> bool:
        """Whether each edge belongs to two triangles, as the surface of a body has it."""
        edges = np.sort(self.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        _, counts = np.unique(edges, axis=0, return_counts=True)
        return bool((counts % 2 == 0).all())

    def write(self, path: str | Path) -> None:
        """Write an STL, PLY or OBJ file; the ending tells which.

        Raises `UserError` for another ending, and where trimesh is missing.
        """
        check_mesh_name(Path(path))
        trimesh = library("trimesh", "surface", "trimesh")
        body = trimesh.Trimesh(self.corners, self.faces, process=False)
        with replacing(path) as beside:
            body.export(str(beside), file_type=Path(path).suffix.lower()[1:])


def check_mesh_name(path: Path) -> None:
    """Raise `UserError` for a name that no surface can be written to."""
    if path.suffix.lower() not in MESH_ENDINGS:
        raise UserError(
            "cannot write {path} as a surface: use an ending of {mesh_endings}",
            path=path,
            mesh_endings=", ".join(MESH_ENDINGS),
        )


def mesh_of(
    mask: NDArray[np.bool_], like: Volume, settings: MeshSettings | None = None
) -> Mesh:
    """Return the surface of a z, y, x mask placed like a volume.

    It is closed, also at the border of the volume. The volume inside is kept: where
    smoothing shrinks the body, the surface is put where it holds as much as before.
    Raises `UserError` for an empty mask.
    """
    chosen = settings or MeshSettings()
    if not mask.any():
        raise UserError("there is no voxel to make a surface of")
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    corners, faces = triangles(mask[box], chosen.smooth, like.spacing)
    shift = [side.start for side in box]
    placed = _placed((corners + shift)[:, ::-1], like)
    found = _outward(Mesh(placed, faces))
    return _simplified(found, chosen.keep) if chosen.keep < 1 else found


def _placed(corners: NDArray[Any], like: Volume) -> NDArray[np.float64]:
    """Return corners x, y, z, given in voxels, in the unit of the volume."""
    if like.affine is None:
        return np.asarray(corners * np.array(like.spacing[::-1]), float)
    return np.asarray(corners @ like.affine[:3, :3].T + like.affine[:3, 3], float)


def _outward(mesh: Mesh) -> Mesh:
    """Turn the triangles where an affine, or the order of axes, mirrors them."""
    return mesh if mesh.volume > 0 else Mesh(mesh.corners, mesh.faces[:, ::-1])


def _simplified(mesh: Mesh, keep: float) -> Mesh:
    simple = library(
        "fast_simplification", say("simplified surface"), "fast-simplification"
    )
    wanted = max(_LEAST, int(keep * len(mesh.faces)))
    corners, faces = simple.simplify(
        mesh.corners.astype(np.float32),
        mesh.faces.astype(np.int32),
        target_count=wanted,
    )
    return _outward(Mesh(np.asarray(corners, float), faces))
