"""Forms that put features in other places: indices, shapes, joining and parting."""

from __future__ import annotations

from ..builder import MOST, Builder, Value
from .table import form


def at_least_vector(b: Builder, v: Value) -> Value:
    """`v` with one feature axis or more."""
    return b.of_rank(v, max(v.rank, 1))


def _axis(b: Builder, v: Value) -> int:
    return -1 if b.chance(0.6) else int(b.choose(range(-v.rank, 0)))


def _resized(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[len(shape) + axis + 1 :])


def _tail(axis: int) -> str:
    return "".join(", :" for _ in range(-1 - axis))


@form("concatenate")
def concatenate(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    axis = _axis(b, v)
    other = b.pick(lambda c: not c.boolean and c.rank > 0) or v
    other = b.adapted(other, _resized(v.shape, axis, other.shape[axis] if other.rank >= -axis else 1))
    if v.lead or other.lead:
        v, other = b.with_lead(v), b.with_lead(other)
    shape = _resized(v.shape, axis, v.shape[axis] + other.shape[axis])
    one, two = (v, other) if b.chance(0.5) else (other, v)
    low, high = min(v.low, other.low), max(v.high, other.high)
    return b.emit(
        f"np.concatenate([{{0}}, {{1}}], axis={axis})",
        one,
        two,
        shape=shape,
        low=low,
        high=high,
        size=max(v.size, other.size),
    )


@form("concatenate twice", "concatenate")
def concatenate_twice(b: Builder, v: Value) -> Value:
    """The same value on both sides."""
    v = b.as_number(at_least_vector(b, v))
    axis = _axis(b, v)
    text = b.choose(("[{0}, {0}]", "[{0}, -{0}]", "({0}, {0}, {0})"))
    shape = _resized(v.shape, axis, v.shape[axis] * text.count("{0}"))
    low, high = (min(v.low, -v.high), max(v.high, -v.low)) if "-" in text else (v.low, v.high)
    return b.emit(f"np.concatenate({text}, axis={axis})", v, shape=shape, low=low, high=high, size=v.size)


@form("stack")
def stack(b: Builder, v: Value) -> Value:
    v = b.as_number(v)
    other = b.fellow(v)
    other = b.adapted(other, v.shape) if other.rank else v
    if v.lead or other.lead:
        v, other = b.with_lead(v), b.with_lead(other)
    axis = -1 if b.chance(0.5) else -b.whole(1, v.rank + 1)
    at = v.rank + 1 + axis
    shape = (*v.shape[:at], 2, *v.shape[at:])
    low, high = min(v.low, other.low), max(v.high, other.high)
    return b.emit(
        f"np.stack([{{0}}, {{1}}], axis={axis})",
        v,
        other,
        shape=shape,
        low=low,
        high=high,
        size=max(v.size, other.size),
    )


@form("split in parts", "split")
def split_in_parts(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    parts = b.choose([n for n in (1, 2, 3, 4) if v.shape[-1] % n == 0])
    which = b.whole(0, parts - 1)
    shape = _resized(v.shape, -1, v.shape[-1] // parts)
    return b.kept(v, "np.split({0}, {s[0]}, axis=-1)[{s[1]}]", shape, parts, which)


@form("split at borders", "split")
def split_at_borders(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    axis = _axis(b, v)
    border = b.whole(0, v.shape[axis])
    which = int(border * 2 < v.shape[axis])
    count = v.shape[axis] - border if which else border
    return b.kept(v, f"np.split({{0}}, [{{s[0]}}], axis={axis})[{which}]", _resized(v.shape, axis, count), border)


@form("loop over parts", "split", "stack")
def loop_over_parts(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    parts = b.choose([n for n in (1, 2, 3, 4) if v.shape[-1] % n == 0])
    width = v.shape[-1] // parts
    text = "np.stack([np.tanh(part) for part in np.split({0}, {s[0]}, axis=-1)], axis=-2)"
    return b.emit(text, v, numbers=(parts,), shape=(*v.shape[:-1], parts, width), low=-1, high=1)


@form("sum over parts", "split", "add")
def sum_over_parts(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    parts = b.choose([n for n in (1, 2, 3, 4) if v.shape[-1] % n == 0])
    text = "sum(np.split({0}, {s[0]}, axis=-1))"
    return b.emit(text, v, numbers=(parts,), shape=(*v.shape[:-1], v.shape[-1] // parts), size=v.size * parts**0.5)


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


@form("reshape to -1", "reshape")
def reshape_to_unknown(b: Builder, v: Value) -> Value:
    v = b.with_lead(b.of_rank(v, 2))
    return b.kept(v, "np.reshape({0}, (*x.shape[:-1], -1))", (v.elements,))


@form("ravel of parameters", "ravel")
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


@form("merge", "reshape")
def merge(b: Builder, v: Value) -> Value:
    v = b.with_lead(b.of_rank(v, max(v.rank, 2)))
    return b.kept(v, "merge({0})", (*v.shape[:-2], v.shape[-2] * v.shape[-1]))


@form("broadcast_to")
def broadcast_to(b: Builder, v: Value) -> Value:
    v = b.with_lead(b.of_rank(v, max(v.rank, 1)))
    axis = _axis(b, v)
    if v.shape[axis] != 1:
        v = b.resized(v, axis, 1)
    size = b.choose([n for n in b.sizes if n * v.elements <= MOST] or [1])
    shape = _resized(v.shape, axis, size)
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


@form("transpose of parameters", "transpose")
def transpose_of_parameters(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    matrix = b.param((v.shape[-1], b.whole(1, 4)))
    turned = b.kept(matrix, b.choose(("np.transpose({0})", "{0}.T", "{0}.transpose(1, 0)")), matrix.shape[::-1])
    row = b.kept(turned, "{0}[{s[0]}]", (v.shape[-1],), b.whole(0, turned.shape[0] - 1))
    return b.emit("{0} + {1}", v, row, shape=v.shape, size=v.size + 0.5)


@form("flip")
def flip(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    return b.kept(v, f"np.flip({{0}}, axis={_axis(b, v)})", v.shape)


@form("roll")
def roll(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    return b.kept(v, f"np.roll({{0}}, {{s[0]}}, axis={_axis(b, v)})", v.shape, b.whole(-4, 7))


@form("take")
def take(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    axis = _axis(b, v)
    if b.chance(0.3):
        place = b.whole(-v.shape[axis], v.shape[axis] - 1)
        shape = (*v.shape[:axis], *v.shape[v.rank + axis + 1 :])
        return b.kept(v, f"np.take({{0}}, {{s[0]}}, axis={axis})", shape, place)
    places = [b.whole(-v.shape[axis], v.shape[axis] - 1) for _ in range(b.whole(1, 4))]
    listed = ", ".join(f"{{s[{i}]}}" for i in range(len(places)))
    text = b.choose((f"np.take({{0}}, [{listed}], axis={axis})", f"{{0}}[..., [{listed}]{_tail(axis)}]"))
    return b.kept(v, text, _resized(v.shape, axis, len(places)), *places)


@form("repeat")
def repeat(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    axis = _axis(b, v)
    if v.shape[axis] > 9:
        v = b.resized(v, axis, 4)
    if b.chance(0.3) and v.shape[axis] <= 5:
        counts = [b.whole(0, 2) for _ in range(v.shape[axis] - 1)] + [b.whole(1, 2)]
        return b.kept(v, f"np.repeat({{0}}, {counts}, axis={axis})", _resized(v.shape, axis, sum(counts)))
    times = b.whole(1, 3)
    text = b.choose((f"np.repeat({{0}}, {{s[0]}}, axis={axis})", f"{{0}}.repeat({{s[0]}}, axis={axis})"))
    return b.kept(v, text, _resized(v.shape, axis, v.shape[axis] * times), times)


@form("getitem")
def getitem(b: Builder, v: Value) -> Value:
    """A slice, forward or backward, with a step."""
    v = at_least_vector(b, v)
    axis = _axis(b, v)
    size = v.shape[axis]
    start, stop, step = b.whole(-size, size), b.whole(-size, size), b.choose((1, 1, 2, 3, -1, -2))
    count = len(range(*slice(start, stop, step).indices(size)))
    if count == 0:
        start, stop, count = (
            (0, size, len(range(0, size, step))) if step > 0 else (size - 1, -size - 1, len(range(size - 1, -1, step)))
        )
    text = f"{{0}}[..., {{s[0]}}:{{s[1]}}:{{s[2]}}{_tail(axis)}]"
    return b.kept(v, text, _resized(v.shape, axis, count), start, stop, step)


@form("element", "getitem")
def element(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    axis = _axis(b, v)
    shape = (*v.shape[:axis], *v.shape[v.rank + axis + 1 :])
    return b.kept(v, f"{{0}}[..., {{s[0]}}{_tail(axis)}]", shape, b.whole(-v.shape[axis], v.shape[axis] - 1))


@form("new axis", "getitem")
def new_axis(b: Builder, v: Value) -> Value:
    text = b.choose(("{0}[..., None]", "{0}[..., None, :]" if v.rank else "{0}[..., None]"))
    return b.kept(v, text, (*v.shape[:-1], 1, v.shape[-1]) if text.endswith(":]") else (*v.shape, 1))


@form("mask of places", "getitem")
def mask_of_places(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    if v.shape[-1] > 9:
        v = b.resized(v, -1, 5)
    chosen = [bool(c) for c in b.rng.random(v.shape[-1]) < 0.6]
    chosen[0] = True
    return b.kept(v, f"{{0}}[..., {chosen}]", _resized(v.shape, -1, sum(chosen)))


@form("pieces swapped", "getitem", "concatenate")
def pieces_swapped(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    cut = b.whole(0, v.shape[-1])
    return b.kept(v, "np.concatenate([{0}[..., {s[0]}:], {0}[..., :{s[0]}]], axis=-1)", v.shape, cut)


@form("differences", "getitem", "subtract")
def differences(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    if v.shape[-1] == 1:
        v = b.resized(v, -1, 3)
    return b.emit("{0}[..., 1:] - {0}[..., :-1]", v, shape=_resized(v.shape, -1, v.shape[-1] - 1), size=v.size)


@form("sizes", "shape", "size", "ndim")
def sizes(b: Builder, v: Value) -> Value:
    """The shape of a parameter, read as a number."""
    v = b.as_number(v)
    matrix = b.param((b.whole(1, 3), b.whole(1, 3)))
    text = b.choose(("np.shape({1})[0]", "np.size({1})", "np.ndim({1})", "{1}.size", "{1}.ndim", "np.size({1}, 1)"))
    return b.emit(f"{{0}} / {text} + {{1}}[0, 0]", v, matrix, shape=v.shape, size=v.size + 0.5)
