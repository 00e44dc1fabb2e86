"""What sparseseg is compared with: a pixel classifier and the random walker."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import multiscale_basic_features
from skimage.segmentation import random_walker
from skimage.transform import downscale_local_mean
from sklearn.ensemble import RandomForestClassifier
from volumes import Case

from sparseseg.boxes import Box, tiles
from sparseseg.classes import BACKGROUND

Labels = NDArray[np.uint8]
Image = NDArray[np.float32]

SIGMAS = {"sigma_min": 1, "sigma_max": 16}
# Four deviations of the widest Gaussian, where scikit-image cuts it.
_REACH = 64
_TILE = (128, 256, 256)
_MOST_SAMPLES = 50_000
_CHUNK = 200_000
_WALKER_VOXELS = 5_000_000


def forest(case: Case, seed: int = 0) -> Iterator[tuple[str, Labels]]:
    """Yield the predictions of random forests on filter responses, by variant.

    Filters run in 3-D or slice by slice over z. As many voxels of each class are drawn;
    "frequencies" multiplies the probabilities by the classes' shares of the annotation.
    """
    for name, bank, tile, reach in (
        ("3-D", _filters_3d, _TILE, _REACH),
        ("2-D", _filters_2d, (8, *case.volume.shape[1:]), 0),
    ):
        with tempfile.TemporaryFile() as file:
            features = _features(case, file, bank, tile, (reach, reach, reach))
            yield from _classified(case, features, name, seed)


def forest_of_others(
    learned: Sequence[Case], tested: Sequence[Case], seed: int = 0
) -> Iterator[tuple[Labels, Labels]]:
    """Yield two predictions of each tested volume, whose annotation is not looked at.

    The forest learns from 3-D filters of the learned volumes. Its probabilities count
    as they are, and then multiplied by the classes' shares of the annotation.
    """
    rng = np.random.default_rng(seed)
    samples = [_samples(case, rng, _MOST_SAMPLES // len(learned)) for case in learned]
    pixels, values = (np.concatenate(part) for part in zip(*samples, strict=True))
    model = _grown(pixels, values, seed)
    annotation = np.concatenate([case.annotation.ravel() for case in learned])
    shares = _shares(model, annotation)
    for case in tested:
        with tempfile.TemporaryFile() as file:
            flat = _flat_filters(case, file)
            balanced, weighted = _predict(model, flat, shares)
        yield balanced.reshape(case.truth.shape), weighted.reshape(case.truth.shape)


def _samples(case: Case, rng: np.random.Generator, most: int) -> tuple[Image, Labels]:
    """Return the filters of labelled voxels of a volume, and their values."""
    annotation = case.annotation.ravel()
    drawn = _draw(annotation, rng, most)
    with tempfile.TemporaryFile() as file:
        return np.array(_flat_filters(case, file)[drawn]), annotation[drawn]


def _flat_filters(case: Case, file: Any) -> Image:
    """Return the 3-D filters of all voxels (voxel, feature)."""
    reach = (_REACH, _REACH, _REACH)
    found = _features(case, file, _filters_3d, _TILE, reach)
    return found.reshape(-1, found.shape[-1])


def _filters_3d(image: Image) -> Image:
    return np.asarray(multiscale_basic_features(image, **SIGMAS), np.float32)


def _filters_2d(image: Image) -> Image:
    return np.stack([_filters_3d(plane) for plane in image])


def _features(
    case: Case,
    file: Any,
    bank: Callable[[Image], Image],
    tile: tuple[int, int, int],
    halo: tuple[int, int, int],
) -> Image:
    """Filter tile by tile into an array (z, y, x, feature) that lies on disk."""
    shape = case.volume.shape
    channels = [_standardised(channel) for channel in case.volume.array]
    features: Image | None = None
    for part in tiles(shape, tile=tile, reads=lambda box: box.expand(halo).clip(shape)):
        inner = _within(part.write, part.read)
        values = [bank(channel[part.read.slices])[inner] for channel in channels]
        found = np.concatenate(values, axis=-1)
        if features is None:
            size = (*shape, found.shape[-1])
            features = np.memmap(file, np.float32, "w+", shape=size)
        features[part.write.slices] = found
    assert features is not None
    return features


def _within(box: Box, outer: Box) -> tuple[slice, ...]:
    edges = zip(box.start, box.stop, outer.start, strict=True)
    return tuple(slice(low - at, high - at) for low, high, at in edges)


def _standardised(channel: NDArray[Any]) -> Image:
    values = channel.astype(np.float32)
    centred: Image = values - values.mean()
    return centred / np.float32(values.std() + 1e-12)


def _classified(
    case: Case, features: Image, name: str, seed: int
) -> Iterator[tuple[str, Labels]]:
    flat = features.reshape(-1, features.shape[-1])
    annotation = case.annotation.ravel()
    drawn = _draw(annotation, np.random.default_rng(seed), _MOST_SAMPLES)
    model = _grown(flat[drawn], annotation[drawn], seed)
    balanced, weighted = _predict(model, flat, _shares(model, annotation))
    shape = case.truth.shape
    yield name, balanced.reshape(shape)
    yield f"{name}, frequencies", weighted.reshape(shape)


def _grown(pixels: Image, values: Labels, seed: int) -> RandomForestClassifier:
    forest = RandomForestClassifier(
        100, min_samples_leaf=5, n_jobs=-1, random_state=seed
    )
    return forest.fit(pixels, values)


def _shares(model: RandomForestClassifier, annotation: Labels) -> NDArray[np.float64]:
    """Return how much of what is annotated each class of a forest is."""
    labelled = annotation[annotation > 0]
    return np.array([np.mean(labelled == value) for value in model.classes_])


def _draw(annotation: Labels, rng: np.random.Generator, most: int) -> NDArray[np.intp]:
    """Return flat indices of labelled voxels, as many of each class where there are."""
    values = np.unique(annotation[annotation > 0])
    places = [np.flatnonzero(annotation == value) for value in values]
    each = most // len(places)
    return np.concatenate([rng.permutation(where)[:each] for where in places])


def _predict(
    model: RandomForestClassifier, flat: Image, shares: NDArray[np.float64]
) -> tuple[Labels, Labels]:
    values = _as_prediction(model.classes_)
    balanced, weighted = (np.empty(len(flat), np.uint8) for _ in range(2))
    for start in range(0, len(flat), _CHUNK):
        part = slice(start, start + _CHUNK)
        probabilities = model.predict_proba(flat[part])
        balanced[part] = values[probabilities.argmax(1)]
        weighted[part] = values[(probabilities * shares).argmax(1)]
    return balanced, weighted


def _as_prediction(values: Sequence[int] | NDArray[Any]) -> Labels:
    """Return annotation values as a prediction has them: 0 for background."""
    array = np.asarray(values)
    return np.where(array == BACKGROUND, 0, array).astype(np.uint8)


def walker(case: Case) -> tuple[Labels, int]:
    """Return the random walker's labels, and by how much it was made smaller in plane.

    Grey values reach from -1 to 1 between the 0.5th and 99.5th percentile.
    """
    factor = 2 if case.truth.size > _WALKER_VOXELS else 1
    image, seeds = _shrunk(case, factor)
    values, numbered = np.unique(seeds, return_inverse=True)
    spacing = np.array(case.volume.spacing) * (1, factor, factor)
    found = random_walker(
        image,
        numbered.reshape(seeds.shape),
        beta=130,
        mode="cg_j",
        channel_axis=-1,
        spacing=spacing / spacing.min(),
    )
    small = _as_prediction(values)[found]
    z, y, x = case.truth.shape
    return small.repeat(factor, 1).repeat(factor, 2)[:z, :y, :x], factor


def _shrunk(case: Case, factor: int) -> tuple[Image, Labels]:
    channels = [_rescaled(channel) for channel in case.volume.array]
    blocks = (1, factor, factor)
    image = np.stack([downscale_local_mean(c, blocks) for c in channels], axis=-1)
    return image, _shrunk_seeds(case.annotation, factor)


def _shrunk_seeds(annotation: Labels, factor: int) -> Labels:
    """Return the first labelled voxel of each block; slices are one voxel thick."""
    _, y, x = annotation.shape
    padded = np.pad(annotation, ((0, 0), (0, -y % factor), (0, -x % factor)))
    seeds = padded[:, ::factor, ::factor].copy()
    for dy, dx in np.ndindex(factor, factor):
        other = padded[:, dy::factor, dx::factor]
        np.copyto(seeds, other, where=seeds == 0)
    return seeds


def _rescaled(channel: NDArray[Any]) -> Image:
    low, high = np.percentile(channel, (0.5, 99.5))
    share = (channel.astype(np.float32) - low) / max(high - low, 1e-12)
    return np.asarray(2 * np.clip(share, 0, 1) - 1, np.float32)
