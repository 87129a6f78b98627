"""What acts element by element: operators, conditions, functions of one number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nanolstm.errors import BatchError, ShapeError, UnsupportedError
from nanolstm.graph.node import Node, apply, constant
from nanolstm.graph.ops import dropped, expand, where
from nanolstm.graph.tracer import Call, Tracer, Tracing


def together(tracing: Tracing, nodes: Sequence[Node], call: str) -> list[Node]:
    """`nodes` as they meet; refused if their shapes go together only without a batch, or never."""
    ranks = {len(node.shape) for node in nodes if node.lead}
    if tracing.whole and ranks:  # what was reduced over the rows with keepdims has an axis of 1 in their place
        nodes = [
            dropped(n, (-len(n.shape),)) if not n.lead and n.shape[: -max(ranks) or None] == (1,) else n for n in nodes
        ]
    for node in nodes:
        if ranks and (len(node.shape) > max(ranks) or (node.lead and len(node.shape) != max(ranks))):
            shapes = " and ".join(str(n.shape) for n in nodes)
            tracing.refuse(
                BatchError,
                f"{call} of features of shapes {shapes}, whose axes would meet the batch",
                "give both as many feature axes: `a[..., None] * b` or `a[..., :, None] * b[..., None, :]`",
            )
    try:
        np.broadcast_shapes(*(node.shape for node in nodes))
    except ValueError:
        shapes = " and ".join(str(node.shape) for node in nodes)
        tracing.refuse(ShapeError, f"{call} of features of shapes {shapes}", "they must be equal, or 1 on an axis")
    return list(nodes)


def as_number(node: Node) -> Node:
    """True as 1, False as 0: what arithmetic makes of a mask."""
    return where(node, 1.0, 0.0) if node.boolean else node


def elementwise(op: str) -> Call:
    """A function that is the operation `op`."""

    def call(tracing: Tracing, *values: Any) -> Tracer:
        nodes = together(tracing, [tracing.lift(value) for value in values], op)
        return tracing.given(apply(op, *map(as_number, nodes)))

    return call


def composed(function: Callable[..., Any]) -> Call:
    """A function that is made of operators and NumPy's functions on tracers."""

    def call(tracing: Tracing, *values: Any) -> Any:
        nodes = together(tracing, [tracing.lift(value) for value in values], function.__name__)
        return function(*(tracing.given(as_number(node)) for node in nodes))

    return call


def choose(tracing: Tracing, condition: Any, *branches: Any) -> Tracer:
    """np.where with three arguments; a condition that is a number is whether it is not 0."""
    if len(branches) != 2:
        tracing.refuse(
            UnsupportedError, "np.where with a condition alone, whose answer has no fixed shape", "give three arguments"
        )
    test, this, that = together(tracing, [tracing.lift(value) for value in (condition, *branches)], "np.where")
    test = test if test.boolean else where(apply("equal", test, 0.0), False, True)
    if this.boolean != that.boolean:
        this, that = as_number(this), as_number(that)
    return tracing.given(where(test, this, that))


def logical(function: Callable[..., Node]) -> Call:
    """A function of masks."""

    def call(tracing: Tracing, *values: Any) -> Tracer:
        nodes = together(tracing, [tracing.lift(value) for value in values], function.__name__)
        if not all(node.boolean for node in nodes):
            tracing.refuse(UnsupportedError, "`&`, `|` or `~` of numbers", "they join conditions: `(a > 0) & (b > 0)`")
        return tracing.given(function(*nodes))

    return call


def both(a: Node, b: Node) -> Node:
    return where(a, b, constant(False))


def either(a: Node, b: Node) -> Node:
    return where(a, constant(True), b)


def opposite(a: Node) -> Node:
    return where(a, constant(False), constant(True))


def arithmetic(op: str, of_masks: Callable[..., Node]) -> Call:
    """A function that is `op` of numbers, and a mask of two masks."""

    def call(tracing: Tracing, *values: Any) -> Any:
        masks = all(tracing.lift(value).boolean for value in values)
        return (logical(of_masks) if masks else elementwise(op))(tracing, *values)

    return call


def unequal(tracing: Tracing, a: Any, b: Any) -> Any:
    return ~tracing.vocabulary[np.equal](tracing, a, b)


def hypot(a: Tracer, b: Tracer) -> Any:
    """Divided by the larger of the two, so that no square overflows; the result does not depend on the divisor."""
    larger: Any = np.maximum(np.abs(a), np.abs(b))
    usable = (larger > 0) & (larger < math.inf)
    scale = np.where(usable, a.tracing.given(apply("stop", larger.node)), 1.0)
    return scale * np.sqrt(np.square(a / scale) + np.square(b / scale))


def power(tracing: Tracing, base: Any, exponent: Any) -> Any:
    """Whole exponents that are often used are products: exact, and derivable at 0."""
    simple = not isinstance(exponent, Tracer) and np.ndim(exponent) == 0 and float(exponent)
    match simple:
        case 1.0:
            return +base
        case 2.0:
            return np.square(base)
        case 3.0:
            return np.square(base) * base
        case 0.5:
            return np.sqrt(base)
        case -1.0:
            return 1.0 / base
    return elementwise("power")(tracing, base, exponent)


