"""Which axes an `axis=` means, and what reduces them.

Of a value of a step, features are counted from the end, for the batch before them may be there or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nanolstm.errors import BatchError, ShapeError, UnsupportedError
from nanolstm.graph.lead import Lead
from nanolstm.graph.node import Node, apply
from nanolstm.graph.ops import dropped, reshaped
from nanolstm.graph.tracer import Call, Tracer, Tracing
from nanolstm.graph.vocabulary.elementwise import as_number


def feature_axes(tracing: Tracing, node: Node, axis: Any, call: str) -> tuple[tuple[int, ...], bool]:
    """The negative feature axes that `axis` means, and whether the rows are among what it means."""
    size = len(node.shape)
    if axis is None and node.lead and not tracing.whole:
        tracing.refuse(BatchError, f"{call} over everything, the batch too", "add axis=-1: reduce over the features")
    axes = range(-size - node.lead, 0) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    found = []
    for one in axes:
        if isinstance(one, Lead | Tracer) or not isinstance(one, int | np.integer):
            tracing.refuse(UnsupportedError, f"{call} over axis {one!r}", "an axis is a fixed number")
        if one >= 0 and node.lead and not tracing.whole:
            tracing.refuse(
                BatchError,
                f"{call} over axis {one}, counted from the front, where the batch is",
                f"count from the end: axis={one - size if one < size else -1}",
            )
        negative = int(one) - size - node.lead if one >= 0 else int(one)
        if negative == -size - 1 and node.lead and not tracing.whole:
            tracing.refuse(BatchError, f"{call} over axis {one}, which is the batch", "there are fewer feature axes")
        if not -size - node.lead <= negative < 0:
            tracing.refuse(ShapeError, f"{call} over axis {one} of features of shape {node.shape}", "there is none")
        found.append(negative)
    return tuple(sorted(a for a in found if a >= -size)), -size - 1 in found


def one_axis(tracing: Tracing, node: Node, axis: Any, call: str) -> int:
    """The one negative feature axis that `axis` means."""
    axes, rows = feature_axes(tracing, node, (axis,), call)
    if rows:
        tracing.refuse(BatchError, f"{call} along the rows", "rows are independent of each other; use axis=-1")
    return axes[0]


def reduction(op: str, after: Callable[[Tracing, Node, Node], Node] = lambda tracing, whole, reduced: reduced) -> Call:
    """A function that reduces axes; `after` makes what it answers with of the operand and of what `op` gave."""

    def call(
        tracing: Tracing, value: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, **options: Any
    ) -> Tracer:
        if options or dtype is not None:
            tracing.refuse(UnsupportedError, f"np.{op} with {', '.join(options) or 'dtype'}=", "leave it out")
        node = as_number(tracing.lift(value))
        axes, rows = feature_axes(tracing, node, axis, f"np.{op}")
        reduced = apply(op, node, static=(axes, rows)) if axes or rows else node
        reduced = after(tracing, node, reduced)
        if keepdims:
            return tracing.given(reshaped(reduced, (1, *reduced.shape)) if rows else reduced)
        return tracing.given(dropped(reduced, axes))

    return call


def averaged(tracing: Tracing, whole: Node, reduced: Node) -> Node:
    """The sum over how many were summed."""
    number = math.prod(whole.shape) / math.prod(reduced.shape)
    return reduced / (apply("count") * number if whole.lead and not reduced.lead else number)


def least(tracing: Tracing, value: Any, axis: Any = None, **options: Any) -> Any:
    return -np.max(-tracing.given(tracing.lift(value)), axis=axis, **options)


def variance(tracing: Tracing, value: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    x = tracing.given(as_number(tracing.lift(value)))
    squares = np.square(x - np.mean(x, axis=axis, keepdims=True))
    mean = np.mean(squares, axis=axis, keepdims=keepdims)
    if not ddof:
        return mean
    axes, rows = feature_axes(tracing, x.node, axis, "np.var")
    number: Any = math.prod(x.node.shape[a] for a in axes)
    number = number * tracing.given(apply("count")) if rows else number
    return mean * (number / (number - ddof))


def norm(tracing: Tracing, value: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
    x = tracing.given(tracing.lift(value))
    if ord not in (None, 2) or (ord == 2 and axis is None):
        tracing.refuse(
            UnsupportedError, f"np.linalg.norm with ord={ord!r}", "the Euclidean one has a rule, with axis=-1"
        )
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


def softmax(tracing: Tracing, value: Any, axis: Any = -1) -> Any:
    """The greatest element is taken off without being derived: the result does not depend on it."""
    x = tracing.given(as_number(tracing.lift(value)))
    greatest = tracing.given(apply("stop", np.max(x, axis=axis, keepdims=True).node))
    e = np.exp(x - greatest)
    return e / np.sum(e, axis=axis, keepdims=True)


REDUCTIONS: dict[Any, Call] = {
    np.sum: reduction("sum"),
    np.mean: reduction("sum", averaged),
    np.max: reduction("max"),
    np.min: least,
    np.var: variance,
    np.std: lambda *args, **options: np.sqrt(variance(*args, **options)),
    np.linalg.norm: norm,
    "softmax": softmax,
}
