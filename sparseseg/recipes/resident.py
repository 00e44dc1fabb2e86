"""The grey values of a whole volume, mapped once and kept where the network is."""

import torch
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.recipes.kept import Kept
from sparseseg.recipes.scene import Scene, mirrored

_MOST = 2**28  # voxels and channels of all volumes: half a gigabyte


def resident_grey(scene: Scene, box: Box) -> Tensor:
    """Return the network's grey values c, z, y, x, mirrored beyond the borders.

    They are those of `Scene.grey`, in half precision where the volume can be kept.
    """
    if not scene.keeps or not _has_room(scene):
        return scene.grey(box)
    key = scene.plan.curves, scene.plan.grey, scene.device
    whole = _WHOLE.get(scene.volume, key)
    if whole is None:
        whole = scene.grey(Box.whole(scene.volume.shape)).half()
        _WHOLE.keep(scene.volume, key, whole)
    if box == box.clip(scene.volume.shape):
        return whole[(slice(None), *box.slices)].float()
    found = whole
    for axis, edge in enumerate(zip(box.start, box.stop, whole.shape[1:], strict=True)):
        places = torch.from_numpy(mirrored(*edge)).to(scene.device)
        found = found.index_select(axis + 1, places)
    return found.float()


_WHOLE: Kept[Tensor] = Kept()


def _has_room(scene: Scene) -> bool:
    others = (v.array.size for v in _WHOLE.volumes if v is not scene.volume)
    return bool(scene.volume.array.size + sum(others) <= _MOST)
