"""Which slice of the annotation is on the screen, and how to turn to another."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sparseseg.data.slices import AXES

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Layer


@dataclass(frozen=True, slots=True)
class SliceView:
    """One plane of the volume: the axis (0 z, 1 y, 2 x) it cuts, and where."""

    axis: int
    index: int

    def __str__(self) -> str:
        return f"{AXES[self.axis]} {self.index}"

    @property
    def selection(self) -> tuple[slice | int, ...]:
        """The index of this plane in an array of the whole volume."""
        return tuple(self.index if a == self.axis else slice(None) for a in range(3))


def visible_slice(dims: "Dims", layer: "Layer") -> SliceView | None:
    """Return the slice of a 3-D layer that is shown.

    None in 3-D display, outside the layer, or when a channel axis is on the screen.
    """
    axis = shown_axis(dims)
    if axis is None:
        return None
    index = round(point_in(dims, layer)[axis])
    inside = 0 <= index < layer.data.shape[axis]
    return SliceView(axis, index) if inside else None


def shown_axis(dims: "Dims") -> int | None:
    """Return the axis (0 z, 1 y, 2 x) across which slices are shown; None in 3-D."""
    hidden = [axis - (dims.ndim - 3) for axis in dims.not_displayed]
    spatial = [axis for axis in hidden if axis >= 0]
    return spatial[0] if len(spatial) == 1 else None


def point_in(dims: "Dims", layer: "Layer") -> list[float]:
    """Return the point that a viewer is at, in voxels of a 3-D layer."""
    return [float(place) for place in layer.world_to_data(_point_for(dims, layer))]


def roll_to(dims: "Dims", axis: int) -> None:
    """Show slices across one axis (0 z, 1 y, 2 x); leading axes keep their sliders."""
    lead = dims.ndim - 3
    others = [lead + other for other in range(3) if other != axis]
    dims.order = (*range(lead), lead + axis, *others)


def go_to(dims: "Dims", layer: "Layer", target: SliceView) -> None:
    """Show one slice of a 3-D layer."""
    if target.axis + dims.ndim - 3 not in dims.not_displayed:
        roll_to(dims, target.axis)
    position = np.asarray(layer.world_to_data(_point_for(dims, layer)))
    position[target.axis] = target.index
    world = np.asarray(layer.data_to_world(position)) / _unit_factors(dims, layer)
    axis = target.axis + dims.ndim - 3
    dims.set_point(axis, float(world[target.axis]))


def go_to_voxel(dims: "Dims", layer: "Layer", voxel: tuple[int, int, int]) -> None:
    """Let the slices across all axes go through a voxel of a 3-D layer."""
    world = np.asarray(layer.data_to_world(voxel)) / _unit_factors(dims, layer)
    for axis, place in enumerate(world):
        dims.set_point(axis + dims.ndim - 3, float(place))


def _point_for(dims: "Dims", layer: "Layer") -> np.ndarray:
    return np.asarray(dims.point[-3:]) * _unit_factors(dims, layer)


def _unit_factors(dims: "Dims", layer: "Layer") -> np.ndarray:
    """How many of the layer's units one unit of the viewer is, for z, y, x."""
    if dims.units is None:
        return np.ones(3)
    pairs = zip(dims.units[-3:], layer.units[-3:], strict=True)
    # One may still be in pixels: layers get their unit one after another.
    return np.array(
        [
            (1 * viewer).to(own).magnitude if viewer.is_compatible_with(own) else 1.0
            for viewer, own in pairs
        ]
    )
