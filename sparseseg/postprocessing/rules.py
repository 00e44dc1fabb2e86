"""The rules themselves: what each takes away from, or fills in, an array of labels.

Rules that keep or drop only ever turn voxels into background; filling only ever takes
background, or what it is told it may take. Applying a rule twice is applying it once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparseseg.errors import UserError
from sparseseg.postprocessing.amounts import Length, Size, VoxelGrid
from sparseseg.postprocessing.regions import (
    Labels,
    Region,
    box_of,
    components,
    holes,
    mask_of,
    touching,
)

Probabilities = Mapping[int, NDArray[np.floating[Any]]]

_NO_MARGIN = (0, 0, 0)
_ONE_VOXEL = (1, 1, 1)
# So that 0.5 mm3 are exactly 100 voxels of 0.1 x 0.1 x 0.5 mm, and 0.3 mm three of 0.1.
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class RuleInputs:
    """What rules may ask for beside the labels."""

    grid: VoxelGrid = field(default_factory=VoxelGrid)
    probabilities: Probabilities = field(default_factory=dict)
    """Of each class by its number, z, y, x."""


@dataclass(frozen=True, slots=True)
class KeepLargest:
    """Keep the so many largest components of a region; of equals the first in z, y, x."""

    count: int
    region: Region

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UserError(
                "keep 1 or more largest components, got {count}", count=self.count
            )

    def __str__(self) -> str:
        return f"keep {self.count} largest of {in_words(self.region)}"

    def apply(self, labels: Labels, given: RuleInputs) -> None:
        """Turn all other components into background."""
        part = labels[box_of(labels, self.region, margin=_NO_MARGIN)]
        found = components(mask_of(part, self.region))
        # A stable sort, for of equals the first to be kept.
        order = np.argsort(-found.sizes.astype(np.int64), kind="stable")
        dropped = np.ones(len(order), bool)
        dropped[order[: self.count]] = False
        part[found.chosen(dropped)] = 0


@dataclass(frozen=True, slots=True)
class KeepTouching:
    """Keep a region's components that touch another region."""

    region: Region
    other: Region

    def __post_init__(self) -> None:
        _check_apart(self.region, self.other)

    def __str__(self) -> str:
        return f"keep {in_words(self.region)} touching {in_words(self.other)}"

    def apply(self, labels: Labels, given: RuleInputs) -> None:
        """Turn the components that touch nothing of it into background."""
        part = labels[box_of(labels, self.region, margin=_ONE_VOXEL)]
        found = components(mask_of(part, self.region))
        near = found.numbers[touching(mask_of(part, self.other))]
        dropped = np.ones(len(found.sizes) + 1, bool)
        dropped[near] = False
        part[found.chosen(dropped[1:])] = 0


@dataclass(frozen=True, slots=True)
class KeepWithin:
    """Keep the voxels of a region that are near enough to another region."""

    region: Region
    distance: Length
    other: Region

    def __post_init__(self) -> None:
        _check_apart(self.region, self.other)

    def __str__(self) -> str:
        region, other = in_words(self.region), in_words(self.other)
        return f"keep {region} within {self.distance} of {other}"

    def apply(self, labels: Labels, given: RuleInputs) -> None:
        """Turn the voxels farther away into background."""
        margin = self.distance.in_steps(given.grid)
        part = labels[box_of(labels, self.region, margin=margin)]
        outside = ~mask_of(part, self.other)
        far = outside
        if not outside.all():
            sides = given.grid.in_units(self.distance.unit)
            reach = self.distance.value * (1 + _ROUNDING)
            far = edt.edt(np.ascontiguousarray(outside), anisotropy=sides) > reach
        part[far & mask_of(part, self.region)] = 0


@dataclass(frozen=True, slots=True)
class KeepAbove:
    """Keep the voxels of a class that have at least this probability."""

    number: int
    probability: float

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise UserError(
                "a probability is more than 0 and at most 1, got {probability:g}",
                probability=self.probability,
            )

    def __str__(self) -> str:
        return f"keep {self.number} above {self.probability:g}"

    def apply(self, labels: Labels, given: RuleInputs) -> None:
        """Turn the less probable voxels into background."""
        if self.number not in given.probabilities:
            raise UserError(
                "the rule {this!r} needs the probabilities of class "
                "{number}: give them",
                this=str(self),
                number=self.number,
            )
        box = box_of(labels, (self.number,), margin=_NO_MARGIN)
        part, probability = labels[box], given.probabilities[self.number][box]
        part[(part == self.number) & (probability < self.probability)] = 0


@dataclass(frozen=True, slots=True)
class DropBelow:
    """Drop the components of a region, or of each class, smaller than a size."""

    size: Size
    region: Region = ()

    def __str__(self) -> str:
        region = f"{in_words(self.region)} " if self.region else ""
        return f"drop {region}below {self.size}"

    def apply(self, labels: Labels, given: RuleInputs) -> None:
        """Turn the smaller components into background."""
        least = self.size.in_voxels(given.grid) * (1 - _ROUNDING)
        for region in [self.region] if self.region else _classes(labels):
            part = labels[box_of(labels, region, margin=_NO_MARGIN)]
            found = components(mask_of(part, region))
            part[found.chosen(found.sizes < least)] = 0


@dataclass(frozen=True, slots=True)
class FillHoles:
    """Give what a region encloses to its first class; background, and what it is told."""

    region: Region
    over: Region = ()

    def __post_init__(self) -> None:
        _check_apart(self.region, self.over)

    def __str__(self) -> str:
        over = f" over {in_words(self.over)}" if self.over else ""
        return f"fill holes of {in_words(self.region)}{over}"

    def apply(self, labels: Labels, given: RuleInputs) -> None:
        """Fill the background, and `over`, that the region encloses."""
        part = labels[box_of(labels, self.region, margin=_NO_MARGIN)]
        inner = holes(mask_of(part, self.region))
        part[inner & mask_of(part, (0, *self.over))] = self.region[0]


Rule = KeepLargest | KeepTouching | KeepWithin | KeepAbove | DropBelow | FillHoles


def in_words(region: Region) -> str:
    """Return a region as it is written in a rule, by numbers."""
    return " or ".join(map(str, region))


def _classes(labels: Labels) -> list[Region]:
    boxes = ndimage.find_objects(labels)
    return [(number,) for number, box in enumerate(boxes, start=1) if box is not None]


def _check_apart(region: Region, other: Region) -> None:
    shared = set(region) & set(other)
    if shared:
        raise UserError(
            "class {shared} is on both sides of a rule: name each class once",
            shared=min(shared),
        )
