"""The layers of prediction and uncertainty, made on the session's shared arrays."""

from typing import TYPE_CHECKING

from sparseseg.widgets.class_model import ClassModel, colormap_of
from sparseseg.widgets.layer_kinds import (
    CLEANED,
    prediction_layer,
    uncertainty_layer,
)

if TYPE_CHECKING:
    import numpy as np
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer
    from numpy.typing import NDArray

    from sparseseg.classes import ClassTable
    from sparseseg.widgets.layers import LayerLink


class ResultLayers:
    """Show the results of the open image, and draw them anew where they changed."""

    def __init__(
        self, viewer: "ViewerModel", link: "LayerLink", classes: ClassModel
    ) -> None:
        self._viewer = viewer
        self._link = link
        self._classes = classes
        self.prediction: Labels | None = None
        self.uncertainty: Image | None = None
        self.cleaned: Labels | None = None
        link.opened.connect(self._forget)
        classes.changed.connect(self._recolour)

    def show(self) -> None:
        """Add those of the two layers that are not there, under the annotation."""
        arrays, placement = self._link.arrays, self._link.placement
        if arrays is None:
            return
        if self.uncertainty not in self._viewer.layers:
            self.uncertainty = uncertainty_layer(arrays.uncertainty, placement)
            self._insert(self.uncertainty)
        if self.prediction not in self._viewer.layers:
            table = self._classes.table
            self.prediction = prediction_layer(arrays.prediction, table, placement)
            self._insert(self.prediction)

    def show_cleaned(self, labels: "NDArray[np.uint8]") -> None:
        """Show a cleaned prediction in place of the raw one, which is hidden."""
        if self.cleaned in self._viewer.layers:
            self._viewer.layers.remove(self.cleaned)
        table = self._classes.table
        self.cleaned = prediction_layer(
            labels, table, self._link.placement, name=CLEANED
        )
        self._insert(self.cleaned)
        if self.prediction is not None:
            self.prediction.visible = False

    def refresh(self) -> None:
        """Draw what is new, where it can be seen."""
        for layer in (self.prediction, self.uncertainty):
            if layer is not None and layer.visible:
                layer.refresh(extent=False)

    def _insert(self, layer: "Layer") -> None:
        layers = self._viewer.layers
        active = layers.selection.active
        above = self._link.annotation
        layers.insert(layers.index(above) if above in layers else len(layers), layer)
        # Else the next stroke would go to the new layer.
        layers.selection.active = active

    def _forget(self) -> None:
        self.prediction = self.uncertainty = self.cleaned = None

    def _recolour(self, table: "ClassTable") -> None:
        for layer in (self.prediction, self.cleaned):
            if layer is not None:
                layer.colormap = colormap_of(table)
