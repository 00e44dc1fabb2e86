"""What a 3-D U-Net on a grid twice as coarse learns of volumes that nobody annotated.

It sees whole volumes and no annotation when it answers. The labels of the voxels of a
cell are its label, in parts. Affine and elastic deformation, Dice and cross-entropy.
Minutes are those of the processor, so that other work does not count.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import volumes
from torch import Tensor, nn
from torch.nn import functional as F
from volumes import Case

from sparseseg.classes import BACKGROUND
from sparseseg.data.intensity import GreyCurve, own_scale
from sparseseg.data.labels import SparseLabels
from sparseseg.evaluation import evaluate
from sparseseg.nn.augment import affine_matrix, bspline_field, jitter, warp
from sparseseg.recipes.balanced import balanced_curves

_WIDTHS = (16, 32, 48, 72, 96)
_FACTOR = 2
_RATE = 2e-3
_STEADY = 0.4
_MEMORY = 0.98


@dataclass(frozen=True, eq=False)
class Example:
    """A volume on the coarse grid."""

    image: Tensor
    """(1, z, y, x)."""
    shares: Tensor
    """(k, z, y, x): of each class of what is labelled; all 0 where nothing is."""


class CoarseUNet(nn.Module):
    """A plain 3-D U-Net with instance normalisation, for sides of any length."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(a, b) for a, b in pairwise((1, *_WIDTHS)))
        self.up = nn.ModuleList(
            _block(deep + skip, skip) for skip, deep in list(pairwise(_WIDTHS))[::-1]
        )
        self.head = nn.Conv3d(_WIDTHS[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k, z, y, x)."""
        skips = []
        for number, block in enumerate(self.down):
            x = block(F.max_pool3d(x, 2, ceil_mode=True) if number else x)
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = F.interpolate(x, size=skip.shape[2:], mode="trilinear")
            x = block(torch.cat([skip, x], 1))
        return self.head(x)


def _block(source: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (source, width):
        layers.append(nn.Conv3d(channels, width, 3, padding=1))
        layers += [nn.InstanceNorm3d(width, affine=True), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers)


def main() -> None:
    args = _parser().parse_args()
    slices = tuple(args.slices)
    learned = [volumes.load(n, args.data, slices, 0.0) for n in args.volumes]
    tested = [volumes.load(n, args.data, slices, 0.0) for n in args.test]
    outputs = (BACKGROUND, *range(1, 1 + max(int(c.truth.max()) for c in learned)))
    pairs = [(case.volume, SparseLabels(case.annotation)) for case in learned]
    (curve,) = balanced_curves(pairs, outputs, ("volume",))
    examples = [_example(case, curve, outputs) for case in learned]
    torch.manual_seed(args.seed)
    network, average = CoarseUNet(len(outputs)), CoarseUNet(len(outputs))
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.01)
    rng = np.random.default_rng(args.seed)
    begin, told, step, done = time.process_time(), 0, 0, 0.0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1, (1 - done) / (1 - _STEADY), (step + 1) / 20)
        loss = _loss(network, examples[rng.integers(len(examples))], rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        _remember(average, network, step)
        done = (time.process_time() - begin) / 60 / args.minutes
        if done * args.minutes >= told + 1 or done >= 1:
            at = time.process_time()
            found = [round(_score(average, case, curve), 3) for case in tested]
            print(f"{done * args.minutes:.1f} min, {step} steps: {found}", flush=True)
            told, begin = told + 1, begin + time.process_time() - at


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--test", nargs="+", required=True, metavar="NAME/ID")
    parser.add_argument("--slices", nargs=3, type=int, default=[3, 3, 3])
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def _image(case: Case, curve: GreyCurve) -> Tensor:
    array = np.asarray(case.volume.array)
    grey = curve.on(own_scale(array, 0))(array[0])
    return F.avg_pool3d(torch.from_numpy(grey)[None], _FACTOR, ceil_mode=True)


def _example(case: Case, curve: GreyCurve, outputs: Sequence[int]) -> Example:
    members = np.stack([case.annotation == value for value in outputs])
    counts = F.avg_pool3d(torch.from_numpy(members).float(), _FACTOR, ceil_mode=True)
    total = counts.sum(0, keepdim=True)
    return Example(_image(case, curve), counts / total.clamp_min(1e-9))


def _loss(network: nn.Module, example: Example, rng: np.random.Generator) -> Tensor:
    z, y, x = example.image.shape[1:]
    field = bspline_field((z, y, x), spacing=12.0, sd=2.0, rng=rng)
    matrix = affine_matrix(rng, degrees=15.0, scale=(0.8, 1.25), spacing=(1, 1, 1))
    both = torch.cat([example.image, example.shares])
    # Shares are mixed as grey values are; the target of `warp` is not needed.
    both, _ = warp(both, torch.zeros(z, y, x), field, matrix)
    shares = both[1:]
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(jitter(both[:1], rng, shift=0.3, noise=0.2)[None])[0]
    likely = logits.float().log_softmax(0)
    weight = shares.sum(0)
    entropy = -(likely * shares).sum() / weight.sum()
    odds = likely.exp() * weight
    overlap = 2 * (odds * shares).sum((1, 2, 3)) + 1
    return entropy + (1 - overlap / ((odds + shares).sum((1, 2, 3)) + 1)).mean()


def _remember(average: nn.Module, network: nn.Module, step: int) -> None:
    memory = min(_MEMORY, (1 + step) / (10 + step))
    pairs = zip(average.parameters(), network.parameters(), strict=True)
    with torch.no_grad():
        for kept, new in pairs:
            kept.lerp_(new, 1 - memory)


def _score(network: nn.Module, case: Case, curve: GreyCurve) -> float:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        logits = network(_image(case, curve)[None]).float()
    wide = F.interpolate(logits, scale_factor=float(_FACTOR), mode="trilinear")[0]
    z, y, x = (slice(size) for size in case.truth.shape)
    labels = wide.argmax(0)[z, y, x].numpy().astype(np.uint8)
    return float(evaluate(labels, case.truth)["mean_iou"])


if __name__ == "__main__":
    main()
