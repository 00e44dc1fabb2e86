"""A learner that takes a second: trees on the filters of each voxel, beside a random walker.

It stands in for the training of `economy.py` where many ways, volumes and seeds are
compared. It knows less than a network, so what wins with it is not yet proven.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import volumes
from numpy.typing import NDArray

from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.propagation import mixed, remembered
from sparseseg.nn.trees import Trees
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view.features import features
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create
from sparseseg.work import result_of

_PIXELS = 60_000
_TREES = 16
_OF_TREES = 0.5


@dataclass(frozen=True, eq=False)
class Found:
    """A prediction, and how unsure it is; both z, y, x."""

    labels: NDArray[np.uint8]
    uncertainty: NDArray[np.float32]


class QuickLearner:
    """Learns anew from all that is annotated whenever it predicts."""

    def __init__(self, case: volumes.Case, seed: int) -> None:
        self._case, self._rng = case, np.random.default_rng(seed)
        labels = SparseLabels(case.annotation)
        settings = TrainSettings(seed=seed, held_out=False)
        self._plan = create([(case.volume, labels)], settings).plan
        self._box = Box.whole(case.volume.shape)
        scene = Scene.of(self._plan, case.volume, labels)
        self._filters = features(scene, self._box).flatten(1)
        places = np.indices(case.volume.shape, dtype=np.float32).reshape(3, -1)
        self._places = torch.from_numpy(places)

    def predict(self) -> Found:
        """Return what is known by now."""
        case, outputs = self._case, len(self._plan.outputs)
        scene = Scene.of(self._plan, case.volume, SparseLabels(case.annotation))
        target = scene.target(self._box).flatten()
        known = np.flatnonzero(target.numpy() >= 0)
        painted = target.numpy()[known]
        drawn = torch.from_numpy(known[self._balanced(painted)])
        trees = Trees(len(self._filters) + 3, outputs, count=_TREES)
        frequent = np.bincount(painted, minlength=outputs) / len(painted)
        trees.fit(self._pixels(drawn), target[drawn], frequent, self._rng)
        every = torch.arange(len(target))
        with torch.inference_mode():
            told = torch.cat([trees(self._pixels(p)) for p in every.split(200_000)])
            told = told.T.reshape(outputs, *case.volume.shape)
            both = mixed(told, self._walked(scene), _OF_TREES)
        return self._found(both.numpy())

    def _balanced(self, painted: NDArray[Any]) -> NDArray[np.intp]:
        """Draw as many places of each class, or all of a rare one."""
        there = np.unique(painted)
        places = (np.flatnonzero(painted == output) for output in there)
        each = _PIXELS // len(there)
        return np.concatenate([self._rng.permutation(part)[:each] for part in places])

    def _pixels(self, chosen: torch.Tensor) -> torch.Tensor:
        filters = self._filters[:, chosen].float()
        return torch.cat([filters, self._places[:, chosen]]).T.contiguous()

    def _walked(self, scene: Scene) -> torch.Tensor:
        return result_of(remembered(scene))(self._box)

    def _found(self, probabilities: NDArray[Any]) -> Found:
        values = np.array(self._plan.classes, np.uint8)
        entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-9))).sum(0)
        return Found(values[probabilities.argmax(0)], entropy.astype(np.float32))
