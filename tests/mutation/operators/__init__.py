"""The kinds of fault that are planted, as one table: from a kind to the function that yields replacements of a node.

A new kind is a function of a node and its tree, and one line here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from ..tree import Tree
from . import arithmetic, conditions, emitted, order, statements, values

Replacement = ast.AST | list[ast.stmt]
"""A node; or statements, of which a second stands in place of the statement that follows."""

OPERATORS: dict[str, Callable[[ast.AST, Tree], Iterator[Replacement]]] = {
    "constant off by one": values.off_by_one,
    "boolean flipped": values.flipped,
    "default changed": values.default,
    "arithmetic replaced": arithmetic.replaced,
    "term dropped": arithmetic.term_dropped,
    "bound removed": arithmetic.bound_removed,
    "comparison replaced": conditions.comparison,
    "condition negated": conditions.negated,
    "operand dropped": conditions.operand_dropped,
    "arguments swapped": order.arguments,
    "elements swapped": order.elements,
    "element removed": order.removed,
    "axis changed": order.axis,
    "slice shifted": order.shifted_slice,
    "iteration reversed": order.reversed_iteration,
    "statement dropped": statements.dropped,
    "statements swapped": statements.swapped,
    "emitted text changed": emitted.changed,
}
