"""Features in another place: indices, shapes, joining and parting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nanolstm.errors import BatchError, ShapeError, UnsupportedError
from nanolstm.graph.lead import Lead
from nanolstm.graph.node import Node, Shape, apply
from nanolstm.graph.ops import dropped, expand, reshaped, sliced
from nanolstm.graph.tracer import Call, Tracer, Tracing
from nanolstm.graph.vocabulary.elementwise import as_number
from nanolstm.graph.vocabulary.reductions import feature_axes, one_axis


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
    if any(len(s) != len(shapes[0]) or without(s, at) != without(shapes[0], at) for s in shapes):
        tracing.refuse(
            ShapeError, f"np.concatenate of features of shapes {', '.join(map(str, shapes))}", "they differ elsewhere"
        )
    return tracing.given(joined(nodes, at))


def without(shape: Shape, axis: int) -> Shape:
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


def cumulated(tracing: Tracing, value: Any, axis: Any = None) -> Any:
    x = tracing.given(as_number(tracing.lift(value)))
    axis = one_axis(tracing, x.node, axis, "np.cumsum")
    parts = [sliced(x.node, axis, i, 1) for i in range(x.node.shape[axis])]
    sums = parts[:1]
    for part in parts[1:]:
        sums.append(sums[-1] + part)
    return tracing.given(joined(sums, axis))


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
                "rows are independent of each other: write p[..., 0], p[..., :2], p[..., None]"
                if tracing.whole
                else "write h[..., 0], h[..., :2], h[..., None]",
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


PLACES: dict[Any, Call] = {
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
    np.cumsum: cumulated,
    np.repeat: repeat,
    "getitem": getitem,
}
