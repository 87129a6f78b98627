"""Faults of arithmetic: another operation, a term too few, a missing bound."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..tree import Tree, word

INSTEAD: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.MatMult: ast.Mult,
}

BOUNDS = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum"}


def replaced(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`a + b` to `a - b`, `a * b` to `a + b`, `-a` to `a`, `a += b` to `a -= b` and to `a = b`."""
    match node:
        case ast.BinOp(left, op, right) if not (_is_sequence(left) or _is_sequence(right)) and type(op) in INSTEAD:
            if not _is_union(node, tree):
                yield ast.BinOp(left, INSTEAD[type(op)](), right)
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
            yield operand
        case ast.AugAssign(target, op, value):
            if type(op) in INSTEAD and not _is_sequence(value):
                yield ast.AugAssign(target, INSTEAD[type(op)](), value)
            yield ast.Assign([target], value, lineno=0)


def term_dropped(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`a + b` to `a` and to `b`; `a - b` to `a`."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.BitOr):
        yield node.left
        if not isinstance(node.op, ast.Sub):
            yield node.right


def bound_removed(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`max(a, b)` to `a`, to `b` and to `min(a, b)`."""
    if not isinstance(node, ast.Call) or word(node.func) not in BOUNDS or node.keywords:
        return
    if len(node.args) < 2 or any(isinstance(argument, ast.Starred) for argument in node.args):
        return
    for i in range(len(node.args)):
        kept = node.args[:i] + node.args[i + 1 :]
        yield kept[0] if len(kept) == 1 else ast.Call(node.func, kept, [])
    other = BOUNDS[word(node.func)]
    func = (
        ast.Name(other, ast.Load())
        if isinstance(node.func, ast.Name)
        else ast.Attribute(node.func.value, other, ast.Load())  # type: ignore[attr-defined]
    )
    yield ast.Call(func, node.args, [])


def _is_union(node: ast.AST, tree: Tree) -> bool:
    """Whether `node` is the union of types that `isinstance` is given."""
    calls = [a for a in tree.above(node) if isinstance(a, ast.Call)]
    return bool(calls) and word(calls[0].func) in {"isinstance", "issubclass"}


def _is_sequence(node: ast.expr) -> bool:
    """Whether `node` is text or a display, of which only a sum makes sense."""
    kinds = ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp
    return isinstance(node, kinds) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
