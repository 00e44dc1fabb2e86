"""The places of a prediction that are worth a look, and what is said of them."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.labels import SparseLabels
from sparseseg.data.proposals import between_slices
from sparseseg.data.slices import well_labelled
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.evaluation.doubt import Doubt, Inspected, Place, inspect
from sparseseg.evaluation.suggesting import sides_of
from sparseseg.language import say


def look_through(
    volume: Volume,
    labels: SparseLabels,
    *,
    prediction: NDArray[np.uint8],
    uncertainty: NDArray[np.uint8],
) -> Doubt:
    """Find how doubtful each part of a prediction (z, y, x) is.

    `uncertainty` is 0 (sure) to 255. Of the image only some planes are read. Raises
    `UserError` where no slice is annotated.
    """
    slices = labels.slices()
    known = well_labelled(slices, volume.shape)
    if not known:
        raise UserError(
            "No slice is annotated: complete two slices to compare the volume with."
        )
    complete = Counter(s.axis for s in slices if s.complete)
    axes = [axis for axis, number in complete.items() if number > 1]
    return inspect(
        Inspected(
            image=volume.array,
            annotation=labels.array,
            prediction=prediction,
            uncertainty=uncertainty,
            shapes=[between_slices(labels.array, axis) for axis in axes],
            known=known,
            sides=sides_of(volume.spacing),
        )
    )


def place_in_words(place: Place, names: Mapping[int, str]) -> str:
    """Say where a place is, how doubtful it is, and by which sign."""
    predicted = names.get(place.predicted, say("background"))
    reasons = {
        "unsure": say("the prediction is not sure"),
        "unlike": say("unlike what you labelled as {name}", name=predicted),
        "shape": say("not {name}, judging by your slices", name=predicted),
    }
    z, y, x = place.at
    return f"z {z}, y {y}, x {x} ({place.doubt:.2f}): {reasons[place.sign]}"
