"""Where training looks: at labelled voxels, rare classes as often as common ones."""

from collections.abc import Sequence

import numpy as np

from sparseseg.boxes import Triple
from sparseseg.recipes.scene import Scene


def draw_case(scenes: Sequence[Scene], rng: np.random.Generator) -> Scene:
    """Draw a scene that has labels, all alike."""
    labelled = [scene for scene in scenes if scene.planes]
    return labelled[rng.integers(len(labelled))]


def draw_place(scene: Scene, rng: np.random.Generator) -> Triple:
    """Draw a class that is there, then one of its labelled voxels; z, y, x."""
    return place_of(scene, *draw_labelled(scene, rng))


def draw_labelled(scene: Scene, rng: np.random.Generator) -> tuple[int, int]:
    """Draw a class that is there, then a plane and the flat index of a pixel of it."""
    kind = rng.choice(np.flatnonzero(scene.counts))
    sizes = np.array([len(places[kind]) for places in scene.places])
    plane = int(rng.choice(len(sizes), p=sizes / sizes.sum()))
    return plane, int(rng.choice(scene.places[plane][kind]))


def place_of(scene: Scene, plane: int, flat: int) -> Triple:
    """Return the voxel z, y, x of a flat index into one plane."""
    guide = scene.planes[plane]
    at = [int(i) for i in np.unravel_index(flat, guide.target.shape)]
    at.insert(guide.where.axis, guide.where.index)
    z, y, x = at
    return z, y, x
