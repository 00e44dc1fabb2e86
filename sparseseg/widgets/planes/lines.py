"""Where the annotated slices and the other planes cut a plane, as lines."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Vectors

from sparseseg.widgets.slice_strip import COMPLETE, PARTIAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sparseseg.boxes import Triple
    from sparseseg.data.slices import AnnotatedSlice
    from sparseseg.widgets.slices import SliceView

NAME = "annotated slices"
LINES = "sparseseg lines"
"""Where the metadata of the layer of lines holds those that are drawn."""
_CROSS = "#ffffff"
_PIXELS = 1.5
_LONGER = 0.5  # voxels at each end: to the edge of the outermost voxels


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines in one plane, in voxels: start and direction of each, and its colour."""

    vectors: "NDArray[np.float32]"
    """Of shape n, 2, 3."""
    colours: list[str]

    def is_like(self, other: "Lines") -> bool:
        """Tell whether the lines look the same."""
        is_same = self.colours == other.colours
        return is_same and np.array_equal(self.vectors, other.vectors)


def lines_in(
    view: "SliceView",
    shape: "Triple",
    slices: "Sequence[AnnotatedSlice]",
    point: "Sequence[float]",
) -> Lines:
    """Return the lines in a plane of a volume of this shape.

    `slices` are the annotated ones of all axes, `point` the voxel that the other two
    planes go through.
    """
    others = [axis for axis in range(3) if axis != view.axis]
    cross = [(axis, float(point[axis]), _CROSS) for axis in others]
    found = [
        (s.axis, float(s.index), (COMPLETE if s.complete else PARTIAL).name())
        for s in slices
        if s.axis in others
    ]
    entries = [*found, *cross]
    vectors = np.zeros((len(entries), 2, 3), np.float32)
    for vector, (axis, index, _) in zip(vectors, entries, strict=True):
        (along,) = [other for other in others if other != axis]
        vector[0, view.axis] = view.index
        vector[0, axis] = index
        vector[0, along] = -_LONGER
        vector[1, along] = shape[along] - 1 + 2 * _LONGER
    return Lines(vectors, [colour for _, _, colour in entries])


def line_layer(placement: "dict[str, Any]") -> Vectors:
    """Return an empty layer of lines."""
    return Vectors(
        np.zeros((0, 2, 3), np.float32),
        ndim=3,
        name=NAME,
        vector_style="line",
        opacity=0.6,
        **{**placement, "metadata": {LINES: None}},
    )


def place(layer: Vectors, placement: "dict[str, Any]") -> None:
    """Put lines where another image lies."""
    for name in ("scale", "translate", "rotate", "shear", "affine", "units"):
        setattr(layer, name, placement[name])


def show(layer: Vectors, lines: Lines, zoom: float) -> None:
    """Draw other lines, for a canvas with so many pixels a unit; the same are left."""
    width = _PIXELS / (zoom * float(np.abs(layer.scale).min()))
    if not np.isclose(layer.edge_width, width, rtol=0.05):
        layer.edge_width = width
    drawn = layer.metadata[LINES]
    if drawn is None or not lines.is_like(drawn):
        layer.data = lines.vectors
        layer.edge_color = lines.colours
        layer.metadata[LINES] = lines
