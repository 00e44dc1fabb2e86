"""Train the network that is asked for one class at a time on made-up volumes alone.

Each step draws a volume, shows a few slices of it, and asks for the rest of one class in
each of some boxes. What is drawn depends on seed and number of the step alone, so a
training that was cut goes on as if it had not been. Now and then the averaged network is
scored on made-up volumes of other seeds, beside interpolation from the same slices.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from shapes import Grid
from tasks import Task, draw_box, draw_task
from torch import Tensor
from torch.nn import functional as F

from sparseseg.boxes import Triple
from sparseseg.nn.class_unet3d import ClassUNet3d, grid_of, levels_for

_RATE = 2e-3
_STEADY = 0.6  # of the steps have this rate; then it falls to 0
_MEMORY = 0.999
_LARGEST_GRADIENT = 1.0
_UNSEEN = 1_000_000  # the first seed of the volumes for scores
_SCORED = 12


class Primer:
    """The network that learns, and the averaged one that is kept."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.seed = seed
        self.step = 0
        self.network = ClassUNet3d(1, 1)
        self.average = ClassUNet3d(1, 1)
        self.average.load_state_dict(self.network.state_dict())
        # Which class is asked for is learned from annotation, of which there is none.
        learned = [p for n, p in self.network.named_parameters() if "asked" not in n]
        self.optimizer = torch.optim.AdamW(learned, lr=_RATE, weight_decay=0.01)

    def learn(self, done: float, args: argparse.Namespace) -> float:
        """Take one step, and return its loss."""
        rng = np.random.default_rng([self.seed, self.step])
        task = draw_task(args.volume, rng)
        levels = levels_for(task.grid.anisotropy, len(self.network.levels))
        self.network.levels = self.average.levels = levels
        rate = _RATE * min(1.0, (1 - done) / (1 - _STEADY), (self.step + 1) / 50)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = _loss(self.network, task, args, rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimizer.step()
        self._remember()
        self.step += 1
        return float(loss.detach())

    def _remember(self) -> None:
        memory = min(_MEMORY, (1 + self.step) / (10 + self.step))
        pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
        with torch.no_grad():
            for kept, new in pairs:
                kept.lerp_(new, 1 - memory)

    def save(self, folder: Path) -> None:
        """Write all that a later run needs, and the weights that are kept alone."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, folder / "state.part")
        (folder / "state.part").replace(folder / "state.pt")
        kept = {n: t for n, t in self.average.state_dict().items() if "asked" not in n}
        save_file(kept, folder / "primer.safetensors")

    def resume(self, path: Path) -> None:
        """Go on where a training was cut."""
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def box_size(where: Grid, levels: Any, voxels: int) -> Triple:
    """Return the sides of a box of about so many voxels, within the volume."""
    ratio = float(np.prod(where.anisotropy))
    side = (voxels * ratio) ** (1 / 3)
    z, y, x = (
        int(min(n // g, max(1, round(side / a / g)))) * g
        for n, a, g in zip(where.shape, where.anisotropy, grid_of(levels), strict=True)
    )
    return z, y, x


def _loss(
    network: ClassUNet3d, task: Task, args: argparse.Namespace, rng: np.random.Generator
) -> Tensor:
    """Return cross-entropy and Dice of what is not shown, class by class."""
    size = box_size(task.grid, network.levels, args.crop)
    inputs, targets, weights = [], [], []
    for _ in range(args.batch):
        asked = int(rng.integers(task.outputs))
        box = draw_box(task, size, asked, rng).slices
        guide = task.guide[(slice(None), *box)][[0, 1 + asked]]
        inputs.append(torch.cat([task.grey[box][None], guide]))
        targets.append((task.classes[box] == asked).float())
        weights.append((~task.shown[box]).float())
    target, weight = torch.stack(targets), torch.stack(weights)
    with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
        logits = network(torch.stack(inputs))[:, 0]
    return _binary(logits.float(), target, weight)


def _binary(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    mean = (weight * entropy).sum() / weight.sum().clamp_min(1)
    odds = logits.sigmoid() * weight
    overlap = 2 * (odds * target).flatten(1).sum(1) + 1
    dice = overlap / (odds.flatten(1).sum(1) + (weight * target).flatten(1).sum(1) + 1)
    return mean + (1 - dice).mean()


def score(network: ClassUNet3d, voxels: int) -> dict[str, float]:
    """Return the mean IoU of what is not shown, of the network and of interpolation."""
    found: dict[str, list[float]] = {"network": [], "interpolation": []}
    for number in range(_SCORED):
        task = draw_task(voxels, np.random.default_rng(_UNSEEN + number))
        network.levels = levels_for(task.grid.anisotropy, len(network.levels))
        answers = {"network": answer(network, task), "interpolation": task.guide[1:]}
        for name, scores in answers.items():
            found[name].append(_iou(scores.argmax(0), task))
    return {name: round(float(np.mean(values)), 4) for name, values in found.items()}


def answer(network: ClassUNet3d, task: Task) -> Tensor:
    """Return the logits (k, z, y, x) of all classes of a volume."""
    grid = grid_of(network.levels)
    padding = []
    for n, g in reversed(list(zip(task.grid.shape, grid, strict=True))):
        padding += [0, -n % g]
    inputs = torch.cat([task.grey[None], task.guide])
    inputs = F.pad(inputs[None], padding, mode="replicate")
    z, y, x = (slice(n) for n in task.grid.shape)
    with torch.inference_mode():
        found = [network(inputs[:, [0, 1, 2 + k]])[0, 0] for k in range(task.outputs)]
    return torch.stack(found)[:, z, y, x]


def _iou(found: Tensor, task: Task) -> float:
    told, truth = found[~task.shown], task.classes[~task.shown]
    scores = []
    for k in range(1, task.outputs):
        both, either = (told == k) & (truth == k), (told == k) | (truth == k)
        if either.any():
            scores.append(float(both.sum() / either.sum()))
    return float(np.mean(scores or [1.0]))


def main() -> None:
    args = _parser().parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    primer = Primer(args.seed)
    if (args.out / "state.pt").exists():
        primer.resume(args.out / "state.pt")
    losses: list[float] = []
    begin = time.process_time()
    while primer.step < args.steps:
        losses.append(primer.learn(primer.step / args.steps, args))
        if primer.step % 50 == 0:
            row: dict[str, Any] = {
                "step": primer.step,
                "loss": round(float(np.mean(losses)), 4),
            }
            if primer.step % args.every == 0 or primer.step == args.steps:
                row |= score(primer.average, args.volume)
            row["cpu_seconds"] = round(time.process_time() - begin)
            with (args.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            print(row, flush=True)
            losses = []
            primer.save(args.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the checkpoints and weights")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=2, help="boxes a step")
    parser.add_argument("--volume", type=int, default=56**3, help="voxels of a volume")
    parser.add_argument("--crop", type=int, default=36**3, help="voxels of a box")
    parser.add_argument("--every", type=int, default=1000, help="steps between scores")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
