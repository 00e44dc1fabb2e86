"""What the window shows, as plain values that a project keeps."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel

_CAMERA = ("center", "zoom", "angles")


def view_of(viewer: "ViewerModel", volume: str) -> dict[str, Any]:
    """Return which volume and slice is shown, and from where."""
    dims, camera = viewer.dims, viewer.scene.camera
    return {
        "volume": volume,
        "order": [int(axis) for axis in dims.order],
        "point": [float(place) for place in dims.point],
        "ndisplay": int(dims.ndisplay),
        "center": [float(place) for place in camera.center],
        "zoom": float(camera.zoom),
        "angles": [float(angle) for angle in camera.angles],
    }


def apply_view(viewer: "ViewerModel", view: Mapping[str, Any]) -> None:
    """Show what was shown; what does not fit this window is left out."""
    dims = viewer.dims
    with suppress(KeyError, TypeError, ValueError):
        if sorted(view["order"]) == list(range(dims.ndim)):
            dims.order = tuple(view["order"])
            dims.ndisplay = view["ndisplay"]
            dims.point = tuple(view["point"])
    for name in _CAMERA:
        with suppress(KeyError, TypeError, ValueError):
            setattr(viewer.scene.camera, name, view[name])
