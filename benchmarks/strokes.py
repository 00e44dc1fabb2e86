"""Strokes as a person paints them: short, crooked, and inside one class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.data.slices import AXES

Labels = NDArray[np.uint8]

_STEPS = 25
_BEND = 0.5  # of a direction, at each step
_BRUSH = 2  # pixels
_OF_CLASS, _OF_BACKGROUND = 3, 5  # strokes on each slice


def kept(annotation: Labels, slices: Sequence[int], seed: int) -> Labels:
    """Keep a few strokes of each class on each complete slice of an annotation.

    `slices` are the counts across z, y, x that the annotation was made with.
    """
    rng = np.random.default_rng(seed)
    found = np.full_like(annotation, UNLABELLED)
    for axis, count in enumerate(slices[: len(AXES)]):
        for index in _complete(annotation, axis) if count else ():
            at = (slice(None),) * axis + (index,)
            painted = _stroked(annotation[at], rng)
            found[at] = np.where(painted != UNLABELLED, painted, found[at])
    return found


def _complete(annotation: Labels, axis: int) -> NDArray[np.intp]:
    others = tuple(other for other in range(3) if other != axis)
    return np.flatnonzero((annotation != UNLABELLED).all(axis=others))


def _stroked(plane: Labels, rng: np.random.Generator) -> Labels:
    painted = np.full_like(plane, UNLABELLED)
    for value in np.unique(plane):
        members = np.argwhere(plane == value)
        for _ in range(_OF_BACKGROUND if value == BACKGROUND else _OF_CLASS):
            _paint(painted, plane, members[rng.integers(len(members))], rng)
    return painted


def _paint(
    painted: Labels,
    plane: Labels,
    start: NDArray[np.intp],
    rng: np.random.Generator,
) -> None:
    """Walk from a pixel without leaving its class, and paint on the way."""
    value = plane[tuple(start)]
    at, direction = start.astype(float), rng.normal(size=2)
    for _ in range(_STEPS):
        y, x = np.round(at).astype(int)
        brush = np.s_[y : y + _BRUSH, x : x + _BRUSH]
        painted[brush][plane[brush] == value] = value
        direction += _BEND * rng.normal(size=2)
        direction /= np.linalg.norm(direction)
        ahead = np.round(at + direction).astype(int)
        inside = (ahead >= 0).all() and (ahead < plane.shape).all()
        if inside and plane[tuple(ahead)] == value:
            at = at + direction
