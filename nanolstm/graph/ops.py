"""The table of operations: what each means in NumPy, the shape of its result, and how it is derived.

It is closed: every derivative of these operations consists of these operations. Where one could be composed of others
it stands here for its derivative (`sigmoid`: that of 1 / (1 + exp(-x)) is 0 * inf far below zero) or for its accuracy
(`expm1`, `log1p`, `softplus`, `logaddexp`).

An elementwise operation needs one rule for each operand, which serves both ways. Its derivative multiplies each element
by a number, so the same function takes a cotangent back (reverse mode) and a tangent forward. Rules are called with
(g, y, *operands): what is to be scaled, the result, the operands.

At points without a derivative one is chosen: 0 for `abs` at 0 and for `sqrt` at 0 (so that the gradient of an RMSE of 0
is 0), half for each of two equal operands of `maximum` and `minimum`, equal parts for the equal greatest of `max`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from string import ascii_lowercase, ascii_uppercase
from typing import Any, TypeAlias

from nanolstm.graph.node import OPS, Node, Op, Shape, apply, broadcast, constant

Rule: TypeAlias = Callable[..., Node | None]


# Shapes are made to agree by two operations that are each other's transpose: expand and sum.


def expand(node: Node, shape: Shape, lead: bool) -> Node:
    """`node` repeated to `shape`, and for each row if `lead`."""
    if node.shape == shape and node.lead == lead:
        return node
    return apply("expand", node, static=(shape, lead))


def fitted(g: Node, like: Node) -> Node:
    """The cotangent `g` of something that `like` was repeated to, summed to the shape of `like`."""
    offset = len(g.shape) - len(like.shape)
    axes = tuple(
        axis - len(g.shape)
        for axis, size in enumerate(g.shape)
        if axis < offset or (like.shape[axis - offset] == 1 and size != 1)
    )
    over_rows = g.lead and not like.lead
    if axes or over_rows:
        g = apply("sum", g, static=(axes, over_rows))
    return reshaped(g, like.shape)


def reshaped(node: Node, shape: Shape) -> Node:
    """`node` with its features in another shape."""
    return node if node.shape == shape else apply("reshape", node, static=(shape,))


def dropped(node: Node, axes: Sequence[int]) -> Node:
    """`node` without `axes`, which have length 1."""
    size = len(node.shape)
    return reshaped(node, tuple(n for i, n in enumerate(node.shape) if i - size not in axes))


def where(condition: Node, this: Node | float, that: Node | float) -> Node:
    """Elements of `this` where `condition` holds, else of `that`."""
    return apply("where", condition, this, that)


def total(parts: Sequence[Node | None]) -> Node | None:
    """The sum of those that are there."""
    there = [part for part in parts if part is not None]
    result = there[0] if there else None
    for part in there[1:]:
        result = apply("add", result, part)  # type: ignore[arg-type]
    return result


def elementwise(name: str, numpy: str, *rules: Rule, boolean: bool = False) -> None:
    """Add an operation that acts element by element, with one rule for each operand."""

    def reverse(y: Node, g: Node) -> list[Node | None]:
        scaled = [None if x.boolean else rule(g, y, *y.inputs) for rule, x in zip(rules, y.inputs, strict=True)]
        return [None if s is None else fitted(s, x) for s, x in zip(scaled, y.inputs, strict=True)]

    def forward(y: Node, tangents: Sequence[Node | None]) -> Node | None:
        t = total([None if t is None else rule(t, y, *y.inputs) for rule, t in zip(rules, tangents, strict=True)])
        return None if t is None else expand(t, y.shape, y.lead)

    def shape(operands: Sequence[Node], _: tuple[Any, ...]) -> Shape:
        return broadcast(operand.shape for operand in operands)

    OPS[name] = Op(name, numpy, shape, reverse, forward, elementwise=True, boolean=boolean)


def linear(
    name: str,
    numpy: Callable[[Node, Sequence[str]], str],
    shape: Callable[[Sequence[Node], tuple[Any, ...]], Shape],
    reverse: Callable[[Node, Node], Sequence[Node | None]],
    **more: Any,
) -> None:
    """Add an operation that is linear in its operands together: its tangent is itself, of their tangents."""

    def forward(y: Node, tangents: Sequence[Node | None]) -> Node:
        filled = [
            expand(constant(0.0), x.shape, x.lead) if t is None else t for t, x in zip(tangents, y.inputs, strict=True)
        ]
        return apply(name, *filled, static=y.static)

    OPS[name] = Op(name, numpy, shape, reverse, forward, **more)


def nothing(*_: Any) -> None:
    """The rule of what has no derivative, or has 0 everywhere that it has one."""


def no_shape(*_: Any) -> Shape:
    """The shape of a number."""
    return ()


# What a graph starts from.
for leaf in ("input", "constant"):
    OPS[leaf] = Op(leaf, "", no_shape, lambda y, g: [], nothing)
OPS["count"] = Op("count", lambda y, a: "real({rows})", no_shape, lambda y, g: [], nothing)  # how many rows there are

# One operand.
elementwise("neg", "np.negative", lambda g, y, x: -g)
elementwise("exp", "np.exp", lambda g, y, x: g * y)
elementwise("expm1", "np.expm1", lambda g, y, x: g * (y + 1.0))
elementwise("log", "np.log", lambda g, y, x: g / x)
elementwise("log1p", "np.log1p", lambda g, y, x: g / (1.0 + x))
elementwise("tanh", "np.tanh", lambda g, y, x: g * (1.0 - y * y))
elementwise("sigmoid", "sigmoid", lambda g, y, x: g * (y * (1.0 - y)))
elementwise("softplus", "softplus", lambda g, y, x: g * apply("sigmoid", x))
elementwise("erf", "erf", lambda g, y, x: g * (apply("exp", -(x * x)) * (2 / math.sqrt(math.pi))))
# Twice where: the number that is not chosen must be finite too, or its own derivative is NaN.
elementwise("sqrt", "np.sqrt", lambda g, y, x: g * where(zero(y), 0.0, 0.5 / where(zero(y), 1.0, y)))
elementwise("abs", "np.abs", lambda g, y, x: g * apply("sign", x))
elementwise("sign", "np.sign", nothing)
elementwise("sin", "np.sin", lambda g, y, x: g * apply("cos", x))
elementwise("cos", "np.cos", lambda g, y, x: -(g * apply("sin", x)))
elementwise("floor", "np.floor", nothing)
elementwise("stop", "np.positive", nothing)  # through which nothing is derived

# Two operands.
elementwise("add", "np.add", lambda g, y, a, b: g, lambda g, y, a, b: g)
elementwise("sub", "np.subtract", lambda g, y, a, b: g, lambda g, y, a, b: -g)
elementwise("mul", "np.multiply", lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
elementwise("div", "np.divide", lambda g, y, a, b: g / b, lambda g, y, a, b: -(g * y / b))
elementwise(
    "power",
    "np.power",
    # Where a and b are 0, any number but 0 in the place of a: 0 * inf is NaN.
    lambda g, y, a, b: g * (b * apply("power", where(zero(b), where(zero(a), 1.0, a), a), b - 1.0)),
    lambda g, y, a, b: g * where(zero(a), 0.0, y * apply("log", where(zero(a), 1.0, a))),
)
# The quotient by itself would be rounded before it is cut off: 3 / 0.1 is 30, and 3 // 0.1 is 29.
elementwise("mod", "np.mod", lambda g, y, a, b: g, lambda g, y, a, b: -(g * apply("floor", (a - y) / b + 0.5)))
elementwise(
    "logaddexp",
    "np.logaddexp",
    lambda g, y, a, b: g * apply("sigmoid", a - b),
    lambda g, y, a, b: g * apply("sigmoid", b - a),
)
elementwise("maximum", "np.maximum", lambda g, y, a, b: share(g, b, a), lambda g, y, a, b: share(g, a, b))
elementwise("minimum", "np.minimum", lambda g, y, a, b: share(g, a, b), lambda g, y, a, b: share(g, b, a))
elementwise("less", "np.less", nothing, nothing, boolean=True)
elementwise("less_equal", "np.less_equal", nothing, nothing, boolean=True)
elementwise("equal", "np.equal", nothing, nothing, boolean=True)

# Three.
elementwise(
    "where", "np.where", nothing, lambda g, y, c, a, b: where(c, g, 0.0), lambda g, y, c, a, b: where(c, 0.0, g)
)


def zero(x: Node) -> Node:
    """Where `x` is 0."""
    return apply("equal", x, 0.0)


def share(g: Node, low: Node, high: Node) -> Node:
    """`g` where `high` is above `low`, half of it where they are equal, else 0."""
    return where(apply("less", low, high), g, where(apply("equal", low, high), g * 0.5, 0.0))


# Reductions over feature axes (negative), which stay with length 1, and over the rows. static: (axes, over_rows)


def reduced_shape(operands: Sequence[Node], static: tuple[Any, ...]) -> Shape:
    """The operand's shape with 1 on the axes that are reduced."""
    size = len(operands[0].shape)
    return tuple(1 if axis - size in static[0] else n for axis, n in enumerate(operands[0].shape))


