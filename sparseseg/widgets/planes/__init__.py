"""The other two planes of the volume beside napari's own, made of napari's public parts.

`ThreePlanes` is the one door: if napari gets several canvases of its own, only this room
is replaced.
"""

from sparseseg.widgets.planes.three_planes import ThreePlanes

__all__ = ["ThreePlanes"]
