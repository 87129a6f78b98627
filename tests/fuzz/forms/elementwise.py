"""Forms that act element by element; each keeps its operand where the function is defined and well conditioned."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..builder import Builder, Value
from .table import FORMS, Form, form

WIDE = (-math.inf, math.inf)

UNARY: dict[str, tuple[str, tuple[float, float], tuple[float, float]]] = {
    # name: template, the operand's range, the result's range
    "negative": ("-{0}", WIDE, WIDE),
    "np.negative": ("np.negative({0})", WIDE, WIDE),
    "positive": ("np.positive({0})", WIDE, WIDE),
    "unary plus": ("+{0}", WIDE, WIDE),
    "exp": ("np.exp({0})", (-4, 1.5), (0.018, 4.5)),
    "expm1": ("np.expm1({0})", (-4, 1.5), (-0.99, 3.5)),
    "exp2": ("np.exp2({0})", (-4, 2), (0.06, 4)),
    "log": ("np.log({0})", (0.1, 20), (-2.4, 3)),
    "log2": ("np.log2({0})", (0.1, 20), (-3.4, 4.4)),
    "log10": ("np.log10({0})", (0.1, 20), (-1, 1.4)),
    "log1p": ("np.log1p({0})", (-0.8, 20), (-1.7, 3.1)),
    "tanh": ("np.tanh({0})", WIDE, (-1, 1)),
    "sinh": ("np.sinh({0})", (-2, 2), (-3.7, 3.7)),
    "cosh": ("np.cosh({0})", (-2, 2), (1, 3.8)),
    "sin": ("np.sin({0})", (-30, 30), (-1, 1)),
    "cos": ("np.cos({0})", (-30, 30), (-1, 1)),
    "tan": ("np.tan({0})", (-1, 1), (-1.6, 1.6)),
    "sqrt": ("np.sqrt({0})", (0.1, 50), (0.3, 7.1)),
    "power 0.5": ("{0} ** 0.5", (0.1, 50), (0.3, 7.1)),
    "reciprocal": ("np.reciprocal({0})", (0.3, 20), (0.05, 3.4)),
    "power -1": ("{0} ** -1", (0.3, 20), (0.05, 3.4)),
    "square": ("np.square({0})", (-2, 2), (0, 4)),
    "power 2": ("{0} ** 2", (-2, 2), (0, 4)),
    "power 3": ("{0} ** 3", (-1.5, 1.5), (-3.4, 3.4)),
    "power 4": ("np.power({0}, 4)", (-1.4, 1.4), (0, 3.9)),
    "power 1": ("{0} ** 1", WIDE, WIDE),
    "power 1.7": ("{0} ** 1.7", (0.1, 2.5), (0, 5)),
    "absolute": ("np.abs({0})", (-50, 50), (0, 50)),
    "abs": ("abs({0})", (-50, 50), (0, 50)),
    "fabs": ("np.fabs({0})", (-50, 50), (0, 50)),
    "sign": ("np.sign({0})", WIDE, (-1, 1)),
    "floor": ("np.floor(3.1 * {0})", (-9, 9), (-29, 28)),
    "ceil": ("np.ceil(2.3 * {0})", (-9, 9), (-21, 21)),
    "trunc": ("np.trunc(2.9 * {0})", (-9, 9), (-27, 27)),
    "sigmoid": ("sigmoid({0})", WIDE, (0, 1)),
    "expit": ("expit({0})", WIDE, (0, 1)),
    "log_expit": ("log_expit({0})", (-20, 20), (-21, 0)),
    "softplus": ("softplus({0})", (-20, 20), (0, 21)),
    "relu": ("relu({0})", (-50, 50), (0, 50)),
    "erf": ("erf({0})", WIDE, (-1, 1)),
    "copy": ("np.copy({0})", WIDE, WIDE),
    ".copy": ("{0}.copy()", WIDE, WIDE),
    "identity": ("identity({0})", WIDE, WIDE),
    "zeros_like": ("np.zeros_like({0}) + {0} * 0.9", WIDE, WIDE),
    "ones_like": ("np.ones_like({0}) - {0}", WIDE, WIDE),
    "full_like": ("np.full_like({0}, 0.7) * {0}", WIDE, WIDE),
    "clip": ("np.clip({0}, -0.4, 0.5)", WIDE, (-0.4, 0.5)),
    ".clip": ("{0}.clip(-0.3, None)", WIDE, (-0.3, math.inf)),
    "clip max": ("np.clip({0}, None, 0.35)", WIDE, (-math.inf, 0.35)),
    "isfinite": ("np.where(np.isfinite({0}), {0}, 0.0)", WIDE, WIDE),
    "isnan": ("np.where(np.isnan({0}), 0.5, {0})", WIDE, WIDE),
    "isinf": ("np.where(np.isinf({0}), 0.5, {0})", WIDE, WIDE),
    "logit pair": ("np.log({0}) - np.log1p(-{0})", (0.05, 0.9), (-3, 3)),
    "silu": ("{0} * sigmoid(1.7 * {0})", (-20, 20), (-0.3, 20)),
    "softsign": ("{0} / (1 + np.abs({0}))", WIDE, (-1, 1)),
    "astype": ("{0}.astype(x.dtype)", WIDE, WIDE),
}
"""Functions of one value."""

LOOPS = {"tanh", "sin", "sigmoid", "softsign", "erf"}
"""Of these, functions that may be applied to their own result."""


def _unary(name: str) -> Callable[[Builder, Value], Value]:
    text, domain, result = UNARY[name]

    def build(b: Builder, v: Value) -> Value:
        v = b.as_number(v)
        if domain != WIDE:
            v = b.positive(v) if domain[0] == 0.1 and domain[1] >= 20 else b.within(v, *domain)
        low, high = result
        size = v.size if result == WIDE else min(1.5, max(0.4, abs(low), abs(high)) / 2)
        if result == WIDE and name not in ("negative", "np.negative", "ones_like"):
            low, high = min(v.low, 0.0), max(v.high, 0.5)
        return b.emit(text, v, shape=v.shape, low=low, high=high, size=size, loop=name in LOOPS)

    return build


for _name in UNARY:
    FORMS[_name] = Form(_name, _unary(_name))


def _joined(v: Value, f: Value) -> tuple[int, ...]:
    return tuple(np.broadcast_shapes(v.shape, f.shape))


def _binary(text: str, combine: Callable[[Value, Value], tuple[float, float]]) -> Callable[[Builder, Value], Value]:
    def build(b: Builder, v: Value) -> Value:
        v = b.as_number(v)
        f = b.fellow(v)
        one, other = (v, f) if b.chance(0.5) else (f, v)
        low, high = combine(one, other)
        size = one.size * other.size if "*" in text or "mult" in text else math.hypot(one.size, other.size)
        return b.emit(text, one, other, shape=_joined(v, f), low=low, high=high, size=size)

    return build


def _added(a: Value, c: Value) -> tuple[float, float]:
    return a.low + c.low, a.high + c.high


def _subtracted(a: Value, c: Value) -> tuple[float, float]:
    return a.low - c.high, a.high - c.low


def _multiplied(a: Value, c: Value) -> tuple[float, float]:
    ends = [0.0 if 0 in (p, q) else p * q for p in (a.low, a.high) for q in (c.low, c.high)]
    return min(ends), max(ends)


BINARY = {
    "add": ("{0} + {1}", _added),
    "np.add": ("np.add({0}, {1})", _added),
    "subtract": ("{0} - {1}", _subtracted),
    "np.subtract": ("np.subtract({0}, {1})", _subtracted),
    "multiply": ("{0} * {1}", _multiplied),
    "np.multiply": ("np.multiply({0}, {1})", _multiplied),
    "maximum": ("np.maximum({0}, {1})", lambda a, c: (max(a.low, c.low), max(a.high, c.high))),
    "minimum": ("np.minimum({0}, {1})", lambda a, c: (min(a.low, c.low), min(a.high, c.high))),
    "convex": ("0.3 * {0} + 0.7 * {1}", lambda a, c: (0.3 * a.low + 0.7 * c.low, 0.3 * a.high + 0.7 * c.high)),
}
"""Functions of two values that are defined everywhere."""

for _name, (_text, _combine) in BINARY.items():
    FORMS[_name] = Form(_name, _binary(_text, _combine))


def _divided(b: Builder, v: Value, text: str) -> Value:
    v = b.as_number(v)
    f = b.fellow(v)
    one, other = (v, f) if b.chance(0.5) else (f, v)
    other = b.positive(other, 0.3)
    bound = max(abs(one.low), abs(one.high)) / max(other.low, 0.1)
    return b.emit(text, one, other, shape=_joined(v, f), low=-bound, high=bound, size=one.size)


@form("divide")
def divide(b: Builder, v: Value) -> Value:
    return _divided(b, v, "{0} / {1}")


@form("np.divide")
def divide_function(b: Builder, v: Value) -> Value:
    return _divided(b, v, "np.divide({0}, {1})")


@form("mod")
def mod(b: Builder, v: Value) -> Value:
    v = b.as_number(v)
    return b.emit("{0} % 0.83", v, shape=v.shape, low=0, high=0.83)


@form("mod of two")
def mod_of_two(b: Builder, v: Value) -> Value:
    v = b.as_number(v)
    f = b.positive(b.fellow(v))
    return b.emit("np.mod({0}, {1})", v, f, shape=_joined(v, f), low=0, high=max(f.high, 0))


@form("floor_divide")
def floor_divide(b: Builder, v: Value) -> Value:
    v = b.within(v, -4, 4)
    f = b.positive(b.fellow(v))
    return b.emit("{0} // {1}", v, f, shape=_joined(v, f), low=-41, high=40, size=2)


@form("hypot")
def hypot(b: Builder, v: Value) -> Value:
    v = b.as_number(v)
    f = b.fellow(v)
    return b.emit("np.hypot({0}, {1})", v, f, shape=_joined(v, f), low=0, size=math.hypot(v.size, f.size))


@form("logaddexp")
def logaddexp(b: Builder, v: Value) -> Value:
    v = b.within(v, -20, 20)
    f = b.fellow(v)
    return b.emit("np.logaddexp({0}, {1})", v, f, shape=_joined(v, f), size=1 + max(v.size, f.size))


@form("power of two")
def power_of_two(b: Builder, v: Value) -> Value:
    v = b.as_number(v)
    base, exponent = b.positive(b.within(v, -2, 2)), b.within(b.fellow(v), -2, 2)
    if b.chance(0.3):
        exponent, base = b.within(v, -2, 2), b.positive(b.within(b.fellow(v), -2, 2))
    return b.emit("np.power({0}, {1})", base, exponent, shape=_joined(base, exponent), low=0, high=64, size=1.2)


@form("two to the power")
def two_to_the_power(b: Builder, v: Value) -> Value:
    v = b.within(v, -2, 2)
    return b.emit("2.0 ** {0}", v, shape=v.shape, low=0.25, high=4)


@form("one minus")
def one_minus(b: Builder, v: Value) -> Value:
    v = b.as_number(v)
    return b.emit("1 - {0}", v, shape=v.shape, low=1 - v.high, high=1 - v.low)


@form("chained")
def chained(b: Builder, v: Value) -> Value:
    """A value read three times in one expression, beside another."""
    v = b.within(v, -2, 2)
    f = b.within(b.fellow(v), -2, 2)
    return b.emit("{0} * {1} + {0} - {0} * {0} * 0.3", v, f, shape=_joined(v, f), low=-8, high=8, size=1.2)


@form("in place")
def in_place(b: Builder, v: Value) -> Value:
    """The same function called twice on different operands."""
    v = b.as_number(v)
    f = b.fellow(v)
    return b.emit("np.tanh({0} + {1}) * np.tanh({0} - {1})", v, f, shape=_joined(v, f), low=-1, high=1)
