"""Forms that put features in other places: indices, shapes, joining and parting."""

from __future__ import annotations

from ..builder import MOST, Builder, Value
from .table import form


def at_least_vector(b: Builder, v: Value) -> Value:
    """`v` with one feature axis or more."""
    return b.of_rank(v, max(v.rank, 1))


def axis_of(b: Builder, v: Value) -> int:
    """A feature axis, rather the last."""
    return -1 if b.chance(0.6) else int(b.choose(range(-v.rank, 0)))


def resized_shape(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    """`shape` with `size` on the negative `axis`."""
    return (*shape[:axis], size, *shape[len(shape) + axis + 1 :])


def tail(axis: int) -> str:
    """What an index has behind the negative `axis`."""
    return "".join(", :" for _ in range(-1 - axis))


@form("expand_dims")
def expand_dims(b: Builder, v: Value) -> Value:
    axis = -b.whole(1, v.rank + 1)
    at = v.rank + 1 + axis
    return b.kept(v, f"np.expand_dims({{0}}, {axis})", (*v.shape[:at], 1, *v.shape[at:]))


@form("squeeze")
def squeeze(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    if v.shape[-1] != 1:
        v = b.emit(
            "np.mean({0}, axis=-1, keepdims=True)", b.as_number(v), shape=(*v.shape[:-1], 1), low=v.low, high=v.high
        )
    return b.kept(v, b.choose(("np.squeeze({0}, axis=-1)", "{0}.squeeze(axis=-1)")), v.shape[:-1])


@form("reshape")
def reshape(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    count = v.elements
    rows = b.choose([n for n in range(1, 9) if count % n == 0])
    shape = b.choose(((count,), (rows, count // rows), (count // rows, rows)))
    sizes = ", ".join(f"{{s[{i}]}}" for i in range(len(shape)))
    if v.lead:
        text = b.choose((f"np.reshape({{0}}, (*x.shape[:-1], {sizes}))", f"{{0}}.reshape(*x.shape[:-1], {sizes})"))
    else:
        text = f"np.reshape({{0}}, ({sizes},))"
    return b.kept(v, text, shape, *shape)


@form("reshape to -1")
def reshape_to_unknown(b: Builder, v: Value) -> Value:
    v = b.with_lead(b.of_rank(v, 2))
    return b.kept(v, "np.reshape({0}, (*x.shape[:-1], -1))", (v.elements,))


@form("ravel of parameters")
def ravel_of_parameters(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    matrix = b.param((b.whole(1, 3), b.whole(1, 4)))
    flat = b.kept(matrix, b.choose(("np.ravel({0})", "{0}.flatten()", "{0}.ravel()")), (matrix.elements,))
    return b.emit("{0} * {1}", v, b.adapted(flat, v.shape[-1:]), shape=v.shape, size=v.size)


@form("split")
def heads(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    if v.rank > 2 or not v.lead:
        v = b.with_lead(b.of_rank(v, 1))
    parts = b.choose([n for n in (1, 2, 3, 4) if v.shape[-1] % n == 0])
    return b.kept(v, "split({0}, {s[0]})", (*v.shape[:-1], parts, v.shape[-1] // parts), parts)


@form("merge")
def merge(b: Builder, v: Value) -> Value:
    v = b.with_lead(b.of_rank(v, max(v.rank, 2)))
    return b.kept(v, "merge({0})", (*v.shape[:-2], v.shape[-2] * v.shape[-1]))


@form("broadcast_to")
def broadcast_to(b: Builder, v: Value) -> Value:
    v = b.with_lead(b.of_rank(v, max(v.rank, 1)))
    axis = axis_of(b, v)
    if v.shape[axis] != 1:
        v = b.resized(v, axis, 1)
    size = b.choose([n for n in b.sizes if n * v.elements <= MOST] or [1])
    shape = resized_shape(v.shape, axis, size)
    sizes = "".join(f", {{s[{i}]}}" for i in range(len(shape)))
    return b.kept(v, f"np.broadcast_to({{0}}, (*x.shape[:-1]{sizes}))", shape, *shape)


@form("swapaxes")
def swapaxes(b: Builder, v: Value) -> Value:
    v = b.of_rank(v, max(v.rank, 2))
    turned = (*v.shape[:-2], v.shape[-1], v.shape[-2])
    return b.kept(v, b.choose(("np.swapaxes({0}, -1, -2)", "{0}.swapaxes(-2, -1)")), turned)


@form("matrix_transpose")
def matrix_transpose(b: Builder, v: Value) -> Value:
    v = b.of_rank(v, max(v.rank, 2))
    turned = (*v.shape[:-2], v.shape[-1], v.shape[-2])
    return b.kept(v, b.choose(("np.matrix_transpose({0})", "{0}.mT")), turned)


@form("moveaxis")
def moveaxis(b: Builder, v: Value) -> Value:
    v = b.of_rank(v, max(v.rank, 2))
    start, end = b.whole(-v.rank, -1), b.whole(-v.rank, -1)
    order = list(range(v.rank))
    order.insert(v.rank + end, order.pop(start))
    return b.kept(v, f"np.moveaxis({{0}}, {start}, {end})", tuple(v.shape[i] for i in order))


@form("transpose of parameters")
def transpose_of_parameters(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    matrix = b.param((v.shape[-1], b.whole(1, 4)))
    turned = b.kept(matrix, b.choose(("np.transpose({0})", "{0}.T", "{0}.transpose(1, 0)")), matrix.shape[::-1])
    row = b.kept(turned, "{0}[{s[0]}]", (v.shape[-1],), b.whole(0, turned.shape[0] - 1))
    return b.emit("{0} + {1}", v, row, shape=v.shape, size=v.size + 0.5)


@form("flip")
def flip(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    return b.kept(v, f"np.flip({{0}}, axis={axis_of(b, v)})", v.shape)


@form("roll")
def roll(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    return b.kept(v, f"np.roll({{0}}, {{s[0]}}, axis={axis_of(b, v)})", v.shape, b.whole(-4, 7))


@form("getitem")
def getitem(b: Builder, v: Value) -> Value:
    """A slice, forward or backward, with a step."""
    v = at_least_vector(b, v)
    axis = axis_of(b, v)
    size = v.shape[axis]
    start, stop, step = b.whole(-size, size), b.whole(-size, size), b.choose((1, 1, 2, 3, -1, -2))
    count = len(range(*slice(start, stop, step).indices(size)))
    if count == 0:
        start, stop, count = (
            (0, size, len(range(0, size, step))) if step > 0 else (size - 1, -size - 1, len(range(size - 1, -1, step)))
        )
    text = f"{{0}}[..., {{s[0]}}:{{s[1]}}:{{s[2]}}{tail(axis)}]"
    return b.kept(v, text, resized_shape(v.shape, axis, count), start, stop, step)


@form("element")
def element(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    axis = axis_of(b, v)
    shape = (*v.shape[:axis], *v.shape[v.rank + axis + 1 :])
    return b.kept(v, f"{{0}}[..., {{s[0]}}{tail(axis)}]", shape, b.whole(-v.shape[axis], v.shape[axis] - 1))


@form("new axis")
def new_axis(b: Builder, v: Value) -> Value:
    text = b.choose(("{0}[..., None]", "{0}[..., None, :]" if v.rank else "{0}[..., None]"))
    return b.kept(v, text, (*v.shape[:-1], 1, v.shape[-1]) if text.endswith(":]") else (*v.shape, 1))


@form("mask of places")
def mask_of_places(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    if v.shape[-1] > 9:
        v = b.resized(v, -1, 5)
    chosen = [bool(c) for c in b.rng.random(v.shape[-1]) < 0.6]
    chosen[0] = True
    return b.kept(v, f"{{0}}[..., {chosen}]", resized_shape(v.shape, -1, sum(chosen)))


@form("differences")
def differences(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    if v.shape[-1] == 1:
        v = b.resized(v, -1, 3)
    return b.emit("{0}[..., 1:] - {0}[..., :-1]", v, shape=resized_shape(v.shape, -1, v.shape[-1] - 1), size=v.size)


@form("sizes")
def sizes(b: Builder, v: Value) -> Value:
    """The shape of a parameter, read as a number."""
    v = b.as_number(v)
    matrix = b.param((b.whole(1, 3), b.whole(1, 3)))
    text = b.choose(
        ("np.shape({1})[0] * np.ndim({1})", "np.size({1})", "np.ndim({1})", "{1}.size", "{1}.ndim", "np.size({1}, 1)")
    )
    return b.emit(f"{{0}} / {text} + {{1}}[0, 0]", v, matrix, shape=v.shape, size=v.size + 0.5)
