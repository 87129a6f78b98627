"""What a fault is called when files have moved and names have changed: a hash of the function around it.

Names count by the order in which they first occur, so that a function means the same after a renaming. Docstrings,
annotations and comments do not count. A mutant is named after the outermost function that it stands in, or after the
statements of its class or module that are no functions.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator

from .tree import Function, Tree

NAMES = {"id", "arg", "attr", "name", "asname", "names", "module", "rest"}
"""Fields of syntax trees that hold names."""

LEFT_OUT = {"annotation", "returns", "type_comment", "type_params", "ctx", "kind"}


def key_of(tree: Tree, node: ast.AST, kind: str, replacement: ast.AST | list[ast.stmt]) -> str:
    """The key of replacing `node` in `tree`: 16 hexadecimal digits."""
    scope = tree.scope(node)
    names: dict[str, str] = {}
    words = list(_words(scope, names, scope, node))
    new = replacement if isinstance(replacement, list) else [replacement]
    changed = [w for part in new for w in _words(part, names, None, None)]
    text = "\x00".join([*words, "\x01", kind, "\x01", *changed])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _words(node: ast.AST, names: dict[str, str], scope: ast.AST | None, marked: ast.AST | None) -> Iterator[str]:
    """A tree as words, with a mark in front of `marked`."""
    if node is marked:
        yield "\x02"
    yield type(node).__name__
    for field, value in ast.iter_fields(node):
        if field in LEFT_OUT or (node is scope and field == "name"):
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                if not _is_left_out(part, scope):
                    yield from _words(part, names, scope, marked)
            elif field in NAMES and isinstance(part, str):
                yield names.setdefault(part, f"name {len(names)}")
            else:
                yield f"{type(part).__name__} {part!r}"
        yield "."


def _is_left_out(node: ast.AST, scope: ast.AST | None) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    return isinstance(scope, ast.Module | ast.ClassDef) and isinstance(node, Function | ast.ClassDef)
