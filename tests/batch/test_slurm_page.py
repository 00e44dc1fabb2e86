"""The array job of the page for Slurm does what the page says, by a Slurm that is none."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sparseseg.data.files import read, write_image
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.starting import fit
from tests.miniature import shrink

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.name == "nt", reason="Slurm runs scripts of a shell"),
]
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "slurm.md"


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    """A folder with the model and two scans, under the names of the page."""
    shrink(monkeypatch)
    sample = blobs((6, 20, 24), classes=1)
    case = sample.volume, SparseLabels(sample.annotation)
    fit([case], steps=4, device="cpu").save(tmp_path / "mine.safetensors")
    (tmp_path / "scans").mkdir()
    for name in "ab":
        image = tmp_path / "scans" / f"{name}.nii.gz"
        write_image(image, sample.volume.array[0], like=sample.volume)
    return tmp_path


def sbatch(script: str, work: Path, task: int) -> str:
    """Run one task of an array, and return what it says."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = {**os.environ, "PATH": path, "SLURM_ARRAY_TASK_ID": str(task)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=work, env=given, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_job_predicts_the_volume_of_its_number_and_skips_it_the_next_time(work):
    pytest.importorskip("nibabel")
    script = re.findall(r"```bash\n(.*?)```", PAGE.read_text("utf-8"), re.S)[0]
    assert script.startswith("#!/bin/bash\n#SBATCH --array")

    sbatch(script, work, 1)
    (found,) = work.glob("predictions/*/*.nii.gz")
    first = found.stat().st_mtime_ns
    again = sbatch(script, work, 1)

    assert found.relative_to(work / "predictions") == Path("b/b.nii.gz")
    assert read(found).shape == (6, 20, 24)
    assert found.stat().st_mtime_ns == first
    assert "skipped" in again
