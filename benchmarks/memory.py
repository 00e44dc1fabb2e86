"""What a step of training takes in memory, beside what was counted before it.

Each recipe takes two steps on a CPU in a process of its own, on a patch of a random
volume; what the process grew by is set beside `training_bytes`.
"""

import argparse
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import records
import torch

from sparseseg import recipes
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.recipes.memory import in_words, training_bytes
from sparseseg.recipes.patches import chosen_patch
from sparseseg.settings.options import read_options

_SHAPE = (120, 200, 200)
_CASES = {
    "unet3d": ("116x108x108", {}),
    "unetplusplus": ("32x64x64", {"dims": 3}),
    "mssunet": ("48x128x128", {}),
    "hdenseunet": ("12x96x96", {}),
    "lungnet": ("32x64x64", {"dims": 3}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=list(_CASES))
    out = Path(__file__).with_name("results") / "memory.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    for name in args.recipes:
        process = get_context("spawn").Process(target=measure, args=(name, args.out))
        process.start()
        process.join()


def measure(name: str, out: Path) -> None:
    """Take two steps, and append a row."""
    words, options = _CASES[name]
    painted = np.zeros(_SHAPE, np.uint8)
    painted[60], painted[60, 90:110, 90:110] = 255, 1
    grey = np.random.default_rng(0).random(_SHAPE, np.float32)
    case = Volume.from_array(grey), SparseLabels(painted)
    recipe = recipes.get(name)
    plan = recipe.plan([case], (255, 1), read_options(recipe.card.options, options))
    plan = replace(plan, patch=chosen_patch(words, plan.patch))
    counted = training_bytes(recipe, plan) >> 20
    network = recipe.network(plan).train()
    stage = recipe.stages(plan)[-1]
    recipe.enter(network, stage)
    scene = recipes.Scene.of(plan, *case)
    batch = next(recipe.batches([scene], np.random.default_rng(0), stage))
    before = records.peak_memory()["ram_mib"] or 0
    optimizer = torch.optim.Adam(p for p in network.parameters() if p.requires_grad)
    for _ in range(2):
        heads = recipe.logits(network, batch)
        recipe.loss(heads, batch, torch.ones(2)).backward()
        optimizer.step()
        optimizer.zero_grad()
    grown = (records.peak_memory()["ram_mib"] or 0) - before
    row = {"recipe": name, "patch": in_words(plan.patch)}
    records.append(out, row | {"counted_mib": counted, "grown_mib": grown})
    print(f"{name} {in_words(plan.patch)}: counted {counted} MiB, grown by {grown}")


if __name__ == "__main__":
    main()
