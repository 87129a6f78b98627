"""Faults of conditions: a weaker comparison, the opposite, an operand too few."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..tree import Tree

INSTEAD: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}

CONDITIONAL = ast.If | ast.IfExp | ast.While | ast.comprehension


def comparison(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`a < b` to `a <= b`, `a == b` to `a != b`, `a in b` to `a not in b`."""
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            ops: list[ast.cmpop] = [*node.ops[:i], INSTEAD[type(op)](), *node.ops[i + 1 :]]
            yield ast.Compare(node.left, ops, node.comparators)


def negated(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """The opposite of what `if`, `while` or a comprehension asks; a comparison has its own opposite."""
    position = tree.positions[node]
    if not isinstance(node, ast.expr) or not isinstance(position.parent, CONDITIONAL):
        return
    if position.field not in {"test", "ifs"} or isinstance(node, ast.Constant):
        return
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif not (isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot)):
        yield ast.UnaryOp(ast.Not(), node)


def operand_dropped(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`a and b` to `a`, to `b` and to `a or b`."""
    if isinstance(node, ast.BoolOp):
        for i in range(len(node.values)):
            kept = node.values[:i] + node.values[i + 1 :]
            yield kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept)
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
