"""Set sparseseg up in .venv beside this file, then run it.

python3 run.py demo             segment the shipped sample, end to end
python3 run.py test [OPTIONS]   all checks and tests; OPTIONS go to pytest
python3 run.py COMMAND ...      any command of sparseseg, for example train or doctor

Needs Python 3.11 or newer and nothing else. On Debian and Ubuntu, system libraries that
are missing are installed as root or through sudo. On Windows write `py run.py`.
"""

from __future__ import annotations  # lets an older Python come as far as the refusal

import ctypes
import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(SCRIPTS / "python")
STAMP = VENV / "set-up-stamp"
STAMPED = ("pyproject.toml", "napari.yaml", "run.py")
OLDEST_PYTHON = (3, 11)

# What Qt and OpenGL load, and the Debian package that holds it.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
VIRTUAL_DISPLAY = ["xvfb", "xauth", "fonts-dejavu-core", "libgl1-mesa-dri"]

# Each has torch and napari of its own, about 2 GB.
MOST_TEST_PROCESSES = 4

CHECKS = [
    [PYTHON, "-m", "ruff", "check", "."],
    [PYTHON, "-m", "ruff", "format", "--check", "."],
    [PYTHON, "-m", "mypy"],
    [str(SCRIPTS / "lint-imports")],
    [PYTHON, "-m", "pytest", "-n", str(min(MOST_TEST_PROCESSES, os.cpu_count() or 1))],
]


def main(arguments: list[str]) -> int:
    """Set up what is missing, run the job and return its exit code."""
    if sys.version_info < OLDEST_PYTHON:
        say(f"needs Python 3.11 or newer, this is {platform.python_version()}")
        return 2
    if not arguments:
        print(__doc__)
        return 2
    try:
        set_up()
    except subprocess.CalledProcessError as error:
        say(f"the set-up failed: {error}")
        return 1
    job, *options = arguments
    return check(options) if job == "test" else run_sparseseg(job, options)


def set_up() -> None:
    """Do what is missing; the stamp tells that packages and manifest are up to date."""
    install_system_packages()
    digest = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in STAMPED))
    stamp = digest.hexdigest()
    if succeeds(PYTHON, "--version") and STAMP.exists() and STAMP.read_text() == stamp:
        return
    create_environment()
    install_torch()
    install_sparseseg()
    STAMP.write_text(stamp)


def install_system_packages() -> None:
    """Install missing libraries with apt, or else name them and go on."""
    packages = missing_system_packages() if sys.platform == "linux" else []
    if packages and not apt_installs(packages):
        say("please install your system's packages for: " + " ".join(packages))


def missing_system_packages() -> list[str]:
    packages = [package for so, package in LIBRARIES.items() if not is_loadable(so)]
    if shutil.which("Xvfb") is None:
        packages += VIRTUAL_DISPLAY
    if importlib.util.find_spec("ensurepip") is None:
        packages.append("python{}.{}-venv".format(*sys.version_info))
    return packages


def is_loadable(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def apt_installs(packages: list[str]) -> bool:
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    if not all(shutil.which(program) for program in [*prefix, "apt-get"]):
        return False
    say("installing system packages: " + " ".join(packages))
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qy"]
    install = [*apt, "install", "--no-install-recommends", *packages]
    return all(call(*command) == 0 for command in ([*apt, "update"], install))


def create_environment() -> None:
    probe = f"import pip, sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    if not succeeds(PYTHON, "-c", probe):
        say(f"creating {VENV}")
        run(sys.executable, "-m", "venv", "--clear", str(VENV))
    call(*pip("uv"))  # several times faster than pip, which stands in where it fails


def install_torch() -> None:
    """Install the torch build that fits this machine.

    It goes in before everything else: resolved as a mere requirement, torch would come
    as its newest CUDA build, which is gigabytes and of no use without such a GPU.
    """
    if not succeeds(PYTHON, "-c", "import torch"):
        say("installing torch, which takes a while")
        run_first_working(*torch_installers())


def torch_installers() -> list[list[str]]:
    has_nvidia_gpu = sys.platform == "linux" and succeeds("nvidia-smi")
    if sys.platform == "darwin" or has_nvidia_gpu:
        return [pip("torch")]
    # The first succeeds where pip knows a folder that holds the CPU wheel.
    fitting = [*uv("torch"), "--torch-backend", "auto"]
    return [pip("torch==2.13.0+cpu"), fitting, pip("torch")]


def install_sparseseg() -> None:
    say("installing sparseseg and the packages it needs")
    target = ["--editable", f"{ROOT}[dev]"]
    run_first_working(uv(*target), pip(*target))


def pip(*arguments: str) -> list[str]:
    return [PYTHON, "-m", "pip", "install", "--quiet", *arguments]


def uv(*arguments: str) -> list[str]:
    return [PYTHON, "-m", "uv", "pip", "install", "--python", PYTHON, "-q", *arguments]


def check(pytest_options: list[str]) -> int:
    """Run the checks up to the first that fails and return its exit code."""
    *linters, tests = CHECKS
    for command in [*linters, [*tests, *pytest_options]]:
        say(" ".join([Path(command[0]).name, *command[1:]]))
        if code := wait_for(command, folder=ROOT):
            return code
    return 0


def run_sparseseg(job: str, options: list[str]) -> int:
    return wait_for([PYTHON, "-m", "sparseseg", job, *options])


def wait_for(command: list[str], folder: Path | None = None) -> int:
    # Ctrl-C reaches the job too, and the job decides how it ends.
    signal.signal(signal.SIGINT, lambda *_: None)
    return subprocess.run(command, cwd=folder, check=False).returncode


def run_first_working(*commands: list[str]) -> None:
    *attempts, last = commands
    if not any(succeeds(*command) for command in attempts):
        run(*last)


def run(*command: str) -> None:
    subprocess.run(command, stdout=sys.stderr, check=True)


def call(*command: str) -> int:
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode


def succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def say(message: str) -> None:
    """Print to stderr, because stdout belongs to the job."""
    print(f"== {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
