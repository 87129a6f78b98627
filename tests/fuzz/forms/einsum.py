"""Forms of np.einsum."""

from __future__ import annotations

import math

from ..builder import MOST, Builder, Value
from .products import matrix_of, rows_of, scaled, vector_of
from .table import form


@form("einsum of parameters")
def einsum_of_parameters(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    if b.chance(0.5):
        w = b.param((rows_of(b), v.shape[0]))
        return b.emit('np.einsum("...i,ji->...j", {0}, {1})', v, w, shape=w.shape[:1], size=scaled(v, w, v.shape[0]))
    w = b.param((v.shape[0], rows_of(b)))
    return b.emit('np.einsum("...i,ij->...j", {0}, {1})', v, w, shape=w.shape[1:], size=scaled(v, w, v.shape[0]))


@form("einsum of two")
def einsum_of_two(b: Builder, v: Value) -> Value:
    v = vector_of(b, v)
    other = vector_of(b, b.pick(lambda c: not c.boolean) or v)
    if b.chance(0.5) or v.shape[0] * other.shape[0] > MOST:
        other = b.adapted(other, v.shape, lead=True)
        text = b.choose(('np.einsum("...i,...i->...i", {0}, {1})', 'np.einsum("...k,...k->...", {0}, {1})[..., None]'))
        shape = (1,) if text.endswith("]") else v.shape
        return b.emit(text, v, other, shape=shape, size=scaled(v, other, v.shape[0]))
    text = b.choose(('np.einsum("...i,...j->...ij", {0}, {1})', 'np.einsum("...i,...j->...ji", {0}, {1})',
                     'np.einsum("...i,...j->...i", {0}, {1})'))  # fmt: skip
    i, j = v.shape[0], other.shape[0]
    shape = {"ij": (i, j), "ji": (j, i), ".i": (i,)}[text.split("->...")[1][:2] if '->...i"' not in text else ".i"]
    return b.emit(text, v, other, shape=shape, size=v.size * other.size * (math.sqrt(j) if len(shape) == 1 else 1))


@form("einsum of a matrix")
def einsum_of_a_matrix(b: Builder, v: Value) -> Value:
    m = matrix_of(b, v)
    i, j = m.shape
    match b.choose(("turn", "reduce", "vector", "matrix", "parameters")):
        case "turn":
            return b.emit('np.einsum("...ij->...ji", {0})', m, shape=(j, i), size=m.size)
        case "reduce":
            return b.emit('np.einsum("...ij->...i", {0})', m, shape=(i,), size=m.size * math.sqrt(j))
        case "vector":
            q = b.adapted(b.pick(lambda c: not c.boolean) or m, (j,), lead=True)
            return b.emit('np.einsum("...ij,...j->...i", {0}, {1})', m, q, shape=(i,), size=scaled(m, q, j))
        case "matrix":
            other = b.adapted(b.pick(lambda c: not c.boolean and c.rank == 2) or m, (i, j), lead=True)
            if i * i > MOST:
                return b.emit(
                    'np.einsum("...ij,...ij->...j", {0}, {1})', m, other, shape=(j,), size=scaled(m, other, i)
                )
            return b.emit('np.einsum("...ij,...kj->...ik", {0}, {1})', m, other, shape=(i, i), size=scaled(m, other, j))
    w = b.param((j, b.whole(1, 4)))
    return b.emit('np.einsum("...ij,jk->...ki", {0}, {1})', m, w, shape=(w.shape[1], i), size=scaled(m, w, j))