def reduction(function: str) -> Callable[[Node, Sequence[str]], str]:
    """The NumPy source of a reduction."""

    def numpy(y: Node, a: Sequence[str]) -> str:
        axes, over_rows = y.static
        if not axes:
            return f"{a[0]}.{function}(axis=0)"
        all_axes = (0, *axes) if over_rows else axes
        return f"{a[0]}.{function}(axis={all_axes}, keepdims=True)" + ("[0]" if over_rows else "")

    return numpy


def one_for_all(operands: Sequence[Node], static: tuple[Any, ...]) -> bool:
    """A reduction over the rows leaves one value for all."""
    return operands[0].lead and not static[1]


def greatest_of(y: Node) -> Node:
    """The part that each element of a `max`'s operand has in it: 1 for the greatest, or equal parts."""
    x = y.inputs[0]
    is_it = where(apply("equal", x, expand(y, x.shape, x.lead)), 1.0, 0.0)
    return is_it / expand(apply("sum", is_it, static=y.static), x.shape, x.lead)


linear(
    "sum",
    reduction("sum"),
    reduced_shape,
    lambda y, g: [expand(g, y.inputs[0].shape, y.inputs[0].lead)],
    lead=one_for_all,
)
OPS["max"] = Op(
    "max",
    reduction("max"),
    reduced_shape,
    lambda y, g: [expand(g, y.inputs[0].shape, y.inputs[0].lead) * greatest_of(y)],
    lambda y, t: apply("sum", t[0] * greatest_of(y), static=y.static) if t[0] else None,
    lead=one_for_all,
)


