"""Draw how the IoU grows with the slices, by the way to choose them, as SVG.

The rows are those of `economy.py`; the mean is over volumes that were measured in all ways.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import records

_WIDTH, _HEIGHT, _LEFT, _TOP, _BELOW, _RIGHT = 560, 320, 50, 14, 44, 110
# Okabe and Ito's colours, which differ for every eye.
_COLOURS = {
    "ours": "#0072b2",
    "entropy": "#cc79a7",
    "foreground": "#009e73",
    "gaps": "#56b4e9",
    "random": "#e69f00",
    "interval": "#7f7f7f",
}
_NAMES = {"ours": "suggested"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    here = Path(__file__).parent
    parser.add_argument("--rows", type=Path, default=here / "results" / "economy.json")
    out = here.parent / "docs" / "images" / "economy.svg"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    args.out.write_text(drawn(curves(records.rows(args.rows))), encoding="utf-8")


def curves(rows: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """Return by way the mean IoU at each number of slices."""
    ways: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        ways[row["volume"]].add(row["way"])
    whole = {volume for volume, known in ways.items() if known >= set(_COLOURS)}
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for point in row["rounds"] if row["volume"] in whole else ():
            found[row["way"]][point["slices"]].append(point["mean_iou"])
    return {
        way: {slices: mean(values) for slices, values in sorted(points.items())}
        for way, points in found.items()
    }


def drawn(found: dict[str, dict[int, float]]) -> str:
    """Return the curves as SVG, each with its name at its end."""
    slices = sorted({n for points in found.values() for n in points})
    values = [iou for points in found.values() for iou in points.values()]
    low = int(min(values) * 10) / 10

    def place(count: float, iou: float) -> tuple[float, float]:
        across = (count - slices[0]) / (slices[-1] - slices[0])
        x = _LEFT + across * (_WIDTH - _LEFT - _RIGHT)
        return x, _TOP + (1 - iou) / (1 - low) * (_HEIGHT - _TOP - _BELOW)

    parts = [_axes(slices, low, place)]
    names: list[float] = []
    for way in sorted(found, key=lambda way: -list(found[way].values())[-1]):
        points = [place(n, iou) for n, iou in found[way].items()]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        colour = _COLOURS[way]
        x, y = points[-1]
        y = max([y, *(other + 14 for other in names[-1:])])  # names do not overlap
        names.append(y)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" '
            f'stroke-width="{3 if way == "ours" else 1.5}"/>'
            f'<text x="{x + 6:.1f}" y="{y + 4:.1f}" fill="{colour}">'
            f"{_NAMES.get(way, way)}</text>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _axes(slices: list[int], low: float, place: Any) -> str:
    parts = []
    for tenth in range(round(low * 10), 11, 1):
        (x, y), (end, _) = place(slices[0], tenth / 10), place(slices[-1], tenth / 10)
        parts.append(
            f'<line x1="{x}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
            f'<text x="{x - 8}" y="{y + 4:.1f}" text-anchor="end">{tenth / 10:.1f}</text>'
        )
    for count in slices:
        x, y = place(count, low)
        parts.append(
            f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{count}</text>'
        )
    x, y = place((slices[0] + slices[-1]) / 2, low)
    parts.append(
        f'<text x="{x:.1f}" y="{y + 36:.1f}" text-anchor="middle">annotated slices</text>'
        f'<text x="{_LEFT}" y="{_TOP - 3}">mean IoU</text>'
    )
    return "".join(parts)


if __name__ == "__main__":
    main()
