"""The flag `--clean`: rules that predictions are cleaned up with."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from sparseseg.errors import UserError
from sparseseg.language import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseseg.classes import ClassTable
    from sparseseg.data.volume import Volume
    from sparseseg.postprocessing import Rule
    from sparseseg.recipes import Case


def add_clean(parser: ArgumentParser, help: str) -> None:  # noqa: A002
    """Let predictions be cleaned up by rules."""
    parser.add_argument(
        "--clean",
        action="append",
        default=[],
        metavar="RULE",
        help=help,
    )


PREDICTING = say(
    "clean up the prediction by a rule, such as 'keep 2 largest of 1', or by the rules "
    "of a recipe's paper, such as mssunet; may be repeated; without it the rules of the "
    "model apply, and with 'none' no rule"
)
TRAINING = say(
    "a rule that cleans up the predictions of this model, such as 'keep 2 largest of "
    "1', or the rules of a recipe's paper, such as mssunet; may be repeated"
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
        raise UserError("{name}: {error}", name=volume.name, error=error) from error
    return rules


def check_lines(arguments: Namespace, cases: "Sequence[Case]") -> None:
    """Check the rules that a training is given before it begins: it may take long."""
    from sparseseg.classes import ClassTable
    from sparseseg.models.opening import open_model
    from sparseseg.postprocessing import chosen_rules
    from sparseseg.recipes.cases import named

    lines = chosen_rules(arguments.clean, ())
    if not lines:
        return
    parent = getattr(arguments, "parent", None)
    known = open_model(parent).table if parent else ClassTable()
    table = named(cases, known)
    for volume, _ in cases:
        rules_for(lines, table, volume)
