"""What NumPy's functions mean in a graph: each is an operation of the table, or composed of several.

All take the trace, then what NumPy's function takes. This is where axes and indices are checked: of a value of a step,
features are counted from the end, for the batch before them may be there or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nanolstm.errors import BatchError, ShapeError, UnsupportedError
from nanolstm.graph.node import Node, Shape, apply, constant
from nanolstm.graph.ops import contract, expand, reshaped, sliced, where
from nanolstm.graph.tracer import Call, Lead, Tracer, Tracing

# Elementwise.


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


def elementwise(op: str, *, logical: bool = False) -> Call:
    """A function that is the operation `op`."""

    def call(tracing: Tracing, *values: Any) -> Tracer:
        nodes = together(tracing, [tracing.lift(value) for value in values], op)
        return tracing.given(apply(op, *(nodes if logical else map(as_number, nodes))))

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


# Axes.


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


def dropped(node: Node, axes: Sequence[int]) -> Node:
    """`node` without `axes`, which have length 1."""
    size = len(node.shape)
    return reshaped(node, tuple(n for i, n in enumerate(node.shape) if i - size not in axes))


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


def cumulated(tracing: Tracing, value: Any, axis: Any = None) -> Any:
    x = tracing.given(as_number(tracing.lift(value)))
    axis = one_axis(tracing, x.node, axis, "np.cumsum")
    parts = [sliced(x.node, axis, i, 1) for i in range(x.node.shape[axis])]
    sums = parts[:1]
    for part in parts[1:]:
        sums.append(sums[-1] + part)
    return tracing.given(joined(sums, axis))


# Features in another place.


def joined(nodes: Sequence[Node], axis: int) -> Node:
    """`nodes`, which agree but for their length on `axis`, one after the other."""
    lead = any(node.lead for node in nodes)
    return (
        nodes[0]
        if len(nodes) == 1
        else apply("concat", *(expand(as_number(node), node.shape, lead) for node in nodes), static=(axis,))
    )


def concatenate(tracing: Tracing, values: Any, axis: Any = 0) -> Tracer:
    nodes = [tracing.lift(value) for value in values]
    if len({node.lead for node in nodes}) > 1:
        tracing.refuse(
            BatchError,
            "np.concatenate or np.stack of something of each example and something of all",
            "repeat the latter first: np.broadcast_to(self.b, (*x.shape[:-1], self.b.shape[-1]))",
        )
    at = one_axis(tracing, nodes[0], axis, "np.concatenate")
    shapes = [node.shape for node in nodes]
    if any(len(s) != len(shapes[0]) or resized(s, at) != resized(shapes[0], at) for s in shapes):
        tracing.refuse(
            ShapeError, f"np.concatenate of features of shapes {', '.join(map(str, shapes))}", "they differ elsewhere"
        )
    return tracing.given(joined(nodes, at))


def resized(shape: Shape, axis: int) -> Shape:
    """`shape` without the negative `axis`."""
    return (*shape[:axis], *shape[len(shape) + axis + 1 :])


def stack(tracing: Tracing, values: Any, axis: Any = 0) -> Tracer:
    return concatenate(tracing, [expand_dims(tracing, value, axis) for value in values], axis)


def expand_dims(tracing: Tracing, value: Any, axis: Any) -> Tracer:
    node = tracing.lift(value)
    new = axis if isinstance(axis, tuple | list) else (axis,)
    larger = Node(node.op, (), (), ((1,) * len(new) + node.shape), node.lead)  # for its number of axes alone
    places = {len(larger.shape) + one_axis(tracing, larger, one, "a new axis") for one in new}
    sizes = iter(node.shape)
    return tracing.given(reshaped(node, tuple(1 if i in places else next(sizes) for i in range(len(larger.shape)))))


def squeeze(tracing: Tracing, value: Any, axis: Any = None) -> Tracer:
    node = tracing.lift(value)
    if axis is None:
        tracing.refuse(BatchError, "np.squeeze of every axis, a batch of one too", "name the axis: axis=-1")
    axes, rows = feature_axes(tracing, node, axis, "np.squeeze")
    if rows or any(node.shape[a] != 1 for a in axes):
        tracing.refuse(ShapeError, f"np.squeeze of axes {axis} of features of shape {node.shape}", "they are not 1")
    return tracing.given(dropped(node, axes))


def split(tracing: Tracing, value: Any, indices_or_sections: Any, axis: Any = 0) -> list[Tracer]:
    node = tracing.lift(value)
    axis = one_axis(tracing, node, axis, "np.split")
    size = node.shape[axis]
    if isinstance(indices_or_sections, int | np.integer):
        if size % indices_or_sections:
            tracing.refuse(ShapeError, f"np.split of {size} features into {indices_or_sections}", "it does not divide")
        part = size // int(indices_or_sections)
        borders = list(range(part, size, part))
    else:
        borders = [int(i) for i in indices_or_sections]
    ends = [slice(a, b).indices(size) for a, b in zip([0, *borders], [*borders, size], strict=True)]
    return [tracing.given(sliced(node, axis, a, max(b - a, 0))) for a, b, _ in ends]


def new_shape(tracing: Tracing, node: Node, shape: Any, call: str) -> Shape:
    """The feature shape that `shape` means; one -1 is found."""
    sizes = list(tuple.__iter__(shape) if isinstance(shape, tuple) else shape if isinstance(shape, list) else [shape])
    if node.lead:
        first = sizes[0] if sizes else None
        rows = isinstance(first, Lead) or (isinstance(first, Tracer) and first.node.op.name == "count")
        if not rows:
            tracing.refuse(
                BatchError,
                f"{call} to {shape}, which does not begin with the batch",
                f"write {call}(x, (*x.shape[:-1], ...)) with the features' shape for ...",
            )
        del sizes[0]
    sizes = [int(size) for size in sizes]
    if sizes.count(-1) == 1:
        others = math.prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = math.prod(node.shape) // max(others, 1)
    return tuple(sizes)


def reshape(tracing: Tracing, value: Any, *shape: Any, order: str = "C", **options: Any) -> Tracer:
    node = tracing.lift(value)
    wanted = options.pop("shape", shape[0] if len(shape) == 1 else shape)
    if order != "C" or options:
        tracing.refuse(UnsupportedError, "np.reshape with other options than a shape", "leave them out")
    sizes = new_shape(tracing, node, wanted, "np.reshape")
    if math.prod(sizes) != math.prod(node.shape):
        tracing.refuse(ShapeError, f"np.reshape of features {node.shape} to {sizes}", "they are not as many")
    return tracing.given(reshaped(node, sizes))


def ravel(tracing: Tracing, value: Any, order: str = "C") -> Tracer:
    node = tracing.lift(value)
    if node.lead:
        tracing.refuse(
            BatchError,
            "np.ravel, which makes features of the batch",
            "np.reshape(a, (*a.shape[:-2], -1)) joins the last two axes",
        )
    return reshape(tracing, value, -1, order=order)


def size(tracing: Tracing, value: Any, axis: int | None = None) -> Any:
    whole = tracing.given(tracing.lift(value))
    return whole.size if axis is None else whole.shape[axis]


def broadcast_to(tracing: Tracing, value: Any, shape: Any) -> Tracer:
    node = tracing.lift(value)
    starts = isinstance(shape, tuple) and isinstance(next(tuple.__iter__(shape), None), Lead | Tracer)
    sizes = tuple(tuple.__iter__(shape))[1:] if starts else new_shape(tracing, node, shape, "np.broadcast_to")
    sizes = tuple(map(int, sizes))
    if node.lead and len(sizes) != len(node.shape):
        tracing.refuse(
            BatchError,
            f"np.broadcast_to of features of shape {node.shape} to {sizes}, whose axes would meet the batch",
            "make the axes first: x[..., None, :]",
        )
    if len(sizes) < len(node.shape) or any(
        a not in (1, b) for a, b in zip(node.shape[::-1], sizes[::-1], strict=False)
    ):
        tracing.refuse(ShapeError, f"np.broadcast_to of features of shape {node.shape} to {sizes}", "they do not fit")
    return tracing.given(expand(node, sizes, starts or node.lead))


def transpose(tracing: Tracing, value: Any, *order: Any, axes: Any = None) -> Tracer:
    node = tracing.lift(value)
    if node.lead:
        tracing.refuse(BatchError, "np.transpose of a value of the step", "np.swapaxes(a, -1, -2) exchanges two axes")
    wanted = order if len(order) > 1 else order[0] if order else axes
    if wanted is None:
        wanted = range(len(node.shape))[::-1]
    return tracing.given(apply("transpose", node, static=tuple(int(a) % len(node.shape) for a in wanted)))


def swapaxes(tracing: Tracing, value: Any, axis1: Any, axis2: Any) -> Tracer:
    node = tracing.lift(value)
    one, other = (one_axis(tracing, node, axis, "np.swapaxes") for axis in (axis1, axis2))
    order = list(range(len(node.shape)))
    order[one], order[other] = order[other], order[one]
    return tracing.given(apply("transpose", node, static=tuple(order)))


def matrix_transpose(tracing: Tracing, value: Any) -> Tracer:
    return swapaxes(tracing, value, -1, -2)


def moveaxis(tracing: Tracing, value: Any, source: Any, destination: Any) -> Tracer:
    node = tracing.lift(value)
    one, other = (one_axis(tracing, node, axis, "np.moveaxis") for axis in (source, destination))
    order = list(range(len(node.shape)))
    order.insert(len(order) + other, order.pop(one))
    return tracing.given(apply("transpose", node, static=tuple(order)))


def flip(tracing: Tracing, value: Any, axis: Any = None) -> Tracer:
    node = tracing.lift(value)
    axis = one_axis(tracing, node, axis, "np.flip")
    return tracing.given(sliced(node, axis, node.shape[axis] - 1, node.shape[axis], -1))


def roll(tracing: Tracing, value: Any, shift: int, axis: Any = None) -> Tracer:
    node = tracing.lift(value)
    axis = one_axis(tracing, node, axis, "np.roll")
    size = node.shape[axis]
    cut = -int(shift) % size
    return tracing.given(
        joined([sliced(node, axis, cut, size - cut), sliced(node, axis, 0, cut)], axis) if cut else node
    )


def take(tracing: Tracing, value: Any, indices: Any, axis: Any = None) -> Tracer:
    node = tracing.lift(value)
    axis = one_axis(tracing, node, axis, "np.take")
    if np.ndim(indices) == 0:
        return tracing.given(dropped(picked(tracing, node, axis, [indices]), (axis,)))
    return tracing.given(picked(tracing, node, axis, indices))


def picked(tracing: Tracing, node: Node, axis: int, indices: Any) -> Node:
    """The features at the fixed `indices`, in their order."""
    numbers = np.asarray(indices)
    if numbers.dtype.kind == "b" and numbers.ndim == 1:
        numbers = np.flatnonzero(numbers)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not numbers.size:
        tracing.refuse(UnsupportedError, f"an index {indices!r}", "give numbers, slices, or a list of fixed numbers")
    size = node.shape[axis]
    if (abs(numbers + 0.5) > size).any():
        tracing.refuse(ShapeError, f"an index {indices!r} of {size} features", f"expected {-size} to {size - 1}")
    return joined([sliced(node, axis, int(i) % size, 1) for i in numbers], axis)


def repeat(tracing: Tracing, value: Any, repeats: Any, axis: Any = None) -> Tracer:
    node = tracing.lift(value)
    axis = one_axis(tracing, node, axis, "np.repeat")
    return tracing.given(picked(tracing, node, axis, np.repeat(np.arange(node.shape[axis]), repeats)))


def getitem(tracing: Tracing, value: Tracer, key: Any) -> Tracer:
    """Basic indexing of features, and lists of fixed numbers."""
    node, items = value.node, list(key) if isinstance(key, tuple) else [key]
    for item in items:
        if isinstance(item, Tracer):
            tracing.refuse(UnsupportedError, "a traced value is an index", "choose by np.where(condition, this, that)")
    if node.lead:
        first = items[0] if items else None
        if tracing.whole and isinstance(first, slice) and first == slice(None):
            items[0] = ...
        elif first is not Ellipsis:
            tracing.refuse(
                BatchError,
                "an index without `...`, which would count in the batch",
                "write h[..., 0], h[..., :2], h[..., None]",
            )
    if not any(item is Ellipsis for item in items):
        items.append(...)
    dots = next(i for i, item in enumerate(items) if item is Ellipsis)
    used = sum(item is not None and item is not Ellipsis for item in items)
    if used > len(node.shape):
        tracing.refuse(ShapeError, f"{used} indices for features of shape {node.shape}", "there are fewer axes")
    items[dots : dots + 1] = [slice(None)] * (len(node.shape) - used)
    shape, axis = [], -len(node.shape)
    for item in items:
        if item is None:
            shape.append(1)
            continue
        size = node.shape[axis]
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            node = sliced(node, axis, start, len(range(start, stop, step)), step)
            shape.append(node.shape[axis])
        elif isinstance(item, int | np.integer) and not isinstance(item, bool):
            node = picked(tracing, node, axis, [item])
        else:
            node = picked(tracing, node, axis, item)
            shape.append(node.shape[axis])
        axis += 1
    return tracing.given(reshaped(node, tuple(shape)))


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


# Products.

ROW, COLUMN, INNER = "i", "j", "k"


def factors(tracing: Tracing, call: str, *nodes: Node) -> list[Node]:
    """Operands of a product as numbers; of masks alone NumPy's answer is whether any pair holds, and no sum."""
    if len(nodes) > 1 and all(node.boolean for node in nodes):
        tracing.refuse(UnsupportedError, f"{call} of conditions", "np.sum(a & b, axis=-1) counts where both hold")
    return [as_number(node) for node in nodes]


