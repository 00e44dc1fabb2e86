"""Where the code has texts for people, and which of them do not go through `say`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from catalogue import TAKES_TEMPLATE, called

# Two words in a row, or a word beside a value.
_WORDS = re.compile(r"[A-Za-z]{2,}[,:;.]? \(?[a-z]{2,}|[\0 ][a-z]{3,}([ \0:,.]|$)")
_TAGS, _STYLE = re.compile(r"<[^>]*>"), re.compile(r"\{[^{}]*: [^{}]*;[^{}]*\}")
# What these are given is for programs or for developers.
_INNER = {
    "compile", "debug", "exception", "execute", "executemany", "info", "search", "sub", "warning_once",
}  # fmt: skip


def names_in(template: str) -> dict[str, tuple[str, str]]:
    """Return the values that a template names, with how each is shown."""
    found = Formatter().parse(template)
    return {name: (kind or "", spec or "") for _, name, spec, kind in found if name}


def untold(path: Path) -> list[str]:
    """Return the texts of a module that look like words for a person, and are not told.

    A value in an f-string stands as `{}`.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    shown = [_TAGS.sub(" ", text) for text in _texts(tree) if not _STYLE.search(text)]
    return [text.replace("\0", "{}") for text in shown if _WORDS.search(text)]


def _texts(node: ast.AST) -> Iterator[str]:
    """Give every string below a node that could be shown to a person."""
    if isinstance(node, ast.JoinedStr):
        parts = node.values
        yield "".join(
            str(p.value) if isinstance(p, ast.Constant) else "\0" for p in parts
        )
        values = [p.value for p in parts if isinstance(p, ast.FormattedValue)]
        yield from _of_all(values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        yield from _of_all(_shown(node))


def _of_all(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        yield from _texts(node)


def _shown(node: ast.AST) -> list[ast.AST]:
    """Return the parts of a node without those that no person reads."""
    unread = _unread(node)
    return [part for part in ast.iter_child_nodes(node) if part not in unread]


def _unread(node: ast.AST) -> list[ast.AST | None]:
    found: list[ast.AST | None] = []
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            found = [node.value]
        case ast.Call():
            found = [*_unread_arguments(node)]
        case ast.Dict():
            found = [*node.keys]
        case ast.Compare() | ast.Assert():
            found = [*ast.iter_child_nodes(node)]
        case ast.arg() | ast.AnnAssign(annotation=ast.Constant()):
            found = [node.annotation]
        case ast.FunctionDef():
            found = [node.returns]
    return found


def _unread_arguments(call: ast.Call) -> list[ast.expr]:
    name = called(call)
    if name in TAKES_TEMPLATE:
        return [
            argument for argument in call.args if isinstance(argument, ast.Constant)
        ]
    is_inner = name in _INNER or name.endswith("Error")
    return call.args if is_inner else []
