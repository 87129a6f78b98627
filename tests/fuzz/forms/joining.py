"""Forms that join and part features."""

from __future__ import annotations

from ..builder import Builder, Value
from .places import at_least_vector, axis_of, resized_shape, tail
from .table import form


@form("concatenate")
def concatenate(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    axis = axis_of(b, v)
    other = b.pick(lambda c: not c.boolean and c.rank > 0) or v
    other = b.adapted(other, resized_shape(v.shape, axis, other.shape[axis] if other.rank >= -axis else 1))
    if v.lead or other.lead:
        v, other = b.with_lead(v), b.with_lead(other)
    shape = resized_shape(v.shape, axis, v.shape[axis] + other.shape[axis])
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


@form("concatenate twice")
def concatenate_twice(b: Builder, v: Value) -> Value:
    """The same value on both sides."""
    v = b.as_number(at_least_vector(b, v))
    axis = axis_of(b, v)
    text = b.choose(("[{0}, {0}]", "[{0}, -{0}]", "({0}, {0}, {0})"))
    shape = resized_shape(v.shape, axis, v.shape[axis] * text.count("{0}"))
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


@form("split in parts")
def split_in_parts(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    parts = b.choose([n for n in (1, 2, 3, 4) if v.shape[-1] % n == 0])
    which = b.whole(0, parts - 1)
    shape = resized_shape(v.shape, -1, v.shape[-1] // parts)
    return b.kept(v, "np.split({0}, {s[0]}, axis=-1)[{s[1]}]", shape, parts, which)


@form("split at borders")
def split_at_borders(b: Builder, v: Value) -> Value:
    v = at_least_vector(b, v)
    axis = axis_of(b, v)
    border = b.whole(0, v.shape[axis])
    which = int(border * 2 < v.shape[axis])
    count = v.shape[axis] - border if which else border
    return b.kept(v, f"np.split({{0}}, [{{s[0]}}], axis={axis})[{which}]", resized_shape(v.shape, axis, count), border)


@form("loop over parts")
def loop_over_parts(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    parts = b.choose([n for n in (1, 2, 3, 4) if v.shape[-1] % n == 0])
    width = v.shape[-1] // parts
    text = "np.stack([np.tanh(part) for part in np.split({0}, {s[0]}, axis=-1)], axis=-2)"
    return b.emit(text, v, numbers=(parts,), shape=(*v.shape[:-1], parts, width), low=-1, high=1)


@form("sum over parts")
def sum_over_parts(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    parts = b.choose([n for n in (1, 2, 3, 4) if v.shape[-1] % n == 0])
    text = "sum(np.split({0}, {s[0]}, axis=-1))"
    return b.emit(text, v, numbers=(parts,), shape=(*v.shape[:-1], v.shape[-1] // parts), size=v.size * parts**0.5)


@form("repeat")
def repeat(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    axis = axis_of(b, v)
    if v.shape[axis] > 9:
        v = b.resized(v, axis, 4)
    if b.chance(0.3) and v.shape[axis] <= 5:
        counts = [b.whole(0, 2) for _ in range(v.shape[axis] - 1)] + [b.whole(1, 2)]
        return b.kept(v, f"np.repeat({{0}}, {counts}, axis={axis})", resized_shape(v.shape, axis, sum(counts)))
    times = b.whole(1, 3)
    text = b.choose((f"np.repeat({{0}}, {{s[0]}}, axis={axis})", f"{{0}}.repeat({{s[0]}}, axis={axis})"))
    return b.kept(v, text, resized_shape(v.shape, axis, v.shape[axis] * times), times)


@form("take")
def take(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    axis = axis_of(b, v)
    if b.chance(0.3):
        place = b.whole(-v.shape[axis], v.shape[axis] - 1)
        shape = (*v.shape[:axis], *v.shape[v.rank + axis + 1 :])
        return b.kept(v, f"np.take({{0}}, {{s[0]}}, axis={axis})", shape, place)
    places = [b.whole(-v.shape[axis], v.shape[axis] - 1) for _ in range(b.whole(1, 4))]
    listed = ", ".join(f"{{s[{i}]}}" for i in range(len(places)))
    text = b.choose((f"np.take({{0}}, [{listed}], axis={axis})", f"{{0}}[..., [{listed}]{tail(axis)}]"))
    return b.kept(v, text, resized_shape(v.shape, axis, len(places)), *places)


@form("pieces swapped")
def pieces_swapped(b: Builder, v: Value) -> Value:
    v = b.as_number(at_least_vector(b, v))
    cut = b.whole(0, v.shape[-1])
    return b.kept(v, "np.concatenate([{0}[..., {s[0]}:], {0}[..., :{s[0]}]], axis=-1)", v.shape, cut)
