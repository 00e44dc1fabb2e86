"""Draw how costs grow, each beside that of the smallest work, as SVG.

The rows are those of `growth.py`. Both axes are logarithmic; the grey line is what costs as
much more as there is more work, so that a curve below it is better than linear. What
falls is drawn as if it stayed.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import growth

_COLOURS = {
    "start": "#7f7f7f",
    "step": "#0072b2",
    "preview": "#56b4e9",
    "prediction": "#d55e00",
    "referee": "#009e73",
    "estimate": "#cc79a7",
    "ram_mib": "#e69f00",
}
_NAMES = {"ram_mib": "memory"}
_SIDE, _GAP, _TOP, _LEFT = 170, 36, 40, 20
_OCTAVES = 4.5
"""What a panel shows of both axes: up to 2 to this power, of the least work."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    here = Path(__file__).parent
    parser.add_argument("--rows", type=Path, default=here / "results" / "growth.json")
    out = here.parent / "docs" / "images" / "growth.svg"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    measured = {axis: growth.points(args.rows, axis) for axis in growth.AXES}
    several = {axis: points for axis, points in measured.items() if len(points) > 1}
    panels = [_panel(number, *axis) for number, axis in enumerate(several.items())]
    width = _LEFT + len(panels) * (_SIDE + _GAP)
    height = _TOP + _SIDE + 44
    args.out.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
        f"{''.join(panels)}{_legend(height - 10)}</svg>\n",
        encoding="utf-8",
    )


def _panel(number: int, axis: str, points: list[dict[str, Any]]) -> str:
    """Return the costs along one axis, the first point at the lower left."""
    left, below = _LEFT + number * (_SIDE + _GAP), _TOP + _SIDE

    def place(work: float, cost: float) -> str:
        x, y = (_SIDE * math.log2(value) / _OCTAVES for value in (work, cost))
        return f"{left + x:.1f},{below - y:.1f}"

    sizes = [growth.Size(**point["size"]).along(axis) for point in points]
    parts = [
        f'<rect x="{left}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" '
        'stroke="#dddddd"/>'
        f'<text x="{left}" y="{_TOP - 8}">{axis}: {sizes[0]} to {sizes[-1]}</text>'
        + _line(place(1, 1), place(2**_OCTAVES, 2**_OCTAVES), "#cccccc")
    ]
    for cost, colour in _COLOURS.items():
        first = points[0][cost]
        places = [
            place(size / sizes[0], max(1.0, point[cost] / first))
            for size, point in zip(sizes, points, strict=True)
        ]
        parts.append(_line(*places, colour))
    return "".join(parts)


def _line(*places: str) -> str:
    *points, colour = places
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" '
        'stroke-width="1.5"/>'
    )


def _legend(y: int) -> str:
    return "".join(
        f'<text x="{_LEFT + 90 * place}" y="{y}" fill="{colour}">'
        f"{_NAMES.get(cost, cost)}</text>"
        for place, (cost, colour) in enumerate(_COLOURS.items())
    )


if __name__ == "__main__":
    main()
