"""How likely a class really is at a voxel, by what held-out voxels showed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LARGEST = 12.0  # of a log-odds: nobody is surer than that
_ROUNDS = 25
_LEAST_STEP = 1e-4
# Pulls towards "as the model says", as strongly as so many voxels would.
_PRIOR = 50.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The log-odds t0 + t1 m + t2 m log(1 + d) + t3 log(1 + d) of a class.

    m is the log-odds that a prediction gives it, and d the distance to the nearest
    annotated slice in voxel sides (Platt scaling, with the distance as a second input).
    """

    t: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 0.0)

    def __call__(
        self, probabilities: NDArray[np.floating], distances: Floats
    ) -> Floats:
        """Return how likely each class (k, ...) is at distances (...)."""
        odds = np.einsum("i,i...->...", self.t, _inputs(probabilities, distances))
        likely = 1 / (1 + np.exp(-odds))
        result: Floats = likely / np.maximum(likely.sum(0), 1e-12)
        return result


def fitted(
    probabilities: NDArray[np.floating],
    truth: NDArray[np.intp],
    distances: Floats,
    weight: Floats,
) -> Calibration:
    """Fit a calibration to held-out voxels (k, n), their truth and distances (n).

    `weight` (n) is 1 on average. It is a logistic regression over all pairs of voxel
    and class, by Newton's method, with a weak pull towards the prediction itself.
    """
    inputs = _inputs(probabilities, distances).reshape(4, -1)
    there = (truth == np.arange(len(probabilities))[:, None]).reshape(-1)
    every = np.broadcast_to(weight, probabilities.shape).reshape(-1)
    begin = t = np.array(Calibration().t)

    def cost(t: Floats) -> float:
        odds = t @ inputs
        wrong = np.logaddexp(0, np.where(there, -odds, odds))
        return float(every @ wrong + _PRIOR / 2 * np.square(t - begin).sum())

    for _ in range(_ROUNDS):
        likely = 1 / (1 + np.exp(-np.clip(t @ inputs, -30, 30)))
        slope = inputs @ (every * (likely - there)) + _PRIOR * (t - begin)
        curve = (inputs * (every * likely * (1 - likely))) @ inputs.T
        step = np.linalg.solve(curve + _PRIOR * np.eye(4), slope)
        now = cost(t)
        # Far from the best a whole step may lead away from it.
        while cost(t - step) > now and np.abs(step).max() > _LEAST_STEP:
            step = step / 2
        t = t - step
        if np.abs(step).max() < _LEAST_STEP:
            break
    return Calibration((float(t[0]), float(t[1]), float(t[2]), float(t[3])))


def expected_dice(likely: Floats, told: NDArray[np.intp], weight: Floats) -> Floats:
    """Return the Dice (k) to be expected of voxels (n) that are told to be a class.

    `likely` (k, n) is how likely each class is; NaN where a class is not to be expected.
    """
    total = (likely * weight).sum(1)
    found = np.full(len(likely), np.nan)
    for number, size in enumerate(total):
        members = told == number
        both = size + weight[members].sum()
        if both > 0:
            overlap = likely[number, members] @ weight[members]
            found[number] = 2 * overlap / both
    return found


def _inputs(probabilities: NDArray[np.floating], distances: Floats) -> Floats:
    """Return 1, m, m log(1 + d) and log(1 + d) of each class and voxel (4, k, ...)."""
    p = np.clip(np.asarray(probabilities, np.float64), 1e-9, 1 - 1e-9)
    m = np.clip(np.log(p) - np.log1p(-p), -_LARGEST, _LARGEST)
    far = np.broadcast_to(np.log1p(distances), m.shape)
    return np.stack([np.ones_like(m), m, m * far, far])
