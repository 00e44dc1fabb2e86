"""Where a prediction may be wrong between annotated slices, and why, from what is there.

Three signs are looked at. The prediction is not sure. The image looks unlike all that was
annotated as the predicted class. Or shapes that are interpolated between slices say
something else. The first misses what is wrong with great confidence; the others do not ask
the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, grey_opening
from scipy.spatial import KDTree

from sparseseg.boxes import Box, Triple
from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.evaluation.gain import Plane
from sparseseg.evaluation.matching import Nearest

Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]
Sign = Literal["unsure", "unlike", "shape"]


class Image(Protocol):
    """Grey values c, z, y, x, of which a few planes are read at a time."""

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        """Read a box: four slices."""


_SIDE = 128  # cells along an axis, at most
_PIXELS = 2000  # of an annotated slice
_SCALES = (1.0, 3.0)  # of the look of a cell, in cells of the shortest side
# So large a share of annotated cells is as near to those of other slices as this.
_USUAL = 0.98
_ROUGH = 0.2  # so far a distance may be from the true one, as a share of it
_REACH = 8.0  # voxels over which the shape of a slice is worth something
_THICK = 3  # cells; thinner differences of shape are borders that moved
_PLACE = 1.5  # the size of a place, in cells
_APART = 8  # cells between two places
_CLEAR = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Inspected:
    """What is known of one volume, z, y, x each, and c, z, y, x the image."""

    image: Image
    annotation: Labels
    prediction: Labels
    uncertainty: NDArray[np.uint8]
    """0 (sure) to 255."""
    shapes: Sequence[Labels]
    """Labels interpolated between slices: 0 unknown, 255 background."""
    known: Sequence[Plane]
    """The annotated slices."""
    sides: Sequence[float]
    """Of a voxel, in units of its shortest side."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place that is worth a look, the sign that shows it, and how doubtful it is."""

    at: Triple
    """Its voxel, z, y, x."""
    doubt: float
    """0..1, the mean over the place."""
    sign: Sign
    predicted: int


