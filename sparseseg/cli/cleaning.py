"""The flag `--clean`: rules that predictions are cleaned up with."""

from argparse import ArgumentParser
from typing import TYPE_CHECKING

from sparseseg.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseseg.classes import ClassTable
    from sparseseg.data.volume import Volume
    from sparseseg.postprocessing import Rule


def add_clean(parser: ArgumentParser) -> None:
    """Let a prediction be cleaned up by rules."""
    parser.add_argument(
        "--clean",
        action="append",
        default=[],
        metavar="RULE",
        help="clean the prediction up by a rule, as 'keep 2 largest of 1', or by those "
        "of a recipe's paper, as mssunet; may be repeated",
    )


def rules_for(
    lines: "Sequence[str]", table: "ClassTable", volume: "Volume"
) -> "tuple[Rule, ...]":
    """Read the rules; `UserError` for one that does not fit the classes or volume."""
    from sparseseg.postprocessing import check_rules, read_rules

    rules = read_rules(lines, table)
    try:
        check_rules(rules, volume.unit)
    except UserError as error:
        raise UserError(f"{volume.name}: {error}") from error
    return rules
