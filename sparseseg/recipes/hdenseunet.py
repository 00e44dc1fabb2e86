"""H-DenseUNet: a 2-D and a 3-D dense U-Net, trained in stages (Li et al. 2018)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer

from sparseseg.boxes import Box, Triple
from sparseseg.data.intensity import GreyCurve, spanning, wants_window, windowing
from sparseseg.errors import UserError
from sparseseg.nn import losses
from sparseseg.nn.denseunet import LAYOUT_3D, load_densenet161
from sparseseg.nn.hdenseunet import BESIDE, STAGES, HDenseUNet, part
from sparseseg.nn.sizes import check_multiple
from sparseseg.recipes import patches, planes
from sparseseg.recipes.cases import Case, channels_of
from sparseseg.recipes.lungnet import turned
from sparseseg.recipes.plain import Plain
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.recipe import Batch, Heads, Stage
from sparseseg.recipes.scene import Scene
from sparseseg.settings.cards import HDenseUNetOptions, card
from sparseseg.settings.options import Options

_SIDE = 224
# Normalisation needs more than one voxel at the deepest level.
_LEAST: Triple = (1, 64, 64)
_CROPS = 4
_RATE = 1e-2
_LITS_WEIGHTS = (0.78, 0.65, 8.57)
_WINDOW = (-200.0, 250.0)
_MEAN = 48.0
_VIEWS = (1.0, 0.0, 0.0)  # the 2-D network sees axial planes alone


class HDenseUNetRecipe(Plain):
    """Four stages in one training: 2-D, with U-connections, 3-D, end to end.

    From the paper and its code: both networks and the fusion, three-plane inputs, 250
    times the 2-D scores as input to the 3-D network, weighted cross-entropy over the
    number of voxels (weights of LiTS for three outputs), -200 to 250 HU minus 48, crops
    of 224 scaled by 0.8 to 1.2 and one of 8 flips and turns, SGD with Nesterov momentum
    0.9 at 0.01, the first and last plane of a 3-D patch out of the loss. Ours: class
    weights from the labels for other classes, four crops a step, decay by the budget of
    each stage, the same share for each stage, patches centred on labelled voxels, and
    windows with Gaussian weights in the prediction where the code drops edge planes.
    """

    card = card("hdenseunet")

    def plan(
        self, cases: Sequence[Case], outputs: Sequence[int], options: Options
    ) -> Plan:
        """Choose the window, and fit crops and patches to the volumes."""
        assert isinstance(options, HDenseUNetOptions)
        volumes = [volume for volume, _ in cases]
        largest = np.max([_LEAST, *(volume.shape for volume in volumes)], axis=0)
        limit = patches.chosen_patch(options.patch, (options.slices, _SIDE, _SIDE))
        check_multiple("H-DenseUNet", limit, LAYOUT_3D.multiple)
        z, y, x = LAYOUT_3D.multiple
        return Plan(
            recipe=self.card.name,
            outputs=tuple(outputs),
            spacing=volumes[0].spacing,
            unit=volumes[0].unit,
            curves=tuple(
                _curve(channel, options.window) for channel in channels_of(volumes)
            ),
            patch=patches.patch_for(largest, limit, (z, y, x)),
            network={"connections": options.connections, "nearest": options.nearest},
            options={**options.to_json(), "views": "z"},
        )

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network, or the `part` of it: "2d", "3d", "fusion", "hybrid"."""
        return part(options.pop("part", "hybrid"), channels, outputs, **options)

    def patches(self, plan: Plan) -> Iterator[Triple]:
        """Yield halves of the plan's patch, or none for the 2-D network alone."""
        if plan.options.get("part") == "2d":
            return iter(())
        z, y, x = LAYOUT_3D.multiple
        return patches.halved(plan.patch, (z, y, x), (z, *_LEAST[1:]))

    def start(self, network: nn.Module, plan: Plan) -> None:
        """Start the 2-D encoder from DenseNet-161, if a file is given."""
        assert isinstance(network, HDenseUNet)
        if path := plan.options.get("encoder"):
            load_densenet161(network.plane, _weights(Path(str(path))))

    def stages(self, plan: Plan) -> tuple[Stage, ...]:
        """Return the two stages of the 2-D network, or all four."""
        names = STAGES[:2] if plan.options.get("part") == "2d" else STAGES
        return tuple(Stage(name, 1 / len(names)) for name in names)

    def enter(self, network: nn.Module, stage: Stage) -> None:
        """Freeze what a stage freezes."""
        assert isinstance(network, HDenseUNet)
        network.enter(stage.name)

    def learned_axes(self, scenes: Sequence[Scene]) -> Collection[int]:
        """Return the axis of axial slices: the 2-D stages learn from no others."""
        return planes.viewed_axes(scenes)

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator, stage: Stage
    ) -> Iterator[Batch]:
        """Yield crops of annotated slices in the 2-D stages, then a patch a step."""
        while True:
            if stage.name in STAGES[:2]:
                drawn = [_crop(scenes, rng) for _ in range(_CROPS)]
                inputs, targets = zip(*drawn, strict=True)
                yield Batch(torch.stack(inputs), torch.stack(targets))
            else:
                image, target = patches.draw_patch(scenes, rng)
                # Planes at the edge lack a neighbour.
                target[[0, -1]] = losses.IGNORE
                yield Batch(image[None], target[None])

    def logits(self, network: nn.Module, batch: Batch) -> Heads:
        """Ask the 2-D network for crops, and the whole for patches."""
        assert isinstance(network, HDenseUNet)
        if batch.inputs.ndim == 4:
            return (network.plane(batch.inputs)[1],)
        return (network(batch.inputs),)

    def loss(self, heads: Heads, batch: Batch, weights: Tensor) -> Tensor:
        """Return the weighted cross-entropy over the number of labelled voxels."""
        return losses.weighted_cross_entropy(
            heads[0], batch.target, weights, over="voxels"
        )

    def class_weights(self, counts: Sequence[int]) -> Tensor:
        """Return those of LiTS for three outputs, else the root of the frequency."""
        if len(counts) == len(_LITS_WEIGHTS):
            return torch.tensor(_LITS_WEIGHTS)
        return losses.class_weights(counts)

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Return SGD with Nesterov momentum for what learns in this stage."""
        learning = [weight for weight in network.parameters() if weight.requires_grad]
        return SGD(learning, lr=_RATE, momentum=0.9, nesterov=True)

    def tile(self, plan: Plan, shape: Triple) -> Triple:
        """Write slabs across z."""
        return planes.tile_of(plan, shape)

    def reads(self, network: nn.Module, scene: Scene, box: Box) -> Box:
        """Read planes with their neighbours, or windows."""
        assert isinstance(network, HDenseUNet)
        if network.is_flat:
            return planes.planes_read(scene, box, views=_VIEWS, beside=BESIDE)
        return patches.windows_read(scene, box)

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Label planes as long as the 2-D network is all there is, else windows."""
        assert isinstance(network, HDenseUNet)

        def of_planes(image: Tensor) -> Tensor:
            logits: Tensor = network.plane(image)[1]
            return logits.float().softmax(1)

        def of_window(image: Tensor) -> Tensor:
            logits: Tensor = network(image)
            return logits.float().softmax(1)

        if not network.is_flat:
            return patches.window_probabilities(of_window, scene, box)
        multiple = network.plane.layout.multiple[-1]
        return planes.plane_probabilities(
            of_planes,
            scene,
            box,
            views=_VIEWS,
            multiple=multiple,
            beside=BESIDE,
        )