def repeated(y: Node, a: Sequence[str]) -> str:
    """The NumPy source of an expand."""
    x = y.inputs[0]
    # A number by itself would be float64.
    value = f"real({a[0]})" if x.op.name == "constant" and not x.shape and not x.boolean else a[0]
    return f"np.broadcast_to({value}, {f'({{rows}}, {str(y.shape)[1:]}' if y.lead else y.shape})"


linear(
    "expand",  # static: (shape, lead)
    repeated,
    lambda operands, static: static[0],
    lambda y, g: [fitted(g, y.inputs[0])],
    lead=lambda operands, static: static[1],
)


# Features in another place.


def along(axis: int, text: str) -> str:
    """An index that takes `text` on the negative `axis`."""
    return ", ".join(["...", text, *[":"] * (-1 - axis)])


def sliced(node: Node, axis: int, start: int, count: int, step: int = 1) -> Node:
    """`count` features from `start` on, every `step`th, on the negative `axis`."""
    if (start, count, step) == (0, node.shape[axis], 1):
        return node
    if not count:  # a slice of nothing may start anywhere
        start, step = 0, 1
    return apply("slice", node, static=(axis, start, count, step))


def slice_source(y: Node, a: Sequence[str]) -> str:
    """The NumPy source of a slice."""
    axis, start, count, step = map(int, y.static)
    stop = str(start + count * step) if start + count * step >= 0 else ""
    by = f":{step}" if step != 1 else ""
    return f"{a[0]}[{along(axis, f'{start}:{stop}{by}')}]"


def resized(shape: Shape, axis: int, size: int) -> Shape:
    """`shape` with `size` on the negative `axis`."""
    return (*shape[:axis], size, *shape[len(shape) + axis + 1 :])


def parted(y: Node, g: Node) -> list[Node | None]:
    """The part of `g` that belongs to each operand of a concatenation."""
    parts: list[Node | None] = []
    start = 0
    for operand in y.inputs:
        size = operand.shape[y.static[0]]
        parts.append(sliced(g, y.static[0], start, size))
        start += size
    return parts


