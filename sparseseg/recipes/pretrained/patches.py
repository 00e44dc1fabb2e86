"""Training patches in the axes and voxel size of a model that came from elsewhere."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.boxes import Box, Triple
from sparseseg.nn.augment import affine_matrix, warp
from sparseseg.nn.conv_unet import Architecture
from sparseseg.nn.losses import IGNORE
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.pretrained.inference import Inference
from sparseseg.recipes.pretrained.preparation import (
    Prepared,
    inference_of,
    prepare,
)
from sparseseg.recipes.pretrained.windows import cut
from sparseseg.recipes.recipe import Batch
from sparseseg.recipes.sampling import draw_case, draw_place
from sparseseg.recipes.scene import Scene

_OFTEN = 0.3
_DEGREES = 15.0
_SCALES = (0.85, 1.2)


class LabelledVolume:
    """A prepared volume, and where its labels fall."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.ready: Prepared = prepare(scene.volume, scene.plan)

    def patch(self, size: Triple, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Cut (c, z, y, x) and its target (z, y, x) round a drawn labelled voxel."""
        centre = self._place(draw_place(self.scene, rng))
        start = [
            _start(at, side, whole, rng)
            for at, side, whole in zip(
                centre, size, self.ready.image.shape[1:], strict=True
            )
        ]
        box = Box(
            (start[0], start[1], start[2]),
            (start[0] + size[0], start[1] + size[1], start[2] + size[2]),
        )
        grey = cut(
            torch.from_numpy(self.ready.image),
            box,
            inference_of(self.scene.plan).padding,
        )
        return grey, torch.from_numpy(self._target(box))

    def _place(self, voxel: Triple) -> list[int]:
        """Return where a voxel of the volume lies in the prepared image."""
        z, y, x = voxel
        turned = self.ready.frame.box(
            Box(voxel, (z + 1, y + 1, x + 1)), self.scene.volume.shape
        )
        inside = [
            a - b for a, b in zip(turned.start, self.ready.crop.start, strict=True)
        ]
        return [
            int(np.clip((at + 0.5) * new / old, 0, new - 1))
            for at, old, new in zip(
                inside,
                self.ready.crop.shape,
                self.ready.image.shape[1:],
                strict=True,
            )
        ]

    def _target(self, box: Box) -> NDArray[np.int64]:
        """Return the nearest label of each voxel; none that is there gets lost.

        A thin labelled slice may lie between the voxels of a coarser grid: then the
        voxel that it falls into takes its label.
        """
        old, new = self.ready.crop.shape, self.ready.image.shape[1:]
        nearest, known = [], []
        for axis in range(3):
            voxels = np.arange(box.start[axis], box.stop[axis])
            inside = (voxels >= 0) & (voxels < new[axis])
            places = ((voxels + 0.5) * old[axis] / new[axis]).astype(np.intp)
            nearest.append(places.clip(0, old[axis] - 1))
            known.append(inside)
        low = tuple(int(places.min()) for places in nearest)
        high = tuple(int(places.max()) + 1 for places in nearest)
        labels = self._labels(low, high)
        target = labels[np.ix_(*(p - a for p, a in zip(nearest, low, strict=True)))]
        target[~_outer(known)] = IGNORE
        at = np.nonzero(labels != IGNORE)
        fall = [
            ((index + start + 0.5) * n / o).astype(np.intp) - first
            for index, start, n, o, first in zip(
                at, low, new, old, box.start, strict=True
            )
        ]
        inside = np.all(
            [(f >= 0) & (f < side) for f, side in zip(fall, box.shape, strict=True)], 0
        )
        where = tuple(f[inside] for f in fall)
        empty = target[where] == IGNORE
        where = tuple(w[empty] for w in where)
        target[where] = labels[at][inside][empty]
        return target

    def _labels(self, low: Sequence[int], high: Sequence[int]) -> NDArray[np.int64]:
        """Return targets of a box of the crop, in the network's axes."""
        start = [a + b for a, b in zip(low, self.ready.crop.start, strict=True)]
        stop = [a + b for a, b in zip(high, self.ready.crop.start, strict=True)]
        box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
        back = self.ready.frame.box_back(box, self.scene.volume.shape)
        target = self.scene.target(back).cpu().numpy()
        turned = self.ready.frame.to_network(target[None])[0]
        return np.ascontiguousarray(turned)


def batches(scenes: Sequence[Scene], rng: np.random.Generator) -> Iterator[Batch]:
    """Yield one augmented patch a step."""
    plan = scenes[0].plan
    rule = inference_of(plan)
    volumes = {id(scene): LabelledVolume(scene) for scene in scenes if scene.planes}
    while True:
        volume = volumes[id(draw_case(scenes, rng))]
        size = _size(plan, rule, volume.ready)
        image, target = _augmented(*volume.patch(size, rng), rng, plan, rule)
        yield Batch(_shown(image, rule), _shown(target, rule))


def _size(plan: Plan, rule: Inference, ready: Prepared) -> Triple:
    """Return the patch: that of the model, or less where the volume is small.

    Normalisation needs more than one voxel at the deepest level.
    """
    multiple = Architecture.from_json(plan.network["architecture"]).multiple
    steps = (1, *multiple) if rule.flat else multiple
    z, y, x = (
        1
        if rule.flat and axis == 0
        else min(side, max(2 * step, -(-length // step) * step))
        for axis, (side, length, step) in enumerate(
            zip(plan.patch, ready.image.shape[1:], steps, strict=True)
        )
    )
    return z, y, x


def _shown(tensor: Tensor, rule: Inference) -> Tensor:
    batch = tensor[None]
    return batch.squeeze(-3) if rule.flat else batch


def _augmented(
    image: Tensor,
    target: Tensor,
    rng: np.random.Generator,
    plan: Plan,
    rule: Inference,
) -> tuple[Tensor, Tensor]:
    """Turn, scale, change contrast and mirror, as far as the model was trained to."""
    if rng.random() < _OFTEN:
        degrees = (_DEGREES, 0.0, 0.0) if rule.flat else _DEGREES
        matrix = affine_matrix(
            rng, degrees=degrees, scale=_SCALES, spacing=plan.spacing
        )
        still = torch.zeros(3, *target.shape)
        image, target = warp(image, target, still, matrix)
    if rng.random() < _OFTEN:
        image = image * rng.uniform(0.8, 1.25) + rng.normal(0, 0.1)
    axes = [axis - 3 for axis in rule.mirror if rng.random() < 0.5]
    return image.flip(axes), target.flip(axes)


def _start(at: int, side: int, whole: int, rng: np.random.Generator) -> int:
    """Return where a patch begins that holds a voxel, inside the image if it fits."""
    if side >= whole:
        return -((side - whole) // 2)
    lowest, highest = max(0, at - side + 1), min(at, whole - side)
    return int(rng.integers(lowest, highest + 1))


def _outer(lines: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    z, y, x = lines
    whole: NDArray[np.bool_] = z[:, None, None] & y[:, None] & x
    return whole
