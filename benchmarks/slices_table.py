"""How many slices are enough: the table of the 3D U-Net paper (Table 2) on a volume.

The paper counts slices as yz, xz, xy, which are slices across x, y, z.
"""

import argparse
import json
from pathlib import Path

import records
import volumes
from measuring import Task, Training, measure
from quality import add_training_arguments, runs, table

COUNTS = ((1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 5, 3))
"""As in the paper: yz, xz, xy."""


def main() -> None:
    args = _parser().parse_args()
    if not args.table:
        measure(tasks(args), args.out)
    print("\n".join(table(records.rows(args.out))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    add_training_arguments(parser, minutes=[3.0])
    parser.add_argument("--shifts", nargs="+", type=float, default=[0.0])
    parser.add_argument(
        "--recipe-options",
        type=json.loads,
        default={},
        metavar="JSON",
        help="options of the recipe",
    )
    parser.add_argument("--table", action="store_true", help="print the results only")
    out = Path(__file__).with_name("results") / "slices.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def tasks(args: argparse.Namespace) -> list[Task]:
    """Return volume by volume, from few slices to many, what is to be measured."""
    return [
        Task(
            volume=name,
            data=args.data,
            slices=(xy, xz, yz),
            shift=shift,
            method="ours",
            training=Training(
                recipe=args.recipe,
                minutes=minutes,
                device=args.device,
                seed=args.seed,
                clock=args.clock,
                options=args.recipe_options,
            ),
        )
        for name in volumes.chosen(args)
        for yz, xz, xy in COUNTS
        for shift in args.shifts
        for minutes in runs(sorted(args.minutes), separate=True)
    ]


if __name__ == "__main__":
    main()
