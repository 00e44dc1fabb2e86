"""Count what the house is made of: rooms, arrows, floors, circles, lines.

    python benchmarks/house.py [--json FILE]

Rooms are the modules and folders right below the package. An arrow leads from a room to one
that it imports from, also from inside functions and behind TYPE_CHECKING; a floor is a step
of the longest way down. Lines are those of functions and files.
"""

import argparse
import ast
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

PACKAGE = Path(__file__).parent.parent / "sparseseg"


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            # `from sparseseg import recipes` names a room as well.
            own = node.module == "sparseseg"
            names = [f"sparseseg.{alias.name}" for alias in node.names]
            yield from names if own else [node.module]
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def arrows() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if place[1] in ("__init__", "__main__"):
            continue
        room = place[1]
        found[room] |= set()
        for module in imported(path):
            if module.startswith("sparseseg.") and room_of(module) != room:
                found[room].add(room_of(module))
    return {room: {r for r in to if r in found} for room, to in found.items()}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of rooms that lead back to themselves."""
    reach = {room: below(graph, room) for room in graph}
    groups = {
        tuple(sorted(o for o in graph if o in reach[room] and room in reach[o]))
        for room in graph
        if room in reach[room]
    }
    return [list(group) for group in sorted(groups)]


def below(graph: dict[str, set[str]], room: str) -> set[str]:
    seen: set[str] = set()
    wait = list(graph[room])
    while wait:
        one = wait.pop()
        if one not in seen:
            seen.add(one)
            wait += graph[one]
    return seen


def floors(graph: dict[str, set[str]]) -> int | None:
    """Return the length of the longest way down; None where ways go in circles."""
    if circles(graph):
        return None
    depth: dict[str, int] = {}

    def of(room: str) -> int:
        if room not in depth:
            depth[room] = 1 + max((of(other) for other in graph[room]), default=0)
        return depth[room]

    return max(map(of, graph))


def lengths() -> tuple[list[int], list[int]]:
    """Return the lines of each function and of each file."""
    functions, files = [], []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        files.append(len(text.splitlines()))
        functions += [
            (node.end_lineno or node.lineno) - node.lineno + 1
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        ]
    return functions, files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    graph = arrows()
    functions, files = lengths()
    facts = {
        "rooms": len(graph),
        "arrows": sum(map(len, graph.values())),
        "floors": floors(graph),
        "circles": circles(graph),
        "function_lines": {"median": median(functions), "p90": p90(functions)},
        "file_lines": {"median": median(files), "p90": p90(files)},
    }
    text = json.dumps(facts, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


def p90(values: list[int]) -> float:
    return quantiles(values, n=10)[-1]


if __name__ == "__main__":
    main()
