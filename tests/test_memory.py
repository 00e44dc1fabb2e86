"""The limit of a container or of a cluster job counts, not the memory of the computer."""

import sys
from itertools import chain
from pathlib import Path

import numpy as np
import psutil
import pytest

from sparseseg import memory
from sparseseg.errors import UserError

MB = 2**20


@pytest.fixture
def groups(tmp_path, monkeypatch) -> Path:
    """A machine whose control groups are files of the test; none is limited yet."""
    monkeypatch.setattr(memory, "_ROOT", tmp_path)
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "own")
    for name in filter(None, chain.from_iterable(memory._SLURM)):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


def test_without_limits_it_is_the_computer_s(groups):
    assert memory.memory_limit().most == psutil.virtual_memory().total


def test_a_group_of_version_2_limits(groups):
    (groups / "own").write_text("0::/user/job\n")
    stat = "anon 5\ninactive_file 1048576"
    group(
        groups / "user" / "job",
        memory__max=100 * MB,
        memory__current=30 * MB,
        memory__stat=stat,
    )

    assert memory.memory_limit().most == 100 * MB
    assert memory.free_memory() == (100 - 30 + 1) * MB


def test_a_group_above_limits_what_is_in_it(groups):
    (groups / "own").write_text("0::/user/job\n")
    group(groups / "user" / "job", memory__max="max", memory__current=1)
    group(groups / "user", memory__max=50 * MB, memory__current=20 * MB)

    assert memory.memory_limit().most == 50 * MB
    assert memory.free_memory() == 30 * MB


def test_a_container_that_sees_its_group_as_the_root_is_limited(groups):
    (groups / "own").write_text("0::/docker/0123abcd\n")
    group(groups, memory__max=64 * MB, memory__current=4 * MB)

    assert memory.free_memory() == 60 * MB


def test_a_group_of_version_1_limits(groups):
    (groups / "own").write_text("9:name=systemd:/\n4:cpu,memory:/job\n")
    group(
        groups / "memory" / "job",
        memory__limit_in_bytes=80 * MB,
        memory__usage_in_bytes=30 * MB,
        memory__stat=f"total_inactive_file {10 * MB}",
    )

    assert memory.memory_limit().most == 80 * MB
    assert memory.free_memory() == 60 * MB


def test_the_limit_of_version_1_that_stands_for_none_is_none(groups):
    (groups / "own").write_text("4:memory:/\n")
    group(
        groups / "memory",
        memory__limit_in_bytes=2**63 - 4096,
        memory__usage_in_bytes=0,
    )

    assert memory.memory_limit().name == "this computer"


@pytest.mark.parametrize(
    ("given", "megabytes"),
    [
        ({"SLURM_MEM_PER_NODE": "200"}, 200),
        ({"SLURM_MEM_PER_CPU": "50", "SLURM_CPUS_ON_NODE": "3"}, 150),
        ({"SLURM_MEM_PER_GPU": "90", "SLURM_GPUS_ON_NODE": "2"}, 180),
    ],
)
def test_a_job_of_slurm_limits(groups, monkeypatch, given, megabytes):
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    assert memory.memory_limit() == memory.Limit(
        megabytes * MB, memory.memory_limit().used, "this Slurm job"
    )


@pytest.mark.parametrize(
    "given",
    [
        {"SLURM_MEM_PER_NODE": "0"},
        {"SLURM_MEM_PER_CPU": "50"},
        {"SLURM_MEM_PER_GPU": "50"},
    ],
)
def test_a_job_of_slurm_without_a_limit_has_none(groups, monkeypatch, given):
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    assert memory.memory_limit().name == "this computer"


def test_more_than_the_limit_is_refused_with_both_numbers(groups, monkeypatch):
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "2048")
    memory.check_memory(2048 * MB)

    with pytest.raises(UserError, match=r"4\.0 GB .* Slurm job is 2\.0 GB: .* 2048MB"):
        memory.check_memory(4096 * MB)


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux")
def test_what_is_free_between_what_is_in_use_goes_back_to_the_system():
    # Each is small enough for the heap, and the last one keeps the heap from shrinking.
    arrays = [np.ones(2**16, np.uint8) for _ in range(1600)]
    last = arrays[-1]
    before = psutil.Process().memory_info().rss
    del arrays
    memory.give_back()
    assert before - psutil.Process().memory_info().rss > 60 * MB
    assert last.all()
