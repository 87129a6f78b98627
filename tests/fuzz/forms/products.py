"""Forms that are products of vectors and matrices."""

from __future__ import annotations

import math

from ..builder import MOST, Builder, Value
from .table import form

SMALL_ENOUGH = 24
"""The most rows that a random matrix of parameters has."""


def vector_of(b: Builder, v: Value) -> Value:
    """`v` as one vector for each example."""
    return b.with_lead(b.of_rank(b.as_number(v), 1))


def matrix_of(b: Builder, v: Value) -> Value:
    """`v` as one matrix for each example."""
    v = b.as_number(v)
    if v.rank < 2 and v.elements:
        v = b.with_lead(b.of_rank(v, max(v.rank, 1)))
        for heads in b.rng.permutation([2, 3, 4]):
            if v.rank == 1 and v.shape[0] % heads == 0 and b.chance(0.6):
                return b.kept(v, "split({0}, {s[0]})", (int(heads), v.shape[0] // int(heads)), int(heads))
        known = b.pick(lambda c: c.rank == 2 and c.lead and not c.boolean)
        if known is not None and b.chance(0.4):
            return known
        rows = b.choose([n for n in b.sizes if n * v.shape[-1] <= MOST // 4] or [2])
        other = b.param((rows, v.shape[-1]))
        return b.emit("{0}[..., None, :] * {1}", v, other, shape=other.shape, size=v.size)
    return b.with_lead(b.of_rank(v, 2))


def rows_of(b: Builder) -> int:
    """How many rows a new matrix of parameters has."""
    return int(b.choose([n for n in b.sizes if n <= SMALL_ENOUGH] or [3]))


def scaled(v: Value, w: Value, count: int) -> float:
    """How large a sum of so many products typically is."""
    return v.size * w.size * math.sqrt(count)


@form("h @ W.T")
def times_transposed(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    w = b.param((rows_of(b), v.shape[0]))
    return b.emit("{0} @ {1}.T", v, w, shape=w.shape[:1], size=scaled(v, w, v.shape[0]))


@form("h @ W")
def times(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    w = b.param((v.shape[0], rows_of(b)))
    return b.emit("{0} @ {1}", v, w, shape=w.shape[1:], size=scaled(v, w, v.shape[0]))


@form("reduction of a product")
def reduction_of_a_product(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    w = b.param((rows_of(b), v.shape[0]))
    text = b.choose(("np.mean({0} @ {1}.T, axis=-1, keepdims=True)", "np.sum({0} @ {1}.T, axis=-1, keepdims=True)",
                     "np.max({0} @ {1}.T, axis=-1, keepdims=True)"))  # fmt: skip
    return b.emit(
        text, v, w, shape=(1,), size=scaled(v, w, v.shape[0]) * (math.sqrt(w.shape[0]) if "sum" in text else 1)
    )


@form("part of a product")
def part_of_a_product(b: Builder, v: Value) -> Value:
    """A product of a slice, of which a slice is read."""
    v = vector_of(b, v)
    if v.shape[0] > 1:
        v = b.resized(v, -1, b.whole(1, v.shape[0] - 1) if v.shape[0] <= 33 else 8)
    w = b.param((rows_of(b), v.shape[0]))
    count = b.whole(1, w.shape[0])
    text = b.choose(
        ("({0} @ {1}.T)[..., :{s[0]}]", "({0} @ {1}.T)[..., -{s[0]}:]", "({0} @ {1}.T)[..., ::-1][..., :{s[0]}]")
    )
    return b.emit(text, v, w, numbers=(count,), shape=(count,), size=scaled(v, w, v.shape[0]))


@form("np.dot")
def dot(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    w = b.param((v.shape[0], rows_of(b)))
    return b.emit("np.dot({0}, {1})", v, w, shape=w.shape[1:], size=scaled(v, w, v.shape[0]))


@form(".dot")
def dot_method(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    w = b.param((rows_of(b), v.shape[0]))
    return b.emit("{0}.dot({1}.T)", v, w, shape=w.shape[:1], size=scaled(v, w, v.shape[0]))


@form("dot with a vector")
def dot_with_a_vector(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    w = b.param(v.shape)
    return b.emit(b.choose(("np.dot({0}, {1})", "{0} @ {1}")), v, w, shape=(), size=scaled(v, w, v.shape[0]))


@form("vecdot")
def vecdot(b: Builder, v: Value) -> Value:
    v = b.of_rank(b.as_number(v), max(v.rank, 1))
    other = b.pick(lambda c: c.shape == v.shape and not c.boolean) or b.param(v.shape[-1:])
    text = b.choose(("np.vecdot({0}, {1})", "np.vecdot({0}, {1})[..., None]"))
    shape = (*v.shape[:-1], 1) if text.endswith("]") else v.shape[:-1]
    return b.emit(text, v, other, shape=shape, size=scaled(v, other, v.shape[-1]))


@form("matvec")
def matvec(b: Builder, v: Value) -> Value:
    """A matrix of each example, or of parameters, times a vector of each."""
    if v.rank == 2 and v.lead:
        m = b.as_number(v)
        q = vector_of(b, b.pick(lambda c: not c.boolean) or v)
        q = b.adapted(q, (m.shape[1],), lead=True)
    else:
        q = vector_of(b, v)
        known = b.pick(lambda c: c.rank == 2 and c.lead and not c.boolean and c.shape[1] == q.shape[0])
        m = known if known is not None and b.chance(0.6) else b.param((rows_of(b), q.shape[0]))
    return b.emit("np.matvec({0}, {1})", m, q, shape=m.shape[:1], size=scaled(m, q, q.shape[0]))


@form("matvec of heads")
def matvec_of_heads(b: Builder, v: Value) -> Value:
    """One matrix of parameters for each head."""
    m = matrix_of(b, v)
    if m.shape[0] > 8:
        m = b.resized(m, -2, 4)
    w = b.param((m.shape[0], b.whole(1, 4), m.shape[1]))
    return b.emit("np.matvec({1}, {0})", m, w, shape=w.shape[:2], size=scaled(m, w, m.shape[1]))


@form("vecmat")
def vecmat(b: Builder, v: Value) -> Value:
    q = vector_of(b, v)
    m = b.pick(lambda c: c.rank == 2 and c.lead and not c.boolean and c.shape[0] == q.shape[0])
    if m is None or b.chance(0.4):
        m = b.param((q.shape[0], rows_of(b)))
    return b.emit("np.vecmat({0}, {1})", q, m, shape=m.shape[1:], size=scaled(m, q, q.shape[0]))


@form("matrix @ matrix")
def matrix_times_matrix(b: Builder, v: Value) -> Value:
    m = matrix_of(b, v)
    other = b.pick(lambda c: c.rank == 2 and c.lead and not c.boolean) or m
    if other.shape[0] != m.shape[1]:
        other = b.kept(other, "{0}.mT", other.shape[::-1])
        if other.shape[0] != m.shape[1]:
            other = b.adapted(other, (m.shape[1], min(other.shape[1], 8)), lead=True)
    shape = (m.shape[0], other.shape[1])
    if shape[0] * shape[1] > MOST:
        return (
            b.emit("{0} @ {0}.mT", m, shape=(m.shape[0],) * 2, size=scaled(m, m, m.shape[1]))
            if m.shape[0] ** 2 <= MOST
            else m
        )
    return b.emit("{0} @ {1}", m, other, shape=shape, size=scaled(m, other, m.shape[1]))


@form("matrix @ W")
def matrix_times_parameters(b: Builder, v: Value) -> Value:
    m = matrix_of(b, v)
    if b.chance(0.5):
        w = b.param((m.shape[1], min(rows_of(b), 8)))
        return b.emit("{0} @ {1}", m, w, shape=(m.shape[0], w.shape[1]), size=scaled(m, w, m.shape[1]))
    w = b.param((min(rows_of(b), 8), m.shape[0]))
    return b.emit("{1} @ {0}", m, w, shape=(w.shape[0], m.shape[1]), size=scaled(m, w, m.shape[0]))


@form("matrix @ W.T")
def matrix_times_transposed(b: Builder, v: Value) -> Value:
    m = matrix_of(b, v)
    w = b.param((min(rows_of(b), 8), m.shape[1]))
    return b.emit("{0} @ {1}.T", m, w, shape=(m.shape[0], w.shape[0]), size=scaled(m, w, m.shape[1]))


@form("outer by broadcasting")
def outer(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    other = vector_of(b, b.pick(lambda c: not c.boolean) or v)
    if v.shape[0] * other.shape[0] > MOST:
        other = b.resized(other, -1, 2)
    if v.shape[0] * other.shape[0] > MOST:
        v = b.resized(v, -1, 8)
    return b.emit(
        "{0}[..., :, None] * {1}[..., None, :]", v, other, shape=(*v.shape, *other.shape), size=v.size * other.size
    )


@form("sum of an outer product")
def sum_of_an_outer_product(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    other = b.param((rows_of(b), v.shape[0]))
    text = b.choose(("np.sum({0}[..., None, :] * {1}, axis=-1)", "np.sum({0}[..., None, :] * {1}, axis=-2)"))
    shape = other.shape[:1] if text.endswith("-1)") else v.shape
    return b.emit(text, v, other, shape=shape, size=scaled(v, other, v.shape[0]))


@form("product of parameters")
def product_of_parameters(b: Builder, v: Value) -> Value:
    """A matrix that is the product of two, used as a weight."""
    v = vector_of(b, v)
    left, right = b.param((rows_of(b), b.whole(1, 4))), b.param((b.whole(1, 4), v.shape[0]))
    if left.shape[1] != right.shape[0]:
        right = b.param((left.shape[1], v.shape[0]))
    w = b.emit(b.choose(("{0} @ {1}", "np.dot({0}, {1})")), left, right, shape=(left.shape[0], v.shape[0]))
    return b.emit("{0} @ {1}.T", v, w, shape=w.shape[:1], size=scaled(v, w, v.shape[0]))


@form("weight that is computed")
def weight_that_is_computed(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    raw = b.param((rows_of(b), v.shape[0]))
    text = b.choose(("np.tanh({0})", "{0} - {0}.mean()", "softmax({0})", "np.abs({0})", "{0} * {0}"))
    w = b.emit(text, raw, shape=raw.shape)
    return b.emit("{0} @ {1}.T", v, w, shape=w.shape[:1], size=scaled(v, w, v.shape[0]))


@form("one matrix both ways")
def one_matrix_both_ways(b: Builder, v: Value) -> Value:
    """A parameter that is read twice, once transposed."""
    v = vector_of(b, v)
    w = b.param((rows_of(b), v.shape[0]))
    inner = b.emit("np.tanh({0} @ {1}.T)", v, w, shape=w.shape[:1], low=-1, high=1)
    return b.emit("{0} @ {1}", inner, w, shape=v.shape, size=scaled(inner, w, inner.shape[0]))


@form("stacked products")
def stacked_products(b: Builder, v: Value) -> Value:
    """Several products of one vector, joined."""
    v = vector_of(b, v)
    w, u = b.param((rows_of(b), v.shape[0])), b.param((rows_of(b), v.shape[0]))
    shape = (w.shape[0] + u.shape[0],)
    return b.emit(
        "np.concatenate([{0} @ {1}.T, {0} @ {2}.T], axis=-1)", v, w, u, shape=shape, size=scaled(v, w, v.shape[0])
    )


@form("sum of products")
def sum_of_products(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    other = vector_of(b, b.pick(lambda c: not c.boolean) or v)
    rows = rows_of(b)
    w, u = b.param((rows, v.shape[0])), b.param((rows, other.shape[0]))
    size = math.hypot(scaled(v, w, v.shape[0]), scaled(other, u, other.shape[0]))
    return b.emit("{0} @ {1}.T + {2} @ {3}.T", v, w, other, u, shape=(rows,), size=size)
