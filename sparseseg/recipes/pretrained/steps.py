"""Grey values step by step, as BioImage.IO and MONAI describe it: data, never code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""(c, z, y, x)."""
Values = tuple[float, ...]
"""One for all channels, or one for each."""

_PLACES = (1, 2, 3)
_ALL = (0, 1, 2, 3)


@dataclass(frozen=True, slots=True)
class Clip:
    """Cut grey values to `low` and `high`, where these are given."""

    low: float | None = None
    high: float | None = None

    def __call__(self, image: Image) -> Image:
        """Return the image after this step."""
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        return image.clip(np.float32(low), np.float32(high))


@dataclass(frozen=True, slots=True)
class Scale:
    """Multiply by `gain` and add `offset`."""

    gain: Values = (1.0,)
    offset: Values = (0.0,)

    def __call__(self, image: Image) -> Image:
        """Return the image after this step."""
        return image * _line(self.gain) + _line(self.offset)


@dataclass(frozen=True, slots=True)
class Centre:
    """Subtract `mean` and divide by `deviation`, which are known."""

    mean: Values
    deviation: Values

    def __call__(self, image: Image) -> Image:
        """Return the image after this step."""
        return (image - _line(self.mean)) / _line(self.deviation)


@dataclass(frozen=True, slots=True)
class Standardise:
    """Subtract the mean of the volume, and divide by its deviation plus `added`.

    Of all channels together if `joint`. With `nonzero`, only voxels that are not 0 are
    measured and changed.
    """

    joint: bool = False
    added: float = 0.0
    nonzero: bool = False

    def __call__(self, image: Image) -> Image:
        """Return the image after this step."""
        if not self.nonzero:
            axes = _ALL if self.joint else _PLACES
            mean, deviation = (
                measure(image, axis=axes, keepdims=True)
                for measure in (np.mean, np.std)
            )
            found: Image = (image - mean) / _divisor(deviation, self.added)
            return found
        result = image.copy()
        for part in (result,) if self.joint else result:
            seen = part != 0
            if seen.any():
                known = part[seen]
                deviation = _divisor(known.std(), self.added)
                part[seen] = (known - known.mean()) / deviation
        return result


@dataclass(frozen=True, slots=True)
class Stretch:
    """Map two percentiles of the volume to 0 and 1; `added` is added to their distance."""

    low: float = 0.0
    high: float = 100.0
    joint: bool = False
    added: float = 0.0

    def __call__(self, image: Image) -> Image:
        """Return the image after this step."""
        axes = _ALL if self.joint else _PLACES
        low, high = np.percentile(
            image, (self.low, self.high), axis=axes, keepdims=True
        ).astype(np.float32)
        found: Image = (image - low) / _divisor(high - low, self.added)
        return found


Step = Clip | Scale | Centre | Standardise | Stretch
_STEPS: dict[str, Callable[..., Step]] = {
    made.__name__.lower(): made for made in (Clip, Scale, Centre, Standardise, Stretch)
}


def applied(steps: Sequence[Step], image: Image, *, flat: bool) -> Image:
    """Return an image after all steps; with `flat`, each plane is measured by itself."""
    if flat and any(isinstance(step, Standardise | Stretch) for step in steps):
        planes = [image[:, z : z + 1] for z in range(image.shape[1])]
        return np.concatenate([applied(steps, p, flat=False) for p in planes], 1)
    for step in steps:
        image = step(image).astype(np.float32, copy=False)
    return image


def to_json(step: Step) -> dict[str, Any]:
    """Return plain lists, numbers and words."""
    return {"step": type(step).__name__.lower(), **asdict(step)}


def from_json(data: Mapping[str, Any]) -> Step:
    """Rebuild a step; raise `ValueError` or `TypeError` for what is none."""
    plain: dict[str, Any] = {
        name: tuple(map(float, value)) if isinstance(value, list | tuple) else value
        for name, value in data.items()
    }
    made = _STEPS.get(str(plain.pop("step", "")))
    if made is None:
        raise ValueError(f"a step that is none of {', '.join(_STEPS)}")
    step: Step = made(**plain)
    check(step)
    return step


def check(step: Step) -> None:
    """Raise `ValueError` for numbers that no image can be computed with."""
    for value in asdict(step).values():
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(number is None or isfinite(number) for number in numbers):
            raise ValueError(f"{step} holds a number that is not finite")
    if isinstance(step, Centre) and not all(step.deviation):
        raise ValueError("a deviation of 0")
    if isinstance(step, Stretch) and not 0 <= step.low < step.high <= 100:
        raise ValueError(f"percentiles {step.low} and {step.high}")


def _divisor(value: Any, added: float) -> Any:
    """Return what is divided by: never 0."""
    found = value + np.float32(added)
    return np.where(found == 0, np.float32(1), found)


def _line(values: Values) -> Image:
    return np.array(values, np.float32).reshape(-1, 1, 1, 1)
