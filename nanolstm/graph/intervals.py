"""The range that each value of a graph cannot leave, whatever it is given: interval arithmetic over the operations.

What stands in no table is unbounded, so that a range is never too narrow; it may be too wide, since two operands that
are computed from the same value are taken to be independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from nanolstm.graph.node import Node, in_order

Interval: TypeAlias = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)


def ranges(outputs: Iterable[Node], known: Mapping[Node, Interval] | None = None) -> dict[Node, Interval]:
    """The lowest and the highest value of every node that `outputs` are computed from.

    Inputs may be anything, but for those of which more is `known`.
    """
    found: dict[Node, Interval] = {}
    with np.errstate(all="ignore"):
        for node in in_order(outputs):
            if known and node in known:
                found[node] = known[node]
                continue
            low, high = _range(node, [found[operand] for operand in node.inputs])
            found[node] = EVERYTHING if math.isnan(low) or math.isnan(high) else (low, high)
    return found


def _range(node: Node, operands: list[Interval]) -> Interval:
    name = node.op.name
    if name == "constant":
        return float(np.min(node.static[0])), float(np.max(node.static[0]))
    if node.boolean:
        return 0.0, 1.0
    if name in INCREASING:
        low, high = operands[0]
        return float(INCREASING[name](low)), float(INCREASING[name](high))
    if name in FIXED:
        return FIXED[name]
    if name in UNCHANGED:
        return _hull(operands)
    return RULES[name](node, *operands) if name in RULES else EVERYTHING


def _hull(intervals: Iterable[Interval]) -> Interval:
    lows, highs = zip(*intervals, strict=True)
    return min(lows), max(highs)


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b  # an end of 0 stays 0, however far the other reaches


def _product(a: Interval, b: Interval) -> Interval:
    ends = [_times(x, y) for x in a for y in b]
    return min(ends), max(ends)


def _quotient(a: Interval, b: Interval) -> Interval:
    if b[0] <= 0 <= b[1]:
        return EVERYTHING
    return _product(a, (1 / b[1], 1 / b[0]))


def _absolute(a: Interval) -> Interval:
    return (0.0 if a[0] <= 0 <= a[1] else min(map(abs, a))), max(map(abs, a))


def _repeated(count: int, a: Interval) -> Interval:
    return _times(count, a[0]), _times(count, a[1])


def _summed(node: Node, a: Interval) -> Interval:
    axes, over_rows = node.static
    return EVERYTHING if over_rows else _repeated(math.prod(node.inputs[0].shape[axis] for axis in axes), a)


def _contracted(node: Node, a: Interval, b: Interval) -> Interval:
    left, right, result, lead = node.static
    if not lead and any(operand.lead for operand in node.inputs):  # the rows are summed over
        return EVERYTHING
    sizes = dict(zip(left + right, (*node.inputs[0].shape, *node.inputs[1].shape), strict=True))
    return _repeated(math.prod(size for letter, size in sizes.items() if letter not in result), _product(a, b))


def _sigmoid(x: float) -> Any:
    return 1 / (1 + np.exp(-x))


INCREASING: Mapping[str, Callable[[float], Any]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": lambda x: np.log(max(x, 0.0)),
    "log1p": lambda x: np.log1p(max(x, -1.0)),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "erf": math.erf,
    "sqrt": lambda x: np.sqrt(max(x, 0.0)),
    "floor": np.floor,
    "sign": np.sign,
}
"""Of functions that never fall: the range from end to end."""

FIXED: Mapping[str, Interval] = {"sin": (-1.0, 1.0), "cos": (-1.0, 1.0)}
UNCHANGED = ("stop", "max", "expand", "reshape", "transpose", "slice", "concat")
"""What only chooses among its operands' elements, or puts them in another place."""

RULES: Mapping[str, Callable[..., Interval]] = {
    "neg": lambda _, a: (-a[1], -a[0]),
    "abs": lambda _, a: _absolute(a),
    "add": lambda _, a, b: (a[0] + b[0], a[1] + b[1]),
    "sub": lambda _, a, b: (a[0] - b[1], a[1] - b[0]),
    "mul": lambda _, a, b: _product(a, b),
    "div": lambda _, a, b: _quotient(a, b),
    "maximum": lambda _, a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "minimum": lambda _, a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "where": lambda _, c, a, b: _hull([a, b]),
    "place": lambda _, a: _hull([a, (0.0, 0.0)]),
    "sum": _summed,
    "contract": _contracted,
}
