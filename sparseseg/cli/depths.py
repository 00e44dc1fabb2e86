"""The command `depths`: what each depth of a UNet++ costs on a volume."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import add_device
from sparseseg.cli.progress import bar
from sparseseg.language import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseseg.engine.depths import DepthCost


def as_table(rows: "Sequence[DepthCost]") -> str:
    """Return a line for each depth."""
    head = (
        f"{say('depth'):<7}{say('parameters'):>12}{say('seconds'):>9}"
        f"{say('memory'):>10}{'Dice':>8}"
    )
    lines = [
        f"L{row.depth:<6}{row.parameters:>12,}{row.seconds:>9.2f}"
        f"{_mebibytes(row.memory):>10}{_score(row.held_out_dice):>8}"
        for row in rows
    ]
    note = say("Dice: mean on the held-out slices, before they joined the training")
    return "\n".join([head, *lines, note])


def _mebibytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 2**20:.0f} MiB"


def _score(dice: float | None) -> str:
    return "-" if dice is None else f"{dice:.3f}"


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help=say("a UNet++ that sparseseg saved")
    )
    parser.add_argument("image", metavar="IMAGE", help=say("the volume to predict"))
    add_device(parser)


def _run(arguments: Namespace) -> Answer:
    from sparseseg.data.files import read
    from sparseseg.engine.depths import depth_table
    from sparseseg.engine.model import Model
    from sparseseg.nn.device import choose_device

    model = Model.load(arguments.model)
    model.network.to(choose_device(arguments.device))
    volume = read(arguments.image)
    count = len(model.recipe.depths(model.plan)) or 1
    rows = []
    with bar(say("predicting")) as show:
        for row in depth_table(model, volume):
            rows.append(row)
            show(len(rows) / count, f"L{row.depth}")
    return Answer({"depths": [asdict(row) for row in rows]}, as_table(rows))


DEPTHS = Command(
    "depths", say("what each depth of a UNet++ costs on a volume"), _add_flags, _run
)
