"""The made-up volumes that the scripts in training/ learn from."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parent.parent / "training"


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import primer
    import shapes
    import tasks

    yield primer, shapes, tasks
    for name in ("primer", "shapes", "looks", "tasks"):
        sys.modules.pop(name, None)


def test_a_volume_depends_on_its_seed_alone(scripts):
    _, _, tasks = scripts
    one, again, other = (
        tasks.draw_task(14**3, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one.grey, again.grey)
    assert torch.equal(one.classes, again.classes)
    assert one.grey.shape != other.grey.shape or not torch.equal(one.grey, other.grey)


@pytest.mark.parametrize("seed", range(6))
def test_a_volume_has_classes_grey_values_and_slices_that_show_a_part(scripts, seed):
    _, _, tasks = scripts
    task = tasks.draw_task(20**3, np.random.default_rng(seed))
    kinds = task.classes.unique().tolist()
    assert kinds == list(range(task.outputs))
    assert 2 <= task.outputs <= 6
    assert task.grey.shape == task.classes.shape == task.shown.shape
    assert float(task.grey.abs().max()) <= 2
    assert 0 < float(task.shown.float().mean()) < 1
    # What is shown says of itself what it is.
    told = task.guide[1:].argmax(0)
    assert (told == task.classes)[task.shown].float().mean() > 0.9


def test_a_training_that_was_cut_goes_on_as_if_it_had_not_been(scripts, tmp_path):
    primer, _, _ = scripts
    args = primer._parser().parse_args(
        [str(tmp_path), "--volume", "1000", "--crop", "512", "--batch", "1"]
    )
    whole = primer.Primer(0)
    for _ in range(2):
        whole.learn(0.0, args)
    first = primer.Primer(0)
    first.learn(0.0, args)
    first.save(tmp_path)
    second = primer.Primer(0)
    second.resume(tmp_path / "state.pt")
    second.learn(0.0, args)
    pairs = zip(whole.average.parameters(), second.average.parameters(), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other)
    assert (tmp_path / "primer.safetensors").exists()