@dataclass(frozen=True, slots=True, eq=False)
class Doubt:
    """How doubtful each cell of a volume is, 0..1, by the sign that is strongest there."""

    steps: Triple
    """Voxels of a cell along z, y, x."""
    signs: dict[Sign, Floats]
    """(z, y, x) by cell."""

    @property
    def joined(self) -> Floats:
        """The strongest sign of each cell."""
        found: Floats = np.maximum.reduce(list(self.signs.values()))
        return found

    def whole(self, shape: Triple) -> NDArray[np.uint8]:
        """Return the doubt of each voxel of a volume, 0 to 255."""
        pairs = zip(shape, self.steps, strict=True)
        cells = np.ix_(*(np.arange(length) // step for length, step in pairs))
        return np.round(self.joined * 255).astype(np.uint8)[cells]

    def worst(self, prediction: Labels, count: int) -> list[Place]:
        """Return the places that are worth a look, the worst first and apart."""
        smooth = {s: gaussian_filter(part, _PLACE) for s, part in self.signs.items()}
        rest = np.maximum.reduce(list(smooth.values())).copy()
        places: list[Place] = []
        while len(places) < count and rest.max() > _CLEAR:
            cell = np.unravel_index(int(rest.argmax()), rest.shape)
            places.append(self._place(smooth, cell, prediction))
            rest[tuple(slice(max(0, c - _APART), c + _APART + 1) for c in cell)] = 0
        return places

    def _place(
        self, smooth: dict[Sign, Floats], cell: tuple[np.intp, ...], prediction: Labels
    ) -> Place:
        sign = max(smooth, key=lambda sign: float(smooth[sign][cell]))
        voxels = zip(cell, self.steps, prediction.shape, strict=True)
        z, y, x = (min(int(c) * n + n // 2, size - 1) for c, n, size in voxels)
        value = float(smooth[sign][cell])
        return Place((z, y, x), value, sign, int(prediction[z, y, x]))


def inspect(case: Inspected) -> Doubt:
    """Find how doubtful each part of a prediction is; annotated voxels are not."""
    z, y, x = (-(-length // _SIDE) for length in case.annotation.shape)
    cells = np.s_[::z, ::y, ::x]
    free = case.annotation[cells] == UNLABELLED
    predicted = case.prediction[cells]
    looks = _looks(_read(case.image, len(case.annotation), (z, y, x)), case.sides)
    signs: dict[Sign, Floats] = {
        "unsure": np.divide(case.uncertainty[cells], 255, dtype=np.float32),
        "unlike": _unlike(
            looks, case.annotation[cells], predicted, _cut(case, z, y, x)
        ),
        "shape": _misshapen(case, cells, predicted),
    }
    return Doubt(
        (z, y, x), {sign: np.where(free, part, 0) for sign, part in signs.items()}
    )


def _read(image: Image, depth: int, steps: Triple) -> NDArray[Any]:
    """Read the cells of an image plane by plane, which may be on disk."""
    z, y, x = steps
    whole = np.s_[:]
    planes = (image[whole, n : n + 1, whole, whole] for n in range(0, depth, z))
    # A view would keep each plane as a whole.
    return np.concatenate([plane[:, :, ::y, ::x].copy() for plane in planes], axis=1)


def _cut(case: Inspected, *steps: int) -> list[Plane]:
    """Return the annotated slices that cells lie on, by their cells."""
    return [(a, i // steps[a]) for a, i in case.known if i % steps[a] == 0]


def _looks(image: NDArray[Any], sides: Sequence[float]) -> Floats:
    """Return grey values at several scales, and their spread (k, z, y, x)."""
    found: list[Floats] = []
    for channel in image:
        grey = channel.astype(np.float32)
        low, high = np.quantile(grey, [0.01, 0.99])
        grey = (grey - low) / max(float(high - low), 1e-6)
        for scale in _SCALES:
            size = [scale / side for side in sides]
            mean = gaussian_filter(grey, size)
            found.append(mean)
        spread = gaussian_filter(np.square(grey), size) - np.square(mean)
        found.append(np.sqrt(np.maximum(spread, 0)))
    return np.stack(found)


def _unlike(
    looks: Floats, annotation: Labels, predicted: Labels, known: Sequence[Plane]
) -> Floats:
    """Return how far each cell is from all that was annotated as its predicted class.

    0 is as near as annotated cells are to those of other slices, 1 is twice as far.
    """
    found = np.zeros(predicted.shape, np.float32)
    sampled = [_sampled(looks, annotation, plane) for plane in known]
    for number in np.unique(predicted):
        value = BACKGROUND if number == 0 else number
        parts = [look[labels == value] for look, labels in sampled]
        parts = [part for part in parts if len(part)]
        if len(parts) < 2:
            continue
        usual = _usual(parts)
        members = predicted == number
        away, _ = KDTree(np.concatenate(parts)).query(
            looks[:, members].T, eps=_ROUGH, distance_upper_bound=2 * usual
        )
        found[members] = np.clip(away / usual - 1, 0, 1)  # what is farther is infinite
    return found


def _sampled(looks: Floats, annotation: Labels, plane: Plane) -> tuple[Floats, Labels]:
    axis, index = plane
    labels = np.take(annotation, index, axis).reshape(-1)
    values = np.take(looks, index, axis + 1).reshape(len(looks), -1).T
    few = np.linspace(0, len(labels) - 1, min(len(labels), _PIXELS)).astype(int)
    return values[few], labels[few]


def _usual(parts: Sequence[Floats]) -> float:
    """Return how near most cells of a slice are to those of all other slices."""
    distances = [
        KDTree(np.concatenate([*parts[:place], *parts[place + 1 :]])).query(part)[0]
        for place, part in enumerate(parts)
    ]
    return max(float(np.quantile(np.concatenate(distances), _USUAL)), 1e-6)


def _misshapen(case: Inspected, cells: tuple[slice, ...], predicted: Labels) -> Floats:
    """Return where interpolated shapes differ in more than a border, near the slices."""
    found = np.zeros(predicted.shape, np.float32)
    for shape in case.shapes:
        wanted = shape[cells]
        differs = (wanted != UNLABELLED) & (wanted % BACKGROUND != predicted)
        thick = grey_opening(differs.astype(np.float32), size=(_THICK,) * 3)
        np.maximum(found, thick, out=found)
    depth, height, width = case.annotation.shape
    nearest = Nearest.of((depth, height, width), case.sides, case.known).every(cells)
    near = np.exp(-nearest(Box.whole(nearest.shape)) / _REACH).astype(np.float32)
    return found * near
