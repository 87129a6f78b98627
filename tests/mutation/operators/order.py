"""Faults of layout and order: swapped arguments or elements, another axis, a shifted slice, a loop run backward."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from ..tree import Tree, refuses, word
from .values import number

UNORDERED = {
    *("max", "min", "maximum", "minimum", "isinstance", "issubclass", "any", "all", "sum", "set", "frozenset"),
    *("sorted", "dict", "len", "gcd"),
}
"""Functions whose result the order of their arguments, or of what they run over, does not decide."""


def arguments(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`f(a, b)` to `f(b, a)`."""
    if not isinstance(node, ast.Call) or word(node.func) in UNORDERED or refuses(node):
        return
    for swapped in _swaps(node.args):
        yield ast.Call(node.func, swapped, node.keywords)


def elements(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`(a, b)` to `(b, a)`, where the order says something."""
    if not isinstance(node, ast.Tuple | ast.List) or not isinstance(node.ctx, ast.Load):
        return
    match tree.parent(node):
        case ast.Call(func=func) if word(func) in UNORDERED:
            return
        case ast.Compare() | ast.ExceptHandler() | ast.Set():
            return
    for swapped in _swaps(node.elts):
        yield type(node)(swapped, node.ctx)


def removed(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """A set, tuple, list or dict without one of its elements."""
    unpacked = ast.Assign | ast.For | ast.comprehension | ast.Return
    if isinstance(node, ast.Tuple) and isinstance(tree.parent(node), unpacked):  # a wrong count fails at once
        return
    match node:
        case ast.Tuple(elts, ast.Load()) | ast.List(elts, ast.Load()):
            for i in range(len(elts)):
                yield type(node)(elts[:i] + elts[i + 1 :], ast.Load())
        case ast.Set(elts) if len(elts) > 1:
            for i in range(len(elts)):
                yield ast.Set(elts[:i] + elts[i + 1 :])
        case ast.Dict(keys, items):
            for i in range(len(keys)):
                yield ast.Dict(keys[:i] + keys[i + 1 :], items[:i] + items[i + 1 :])


def axis(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`axis=-1` to `axis=-2`, and another axis to the one after it."""
    parent = tree.parent(node)
    if not isinstance(parent, ast.keyword) or parent.arg not in {"axis", "axes"}:
        return
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            yield number(-value - 1)
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            yield number(value + 1)


def shifted_slice(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`a[i:j]` to `a[i + 1:j]` and to `a[i:j - 1]`; `a[:]` to `a[1:]` and to `a[:-1]`."""
    if not isinstance(node, ast.Subscript):
        return
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for i, part in enumerate(parts):
        if isinstance(part, ast.Slice):
            for changed in _shifted(part):
                index = changed if len(parts) == 1 else ast.Tuple([*parts[:i], changed, *parts[i + 1 :]], ast.Load())
                yield ast.Subscript(node.value, index, node.ctx)


def reversed_iteration(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """`for a in b` to `for a in reversed(list(b))`, where the order may matter."""
    position = tree.positions[node]
    if position.field != "iter" or not isinstance(node, ast.expr):
        return
    if isinstance(position.parent, ast.comprehension):
        loop = tree.parent(position.parent)
        if isinstance(loop, ast.SetComp):
            return
        around = tree.parent(loop) if isinstance(loop, ast.GeneratorExp | ast.ListComp) else None
        if isinstance(around, ast.Call) and word(around.func) in UNORDERED:
            return
    if isinstance(node, ast.Call) and word(node.func) == "reversed":
        yield node.args[0]
    else:
        listed = ast.Call(ast.Name("list", ast.Load()), [node], [])
        yield ast.Call(ast.Name("reversed", ast.Load()), [listed], [])


def _swaps(given: list[ast.expr]) -> Iterator[list[ast.expr]]:
    """`given` with two neighbours swapped."""
    for i, (one, other) in enumerate(itertools.pairwise(given)):
        starred = isinstance(one, ast.Starred) or isinstance(other, ast.Starred)
        if not starred and ast.dump(one) != ast.dump(other):
            yield [*given[:i], other, one, *given[i + 2 :]]


def _shifted(part: ast.Slice) -> Iterator[ast.Slice]:
    lower, upper = part.lower, part.upper
    yield ast.Slice(_plus(lower, 1) if lower else ast.Constant(1), upper, part.step)
    yield ast.Slice(lower, _plus(upper, -1) if upper else number(-1), part.step)


def _plus(node: ast.expr, change: int) -> ast.expr:
    match node:
        case ast.Constant(value=int() as value):
            return number(value + change)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return number(-value + change)
    return ast.BinOp(node, ast.Add() if change > 0 else ast.Sub(), ast.Constant(abs(change)))
