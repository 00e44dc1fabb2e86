"""One open image: its layer, the arrays that it shares with the session, its results."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseseg.data.labels import SparseLabels
from sparseseg.widgets.geometry import full_resolution

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from sparseseg.data.volume import Volume
    from sparseseg.evaluation.estimate import DiceEstimate
    from sparseseg.evaluation.slice_score import SliceScore
    from sparseseg.session import SharedArrays

_COMPARED = 5  # planes


@dataclass(eq=False)
class Seat:
    """What belongs to one image that was opened in the session."""

    image: "Image"
    volume: "Volume"
    arrays: "SharedArrays"
    annotation: "Labels | None" = None
    prediction: "Labels | None" = None
    uncertainty: "Image | None" = None
    cleaned: "Labels | None" = None
    objects: "Labels | None" = None
    object_classes: "NDArray[Any] | None" = None
    """The class of each object."""
    proposal: "Labels | None" = None
    changes: "Labels | None" = None
    doubt: "Image | None" = None
    is_predicted: bool = False
    """Whether the whole volume was predicted."""
    estimate: "DiceEstimate | None" = None
    """How good the newest prediction of this image is, if that was estimated."""
    measured: "tuple[SliceScore, ...]" = ()
    """How good it was on slices that were completed since."""
    labels: SparseLabels = field(init=False)
    """The annotation, with what its copy for recovery has of it."""

    def __post_init__(self) -> None:
        self.labels = SparseLabels(self.arrays.annotation)

    def forget_quality(self) -> None:
        """Forget how good a prediction was that another model will take the place of."""
        self.estimate, self.measured = None, ()

    @property
    def name(self) -> str:
        """What the user calls the image."""
        return str(self.image.name)

    @property
    def layers(self) -> "list[Any]":
        """The layers that show this image and what was made of it."""
        results = (self.prediction, self.uncertainty, self.cleaned, self.objects)
        made = (self.annotation, *results, self.proposal, self.changes, self.doubt)
        return [self.image, *(layer for layer in made if layer is not None)]

    def shows(self, image: "Image") -> bool:
        """Tell whether a layer, opened anew perhaps, holds the very same voxels."""
        shape = self.volume.array.shape
        data = full_resolution(image)
        data = data if data.ndim == len(shape) else data[None]
        if data.shape != shape:
            return False
        planes = np.linspace(0, shape[1] - 1, _COMPARED).astype(int)
        own = self.volume.array
        return all(
            np.array_equal(_plane(data, channel, z), _plane(own, channel, z))
            for channel in range(shape[0])
            for z in planes
        )


def _plane(array: Any, channel: int, z: int) -> "NDArray[Any]":
    there = (slice(channel, channel + 1), slice(z, z + 1), slice(None), slice(None))
    return np.asarray(array[there])
