"""Faults of statements: one too few, or two in the wrong order."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..tree import Function, Tree

SIMPLE = ast.Expr | ast.Assign | ast.AugAssign


def dropped(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`pass` for a call without a value, and for an assignment whose targets have a value without it."""
    match node:
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield ast.Pass()
        case ast.Assign() if all(_is_defined_before(name, node, tree) for name in _written(node)):
            yield ast.Pass()


def swapped(node: ast.AST, tree: Tree) -> Iterator[list[ast.stmt]]:
    """A statement after the one that follows it: a value is used before it is made, a buffer before it is filled.

    Two that have nothing to do with each other stay, and two of which the second could not run before the first.
    """
    position = tree.positions[node]
    if not isinstance(node, SIMPLE) or position.index is None or _function(node, tree) is None:
        return
    for after in getattr(position.parent, position.field)[position.index + 1 :][:1]:
        if not isinstance(after, SIMPLE) or after.lineno <= (node.end_lineno or 0):
            return
        if isinstance(node, ast.Expr) and isinstance(after, ast.Expr):
            yield [after, node]
            return
        made_and_used = _written(node) & (_read(after) | _written(after))
        if made_and_used | (_read(node) & _written(after)) and all(
            _is_defined_before(name, node, tree) for name in made_and_used
        ):
            yield [after, node]


def _written(statement: ast.stmt) -> set[str]:
    """The names that a statement assigns, or into which it stores."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return {target for whole in targets if whole is not None for target in _targets(whole)}


def _targets(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from _targets(element)
        case ast.Starred(value=value):
            yield from _targets(value)
        case ast.Attribute() | ast.Subscript() | ast.Name():
            yield ast.unparse(target)


def _read(statement: ast.stmt) -> set[str]:
    kinds = ast.Name | ast.Attribute | ast.Subscript
    augmented = {ast.unparse(statement.target)} if isinstance(statement, ast.AugAssign) else set()
    return augmented | {
        ast.unparse(n) for n in ast.walk(statement) if isinstance(n, kinds) and isinstance(n.ctx, ast.Load)
    }


def _is_defined_before(target: str, statement: ast.stmt, tree: Tree) -> bool:
    """Whether `target` may have a value before `statement`: a store into an object counts as replacing one."""
    if not target.isidentifier():
        return True
    function = _function(statement, tree)
    return function is not None and any(
        (isinstance(n, ast.arg) and n.arg == target)
        or (isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id == target and _is_before(n, statement))
        for n in ast.walk(function)
    )


def _is_before(node: ast.expr, statement: ast.stmt) -> bool:
    return node.lineno < statement.lineno


def _function(node: ast.AST, tree: Tree) -> ast.AST | None:
    return next((a for a in tree.above(node) if isinstance(a, Function)), None)
