"""One zoom for several planes: where one is zoomed, the others show the same place as near."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari.components import ViewerModel

if TYPE_CHECKING:
    from napari.utils.events import Event


class LinkedZoom:
    """Zoom all planes by the factor by which a person zooms one of them.

    The others then have the point in their middle that all planes go through, because
    a plane that only grew would show some other part of the volume.
    """

    def __init__(self, models: Sequence[ViewerModel]) -> None:
        self._models = list(models)
        self._is_changing = False
        self.begin()
        for model in self._models:
            model.scene.camera.events.zoom.connect(self._on_zoom)

    def begin(self) -> None:
        """Count from the zooms as they are now."""
        self._zooms = [float(model.scene.camera.zoom) for model in self._models]

    def close(self) -> None:
        """Let go of the planes."""
        for model in self._models:
            model.scene.camera.events.zoom.disconnect(self._on_zoom)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Let each plane be zoomed by itself inside the block."""
        self._is_changing = True
        try:
            yield
        finally:
            self._is_changing = False
            self.begin()

    def _on_zoom(self, event: "Event") -> None:
        if self._is_changing:
            return
        cameras = [model.scene.camera for model in self._models]
        # Not by `index`: cameras that show the same are equal.
        place = next(n for n, camera in enumerate(cameras) if camera is event.source)
        factor = cameras[place].zoom / self._zooms[place]
        self._is_changing = True
        for number, model in enumerate(self._models):
            if number != place:
                cameras[number].zoom = self._zooms[number] * factor
                cameras[number].center = _middle(model)
        self._is_changing = False
        self.begin()


def _middle(model: ViewerModel) -> tuple[float, float, float]:
    """Return the point that a plane is at, as the centre of its camera."""
    row, column = (float(model.dims.point[axis]) for axis in model.dims.displayed)
    return 0.0, row, column
