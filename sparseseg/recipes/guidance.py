"""What the annotated slices say of the voxels between them, slice by slice.

Each annotated slice keeps, for each class, how far inside or outside of it every pixel
is. Carried along the slice's normal and averaged over slices, weighted by the inverse
square of the distance, this interpolates shapes between slices (after Raya and Udupa,
IEEE Trans Med Imaging 1990, here over three orientations). Slices can be left out one
by one, at no cost: that is how a network learns how far to trust it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import edt
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.data.slices import AnnotatedSlice

_FAR = 1e4
_SOFT = 0.5  # voxel sides squared: keeps the weight of a slice finite on itself
# Beyond this distance from a border, in voxel sides, the inside is as good as certain.
BORDER = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class GuidePlane:
    """One annotated slice, ready to be carried along its normal."""

    where: AnnotatedSlice
    target: NDArray[np.int16]
    """The index of the output that each pixel is labelled as, -1 if unlabelled."""
    inside: Tensor
    """(k, rows, columns), -1 far outside of a class to 1 deep inside."""
    distance: Tensor | None
    """Squared, to the nearest label in the plane; None if the plane is complete."""
    number: int = 0
    """The slices of a volume are numbered as they are met, and keep their numbers."""


class Guidance:
    """The annotated slices of a volume as soft shapes of `outputs` classes."""

    def __init__(
        self,
        anisotropy: Sequence[float],
        planes: Sequence[GuidePlane],
        outputs: int,
        device: torch.device,
    ) -> None:
        self.planes = tuple(planes)
        self._anisotropy = tuple(anisotropy)
        self._outputs = outputs
        self._device = device

    def __call__(self, box: Box) -> Tensor:
        """Return (1 + k, z, y, x): how near a slice is (0..1), then each class.

        Without any slice all are 0. `box` lies inside the volume.
        """
        total = torch.zeros(self._outputs, *box.shape, device=self._device)
        weight = torch.full(box.shape, 1e-12, device=self._device)
        nearest = torch.full(box.shape, _FAR, device=self._device)
        for plane in self.planes:
            self._add(plane, box, total, weight, nearest)
        near = BORDER / (BORDER + nearest.sqrt())
        near.masked_fill_(nearest >= _FAR, 0)
        return torch.cat([near[None], total / weight])

    def _add(
        self,
        plane: GuidePlane,
        box: Box,
        total: Tensor,
        weight: Tensor,
        nearest: Tensor,
    ) -> None:
        axis = plane.where.axis
        window = box.slices[:axis] + box.slices[axis + 1 :]
        steps = np.arange(box.start[axis], box.stop[axis]) - plane.where.index
        square = torch.from_numpy(steps * self._anisotropy[axis]).float().square()
        square = square.reshape([-1 if other == axis else 1 for other in range(3)])
        square = square.to(self._device)
        if plane.distance is not None:
            square = square + plane.distance[window].unsqueeze(axis)
        share = 1 / (square + _SOFT)
        total += share * plane.inside[(slice(None), *window)].unsqueeze(axis + 1)
        weight += share
        torch.minimum(nearest, square, out=nearest)


def guide_plane(
    where: AnnotatedSlice,
    target: NDArray[np.int16],
    anisotropy: Sequence[float],
    k: int,
    device: torch.device,
) -> GuidePlane:
    """Measure one annotated slice of `k` classes, for guidance on a device."""
    sides = tuple(side for axis, side in enumerate(anisotropy) if axis != where.axis)
    reach = np.stack([_reach(target == index, sides) for index in range(k)])
    inside = np.tanh((_nearest_other(reach) - reach) / (2 * BORDER))
    distance = None if where.complete else reach.min(0) ** 2
    far = None if distance is None else torch.from_numpy(distance).to(device)
    near = torch.from_numpy(inside.astype(np.float32)).to(device)
    return GuidePlane(where, target, near, far)


def _reach(member: NDArray[np.bool_], sides: tuple[float, ...]) -> NDArray[np.float32]:
    """Return each pixel's distance to the nearest member."""
    if not member.any():
        return np.full(member.shape, _FAR, np.float32)
    away: NDArray[np.float32] = edt.edt(np.asfortranarray(~member), anisotropy=sides)
    return np.ascontiguousarray(away)


def _nearest_other(reach: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return, for each class, the distance to the nearest of the other classes."""
    if len(reach) == 1:
        return np.full_like(reach, _FAR)
    least, second = np.sort(reach, axis=0)[:2]
    other: NDArray[np.float32] = np.where(reach == least, second, least)
    return other
