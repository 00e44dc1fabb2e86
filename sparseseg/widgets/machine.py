"""What the window can tell of the device that will train, without torch."""

import shutil
import subprocess
import sys
from dataclasses import dataclass

from sparseseg.memory import memory_limit

_GB = 2**30
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class Machine:
    """The memory of the GPU if there is one, else of the computer."""

    has_gpu: bool
    gigabytes: float


def this_computer() -> Machine:
    """Return what is known at once; a Mac's GPU shares the memory of the computer."""
    memory = memory_limit().most / _GB
    return Machine(has_gpu=sys.platform == "darwin", gigabytes=memory)


def this_machine() -> Machine:
    """Ask the driver for its largest GPU, which takes up to three seconds.

    The training process knows for sure.
    """
    found = _nvidia_gigabytes()
    return this_computer() if found is None else Machine(has_gpu=True, gigabytes=found)


def _nvidia_gigabytes() -> float | None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=True
        )
        return max(float(line) for line in told.stdout.split()) / 1024
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
