"""The command `doctor`: what is installed, which device, and what is known to be bad."""

import platform
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.remarks import OPTIONAL, QT_BINDINGS, Facts, remarks
from sparseseg.cli.speed import measure_speeds
from sparseseg.language import say

_PACKAGES = ("sparseseg", "torch", "numpy", "scipy", *OPTIONAL, *QT_BINDINGS)


def _add_flags(parser: ArgumentParser) -> None:
    """Take no flags of its own."""


def _run(arguments: Namespace) -> Answer:
    facts = _facts()
    found = remarks(facts)
    lines = [*_lines(facts), *(f"! {remark}" for remark in found)]
    closing = [] if found else [say("nothing is known to be bad")]
    return Answer(asdict(facts) | {"remarks": found}, "\n".join([*lines, *closing]))


def _facts() -> Facts:
    versions = {name: _version(name) for name in _PACKAGES}
    device, threads, cudnn, speeds = None, 0, None, None
    try:
        import torch

        from sparseseg.nn.device import choose_device
    except (ImportError, OSError):  # missing, or a library that cannot be loaded
        pass
    else:
        chosen = choose_device("auto")
        device, threads = chosen.type, torch.get_num_threads()
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        speeds = measure_speeds(chosen)
    return Facts(
        platform.python_version(),
        platform.system(),
        platform.machine(),
        versions,
        device,
        threads,
        cudnn,
        speeds,
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _lines(facts: Facts) -> Iterator[str]:
    yield f"Python {facts.python} on {facts.system} {facts.machine}"
    for name, version in facts.packages.items():
        if version is not None:
            yield f"{name} {version}"
    if facts.device is not None:
        yield say(
            "computes on {device}, {threads} CPU threads",
            device=facts.device,
            threads=facts.threads,
        )
    if (speeds := facts.speeds) is not None:
        yield say(
            "3-D convolution {conv3d:.0f} GFLOP/s, in bfloat16 "
            "{conv3d_bfloat16:.0f}, matrix product {matmul:.0f}",
            conv3d=speeds.conv3d,
            conv3d_bfloat16=speeds.conv3d_bfloat16,
            matmul=speeds.matmul,
        )


DOCTOR = Command(
    "doctor",
    say("say what is installed and what is known to be bad"),
    _add_flags,
    _run,
)
