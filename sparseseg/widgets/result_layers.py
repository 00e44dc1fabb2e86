"""The layers of prediction and uncertainty, made on the session's shared arrays."""

from typing import TYPE_CHECKING

from sparseseg.widgets.class_model import ClassModel
from sparseseg.widgets.layer_kinds import (
    CHANGES,
    CLEANED,
    doubt_layer,
    objects_layer,
    prediction_layer,
    uncertainty_layer,
)

if TYPE_CHECKING:
    import numpy as np
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer
    from numpy.typing import NDArray

    from sparseseg.widgets.layers import LayerLink


class ResultLayers:
    """Show the results of the chosen image, and draw them anew where they changed."""

    def __init__(
        self, viewer: "ViewerModel", link: "LayerLink", classes: ClassModel
    ) -> None:
        self._viewer = viewer
        self._link = link
        self._classes = classes

    @property
    def prediction(self) -> "Labels | None":
        """The prediction's layer of the chosen image."""
        return None if self._link.seat is None else self._link.seat.prediction

    @property
    def uncertainty(self) -> "Image | None":
        """The uncertainty's layer of the chosen image."""
        return None if self._link.seat is None else self._link.seat.uncertainty

    @property
    def cleaned(self) -> "Labels | None":
        """The layer with the cleaned prediction of the chosen image."""
        return None if self._link.seat is None else self._link.seat.cleaned

    @property
    def objects(self) -> "Labels | None":
        """The layer with the objects of the chosen image."""
        return None if self._link.seat is None else self._link.seat.objects

    def show(self) -> None:
        """Add the prediction's layer if it is not there, under the annotation."""
        seat = self._link.seat
        if seat is None or seat.prediction in self._viewer.layers:
            return
        seat.prediction = prediction_layer(
            seat.arrays.prediction,
            self._classes.table,
            self._link.placement,
            image=seat.name,
        )
        self.insert(seat.prediction)

    def show_uncertainty(self) -> None:
        """Add the uncertainty's layer if it is not there, under the prediction."""
        seat = self._link.seat
        if seat is None or seat.uncertainty in self._viewer.layers:
            return
        seat.uncertainty = uncertainty_layer(
            seat.arrays.uncertainty, self._link.placement, image=seat.name
        )
        self.insert(seat.uncertainty, under=seat.prediction)

    def show_cleaned(self, labels: "NDArray[np.uint8]") -> None:
        """Show a cleaned prediction in place of the raw one, which is hidden."""
        seat = self._link.seat
        assert seat is not None, "what was cleaned up belongs to an open image"
        seat.cleaned = self._in_place_of(seat.cleaned, labels, seat.name, CLEANED)
        self.insert(seat.cleaned)
        if seat.prediction is not None:
            seat.prediction.visible = False

    def _in_place_of(
        self, old: "Labels | None", labels: "NDArray[np.uint8]", image: str, kind: str
    ) -> "Labels":
        """Take away a layer, and return one of the same kind with new labels."""
        if old in self._viewer.layers:
            self._viewer.layers.remove(old)
        table, placement = self._classes.table, self._link.placement
        return prediction_layer(labels, table, placement, image=image, kind=kind)

    def show_changes(self, labels: "NDArray[np.uint8]") -> None:
        """Show where two predictions differ, filled, over the prediction."""
        seat = self._link.seat
        assert seat is not None, "what was compared belongs to an open image"
        seat.changes = self._in_place_of(seat.changes, labels, seat.name, CHANGES)
        seat.changes.contour = 0
        self.insert(seat.changes)

    def show_objects(self, instances: "NDArray[np.uint32]") -> None:
        """Show objects in place of those before; what would cover them is hidden."""
        seat = self._link.seat
        assert seat is not None, "objects belong to an open image"
        layer = objects_layer(instances, self._link.placement, image=seat.name)
        self.bring_back_objects(layer)
        for cover in (seat.prediction, seat.cleaned, seat.doubt):
            if cover is not None:
                cover.visible = False

    def bring_back_objects(self, layer: "Labels | None") -> None:
        """Show this layer of objects, or none."""
        seat = self._link.seat
        assert seat is not None, "objects belong to an open image"
        if seat.objects in self._viewer.layers:
            self._viewer.layers.remove(seat.objects)
        seat.objects = layer
        if layer is not None:
            self.insert(layer)

    def show_doubt(self, doubt: "NDArray[np.uint8]") -> None:
        """Show how doubtful each voxel is, 0 to 255, in the place of an earlier layer."""
        seat = self._link.seat
        assert seat is not None, "what was looked through belongs to an open image"
        if seat.doubt in self._viewer.layers:
            self._viewer.layers.remove(seat.doubt)
        seat.doubt = doubt_layer(doubt, self._link.placement, image=seat.name)
        self.insert(seat.doubt)

    def refresh(self) -> None:
        """Draw what is new, where it can be seen."""
        seat = self._link.seat
        for layer in () if seat is None else (seat.prediction, seat.uncertainty):
            if layer is not None and layer.visible:
                layer.refresh(extent=False)

    def insert(self, layer: "Layer", *, under: "Layer | None" = None) -> None:
        """Add a layer under another or the annotation, which stays to be painted on."""
        layers = self._viewer.layers
        active = layers.selection.active
        above = under if under in layers else self._link.annotation
        layers.insert(layers.index(above) if above in layers else len(layers), layer)
        # Else the next stroke would go to the new layer.
        layers.selection.active = active
