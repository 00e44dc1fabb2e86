"""What is known to be bad about a machine and its packages, in words."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sparseseg.cli.speed import Speeds
from sparseseg.language import say

QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5")
# Each optional package, and the extra of ours that brings it.
OPTIONAL = {
    "napari": "napari,pyqt6",
    **dict.fromkeys(("nibabel", "imagecodecs", "pynrrd", "h5py", "zarr"), "io"),
}

_FIRST_SAFE_TORCH = (2, 10)
_LEAKY_TORCH = (2, 9)
_MENDED_CUDNN = 91500
_WRONG_CUDNN = 91002


@dataclass(frozen=True, slots=True)
class Facts:
    """What `doctor` found out."""

    python: str
    system: str
    """As platform.system() gives it, such as "Darwin"."""
    machine: str
    packages: Mapping[str, str | None]
    """The version of each package, None for one that is missing."""
    device: str | None
    """cpu, cuda or mps; None if torch cannot be imported."""
    threads: int
    cudnn: int | None
    """The version as a number, such as 91002 for 9.10.2."""
    speeds: Speeds | None


def remarks(facts: Facts) -> list[str]:
    """Return a sentence, with the mend, for all that is bad or missing."""
    return [*_torch(facts), *_hardware(facts), *_qt(facts), *_missing(facts)]


def _torch(facts: Facts) -> Iterator[str]:
    version = facts.packages["torch"]
    if version is None or facts.device is None:
        yield say("torch cannot be imported: install it again, see https://pytorch.org")
        return
    if _release(version) < _FIRST_SAFE_TORCH:
        yield say(
            "torch {version} may run code from foreign model files (CVE-2026-24747): "
            'pip install "torch>=2.11"',
            version=version,
        )
    if facts.cudnn is None:
        return
    if _release(version) == _LEAKY_TORCH and facts.cudnn < _MENDED_CUDNN:
        yield say(
            "torch {version} with this cuDNN takes far too much GPU memory for 3-D "
            'convolutions: pip install "torch>=2.11"',
            version=version,
        )
    if facts.cudnn == _WRONG_CUDNN:
        yield say(
            "cuDNN 9.10.2 computes wrong 3-D convolutions in bfloat16: "
            "update torch, which brings a newer one"
        )


def _hardware(facts: Facts) -> Iterator[str]:
    if (facts.system, facts.machine) == ("Darwin", "x86_64"):
        yield say(
            "the last torch for Intel Macs is 2.2.2, too old: use another machine"
        )
    if facts.device == "mps":
        yield say("3-D convolutions are slow on Apple's GPU: compare with --device cpu")
    speeds = facts.speeds
    if facts.device == "cpu" and speeds and speeds.conv3d_bfloat16 <= speeds.conv3d:
        yield say("this CPU is not faster in bfloat16: plain float32 is best here")


def _qt(facts: Facts) -> Iterator[str]:
    bindings = [name for name in QT_BINDINGS if facts.packages[name]]
    if facts.packages["napari"] and not bindings:
        yield say('napari has no Qt to show a window: pip install "sparseseg[pyqt6]"')
    if bindings == ["PyQt5"]:
        yield say(
            "napari announces the end of PyQt5: "
            'pip uninstall PyQt5, then pip install "sparseseg[pyqt6]"'
        )


def _missing(facts: Facts) -> Iterator[str]:
    for package, extra in OPTIONAL.items():
        if facts.packages[package] is None:
            yield say(
                '{package} is not installed: pip install "sparseseg[{extra}]"',
                package=package,
                extra=extra,
            )


def _release(version: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