def matmul(tracing: Tracing, left: Any, right: Any) -> Tracer:
    """`@`. A vector with a batch axis is, to NumPy, a matrix: then only `x @ A` means what it says."""
    a, b = tracing.lift(left), tracing.lift(right)
    vectors = a.lead and len(a.shape) == 1, b.lead and len(b.shape) == 1
    if vectors[1] or (vectors[0] and (b.lead or len(b.shape) != 2) and not (not b.lead and len(b.shape) == 1)):
        tracing.refuse(
            BatchError,
            f"`@` of features of shapes {a.shape} and {b.shape}, which takes the batch for an axis of a matrix",
            "write `h @ A.T` for `A @ h`; np.matvec(C, q), np.vecmat(q, C), np.vecdot(a, b) for a matrix or vector of "
            "each example",
        )
    return product(tracing, a, b, "@")


def side_by_side(tracing: Tracing, a: Node, b: Node, own: tuple[int, int], call: str) -> None:
    """Refuse axes before the last ones of a product, as many as `own` says, that would meet the batch."""
    ends = zip((a, b), own, strict=True)
    heads = [Node(n.op, (), (), n.shape[: max(len(n.shape) - k, 0)], n.lead) for n, k in ends]
    together(tracing, heads, call)


def product(tracing: Tracing, a: Node, b: Node, call: str) -> Tracer:
    """The matrix product of the last axes; axes before them are taken side by side."""
    if not a.shape or not b.shape:
        tracing.refuse(ShapeError, f"{call} of features of shapes {a.shape} and {b.shape}", "use `*` with a number")
    a, b = factors(tracing, call, a, b)
    side_by_side(tracing, a, b, (2, 2), call)
    rows, columns = (ROW,) * (len(a.shape) > 1), (COLUMN,) * (len(b.shape) > 1)
    side = "abcdefgh"[: max(len(a.shape), len(b.shape), 2) - 2]
    left = "".join([*side[len(side) - max(len(a.shape) - 2, 0) :], *rows, INNER])
    right = "".join([*side[len(side) - max(len(b.shape) - 2, 0) :], INNER, *columns])
    sizes: dict[str, int] = {}
    for letters, node in ((left, a), (right, b)):
        for letter, size in zip(letters, node.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                tracing.refuse(
                    ShapeError,
                    f"{call} of features of shapes {a.shape} and {b.shape}",
                    f"{sizes[letter]} is not {size}",
                )
    return tracing.given(contract(a, b, left, right, "".join([*side, *rows, *columns])))


def gufunc(left: str, right: str, result: str) -> Call:
    """np.matvec and its kin: products of the last axes of each example, axes before them side by side."""

    def call(tracing: Tracing, first: Any, second: Any) -> Tracer:
        a, b = factors(tracing, "a product", tracing.lift(first), tracing.lift(second))
        if len(a.shape) < len(left) or len(b.shape) < len(right):
            tracing.refuse(ShapeError, f"a product of features of shapes {a.shape} and {b.shape}", "an axis is missing")
        side_by_side(tracing, a, b, (len(left), len(right)), "a product")
        heads = a.shape[: len(a.shape) - len(left)], b.shape[: len(b.shape) - len(right)]
        shape = np.broadcast_shapes(*heads)
        # What one example has once and the other for each head is repeated; the letters then stand for both.
        if a.lead == b.lead or heads[0] == heads[1]:
            a, b = (expand(n, (*shape, *n.shape[len(h) :]), n.lead) for n, h in zip((a, b), heads, strict=True))
        side = "abcdefgh"[: len(shape)]
        own = [side[len(side) - len(n.shape) + len(w) :] for n, w in ((a, left), (b, right))]
        sizes: dict[str, int] = {}
        for letters, node in ((own[0] + left, a), (own[1] + right, b)):
            for letter, size in zip(letters, node.shape, strict=True):
                if sizes.setdefault(letter, size) != size:
                    tracing.refuse(
                        ShapeError, f"a product of features of shapes {a.shape} and {b.shape}", "they differ"
                    )
        return tracing.given(contract(a, b, own[0] + left, own[1] + right, side + result))

    return call


def dot(tracing: Tracing, left: Any, right: Any) -> Tracer:
    a, b = tracing.lift(left), tracing.lift(right)
    if b.lead or len(b.shape) > 2:
        tracing.refuse(
            BatchError,
            f"np.dot of features of shapes {a.shape} and {b.shape}, which puts the axes of the second behind",
            "write np.vecdot(a, b), np.matvec(A, v), or `h @ A.T`",
        )
    return product(tracing, a, b, "np.dot")


def outer(tracing: Tracing, *_: Any) -> Tracer:
    tracing.refuse(
        BatchError, "np.outer, which flattens the batch into the vectors", "write a[..., :, None] * b[..., None, :]"
    )


def rows_dotted(tracing: Tracing, nodes: Sequence[Node], words: list[str], result: str) -> tuple[list[str], str]:
    """`words` and `result` with `...` in the place of the letter that stands for the rows of a loss."""
    firsts = {word[:1] for node, word in zip(nodes, words, strict=False) if node.lead}
    if (
        not tracing.whole
        or len(firsts) != 1
        or not firsts.issubset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    ):
        return words, result
    (rows,) = firsts
    dotted = [f"...{word[1:]}" if node.lead else word for node, word in zip(nodes, words, strict=False)]
    answer = f"...{result[1:]}" if result[:1] == rows else result
    return (words, result) if any(rows in word for word in [*dotted, answer]) else (dotted, answer)


def einsum(tracing: Tracing, subscripts: Any, *values: Any, **options: Any) -> Tracer:
    """np.einsum of one or two operands, with `...` for the batch."""
    if not isinstance(subscripts, str) or not 1 <= len(values) <= 2 or "->" not in subscripts:
        tracing.refuse(UnsupportedError, "this form of np.einsum", 'write "...i,...i->...", two operands at most')
    nodes = factors(tracing, "np.einsum", *map(tracing.lift, values))
    words, result = subscripts.replace(" ", "").split("->")
    letters, result = rows_dotted(tracing, nodes, words.split(","), result)
    for node, word in zip(nodes, letters, strict=True):
        if node.lead != word.startswith("..."):
            tracing.refuse(
                BatchError,
                f"np.einsum({subscripts!r}): `...` stands for the batch",
                'write "...i,ji->...j" for h @ A.T',
            )
    lead = result.startswith("...")
    letters, result = [word.replace("...", "") for word in letters], result.replace("...", "")
    if any(len(set(word)) != len(word) or len(word) != len(n.shape) for word, n in zip(letters, nodes, strict=True)):
        tracing.refuse(ShapeError, f"np.einsum({subscripts!r}) of {[n.shape for n in nodes]}", "a letter for each axis")
    if lead != any(node.lead for node in nodes) and not tracing.whole:
        tracing.refuse(BatchError, f"np.einsum({subscripts!r}) sums over the batch", "begin the result with `...`")
    for i, word in enumerate(letters):  # a letter that stands nowhere else is summed over by itself
        others = set(result).union(*letters[:i], *letters[i + 1 :])
        alone = [letter for letter in word if letter not in others]
        if alone:
            axes = tuple(word.index(letter) - len(word) for letter in alone)
            nodes[i] = dropped(apply("sum", nodes[i], static=(axes, False)), axes)
            letters[i] = "".join(letter for letter in word if letter not in alone)
    if len(nodes) == 1:
        node = apply("transpose", nodes[0], static=tuple(letters[0].index(letter) for letter in result))
        return tracing.given(node if node.lead == lead else apply("sum", node, static=((), True)))
    sizes: dict[str, int] = {}
    for word, node in zip(letters, nodes, strict=True):
        for letter, size in zip(word, node.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                tracing.refuse(ShapeError, f"np.einsum({subscripts!r}) of {[n.shape for n in nodes]}", "sizes differ")
    a, b = nodes
    if not lead and a.lead != b.lead:  # the rows of one alone are summed over
        a, b = (apply("sum", n, static=((), True)) if n.lead else n for n in (a, b))
    return tracing.given(contract(a, b, letters[0], letters[1], result, lead))


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


def astype(tracing: Tracing, value: Tracer, dtype: Any, **_: Any) -> Tracer:
    """Between kinds of float there is no difference in a graph."""
    if np.dtype(dtype).kind != "f":
        tracing.refuse(UnsupportedError, f".astype({dtype!r})", "np.floor rounds, comparisons make True and False")
    return tracing.given(as_number(value.node))


def same(tracing: Tracing, value: Any, *_: Any, **__: Any) -> Tracer:
    return tracing.given(tracing.lift(value))


VOCABULARY: dict[Any, Call] = {
    **{
        getattr(np, name): elementwise(name)
        for name in [
            "exp",
            "expm1",
            "log",
            "log1p",
            "tanh",
            "sqrt",
            "sign",
            "sin",
            "cos",
            "floor",
            "mod",
            "logaddexp",
            "maximum",
            "minimum",
            "less",
            "less_equal",
            "equal",
        ]
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
    np.sinh: composed(lambda x: 0.5 * (np.exp(x) - np.exp(-x))),
    np.cosh: composed(lambda x: 0.5 * (np.exp(x) + np.exp(-x))),
    np.hypot: composed(lambda a, b: np.sqrt(a * a + b * b)),
    np.floor_divide: composed(lambda a, b: np.floor((a - np.mod(a, b)) / b + 0.5)),  # 1 // 0.1 is 9
    np.ceil: composed(lambda x: -np.floor(-x)),
    np.trunc: composed(lambda x: np.sign(x) * np.floor(np.abs(x))),
    np.isnan: composed(lambda x: x != x),
    np.isfinite: composed(lambda x: np.abs(x) < math.inf),
    np.isinf: composed(lambda x: np.abs(x) == math.inf),
    np.matmul: matmul,
    np.vecdot: gufunc("k", "k", ""),
    np.matvec: gufunc("ik", "k", "i"),
    np.vecmat: gufunc("k", "kj", "j"),
    np.where: choose,
    np.clip: clip,
    np.sum: reduction("sum"),
    np.mean: reduction("sum", averaged),
    np.max: reduction("max"),
    np.min: least,
    np.var: variance,
    np.std: lambda *args, **options: np.sqrt(variance(*args, **options)),
    np.cumsum: cumulated,
    np.linalg.norm: norm,
    np.concatenate: concatenate,
    np.stack: stack,
    np.split: split,
    np.expand_dims: expand_dims,
    np.squeeze: squeeze,
    np.shape: lambda tracing, a: tracing.given(tracing.lift(a)).shape,
    np.ndim: lambda tracing, a: tracing.given(tracing.lift(a)).ndim,
    np.size: size,
    np.ravel: ravel,
    np.reshape: reshape,
    np.broadcast_to: broadcast_to,
    np.transpose: transpose,
    np.swapaxes: swapaxes,
    np.matrix_transpose: matrix_transpose,
    np.moveaxis: moveaxis,
    np.flip: flip,
    np.roll: roll,
    np.take: take,
    np.repeat: repeat,
    np.zeros_like: like(0.0),
    np.ones_like: like(1.0),
    np.full_like: like(),
    np.dot: dot,
    np.outer: outer,
    np.einsum: einsum,
    np.copy: same,
    # SciPy's and nanolstm's own, by name: neither is imported for it.
    "expit": elementwise("sigmoid"),
    "erf": elementwise("erf"),
    "erfc": composed(lambda x: 1.0 - x.tracing.vocabulary["erf"](x.tracing, x)),
    "log_expit": composed(lambda x: -np.logaddexp(-x, 0.0)),
    "sigmoid": elementwise("sigmoid"),
    "softplus": elementwise("softplus"),
    "softmax": softmax,
    # What only a tracer calls.
    "getitem": getitem,
    "astype": astype,
}
"""Every function that may be used, by itself or by its name."""