def clip(tracing: Tracing, value: Any, a_min: Any = None, a_max: Any = None, **options: Any) -> Any:
    low, high = options.get("min", a_min), options.get("max", a_max)
    value = tracing.given(tracing.lift(value))
    if low is not None:
        value = np.maximum(value, low)
    return value if high is None else np.minimum(value, high)


def like(*filling: float) -> Call:
    """np.zeros_like and its kin: filled with `filling`, or with their own second argument."""

    def call(tracing: Tracing, value: Tracer, *args: Any, **options: Any) -> Tracer:
        given = dict(zip(("fill_value", "dtype"), (*filling, *args), strict=False)) | options
        if set(given) - {"fill_value", "dtype"} or len(filling) + len(args) > 2:
            tracing.refuse(UnsupportedError, f"{', '.join(options)}= of np.zeros_like and its kin", "leave it out")
        if given.get("dtype") is not None and np.dtype(given["dtype"]).kind != "f":
            tracing.refuse(
                UnsupportedError, f"dtype={given['dtype']!r} of np.zeros_like and its kin", "numbers in a step are real"
            )
        return tracing.given(expand(tracing.lift(given["fill_value"]), value.node.shape, value.node.lead))

    return call


def same(tracing: Tracing, value: Any, *_: Any, **__: Any) -> Tracer:
    return tracing.given(tracing.lift(value))


def astype(tracing: Tracing, value: Tracer, dtype: Any, **_: Any) -> Tracer:
    """Numbers of a graph are all of one kind: a wider one is no other, and a narrower one would round."""
    kind, own = np.dtype(dtype), tracing.dtype
    if kind.kind != "f" or (kind.itemsize < own.itemsize and not value.node.boolean):
        tracing.refuse(
            UnsupportedError,
            f".astype({dtype!r}) of numbers that are {own}",
            "leave it out, dtype= of the cell says what all are; np.floor rounds, comparisons make True and False",
        )
    return tracing.given(as_number(value.node))


ELEMENTWISE: dict[Any, Call] = {
    **{
        getattr(np, name): elementwise(name)
        for name in (
            *("exp", "expm1", "log", "log1p", "tanh", "sqrt", "sign", "sin", "cos", "floor"),
            *("mod", "logaddexp", "maximum", "minimum", "less", "less_equal", "equal"),
        )
    },
    np.add: arithmetic("add", either),
    np.subtract: elementwise("sub"),
    np.multiply: arithmetic("mul", both),
    np.divide: elementwise("div"),
    np.negative: elementwise("neg"),
    np.positive: same,
    np.absolute: elementwise("abs"),
    np.fabs: elementwise("abs"),
    np.power: power,
    np.greater: lambda tracing, a, b: tracing.vocabulary[np.less](tracing, b, a),
    np.greater_equal: lambda tracing, a, b: tracing.vocabulary[np.less_equal](tracing, b, a),
    np.not_equal: unequal,
    np.logical_and: logical(both),
    np.bitwise_and: logical(both),
    np.logical_or: logical(either),
    np.bitwise_or: logical(either),
    np.logical_not: logical(opposite),
    np.invert: logical(opposite),
    np.square: composed(lambda x: x * x),
    np.reciprocal: composed(lambda x: 1.0 / x),
    np.exp2: composed(lambda x: np.exp(x * math.log(2))),
    np.log2: composed(lambda x: np.log(x) / math.log(2)),
    np.log10: composed(lambda x: np.log(x) / math.log(10)),
    np.tan: composed(lambda x: np.sin(x) / np.cos(x)),
    np.sinh: composed(lambda x: 0.5 * (np.expm1(x) - np.expm1(-x))),
    np.cosh: composed(lambda x: 0.5 * (np.exp(x) + np.exp(-x))),
    np.hypot: composed(hypot),
    np.floor_divide: composed(lambda a, b: np.floor((a - np.mod(a, b)) / b + 0.5)),  # 1 // 0.1 is 9
    np.ceil: composed(lambda x: -np.floor(-x)),
    np.trunc: composed(lambda x: np.sign(x) * np.floor(np.abs(x))),
    np.isnan: composed(lambda x: x != x),
    np.isfinite: composed(lambda x: np.abs(x) < math.inf),
    np.isinf: composed(lambda x: np.abs(x) == math.inf),
    np.where: choose,
    np.clip: clip,
    np.zeros_like: like(0.0),
    np.ones_like: like(1.0),
    np.full_like: like(),
    np.copy: same,
    "expit": elementwise("sigmoid"),
    "erf": elementwise("erf"),
    "log_expit": composed(lambda x: -np.logaddexp(-x, 0.0)),
    "sigmoid": elementwise("sigmoid"),
    "softplus": elementwise("softplus"),
    "astype": astype,
}
