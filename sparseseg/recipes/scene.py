"""A volume and what is painted on it, as a recipe looks at them box by box."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.data.intensity import GreyCurve
from sparseseg.data.labels import SparseLabels
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.data.volume import Volume
from sparseseg.recipes.coordinates import Extent, coordinates, extent_of
from sparseseg.recipes.guidance import Guidance, GuidePlane, guide_plane
from sparseseg.recipes.plan import Plan

UNLABELLED_INDEX = -1
CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Scene:
    """Grey values, targets and guidance of any box; nothing volume-sized is made.

    They are tensors on `device`, so that all that is made of them is made there.
    """

    keeps: ClassVar[bool] = True
    """Whether what is computed of the volume may be kept for the next time."""
    plan: Plan
    volume: Volume
    planes: tuple[GuidePlane, ...] = ()
    """The annotated slices that may be seen."""
    device: torch.device = CPU
    curves: tuple[GreyCurve, ...] = ()
    """From the grey values of this volume to the network's, one a channel."""
    extent: Extent | None = None
    """Of the foreground, if the network is told where in it a voxel lies."""

    @classmethod
    def of(
        cls,
        plan: Plan,
        volume: Volume,
        labels: SparseLabels | None = None,
        *,
        device: torch.device = CPU,
    ) -> "Scene":
        """Look at a volume, and at its annotation if there is one."""
        plan.check(volume)
        scene = cls(
            plan,
            volume,
            device=device,
            curves=plan.curves_for(volume),
            extent=extent_of(volume.array) if plan.network.get("coordinates") else None,
        )
        return scene if labels is None else scene.seeing(labels)

    def seeing(self, labels: SparseLabels) -> "Scene":
        """Return the scene with this annotation; only changed slices are measured."""
        known = {_place(plane.where): plane for plane in self.planes}
        free = count(max((plane.number for plane in self.planes), default=-1) + 1)
        index = np.full(256, UNLABELLED_INDEX, np.int16)
        index[list(self.plan.outputs)] = range(len(self.plan.outputs))
        planes = []
        for where in labels.slices():
            target = index[labels.slice_values(where)]
            plane = known.get(_place(where))
            number = next(free) if plane is None else plane.number
            if not (plane and plane.where == where and (plane.target == target).all()):
                plane = replace(self._measured(where, target), number=number)
            planes.append(plane)
        return replace(self, planes=tuple(planes))

    def without(self, slices: Collection[AnnotatedSlice]) -> "Scene":
        """Return the scene as if these slices had not been painted."""
        kept = (plane for plane in self.planes if plane.where not in slices)
        return replace(self, planes=tuple(kept))

    @property
    def slices(self) -> tuple[AnnotatedSlice, ...]:
        """The annotated slices that may be seen."""
        return tuple(plane.where for plane in self.planes)

    @cached_property
    def places(self) -> tuple[tuple[NDArray[np.intp], ...], ...]:
        """Of each plane, for each output, the flat indices of its labelled pixels."""
        outputs = range(len(self.plan.outputs))
        return tuple(
            tuple(np.flatnonzero(plane.target == index) for index in outputs)
            for plane in self.planes
        )

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """The labelled pixels of each output, over all planes."""
        totals = [sum(map(len, kind)) for kind in zip(*self.places, strict=True)]
        return tuple(totals) or (0,) * len(self.plan.outputs)

    def grey(self, box: Box) -> Tensor:
        """Return the network's grey values c, z, y, x, mirrored beyond the borders."""
        edges = zip(box.start, box.stop, self.volume.shape, strict=True)
        places = [mirrored(*edge) for edge in edges]
        # One block, because the array may be on disk.
        z, y, x = (slice(int(p.min()), int(p.max()) + 1) for p in places)
        block = self.volume.array[:, z, y, x]
        at = np.ix_(*(p - p.min() for p in places))
        channels = zip(self.curves, block, strict=True)
        grey = np.stack([curve(channel[at]) for curve, channel in channels])
        return torch.from_numpy(grey).to(self.device)

    def coordinates(self, box: Box) -> Tensor:
        """Return where in the foreground the voxels of a box lie (3, z, y, x).

        If the network is not told, there are no channels.
        """
        if self.extent is None:
            return torch.zeros(0, *box.shape, device=self.device)
        return coordinates(self.extent, box, self.device)

    def hold(self, box: Box) -> None:
        """Keep the voxels of a box in memory, if the volume lies on disk."""
        array: Any = self.volume.array
        if isinstance(array, OnDisk):
            array.hold(*box.clip(self.volume.shape).slices)

    def target(self, box: Box) -> Tensor:
        """Return the index of each voxel's output, -1 where unlabelled or outside."""
        target = np.full(box.shape, UNLABELLED_INDEX, np.int64)
        seen = box.clip(self.volume.shape)
        inside = target[seen.relative_to(box).slices]
        for plane in self.planes:
            axis = plane.where.axis
            offset = plane.where.index - seen.start[axis]
            if 0 <= offset < seen.shape[axis]:
                labels = plane.target[seen.slices[:axis] + seen.slices[axis + 1 :]]
                part = inside[(slice(None),) * axis + (offset,)]
                np.copyto(part, labels, where=labels != UNLABELLED_INDEX)
        return torch.from_numpy(target).to(self.device)

    def guide(self, box: Box) -> Tensor:
        """Return 1 + k channels of guidance for a box inside the volume."""
        return self._guidance(box)

    @cached_property
    def _guidance(self) -> Guidance:
        outputs = len(self.plan.outputs)
        return Guidance(self.plan.anisotropy, self.planes, outputs, self.device)

    def _measured(self, where: AnnotatedSlice, target: NDArray[Any]) -> GuidePlane:
        outputs = len(self.plan.outputs)
        return guide_plane(where, target, self.plan.anisotropy, outputs, self.device)


def _place(where: AnnotatedSlice) -> tuple[int, int]:
    return where.axis, where.index


def mirrored(start: int, stop: int, size: int) -> NDArray[Any]:
    """Return the indices from start to stop, mirrored at both ends of 0..size-1."""
    if size == 1:
        return np.zeros(stop - start, np.intp)
    period = 2 * (size - 1)
    places = np.arange(start, stop) % period
    return np.minimum(places, period - places)