linear(
    "reshape",  # static: (shape,)
    lambda y, a: f"{a[0]}.reshape({f'(len({a[0]}), {str(y.shape)[1:]}' if y.lead else y.shape})",
    lambda operands, static: static[0],
    lambda y, g: [reshaped(g, y.inputs[0].shape)],
)
linear(
    "transpose",  # static: the new order of the feature axes
    lambda y, a: f"{a[0]}.transpose({(0, *(p + 1 for p in y.static)) if y.lead else y.static})",
    lambda operands, static: tuple(operands[0].shape[p] for p in static),
    lambda y, g: [apply("transpose", g, static=tuple(y.static.index(p) for p in range(len(y.static))))],
)
linear(
    "slice",  # static: (axis, start, count, step)
    slice_source,
    lambda operands, static: resized(operands[0].shape, static[0], static[2]),
    lambda y, g: [apply("place", g, static=(y.static[0], y.static[1], y.inputs[0].shape[y.static[0]], y.static[3]))],
)
linear(
    "place",  # into zeros; static: (axis, start, size, step)
    lambda y, a: f"placed({a[0]}, {', '.join(map(str, y.static))})",
    lambda operands, static: resized(operands[0].shape, static[0], static[2]),
    lambda y, g: [apply("slice", g, static=(*y.static[:2], y.inputs[0].shape[y.static[0]], y.static[3]))],
)
linear(
    "concat",  # static: (axis,)
    lambda y, a: f"np.concatenate(({', '.join(a)}), axis={y.static[0]})",
    lambda operands, static: resized(operands[0].shape, static[0], sum(node.shape[static[0]] for node in operands)),
    parted,
)


# One product for all: the letters name the feature axes of its operands and of its result, as in np.einsum. A letter
# that the result lacks is summed over; each stands in at least two of the three. static: (left, right, result, lead).
# Where an operand is lead and the result is not, the rows are summed over too: such is every parameter's gradient.


def contract(a: Node, b: Node, left: str, right: str, result: str, lead: bool | None = None) -> Node:
    """The sum of products of `a` and `b`, for each row if one of them is, unless told."""
    return apply("contract", a, b, static=(left, right, result, a.lead or b.lead if lead is None else lead))


def contract_shape(operands: Sequence[Node], static: tuple[Any, ...]) -> Shape:
    """The sizes of the letters of the result."""
    sizes = {
        letter: size
        for node, letters in zip(operands, static, strict=False)
        for letter, size in zip(letters, node.shape, strict=True)
    }
    return tuple(sizes[letter] for letter in static[2])


def contract_reverse(y: Node, g: Node) -> list[Node | None]:
    """The cotangent of each operand: the result's times the other operand."""
    (a, b), (left, right, result, _) = y.inputs, y.static
    return [contract(g, b, result, right, left, a.lead), contract(g, a, result, left, right, b.lead)]


def contract_forward(y: Node, tangents: Sequence[Node | None]) -> Node | None:
    """The product rule."""
    (a, b), (da, db) = y.inputs, tangents
    return total(
        [
            None if da is None else apply("contract", da, b, static=y.static),
            None if db is None else apply("contract", a, db, static=y.static),
        ]
    )


def unused_letter(left: str, right: str) -> str:
    """Return a letter for the rows of a contraction that none of its feature axes has: authors may use any of them."""
    return next(letter for letter in reversed(ascii_uppercase + ascii_lowercase) if letter not in left + right)


def contract_source(y: Node, a: Sequence[str]) -> str:
    """A product as np.dot, np.matmul or np.multiply of transposed operands."""
    left, right, result, lead = y.static
    rows = unused_letter(left, right)
    left, right = rows * y.inputs[0].lead + left, rows * y.inputs[1].lead + right
    result = rows * lead + result
    words = repr(f"{left},{right}->{result}")
    both = [letter for letter in left if letter in right and letter in result]
    summed = [letter for letter in left if letter in right and letter not in result]
    own = [letter for letter in left if letter not in right]
    others = [letter for letter in right if letter not in left]
    if summed == [rows] and not own and not others:
        return f"np.einsum({words}, {a[0]}, {a[1]})"
    if both or len(own) > 1 or len(others) > 1 or len(summed) > 1:
        return f"contracted({words}, {a[0]}, {a[1]})"
    first = a[0] if left == "".join(own + summed) else f"{a[0]}.T"
    second = a[1] if right == "".join(summed + others) else f"{a[1]}.T"
    product = f"np.dot({first}, {second})" if summed else f"np.multiply.outer({first}, {second})"
    return product if result == "".join(own + others) else f"{product}.T"


OPS["contract"] = Op(
    "contract",
    contract_source,
    contract_shape,
    contract_reverse,
    contract_forward,
    lead=lambda operands, static: bool(static[3]),
)
