"""`doctor` knows what is bad, and says how to mend it."""

from dataclasses import replace
from typing import Any

import pytest

from sparseseg.cli.remarks import Facts, remarks
from sparseseg.cli.speed import Speeds
from tests.cli.runs import Run, last_object

PACKAGES = {
    "torch": "2.13.0+cpu",
    "napari": "0.9.2",
    "nibabel": "5.3.2",
    "imagecodecs": "2025.3.30",
    "pynrrd": "1.1.3",
    "h5py": "3.16.0",
    "zarr": "3.1.6",
    "PyQt6": "6.11.0",
    "PySide6": None,
    "PyQt5": None,
}
GOOD = Facts(
    python="3.11.9",
    system="Linux",
    machine="x86_64",
    packages=PACKAGES,
    device="cpu",
    threads=2,
    cudnn=None,
    speeds=Speeds(conv3d=50, conv3d_bfloat16=90, matmul=100),
)
BAD = {
    "CVE-2026-24747": {"packages": PACKAGES | {"torch": "2.9.1"}},
    "too much GPU memory": {
        "packages": PACKAGES | {"torch": "2.9.1"},
        "cudnn": 91400,
    },
    "wrong 3-D convolutions in bfloat16": {"cudnn": 91002},
    "install it again": {"packages": PACKAGES | {"torch": None}},
    "plain float32": {"speeds": Speeds(conv3d=50, conv3d_bfloat16=20, matmul=100)},
    "slow on Apple's GPU": {"device": "mps", "system": "Darwin", "machine": "arm64"},
    "Intel Macs": {"system": "Darwin"},
    "end of PyQt5": {"packages": PACKAGES | {"PyQt6": None, "PyQt5": "5.15.11"}},
    "no Qt to show a window": {"packages": PACKAGES | {"PyQt6": None}},
    'napari is not installed: pip install "sparseseg[napari,pyqt6]"': {
        "packages": PACKAGES | {"napari": None}
    },
    'nibabel is not installed: pip install "sparseseg[io]"': {
        "packages": PACKAGES | {"nibabel": None}
    },
}


def test_nothing_is_said_of_a_good_machine() -> None:
    assert remarks(GOOD) == []


@pytest.mark.parametrize("words", BAD)
def test_what_is_bad_is_said(words: str) -> None:
    changes: dict[str, Any] = BAD[words]
    assert any(words in remark for remark in remarks(replace(GOOD, **changes)))


def test_torch_2_10_is_newer_than_2_9() -> None:
    facts = replace(GOOD, packages=PACKAGES | {"torch": "2.10.0"}, cudnn=91400)
    assert remarks(facts) == []


def test_the_doctor_measures_and_lists(run: Run) -> None:
    code, stdout, _ = run("doctor", "--json")
    answer = last_object(stdout)
    assert code == 0
    assert answer["speeds"]["conv3d"] > 0
    assert answer["packages"]["sparseseg"]
    assert "computes on" in run("doctor")[1]
