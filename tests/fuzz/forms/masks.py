"""Forms with conditions: comparisons, logic of masks, and what is chosen by them."""

from __future__ import annotations

import numpy as np

from ..builder import Builder, Value
from .table import FORMS, Form, form

COMPARISONS = {
    "less": "{0} < {1}",
    "np.less": "np.less({0}, {1})",
    "less_equal": "{0} <= {1}",
    "greater": "{0} > {1}",
    "greater_equal": "np.greater_equal({0}, {1})",
}


def mask(b: Builder, like: Value) -> Value:
    """A mask that goes together with `like`."""
    known = b.pick(lambda v: v.boolean and v.shape == like.shape)
    if known is not None and b.chance(0.5):
        return known
    like = b.as_number(like)
    other = b.fellow(like)
    if other.name == like.name:  # a value that is compared with itself tells nothing
        other = b.number()
    text = COMPARISONS[b.choose(list(COMPARISONS))]
    return b.emit(text, like, other, shape=tuple(np.broadcast_shapes(like.shape, other.shape)), boolean=True)


def _comparison(name: str) -> Form:
    def build(b: Builder, v: Value) -> Value:
        v = b.as_number(v)
        f = b.fellow(v)
        if f.name == v.name:
            f = b.number()
        one, other = (v, f) if b.chance(0.5) else (f, v)
        shape = tuple(np.broadcast_shapes(v.shape, f.shape))
        return b.emit(COMPARISONS[name], one, other, shape=shape, boolean=True)

    return Form(name, build)


for _name in COMPARISONS:
    FORMS[_name] = _comparison(_name)


@form("equal")
def equal(b: Builder, v: Value) -> Value:
    v = b.as_number(v)
    return b.emit("np.floor(2.7 * {0}) == np.floor(1.9 * {0})", v, shape=v.shape, boolean=True)


@form("not_equal")
def not_equal(b: Builder, v: Value) -> Value:
    v = b.as_number(v)
    return b.emit("np.sign({0} - 0.2) != np.sign({0} + 0.3)", v, shape=v.shape, boolean=True)


def _logical(name: str, text: str) -> Form:
    def build(b: Builder, v: Value) -> Value:
        one = v if v.boolean else mask(b, v)
        other = mask(b, one)
        shape = tuple(np.broadcast_shapes(one.shape, other.shape))
        return b.emit(text, one, other, shape=shape, boolean=True)

    return Form(name, build)


for _name, _text in {
    "bitwise_and": "{0} & {1}",
    "bitwise_or": "{0} | {1}",
    "logical_and": "np.logical_and({0}, {1})",
    "logical_or": "np.logical_or({0}, {1})",
    "add of masks": "{0} + {1}",
    "multiply of masks": "{0} * {1}",
    "mask in mask": "np.where({0}, {1}, ~{0})",
}.items():
    FORMS[_name] = _logical(_name, _text)


@form("invert")
def invert(b: Builder, v: Value) -> Value:
    one = v if v.boolean else mask(b, v)
    return b.emit("~{0}", one, shape=one.shape, boolean=True)


@form("logical_not")
def logical_not(b: Builder, v: Value) -> Value:
    one = v if v.boolean else mask(b, v)
    return b.emit("np.logical_not({0})", one, shape=one.shape, boolean=True)


@form("where")
def where(b: Builder, v: Value) -> Value:
    if v.boolean:
        test = v
        value = b.pick(lambda c: not c.boolean and c.shape == v.shape) or b.as_number(v)
    else:
        test, value = mask(b, v), v
    other = b.fellow(value)
    shape = tuple(np.broadcast_shapes(test.shape, value.shape, other.shape))
    one, two = (value, other) if b.chance(0.5) else (other, value)
    low, high = min(one.low, two.low), max(one.high, two.high)
    return b.emit(
        "np.where({0}, {1}, {2})", test, one, two, shape=shape, low=low, high=high, size=max(one.size, two.size)
    )


@form("where with a number")
def where_with_a_number(b: Builder, v: Value) -> Value:
    """A condition that is a number: whether it is not 0."""
    v = b.as_number(v)
    f = b.fellow(v)
    shape = tuple(np.broadcast_shapes(v.shape, f.shape))
    text = "np.where(np.maximum({0} - 0.1, 0.0), {0}, {1})"
    return b.emit(text, v, f, shape=shape, low=min(v.low, f.low), high=max(v.high, f.high), size=max(v.size, f.size))


@form("mask times value")
def mask_times_value(b: Builder, v: Value) -> Value:
    value = b.as_number(v)
    test = v if v.boolean else mask(b, v)
    shape = tuple(np.broadcast_shapes(test.shape, value.shape))
    return b.emit("{0} * {1}", test, value, shape=shape, low=min(0, value.low), high=max(0, value.high))


@form("sum of a mask")
def sum_of_a_mask(b: Builder, v: Value) -> Value:
    test = v if v.boolean else mask(b, v)
    test = b.of_rank(test, max(test.rank, 1))
    size = test.shape[-1]
    if not test.boolean:
        test = mask(b, test)
    shape = (*test.shape[:-1], 1)
    return b.emit("np.mean({0}, axis=-1, keepdims=True)", test, shape=shape, low=0, high=size)


@form("astype of a mask")
def astype_of_a_mask(b: Builder, v: Value) -> Value:
    test = v if v.boolean else mask(b, v)
    return b.emit("{0}.astype(x.dtype)", test, shape=test.shape, low=0, high=1)


@form("one minus a mask")
def one_minus_a_mask(b: Builder, v: Value) -> Value:
    test = v if v.boolean else mask(b, v)
    return b.emit("1.0 - 0.6 * {0}", test, shape=test.shape, low=0.4, high=1)
