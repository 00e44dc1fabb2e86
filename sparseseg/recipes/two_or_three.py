"""Systems published for planes, together with their transcription to volumes."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparseseg.boxes import Box, Triple
from sparseseg.data.intensity import GreyCurve, rescaling
from sparseseg.nn.sizes import check_multiple
from sparseseg.recipes import patches, planes
from sparseseg.recipes.cases import Case, channels_of
from sparseseg.recipes.plain import Plain
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.scene import Scene
from sparseseg.settings.cards import PlanarOptions

PATCH: Triple = (32, 64, 64)
_LEAST = 16


class TwoOrThree(Plain, ABC):
    """What such recipes share: grey values, crops or patches, views or windows."""

    crop: int
    """The side of a square crop, at most."""

    @abstractmethod
    def answer(self, network: nn.Module, image: Tensor, plan: Plan) -> Tensor:
        """Return probabilities (n, k, ...) of planes or of a window."""

    def sized(
        self,
        cases: Sequence[Case],
        outputs: Sequence[int],
        options: PlanarOptions,
        *,
        multiple: int,
        network: dict[str, object],
    ) -> Plan:
        """Return the plan for these volumes; sides are multiples of `multiple`."""
        volumes = [volume for volume, _ in cases]
        largest = np.max([volume.shape for volume in volumes], axis=0)
        channels = channels_of(volumes)
        limit, steps = patches.chosen_patch(options.patch, PATCH), (multiple,) * 3
        check_multiple(self.card.title, limit, steps)
        return Plan(
            recipe=self.card.name,
            outputs=tuple(outputs),
            spacing=volumes[0].spacing,
            unit=volumes[0].unit,
            curves=tuple(self.curve(channel, options) for channel in channels),
            patch=patches.patch_for(largest, limit, (multiple, multiple, multiple)),
            network={"dims": options.dims, **network},
            options={**options.to_json(), "multiple": multiple},
        )

    def curve(
        self, channels: Sequence[NDArray[Any]], options: PlanarOptions
    ) -> GreyCurve:
        """Return the curve for one channel of each volume: its range."""
        return rescaling(channels)

    def learned_axes(self, scenes: Sequence[Scene]) -> Collection[int]:
        """Learn from the planes that are looked at, or in 3-D from all."""
        is_flat = scenes[0].plan.network["dims"] == 2
        return planes.viewed_axes(scenes) if is_flat else super().learned_axes(scenes)

    def patches(self, plan: Plan) -> Iterator[Triple]:
        """Yield halves of the plan's patch in 3-D, none in 2-D."""
        if plan.network["dims"] == 2:
            return iter(())
        step = int(plan.options["multiple"])
        least = max(_LEAST, step)
        return patches.halved(plan.patch, (step,) * 3, (step, least, least))

    def network(self, plan: Plan) -> nn.Module:
        """Build the network of a plan; in 2-D it knows which views count."""
        net = self.module(plan.channels, len(plan.outputs), **plan.network)
        return planes.PlaneWise(net) if plan.network["dims"] == 2 else net

    def prepare(
        self,
        network: nn.Module,
        scenes: Sequence[Scene],
        rng: np.random.Generator,
        *,
        thorough: bool = True,
    ) -> Iterator[float]:
        """Let the annotated views count."""
        yield from ()
        if isinstance(network, planes.PlaneWise):
            network.views.copy_(torch.tensor(planes.view_weights(scenes)))

    def draw(
        self, scenes: Sequence[Scene], rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw a crop of an annotated slice, or a patch round a labelled voxel."""
        if scenes[0].plan.network["dims"] == 3:
            return patches.draw_patch(scenes, rng)
        side = planes.crop_side(
            scenes, self.crop, int(scenes[0].plan.options["multiple"])
        )
        return planes.draw_crop(scenes, side, rng)

    def tile(self, plan: Plan, shape: Triple) -> Triple:
        """Write large tiles: planes are shown whole, windows overlap."""
        tile_of = planes.tile_of if plan.network["dims"] == 2 else patches.tile_of
        return tile_of(plan, shape)

    def reads(self, network: nn.Module, scene: Scene, box: Box) -> Box:
        """Read the planes of all views, or the windows that overlap the box."""
        if isinstance(network, planes.PlaneWise):
            return planes.planes_read(scene, box, views=network.views.tolist())
        return patches.windows_read(scene, box)

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Average the views of a box, or its windows."""

        def predict(image: Tensor) -> Tensor:
            return self.answer(network, image, scene.plan)

        if not isinstance(network, planes.PlaneWise):
            return patches.window_probabilities(predict, scene, box)
        return planes.plane_probabilities(
            predict,
            scene,
            box,
            views=network.views.tolist(),
            multiple=int(scene.plan.options["multiple"]),
        )
