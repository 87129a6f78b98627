"""Forms that reduce features."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..builder import Builder, Value
from .table import FORMS, Form, form

Axes = tuple[int, ...]


def _axes(b: Builder, v: Value) -> tuple[Axes, str]:
    """Axes to reduce, and how they are written."""
    if v.rank > 1 and b.chance(0.2):
        return (-2, -1), b.choose(("(-2, -1)", "(-1, -2)"))
    axis = -1 if b.chance(0.6) else b.choose(range(-v.rank, 0))
    if not v.lead and b.chance(0.3):
        return (axis,), str(axis + v.rank)  # of parameters axes may be counted from the front
    return (axis,), str(axis)


def _without(shape: tuple[int, ...], axes: Axes, keepdims: bool) -> tuple[int, ...]:
    sizes = [(1 if i - len(shape) in axes else n) for i, n in enumerate(shape)]
    return tuple(n for i, n in enumerate(sizes) if keepdims or i - len(shape) not in axes)


def _reduce(b: Builder, v: Value, template: str, scale: Callable[[int], float], *, mean: bool = True) -> Value:
    """`template` with {axis} and {keep} in the places of the axes and of `keepdims`."""
    v = b.of_rank(v, max(v.rank, 1))
    v = b.as_number(v)
    axes, written = _axes(b, v)
    keepdims = b.chance(0.6)
    count = math.prod(v.shape[a] for a in axes)
    text = template.replace("AXIS", written).replace(", KEEP", ", keepdims=True" if keepdims else "")
    low, high = (v.low, v.high) if mean else (v.low * count, v.high * count)
    shape = _without(v.shape, axes, keepdims)
    return b.emit(text, v, shape=shape, low=low, high=high, size=max(v.size * scale(count), 0.1))


SIMPLE = {
    # name: template, how its size grows, whether it stays between the least and the greatest
    "sum": ("np.sum({0}, axis=AXIS, KEEP)", math.sqrt, False),
    ".sum": ("{0}.sum(axis=AXIS, KEEP)", math.sqrt, False),
    "mean": ("np.mean({0}, axis=AXIS, KEEP)", lambda n: 1.0, True),
    ".mean": ("{0}.mean(axis=AXIS, KEEP)", lambda n: 1.0, True),
    "max": ("np.max({0}, axis=AXIS, KEEP)", lambda n: 1.5, True),
    "min": ("np.min({0}, axis=AXIS, KEEP)", lambda n: 1.5, True),
    ".max": ("{0}.max(axis=AXIS, KEEP)", lambda n: 1.5, True),
    "np.add.reduce": ("np.add.reduce({0}, axis=AXIS, KEEP)", math.sqrt, False),
}

for _name, (_text, _scale, _mean) in SIMPLE.items():

    def _build(
        b: Builder, v: Value, text: str = _text, scale: Callable[[int], float] = _scale, mean: bool = _mean
    ) -> Value:
        return _reduce(b, v, text, scale, mean=mean)

    FORMS[_name] = Form(_name, _build)


def _spread(b: Builder, v: Value, text: str, *, least: int) -> Value:
    v = b.of_rank(b.as_number(v), max(v.rank, 1))
    if v.shape[-1] < least:
        v = b.kept(
            b.as_number(v), "np.concatenate([{0}, 0.5 * {0}, {0} + 0.2], axis=-1)", (*v.shape[:-1], 3 * v.shape[-1])
        )
    keepdims = b.chance(0.6)
    text = text.replace(", KEEP", ", keepdims=True" if keepdims else "")
    return b.emit(text, v, shape=_without(v.shape, (-1,), keepdims), low=0, size=v.size)


@form("var")
def var(b: Builder, v: Value) -> Value:
    return _spread(b, v, "np.var({0}, axis=-1, KEEP)", least=1)


@form("var of a sample")
def var_of_a_sample(b: Builder, v: Value) -> Value:
    return _spread(b, v, "np.var({0}, axis=-1, ddof=1, KEEP)", least=2)


@form("std")
def std(b: Builder, v: Value) -> Value:
    return _spread(b, v, "np.std({0}, axis=-1, KEEP)", least=2)


@form(".var")
def var_method(b: Builder, v: Value) -> Value:
    return _spread(b, v, "{0}.var(axis=-1, KEEP)", least=2)


@form("norm")
def norm(b: Builder, v: Value) -> Value:
    v = b.of_rank(b.as_number(v), max(v.rank, 1))
    keepdims = b.chance(0.6)
    text = f"np.linalg.norm({{0}} + 0.01, axis=-1{', keepdims=True' if keepdims else ''})"
    return b.emit(text, v, shape=_without(v.shape, (-1,), keepdims), low=0, size=v.size * math.sqrt(v.shape[-1]))


@form("softmax")
def softmax(b: Builder, v: Value) -> Value:
    v = b.of_rank(b.as_number(v), max(v.rank, 1))
    return b.emit("softmax({0})", v, shape=v.shape, low=0, high=1, size=0.5)


@form("layer_norm")
def layer_norm(b: Builder, v: Value) -> Value:
    v = b.of_rank(b.as_number(v), max(v.rank, 1))
    bound = math.sqrt(v.shape[-1])
    return b.emit("layer_norm({0}, 0.1)", v, shape=v.shape, low=-bound, high=bound, size=1.0)


@form("logsumexp")
def logsumexp(b: Builder, v: Value) -> Value:
    v = b.of_rank(b.as_number(v), max(v.rank, 1))
    top = b.emit(
        "np.max({0}, axis=-1, keepdims=True)", v, shape=(*v.shape[:-1], 1), low=v.low, high=v.high, size=v.size
    )
    text = "np.log(np.sum(np.exp({0} - {1}), axis=-1, keepdims=True)) + {1}"
    return b.emit(text, v, top, shape=top.shape, size=v.size + 1)


@form("cumsum")
def cumsum(b: Builder, v: Value) -> Value:
    v = b.of_rank(b.as_number(v), max(v.rank, 1))
    if v.shape[-1] > 17:
        v = b.resized(v, -1, 5)
    text = "np.cumsum({0}, axis=-1)" if b.chance(0.5) else "{0}.cumsum(axis=-1)"
    return b.emit(text, v, shape=v.shape, size=v.size * math.sqrt(v.shape[-1]))


@form("weighted mean")
def weighted_mean(b: Builder, v: Value) -> Value:
    """A reduction of a product that is nowhere named."""
    v = b.of_rank(b.as_number(v), max(v.rank, 1))
    f = b.fellow(v)
    if f.shape != v.shape and f.rank:
        f = b.adapted(f, v.shape, loosely=True)
    return b.emit("np.mean({0} * {1}, axis=-1, keepdims=True)", v, f, shape=(*v.shape[:-1], 1), size=v.size * f.size)


@form("reduction of parameters")
def reduction_of_parameters(b: Builder, v: Value) -> Value:
    """A number, a row or a column of a matrix of parameters, beside the value."""
    v = b.of_rank(b.as_number(v), max(v.rank, 1))
    matrix = b.param((b.choose(b.sizes), v.shape[-1]))
    text = b.choose(("np.mean({0})", "np.mean({0}, axis=0)", "{0}.max(axis=0)", "np.sum({0}, axis=0) * 0.4"))
    shape = () if text == "np.mean({0})" else (v.shape[-1],)
    row = b.emit(text, matrix, shape=shape)
    return b.emit("{0} * {1} + {0}", v, row, shape=v.shape, size=v.size * 1.2)
