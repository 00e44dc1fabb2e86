"""`demo` runs end to end and opens a window only where somebody would see it."""

from pathlib import Path

import pytest

from sparseseg.cli import demo
from sparseseg.data.samples import Sample
from tests.cli.runs import Run, last_object


@pytest.mark.usefixtures("no_training")
def test_the_demo_leaves_prediction_model_and_picture(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Sample
) -> None:
    monkeypatch.setattr("sparseseg.data.samples.ovule_nuclei", lambda: sample)
    code, stdout, _ = run("demo", "-o", tmp_path, "--no-window", "--json")
    answer = last_object(stdout)
    assert code == 0
    names = {"prediction.tif", "model.safetensors", "overlay.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert answer["overlay"] == str(tmp_path / "overlay.png")
    assert 0 <= answer["mean_iou"] <= 1


@pytest.mark.parametrize(
    ("terminal", "display", "authority", "is_watched"),
    [
        (True, ":0", "", True),
        (False, ":0", "", False),
        (True, "", "", False),
        (True, ":99", "/tmp/xvfb-run.x1/Xauthority", False),
    ],
)
def test_a_window_opens_only_before_a_person(
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    display: str,
    authority: str,
    is_watched: bool,
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(demo, "find_spec", lambda name: name)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("XAUTHORITY", authority)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert demo._is_watched() is is_watched
