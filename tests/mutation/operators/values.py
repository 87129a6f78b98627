"""Faults of constants: off by one, flipped, another default."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..tree import Tree, word


def number(value: float) -> ast.expr:
    """A number as Python parses it: a minus sign is an operation."""
    return ast.UnaryOp(ast.USub(), ast.Constant(-value)) if value < 0 else ast.Constant(value)


def number_of(node: ast.AST) -> int | float | None:
    """The number that `node` writes; None for anything else."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def off_by_one(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`2` to `3` and to `1`."""
    value = number_of(node)
    if value is not None and not is_default(node, tree):
        yield number(value + 1)
        if isinstance(value, int):
            yield number(value - 1)


def flipped(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`True` to `False`, and back."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool) and not is_default(node, tree):
        yield ast.Constant(not node.value)


def default(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """Another value of a parameter, or of a field of an attrs class, that is not given."""
    if isinstance(node, ast.Constant) and is_default(node, tree):
        value = number_of(node)
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif value is not None:
            yield number(value + 1)


def is_default(node: ast.AST, tree: Tree) -> bool:
    """Whether `node` is the default of a parameter or of a field."""
    position = tree.positions[node]
    match position.parent:
        case ast.arguments():
            return position.field in {"defaults", "kw_defaults"}
        case ast.AnnAssign() as statement:
            return position.field == "value" and isinstance(tree.parent(statement), ast.ClassDef)
        case ast.keyword(arg="default") as keyword:
            call = tree.parent(keyword)
            return isinstance(call, ast.Call) and word(call.func) in {"field", "ib", "attrib"}
    return False
