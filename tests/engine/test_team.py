"""Two processes train one network: one decides, and both of their crops count."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import multiprocessing, nn

from sparseseg.data import samples
from sparseseg.data.files import write_image, write_labels
from sparseseg.engine.model import Model
from sparseseg.engine.team import joined

ALONE = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RUN_ID"}


def member(rank: int, port: int, folder: str) -> None:
    """Answer by 1 x and 3 x for weights of 10, and keep what each process has then."""
    import os

    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE="2",
        MASTER_ADDR="localhost",
        MASTER_PORT=str(port),
        TORCHELASTIC_RUN_ID="test",
    )
    network = nn.Linear(1, 1, bias=False)
    network.register_buffer("count", torch.tensor([rank], dtype=torch.int16))
    with torch.no_grad():
        network.weight.fill_(10 * (1 - rank))
    with joined("cpu") as team:
        assert team is not None
        team.share(network)
        loss = network(torch.tensor([[1.0 + 2 * rank]])).sum()
        loss.backward()
        mean = team.gathered(network, loss)
    found = {
        "leads": team.leads,
        "weight": float(network.weight),
        "count": int(network.count),
        "gradient": float(network.weight.grad),
        "loss": float(mean),
        "steps": team.shared(1001),
    }
    Path(folder, f"{rank}.json").write_text(json.dumps(found))


@pytest.mark.slow
def test_the_leader_gets_the_mean_of_all_gradients(tmp_path: Path) -> None:
    multiprocessing.spawn(member, (free_port(), str(tmp_path)), nprocs=2)
    leader, other = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)
    )
    assert leader == {
        "leads": True,
        "weight": 10.0,
        "count": 0,
        "gradient": 2.0,  # of 1 and 3
        "loss": 20.0,  # of 10 and 30
        "steps": 501,  # of two processes, for 1001 of one
    }
    assert (other["leads"], other["weight"], other["count"]) == (False, 10.0, 0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_torchrun_writes_one_model_that_predicts(tmp_path: Path) -> None:
    sample = samples.blobs((24, 24, 24))
    image, annotation, out = (tmp_path / n for n in ("i.tif", "a.tif", "m.safetensors"))
    write_image(image, np.asarray(sample.volume.array[0]), sample.volume)
    write_labels(annotation, sample.annotation, sample.volume)
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    port = ["--master-port", str(free_port())]
    train = ["-m", "sparseseg", "train", image, annotation, "-o", out]
    chosen = ["--steps", "6", "--device", "cpu", "--json"]
    done = subprocess.run(
        [sys.executable, *torchrun, *port, *train, *chosen],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1  # of the leader alone
    assert json.loads(done.stdout)["step"] == 6
    model = Model.load(out)
    assert model.predict(sample.volume).labels.shape == (24, 24, 24)


def test_a_process_alone_joins_no_team(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALONE:
        monkeypatch.delenv(name, raising=False)
    with joined("cpu") as team:
        assert team is None
    # What some clusters set says nothing of torchrun.
    monkeypatch.setenv("WORLD_SIZE", "8")
    with joined("cpu") as team:
        assert team is None


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])