def _crop(scenes: Sequence[Scene], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw a crop of 0.8 to 1.2 times the side, and bring it to the side."""
    side = planes.crop_side(scenes, _SIDE, LAYOUT_3D.multiple[-1])
    wide = round(side * rng.uniform(0.8, 1.2))
    image, target = planes.draw_crop(scenes, wide, rng, beside=BESIDE)
    image = F.interpolate(image[None], size=(side, side), mode="bilinear")[0]
    chosen = F.interpolate(
        target[None, None].double(), size=(side, side), mode="nearest-exact"
    )
    return turned(image, chosen[0, 0].long(), rng)


def _curve(channels: Sequence[NDArray[Any]], window: str) -> GreyCurve:
    """Return the CT window, or the range of the image at the same height."""
    ranged = spanning(channels, _WINDOW[0] - _MEAN, _WINDOW[1] - _MEAN)
    if wants_window(channels, window):
        return windowing(*_WINDOW, shift=_MEAN)
    return ranged


def _weights(path: Path) -> Mapping[str, Tensor]:
    """Read a state dict; nothing in the file is executed."""
    if not path.is_file():
        raise UserError(
            "there is no file {path} of encoder weights: check the path", path=path
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, OSError, EOFError) as error:
        raise UserError(
            "{name} is not a readable state dict "
            "({error}): give torchvision's densenet161 as "
            ".safetensors or .pth",
            name=path.name,
            error=str(error).splitlines()[0][:80],
        ) from error
    if not isinstance(found, Mapping):
        raise UserError(
            "{name} holds {kind}, not a state dict",
            name=path.name,
            kind=type(found).__name__,
        )
    return found
