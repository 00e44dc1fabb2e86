"""Each example runs from its first line to its last, in a folder of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
WRITTEN = {
    "predict_a_folder": "predictions/report.html",
    "prune_a_unetplusplus": "level-2.safetensors",
    "segment_one_volume": "nuclei.tif",
    "train_on_several_volumes": "both.safetensors",
    "use_a_model_on_another_volume": "blobs.safetensors",
    "watch_the_training": "",
}


def test_the_list_of_examples_is_whole():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(WRITTEN)
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}.py`" in page for name in WRITTEN)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", WRITTEN)
def test_an_example_runs(name, tmp_path):
    script = EXAMPLES / f"{name}.py"

    ran = subprocess.run(
        [sys.executable, str(script), "--steps", "2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()
    assert (tmp_path / WRITTEN[name]).exists()
