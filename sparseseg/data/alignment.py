"""Labels brought into the order of an image's voxels, by what the files say of space."""

import warnings
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.orientation import axis_codes
from sparseseg.data.units import PIXEL, convert
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError
from sparseseg.language import say

# How far, in voxels, a corner may lie from where it belongs: files round their numbers.
_TOLERANCE = 0.25
_SAME_SIZE = 0.01  # relative


def aligned(labels: Volume, image: Volume) -> Volume:
    """Return labels whose voxels are stored in the order of those of an image.

    Labels that a file stores along other axes or in another direction are turned; no
    value moves in space, and a `Note` says so. Two that lie in spaces without a name, as
    in NRRD and OME-Zarr, are taken to lie in the same one. Where one of both does not say
    where it lies, they are left as they are. Raises `UserError` where both lie apart, and where
    they have different shapes.
    """
    if labels.affine is not None and image.affine is not None:
        labels = _turned(_filled(labels, image), image)
    elif labels.frame is not None and image.frame is not None:
        labels = _turned_in_frames(labels, image)
    else:
        _compare_sizes(labels, image)
    if labels.shape != image.shape:
        raise UserError(
            "has shape {shape}, the image has {image_shape} (z, y, x): "
            "take the labels that belong to this image",
            shape=labels.shape,
            image_shape=image.shape,
        )
    return labels


def _filled(labels: Volume, image: Volume) -> Volume:
    """Return labels with the slices that were left out, where these complete the image.

    They hold nothing. Labels that do not lie in the image are returned as they are.
    """
    if not labels.is_cropped:
        return labels
    back = np.linalg.inv(_between(labels, image))
    corners = np.array([*product(*((0, n - 1) for n in image.shape[::-1]))])
    places = corners @ back[:3, :3].T + back[:3, 3]
    last = np.array(labels.shape[::-1]) - 1
    before = np.rint(-places.min(axis=0)).astype(int)
    after = np.rint(places.max(axis=0) - last).astype(int)
    whole = sorted(last + 1 + before + after) == sorted(image.shape)
    if min(*before, *after) < 0 or not whole:
        return labels
    around = [(0, 0), *zip(before[::-1], after[::-1], strict=True)]
    moved = np.eye(4)
    moved[:3, 3] = -before
    array = np.pad(np.asarray(labels.array), around)
    assert labels.affine is not None
    return replace(labels, array=array, affine=labels.affine @ moved, is_cropped=False)


def _turned_in_frames(labels: Volume, image: Volume) -> Volume:
    """Do the same in a space without a name."""
    placed = (replace(one, affine=one.frame) for one in (labels, image))
    return replace(_turned(*placed), affine=None, frame=image.frame)


def _turned(labels: Volume, image: Volume) -> Volume:
    """Reorder and mirror the axes of labels as far as both affines ask for it."""
    step = _between(labels, image)
    turn = np.rint(step[:3, :3])
    is_turn = np.array_equal(np.abs(turn) @ np.ones(3), np.ones(3)) and (
        abs(np.linalg.det(turn)) == 1
    )
    if not is_turn or _shift(step, turn, labels.shape) > _TOLERANCE:
        raise UserError(_apart(labels, image))
    if np.array_equal(turn, np.eye(3)):
        return labels
    warnings.warn(
        Note(
            "{name} is stored as {codes} and "
            "{image} as {image_codes}: the labels were turned to fit",
            name=labels.name or say("the labels"),
            codes=_codes(labels),
            image=image.name or say("the image"),
            image_codes=_codes(image),
        ),
        stacklevel=4,
    )
    axes = [int(np.argmax(np.abs(row))) for row in turn]
    values = np.asarray(labels.array).transpose(0, *(3 - axis for axis in axes[::-1]))
    mirrored = [slice(None, None, int(turn[i, axes[i]])) for i in range(3)]
    array = values[(slice(None), *mirrored[::-1])]
    spacing = tuple(labels.spacing[2 - axis] for axis in axes[::-1])
    return Volume(
        np.ascontiguousarray(array),
        (spacing[0], spacing[1], spacing[2]),
        labels.unit,
        affine=image.affine,
        name=labels.name,
        classes=labels.classes,
    )


def _between(labels: Volume, image: Volume) -> NDArray[np.float64]:
    """Return the matrix from voxels (x, y, z, 1) of the labels to the image's."""
    assert labels.affine is not None
    assert image.affine is not None
    scale = 1.0
    if PIXEL not in (labels.unit, image.unit):
        scale = convert(1.0, labels.unit, image.unit)
    world = np.diag([scale, scale, scale, 1.0]) @ labels.affine
    return np.linalg.solve(image.affine, world).astype(np.float64)


def _shift(
    step: NDArray[np.float64], turn: NDArray[np.float64], shape: tuple[int, int, int]
) -> float:
    """Return how far, in voxels, the farthest corner is from where a turn puts it."""
    last = np.array(shape[::-1]) - 1
    # A mirrored axis counts from its other end.
    offset = -np.minimum(turn, 0) @ last
    corners = np.array([*product(*((0, n) for n in last))])
    found = corners @ step[:3, :3].T + step[:3, 3]
    return float(np.abs(found - (corners @ turn.T + offset)).max())


def _apart(labels: Volume, image: Volume) -> str:
    return say(
        "lies elsewhere in space than the image: it has voxels of {placed}, the "
        "image has {image_placed} (x, y, z): take the labels that belong to this "
        "image, or resample them onto it",
        placed=_placed(labels),
        image_placed=_placed(image),
    )


def _placed(volume: Volume) -> str:
    assert volume.affine is not None
    sizes = np.linalg.norm(volume.affine[:3, :3], axis=0)
    edges = " x ".join(f"{size:.4g}" for size in sizes)
    origin = ", ".join(f"{place:.4g}" for place in volume.affine[:3, 3])
    return say(
        "{edges} {unit} stored as {codes} from ({origin})",
        edges=edges,
        unit=volume.unit,
        codes=_codes(volume),
        origin=origin,
    )


def _codes(volume: Volume) -> str:
    assert volume.affine is not None
    if volume.frame is not None:  # no body that could have a left and a right
        return " ".join(_signed(axis) for axis in volume.affine[:3, :3].T)
    return "".join(axis_codes(volume.affine))


def _signed(direction: NDArray[np.float64]) -> str:
    """Return the axis of a space that a direction is nearest to, such as -x."""
    axis = int(np.abs(direction).argmax())
    return f"{'-' if direction[axis] < 0 else '+'}{'xyz'[axis]}"


def _compare_sizes(labels: Volume, image: Volume) -> None:
    """Note voxel sizes that differ; they are often lost when labels are saved."""
    if PIXEL in (labels.unit, image.unit):
        return
    own, wanted = labels.spacing_in(image.unit), image.spacing
    if np.allclose(own, wanted, rtol=_SAME_SIZE, atol=0):
        return
    warnings.warn(
        Note(
            "the voxels of {name} are {edges} {unit} "
            "large (z, y, x), and those of {image} {image_edges} "
            "{unit}: the second is used",
            name=labels.name or say("the labels"),
            edges=_edges(own),
            unit=image.unit,
            image=image.name or say("the image"),
            image_edges=_edges(wanted),
        ),
        stacklevel=3,
    )


def _edges(sizes: tuple[float, float, float]) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes)
