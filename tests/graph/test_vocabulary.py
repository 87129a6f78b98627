"""Every function of the vocabulary: in a graph it means what NumPy does with arrays, in a step and in a loss."""

import attrs
import numpy as np
import pytest
from scipy import special

import nanolstm as nl
from nanolstm.compile.programs import Programs, Variant
from nanolstm.compile.steps import one_step
from nanolstm.errors import BatchError
from nanolstm.graph.node import input_node
from nanolstm.graph.tracer import METHODS, Tracer, Tracing
from nanolstm.graph.vocabulary import VOCABULARY
from nanolstm.language.fields import State
from nanolstm.traced import programs_of, trace_loss

ROWS = 3  # as long as a feature axis, where a confusion of the two would not be noticed by a shape
FLOATS = ("float64", "float32")


# A step of any function: of x (4), of a state m (2, 3), and of parameters.


class OfFunction(nl.Cell):
    """A cell whose output is what `function` answers, as features on one axis."""

    function: object = None
    axes: int = 1
    A: nl.Array = nl.param((3, 4), nl.normal())
    B: nl.Array = nl.param((2, 3), nl.normal())
    C: nl.Array = nl.param((2, 5, 3), nl.normal())
    b: nl.Array = nl.param((4,), nl.normal())
    p: nl.Array = nl.param((4,), nl.uniform(0.5, 1.5))
    s: nl.Array = nl.param((), 0.7)
    m: State = nl.state((2, 3))

    def step(self, x, m):
        y = self.function(Given(x, m, self))
        if not self.axes:
            y = y[..., None]
        elif self.axes > 1:
            y = np.reshape(y, (*y.shape[: -self.axes], int(np.prod(y.shape[-self.axes :]))))
        return y, m


class Given:
    """What a function is called with: x and m for each row; A, B, C, b, p, s for all; more that is made of these."""

    def __init__(self, x, m, cell):
        self.x, self.m = x, m
        self.A, self.B, self.C, self.b, self.p, self.s = cell.A, cell.B, cell.C, cell.b, cell.p, cell.s

    @property
    def positive(self):
        return np.exp(self.x)

    @property
    def within(self):
        """Between -1 and 1."""
        return np.tanh(self.x)


@attrs.frozen
class Case:
    """`function` uses `key` of the vocabulary; without `smooth`, its value jumps, and no derivative is looked at."""

    key: object
    function: object
    label: str = ""
    smooth: bool = True


def flat(key, function, label=""):
    return Case(key, function, label, smooth=False)


def each(key, *functions):
    return [Case(key, function, f"{i}") for i, function in enumerate(functions)]


STEPS = [
    # Elementwise: of one operand.
    *(
        Case(f, lambda g, f=f: f(g.x))
        for f in (
            np.exp,
            np.expm1,
            np.tanh,
            np.sin,
            np.cos,
            np.tan,
            np.sinh,
            np.cosh,
            np.exp2,
            np.square,
            np.absolute,
            np.fabs,
            np.negative,
            np.positive,
        )
    ),
    *(Case(f, lambda g, f=f: f(g.positive)) for f in (np.log, np.log1p, np.log2, np.log10, np.sqrt, np.reciprocal)),
    *(flat(f, lambda g, f=f: f(3 * g.x)) for f in (np.sign, np.floor, np.ceil, np.trunc)),
    *each("expit", lambda g: special.expit(g.x), lambda g: special.expit(g.m), lambda g: special.expit(g.b)),
    *each("erf", lambda g: special.erf(g.x)),
    *each("log_expit", lambda g: special.log_expit(g.x), lambda g: special.log_expit(60 * g.x)),
    *each("sigmoid", lambda g: nl.sigmoid(g.x), lambda g: nl.sigmoid(900 * g.x)),
    *each("softplus", lambda g: nl.softplus(g.x), lambda g: nl.softplus(g.s)),
    *each(
        "softmax",
        lambda g: nl.softmax(g.x),
        lambda g: nl.softmax(g.m),
        lambda g: nl.softmax(np.swapaxes(g.m, -1, -2)),
        lambda g: nl.softmax(g.B),
        lambda g: nl.softmax(900 * g.x),
    ),
    # Of two.
    *each(
        np.add,
        lambda g: g.x + g.b,
        lambda g: 1 + g.x,
        lambda g: g.x + g.s,
        lambda g: g.m + g.B[0],
        lambda g: np.add(g.m, g.B[:, :1]),
        lambda g: g.x + np.arange(4),
        lambda g: np.add(g.x, [1, 2, 3, 4]),
        lambda g: g.x + True,
        lambda g: g.x + np.float32(0.1),
        lambda g: (g.x > 0) + g.x,
        lambda g: (g.x > 0) + (g.x < 1),
        lambda g: (g.x > 0) + (g.x < 1) + 1,
        lambda g: (g.x > 0) + True,
    ),
    *each(np.subtract, lambda g: g.x - g.b, lambda g: 1 - g.x, lambda g: g.s - g.m),
    *each(
        np.multiply,
        lambda g: g.x * g.b,
        lambda g: 2 * g.x,
        lambda g: g.m * g.s,
        lambda g: g.x[..., :2, None] * g.m,
        lambda g: (g.x > 0) * g.x,
        lambda g: ~((g.x > 0) * (g.x < 1)) * 0.5,
    ),
    *each(np.divide, lambda g: g.x / g.p, lambda g: 1 / g.positive, lambda g: g.x / 2, lambda g: 2 / g.p),
    *each(
        np.power,
        lambda g: g.x**2,
        lambda g: g.x**3,
        lambda g: g.positive**0.5,
        lambda g: g.positive**-1,
        lambda g: g.x**1,
        lambda g: g.x**0,
        lambda g: g.x**4,
        lambda g: g.positive**1.7,
        lambda g: 2**g.x,
        lambda g: g.positive**g.x,
        lambda g: g.p**g.b,
        lambda g: np.power(g.positive, g.s),
        lambda g: np.power(g.p, np.array([1.0, 2.0, 3.0, 0.5])),
        lambda g: g.x**-2,
        lambda g: g.x ** np.array(2.0),
    ),
    *each(np.mod, lambda g: g.x % 0.7, lambda g: g.x % g.p, lambda g: 5 % g.p),
    *[
        flat(np.floor_divide, f, str(i))
        for i, f in enumerate(
            [
                lambda g: g.x // 0.7,
                lambda g: 7 * g.x // g.p,
                lambda g: np.floor_divide(g.positive, -0.3),
                lambda g: (0 * g.x + 1.0) // 0.1,
            ]
        )
    ],
    *each(
        np.logaddexp,
        lambda g: np.logaddexp(g.x, g.b),
        lambda g: np.logaddexp(g.x, 0),
        lambda g: np.logaddexp(800 * g.x, g.b),
    ),
    *each(np.maximum, lambda g: np.maximum(g.x, 0), lambda g: np.maximum(0, g.x), lambda g: np.maximum(g.x, g.b)),
    *each(np.minimum, lambda g: np.minimum(g.x, 0.3), lambda g: np.minimum(g.b, g.x)),
    *each(np.hypot, lambda g: np.hypot(g.x, g.b), lambda g: np.hypot(3, g.x)),
    # Comparisons and masks.
    *[
        flat(f, lambda g, f=f: f(np.floor(2 * g.x), np.floor(2 * g.b)))
        for f in (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
    ],
    *[
        flat(k, f, w)
        for k, f, w in [
            (np.less, lambda g: g.x < 0, "<"),
            (np.less_equal, lambda g: g.x <= 0, "<="),
            (np.greater, lambda g: g.b > 0.5, ">"),
            (np.greater_equal, lambda g: g.x >= g.s, ">="),
            (np.equal, lambda g: np.floor(g.x) == 0, "=="),
            (np.not_equal, lambda g: np.floor(g.x) != 0, "!="),
        ]
    ],
    flat(np.logical_and, lambda g: np.logical_and(g.x > 0, g.b < 0.5)),
    flat(np.bitwise_and, lambda g: (g.x > 0) & (g.b < 0.5)),
    flat(np.bitwise_and, lambda g: (g.x > 0) & True, "with True"),
    flat(np.logical_or, lambda g: np.logical_or(g.x > 0, g.b < 0.5)),
    flat(np.bitwise_or, lambda g: (g.x > 0) | (g.b < 0.5) | False),
    flat(np.logical_not, lambda g: np.logical_not(g.x > 0)),
    flat(np.invert, lambda g: ~(g.x > 0)),
    *[flat(k, lambda g, k=k: k(strange(g))) for k in (np.isnan, np.isinf, np.isfinite)],
    *each(
        np.where,
        lambda g: np.where(g.x > 0, g.x, g.b),
        lambda g: np.where(g.x > 0, 1, 0),
        lambda g: np.where(g.x > g.s, g.x, 0.1 * g.x),
        lambda g: np.where(g.m[..., :1] > 0, g.m, g.B),
        lambda g: np.where(np.floor(g.x), g.x, -g.x),
        lambda g: np.where(g.b > 0, g.x, g.p),
        lambda g: np.where([True, False, True, False], g.x, 0),
        lambda g: np.where(g.x > 0, g.b > 0, g.p > 1),
        lambda g: np.where(g.x > 0, g.b > 0, g.x),
    ),
    *each(
        np.clip,
        lambda g: np.clip(g.x, -0.5, 0.5),
        lambda g: np.clip(g.x, None, 0.2),
        lambda g: np.clip(g.x, -0.2, None),
        lambda g: g.x.clip(-0.3, 0.3),
        lambda g: np.clip(g.x, a_min=0, a_max=1),
        lambda g: np.clip(g.x, min=0.1, max=1),
        lambda g: np.clip(g.x, -g.p, g.p),
        lambda g: g.x.clip(min=0),
    ),
    # Reductions.
    *[
        Case(f, h, f"{f.__name__} {i}")
        for f in (np.sum, np.mean, np.max, np.min, np.var, np.std)
        for i, h in enumerate(
            [
                lambda g, f=f: f(g.x, axis=-1),
                lambda g, f=f: f(g.m, axis=-1),
                lambda g, f=f: f(g.m, -2),
                lambda g, f=f: f(g.m, axis=(-2, -1)),
                lambda g, f=f: f(g.m, axis=-2, keepdims=True),
                lambda g, f=f: f(g.m, axis=[-1, -2][0], keepdims=False),
                lambda g, f=f: f(g.m, axis=(-1, -2), keepdims=True),
                lambda g, f=f: f(g.B),
                lambda g, f=f: f(g.B, axis=0),
                lambda g, f=f: f(g.B, axis=1),
                lambda g, f=f: getattr(g.m, f.__name__)(axis=-1),
                lambda g, f=f: getattr(g.m, f.__name__)(-1, keepdims=True),
                lambda g, f=f: f(g.C, axis=(0, 2)),
            ]
        )
    ],
    *each(
        np.sum,
        lambda g: np.sum(g.x > 0, axis=-1),
        lambda g: np.add.reduce(g.x, axis=-1),
        lambda g: np.add.reduce(g.B),
    ),
    *each(np.max, lambda g: np.maximum.reduce(g.x, axis=-1), lambda g: np.max(np.maximum(g.m, -0.2), axis=-1)),
    *each(np.min, lambda g: np.minimum.reduce(g.m, axis=-1)),
    *each(np.mean, lambda g: np.mean(g.x > 0, axis=-1), lambda g: (g.x > 0).mean(axis=-1)),
    *each(np.var, lambda g: np.var(g.x, axis=-1, ddof=1), lambda g: g.m.var(-1, ddof=1)),
    *each(np.std, lambda g: np.std(g.x, axis=-1, ddof=1), lambda g: g.m.std(-1, ddof=1)),
    *each(
        np.cumsum,
        lambda g: np.cumsum(g.x, axis=-1),
        lambda g: np.cumsum(g.m, axis=-2),
        lambda g: g.m.cumsum(axis=-1),
        lambda g: np.cumsum(g.B, axis=0),
        lambda g: np.cumsum(g.x > 0, axis=-1),
    ),
    *each(
        np.linalg.norm,
        lambda g: np.linalg.norm(g.x, axis=-1),
        lambda g: np.linalg.norm(g.m, axis=-1, keepdims=True),
        lambda g: np.linalg.norm(g.x, 2, axis=-1),
        lambda g: np.linalg.norm(g.m, axis=(-2, -1)),
        lambda g: np.linalg.norm(g.B),
        lambda g: np.linalg.norm(g.b),
    ),
    # Features in another place.
    *each(
        np.concatenate,
        lambda g: np.concatenate([g.x, g.x], axis=-1),
        lambda g: np.concatenate((g.m, g.m[..., :1]), -1),
        lambda g: np.concatenate([g.m, g.m], axis=-2),
        lambda g: np.concatenate([g.x, g.x > 0], axis=-1),
        lambda g: np.concatenate([g.b, g.p]),
        lambda g: np.concatenate([g.B, g.B[:1]], axis=0),
        lambda g: np.concatenate([g.x], axis=-1),
        lambda g: np.concatenate([g.x[..., :1], g.x, np.zeros_like(g.x)], axis=-1),
    ),
    *each(
        np.stack,
        lambda g: np.stack([g.x, g.x * 2], axis=-1),
        lambda g: np.stack((g.x, -g.x, g.x), axis=-2),
        lambda g: np.stack([g.b, g.p]),
        lambda g: np.stack([g.B, g.B], axis=1),
        lambda g: np.stack([g.m, g.m], axis=-3),
    ),
    *each(
        np.split,
        lambda g: np.split(g.x, 2, axis=-1)[1],
        lambda g: np.split(g.x, [1, 3], axis=-1)[1],
        lambda g: np.split(g.m, 2, axis=-2)[0],
        lambda g: np.split(g.B, 3, axis=1)[2],
        lambda g: np.split(g.b, 2)[0],
        lambda g: np.add(*np.split(g.x, (2,), axis=-1)),
        lambda g: np.split(g.x, [-1], axis=-1)[0],
        lambda g: np.split(g.x, [3, 9], axis=-1)[1],
    ),
    *each(
        np.expand_dims,
        lambda g: np.expand_dims(g.x, -1),
        lambda g: np.expand_dims(g.m, -2),
        lambda g: np.expand_dims(g.b, 0),
        lambda g: np.expand_dims(g.m, axis=(-1, -3)),
    ),
    *each(
        np.squeeze,
        lambda g: np.squeeze(g.m[..., :1], axis=-1),
        lambda g: g.m[..., :1, :].squeeze(-2),
        lambda g: np.squeeze(g.B[:1], axis=0),
        lambda g: np.squeeze(g.m[..., :1, :1], axis=(-1, -2)),
    ),
    *each(
        np.reshape,
        lambda g: np.reshape(g.x, (*g.x.shape[:-1], 2, 2)),
        lambda g: g.x.reshape(*g.x.shape[:-1], 2, -1),
        lambda g: g.m.reshape((*g.m.shape[:-2], 6)),
        lambda g: np.reshape(g.m, (*g.m.shape[:-2], 3, 2)),
        lambda g: g.B.reshape(3, 2),
        lambda g: g.B.reshape(-1),
        lambda g: np.reshape(g.B, 6),
        lambda g: np.reshape(g.B, [6, 1]),
        lambda g: nl.merge(g.m),
        lambda g: nl.split(g.x, 2),
    ),
    *each(
        np.broadcast_to,
        lambda g: np.broadcast_to(g.b, g.x.shape),
        lambda g: np.broadcast_to(g.s, (2, 3)),
        lambda g: np.broadcast_to(g.m[..., :1], g.m.shape),
        lambda g: np.broadcast_to(g.B[0], (4, 3)),
        lambda g: np.broadcast_to(g.b, (*g.x.shape[:-1], 4)),
    ),
    *each(
        np.transpose,
        lambda g: np.transpose(g.B),
        lambda g: g.B.T,
        lambda g: g.C.transpose(2, 0, 1),
        lambda g: np.transpose(g.C, (1, 0, 2)),
        lambda g: np.transpose(g.C, (-1, 0, 1)),
        lambda g: np.transpose(g.C, axes=(1, 2, 0)),
        lambda g: g.C.T,
        lambda g: g.B.transpose(),
    ),
    *each(
        np.swapaxes,
        lambda g: np.swapaxes(g.m, -1, -2),
        lambda g: g.m.swapaxes(-2, -1),
        lambda g: np.swapaxes(g.C, 0, 2),
    ),
    *each(np.matrix_transpose, lambda g: np.matrix_transpose(g.m), lambda g: g.m.mT, lambda g: g.C.mT),
    *each(
        np.moveaxis,
        lambda g: np.moveaxis(g.m, -1, -2),
        lambda g: np.moveaxis(g.C, 0, -1),
        lambda g: np.moveaxis(g.C, -1, 0),
        lambda g: np.moveaxis(g.C, 1, 2),
    ),
    *each(np.flip, lambda g: np.flip(g.x, axis=-1), lambda g: np.flip(g.m, -2), lambda g: np.flip(g.B, axis=0)),
    *each(
        np.roll,
        lambda g: np.roll(g.x, 1, axis=-1),
        lambda g: np.roll(g.m, -1, axis=-1),
        lambda g: np.roll(g.B, 5, axis=1),
        lambda g: np.roll(g.x, 4, axis=-1),
        lambda g: np.roll(g.x, 0, axis=-1),
    ),
    *each(
        np.take,
        lambda g: np.take(g.x, [2, 0, 0, -1], axis=-1),
        lambda g: g.m.take([1], axis=-1),
        lambda g: np.take(g.B, np.array([1, 0]), axis=0),
        lambda g: np.take(g.m, 1, axis=-1),
    ),
    *each(
        np.repeat,
        lambda g: np.repeat(g.x, 2, axis=-1),
        lambda g: np.repeat(g.m, [1, 0, 2], axis=-1),
        lambda g: g.m.repeat(2, axis=-2),
        lambda g: np.repeat(g.B, 3, axis=0),
    ),
    *each(np.copy, lambda g: np.copy(g.x), lambda g: g.m.copy()),
    *each(
        np.zeros_like,
        lambda g: np.zeros_like(g.x),
        lambda g: np.zeros_like(g.B),
        lambda g: np.exp(np.zeros_like(g.x)) * g.x,
    ),
    *each(np.ones_like, lambda g: np.ones_like(g.x) * g.b, lambda g: np.cumsum(np.ones_like(g.m), axis=-1)),
    *each(
        np.full_like,
        lambda g: np.full_like(g.x, 0.3),
        lambda g: np.full_like(g.m, fill_value=2.5) - g.m,
        lambda g: np.full_like(g.x, g.s),
    ),
    *each(
        "astype",
        lambda g: g.x.astype(g.x.dtype),
        lambda g: (g.x > 0).astype(g.x.dtype),
        lambda g: (g.x > 0).astype(float) * g.x,
    ),
    *each(np.shape, lambda g: g.x * np.shape(g.m)[-1], lambda g: g.x * np.shape(g.C)[1]),
    *each(np.ndim, lambda g: g.x * np.ndim(g.C)),
    *each(
        np.size, lambda g: g.x * np.size(g.m, -1), lambda g: g.x * np.size(g.C), lambda g: g.x * np.size(g.C, axis=1)
    ),
    *each(np.ravel, lambda g: np.ravel(g.B), lambda g: g.B.ravel(), lambda g: g.C.flatten()),
    # Products.
    *each(
        np.matmul,
        lambda g: g.x @ g.A.T,
        lambda g: np.matmul(g.x, g.A.T),
        lambda g: g.m @ g.B.T,
        lambda g: g.m @ g.m.mT,
        lambda g: g.m @ g.A,
        lambda g: g.B @ g.m.mT,
        lambda g: g.m @ g.B[0],
        lambda g: g.B @ g.B.T,
        lambda g: g.b @ g.p,
        lambda g: g.A @ g.b,
        lambda g: g.b @ g.A.T,
        lambda g: g.C @ g.B.T,
        lambda g: g.C @ g.C.mT,
        lambda g: g.C @ g.B[0],
        lambda g: g.x @ g.b,
        lambda g: (g.x > 0) @ g.A.T,
        lambda g: g.B.T @ (g.m @ g.A),
        lambda g: g.m[..., None, :] @ g.C.mT,
        lambda g: g.m[..., :, None] @ g.m[..., None, :],
    ),
    *each(
        np.vecdot,
        lambda g: np.vecdot(g.x, g.x),
        lambda g: np.vecdot(g.x, g.b),
        lambda g: np.vecdot(g.m, g.m),
        lambda g: np.vecdot(g.m, g.B),
        lambda g: np.vecdot(g.B[0], g.m),
        lambda g: np.vecdot(g.m, g.m[..., :1, :]),
        lambda g: np.vecdot(g.B, g.B[0]),
    ),
    *each(
        np.matvec,
        lambda g: np.matvec(g.m, g.x[..., :3]),
        lambda g: np.matvec(g.A, g.x),
        lambda g: np.matvec(g.m, g.A[:, 0]),
        lambda g: np.matvec(g.C, g.m),
        lambda g: np.matvec(g.C, g.B),
        lambda g: np.matvec(g.C, g.B[0]),
        lambda g: np.matvec(g.m[..., None, :] * g.C, g.m),
        lambda g: np.matvec(g.m[..., None, :] * g.C, g.m[..., :1, :]),
        lambda g: np.matvec(g.B, g.m),
    ),
    *each(
        np.vecmat,
        lambda g: np.vecmat(g.x[..., :2], g.m),
        lambda g: np.vecmat(g.x, g.A.T),
        lambda g: np.vecmat(g.b, g.A.T),
        lambda g: np.vecmat(g.B[:, 0], g.m),
        lambda g: np.vecmat(g.m, g.C.mT),
        lambda g: np.vecmat(g.m, np.swapaxes(g.m[..., None, :] * g.C, -1, -2)),
    ),
    *each(
        np.dot,
        lambda g: np.dot(g.x, g.A.T),
        lambda g: g.x.dot(g.b),
        lambda g: np.dot(g.m, g.A),
        lambda g: np.dot(g.A, g.b),
        lambda g: np.dot(g.b, g.p),
        lambda g: g.B.dot(g.A),
        lambda g: np.dot(g.C, g.A),
    ),
    *each(
        np.einsum,
        lambda g: np.einsum("...i,ji->...j", g.x, g.A),
        lambda g: np.einsum("...i,...i->...", g.x, g.x),
        lambda g: np.einsum("...ij,...kj->...ik", g.m, g.m),
        lambda g: np.einsum("...i,...j->...ij", g.x, g.x),
        lambda g: np.einsum("...hd,hed->...he", g.m, g.C),
        lambda g: np.einsum("ij->ji", g.B),
        lambda g: np.einsum("...ij->...ji", g.m),
        lambda g: np.einsum("...ij->...i", g.m),
        lambda g: np.einsum("...ij->...", g.m),
        lambda g: np.einsum("...ij,k->...k", g.m, g.b),
        lambda g: np.einsum("ij,jk->ik", g.B, g.A),
        lambda g: np.einsum("i,i->", g.b, g.p),
        lambda g: np.einsum("...i, i -> ...i", g.x, g.b),
        lambda g: np.einsum("...hd,...hd->...hd", g.m, g.m),
        lambda g: np.einsum("...i,->...i", g.x, g.s),
    ),
    # Indices.
    *each(
        "getitem",
        lambda g: g.x[..., 0],
        lambda g: g.x[..., -1],
        lambda g: g.x[..., :2],
        lambda g: g.x[..., 1:-1],
        lambda g: g.x[..., ::2],
        lambda g: g.x[..., ::-1],
        lambda g: g.x[..., ::-2],
        lambda g: g.x[..., 2::-1],
        lambda g: g.x[..., None],
        lambda g: g.x[..., None, :],
        lambda g: g.m[..., 0, :],
        lambda g: g.m[..., 0, 1],
        lambda g: g.m[..., 1:, ::2],
        lambda g: g.m[..., None, 0],
        lambda g: g.m[..., :, None, :],
        lambda g: g.x[..., [2, 0, 2]],
        lambda g: g.m[..., [True, False, True]],
        lambda g: g.m[..., np.array([1, 0]), :],
        lambda g: g.m[..., np.int64(1)],
        lambda g: g.B[0],
        lambda g: g.B[1, 2],
        lambda g: g.B[:, 1],
        lambda g: g.B[-1:],
        lambda g: g.B[[1, 0]],
        lambda g: g.B[..., 1],
        lambda g: g.B[None],
        lambda g: g.C[0, ..., 1],
        lambda g: g.C[:, None, 1:3, -1],
        lambda g: g.x[...],
        lambda g: g.m[..., :],
        lambda g: g.x[..., 3:0:-1],
        lambda g: g.x[..., -100:100],
        lambda g: np.concatenate([g.x[..., 2:2], g.x, g.x[..., -9::-1]], axis=-1),
    ),
    # What Python makes of an array.
    *each(
        np.add,
        lambda g: sum(g.B),
        lambda g: next(iter(g.B)) + g.B[1],
        lambda g: g.x * len(g.B) + g.B.ndim + g.B.size + g.x.shape[-1] + g.m.shape[-2],
    ),
]


def strange(g):
    """NaN, inf and numbers."""
    return np.where(g.x > 0.5, np.nan, np.where(g.x < -0.5, -np.inf, g.x))


def label(case):
    name = case.key if isinstance(case.key, str) else case.key.__name__
    return f"{name}[{case.label}]" if case.label else name


def made(function, dtype="float64"):
    """A cell of `function` whose output has all its axes on one."""
    probe = OfFunction(inputs=4, hidden=1, function=lambda g: np.zeros(1), rng=0, dtype=dtype)
    with np.errstate(all="ignore"):
        y = np.asarray(function(Given(np.zeros(4, dtype), np.zeros((2, 3), dtype), probe)))
    return OfFunction(inputs=4, hidden=1, function=function, axes=y.ndim, rng=0, dtype=dtype)


def inputs_of(cell):
    rng = np.random.default_rng(7)
    given = {"x": rng.normal(size=(ROWS, 4)), "m": rng.normal(size=(ROWS, 2, 3)), **cell.parameters}
    return {name: value.astype(cell.dtype) for name, value in given.items()}


def run(program, given, dtype):
    return program(one_step(ROWS), dtype, given)


def eager(cell, given):
    """The step of a cell in NumPy, on a batch."""
    with np.errstate(all="ignore"):
        own = {key: given[key] for key in cell.parameters}
        y = np.asarray(cell.reading(own).step(given["x"], given["m"])[0])
        return np.broadcast_to(y, (ROWS, cell.outputs)).astype(cell.dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", STEPS, ids=label)
def test_a_function_in_a_step_means_what_numpy_does(case, dtype):
    cell = made(case.function, dtype)
    given = inputs_of(cell)
    found = run(programs_of(cell).forward(Variant()), given, cell.dtype)["output"]
    rtol = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(found, eager(cell, given), rtol=rtol, atol=rtol / 10)
    alone = [cell.step(x, m)[0] for x, m in zip(given["x"], given["m"], strict=True)]
    np.testing.assert_allclose(found, np.asarray(alone), rtol=rtol, atol=rtol / 10)
    assert found.dtype in (np.dtype(dtype), np.dtype(bool))


@pytest.mark.parametrize("case", [case for case in STEPS if case.smooth], ids=label)
def test_a_function_in_a_step_is_derived_as_numpy_computes_it(case, differences):
    cell = made(case.function)
    given, rng = inputs_of(cell), np.random.default_rng(1)
    direction = {f"v {name}": rng.uniform(-1, 1, value.shape) for name, value in given.items()}
    wrt = frozenset(given) - {"m"}
    programs = programs_of(cell)
    ahead = run(programs.forward(Variant(along=wrt)), given | direction, cell.dtype)["v output"]
    wanted = differences(
        lambda t: {"y": eager(cell, {name: value + t * direction[f"v {name}"] for name, value in given.items()})}, 1e-4
    )["y"]
    np.testing.assert_allclose(ahead, wanted, rtol=1e-7, atol=1e-7 * np.max(np.abs(wanted)) + 1e-9)
    # And back: the same number from the other side.
    pair, w = programs.pair(Variant(wrt=wrt)), rng.uniform(-1, 1, wanted.shape)
    kept = run(pair.forward, given, cell.dtype)
    back = given | {name: kept[name] for name in pair.kept} | {"d output": w, "d m": np.zeros_like(given["m"])}
    answer = run(pair.backward, back, cell.dtype)
    answer["d m"] = answer["last d m"]
    taken = sum(np.sum(answer[f"d {name}"] * direction[f"v {name}"]) for name in given)
    assert taken == pytest.approx(np.sum(w * ahead), rel=1e-10, abs=1e-12)


# Losses: what is reduced over the rows.


LOSSES = [
    *each(
        np.mean,
        lambda p, t: np.mean((p - t) ** 2),
        lambda p, t: ((p - t) ** 2).mean(),
        lambda p, t: np.mean(np.mean((p - t) ** 2, axis=0)),
        lambda p, t: np.mean(np.abs(p - t), axis=(0, 1)),
        lambda p, t: np.mean(np.mean((p - t) ** 2, axis=1)),
        lambda p, t: np.mean(np.mean((p - t) ** 2, axis=-1, keepdims=True)),
        lambda p, t: np.mean((p > t) * p),
        lambda p, t: np.mean((p - np.mean(p, axis=0)) ** 2),
        lambda p, t: np.mean(p - np.mean(p, axis=0, keepdims=True) * t),
        lambda p, t: np.mean(p - np.mean(t) * p),
    ),
    *each(
        np.sum,
        lambda p, t: np.sum((p - t) ** 2) / p.shape[0],
        lambda p, t: np.sum((p - t) ** 2) / p.size,
        lambda p, t: np.sum((p - t) ** 2) / len(t.shape) / p.shape[1],
        lambda p, t: np.sum(np.sum(p * t, axis=0) ** 2),
        lambda p, t: np.sum(p * t, axis=1).sum(),
        lambda p, t: np.sum(p, axis=-2)[1],
        lambda p, t: (p * t).sum(axis=(-1, 0)),
        lambda p, t: np.sum(p * t, keepdims=True)[0, 0],
        lambda p, t: np.sum(p) / np.sqrt(p.shape[0]),
        lambda p, t: np.sum(p) / (p.shape[0] - 1),
        lambda p, t: np.sum(p) * p.ndim,
        lambda p, t: np.add.reduce(p * t)[0],
        lambda p, t: np.add.reduce(p * t, axis=None),
    ),
    *each(
        np.max,
        lambda p, t: np.max(np.abs(p - t)),
        lambda p, t: np.sum(np.max(p, axis=0)),
        lambda p, t: np.mean(np.max(p * t, axis=1)),
        lambda p, t: np.max(p * t, axis=0).sum(),
        lambda p, t: np.sum(p / np.max(p, axis=0, keepdims=True)),
        lambda p, t: np.sum(p - p.max()),
        lambda p, t: np.mean(np.max(p, axis=0, keepdims=True)[0] * t),
        lambda p, t: np.sum(np.where(p > np.max(0.5 * p, axis=0, keepdims=True), p, np.mean(t, keepdims=True))),
    ),
    *each(
        np.min, lambda p, t: np.min(p * t), lambda p, t: np.sum(np.min(p, axis=0)), lambda p, t: np.mean(p.min(axis=1))
    ),
    *each(
        np.var,
        lambda p, t: np.var(p - t),
        lambda p, t: np.sum(np.var(p * t, axis=0)),
        lambda p, t: np.var(p, ddof=1),
        lambda p, t: np.mean(np.var(p * t, axis=0, ddof=1)),
        lambda p, t: np.mean(np.var(p, axis=1, ddof=1)),
        lambda p, t: np.var(p, axis=0, keepdims=True)[0, 1],
    ),
    *each(
        np.std,
        lambda p, t: np.std(p - t),
        lambda p, t: np.sum(np.std(p, axis=0)),
        lambda p, t: np.std(p, ddof=1),
        lambda p, t: p.std(axis=0, ddof=1).sum(),
    ),
    *each(
        np.sqrt, lambda p, t: np.sqrt(np.mean((p - t) ** 2)), lambda p, t: np.sqrt(np.mean((p - t) ** 2, axis=0)).mean()
    ),
    *each(
        np.linalg.norm,
        lambda p, t: np.linalg.norm(p - t),
        lambda p, t: np.mean(np.linalg.norm(p - t, axis=1)),
        lambda p, t: np.sum(np.linalg.norm(p - t, axis=0)),
    ),
    *each(
        "softmax",
        lambda p, t: -np.mean(np.log(nl.softmax(p)) * t),
        lambda p, t: -np.mean(np.sum(t * np.log(nl.softmax(p)), axis=-1)),
    ),
    *each(
        np.einsum,
        lambda p, t: np.einsum("ni,ni->", p, t),
        lambda p, t: np.sum(np.einsum("ni,ni->i", p, t) ** 2),
        lambda p, t: np.mean(np.einsum("...i,...i->...", p, t)),
        lambda p, t: np.mean(np.einsum("bi,bi->b", p, t) ** 2),
        lambda p, t: np.sum(np.einsum("ni->i", p) ** 2),
        lambda p, t: np.sum(np.einsum("ni,nj->ij", p, t) ** 2),
        lambda p, t: np.sum(np.einsum("ni,i->n", p, np.array([1.0, 2.0, 3.0])) ** 2),
        lambda p, t: np.einsum("ni,i->", p, np.mean(t, axis=0)),
        lambda p, t: np.mean(np.einsum("ni,nj->nij", p, t) ** 2),
        lambda p, t: np.einsum("ni->", p),
    ),
    *each(np.vecdot, lambda p, t: np.mean(np.vecdot(p, t))),
    *each(
        np.where,
        lambda p, t: np.mean(np.where(t > p, 0.9 * (t - p), 0.1 * (p - t))),
        lambda p, t: np.mean(np.where(np.abs(p - t) < 1, 0.5 * (p - t) ** 2, np.abs(p - t) - 0.5)),
    ),
    *each(
        "getitem",
        lambda p, t: np.mean(p[:, 0] * t[:, 1]),
        lambda p, t: np.mean(p[..., 0] - t[..., 0]),
        lambda p, t: np.mean(p[:, :1] * t),
        lambda p, t: np.mean(p[:, [1, 0]] * t[:, :2]),
        lambda p, t: np.mean(p[:, None, :] * t[:, :, None]),
        lambda p, t: np.mean(p[:] * t),
    ),
    *each(
        np.reshape,
        lambda p, t: np.mean(np.reshape(p, (p.shape[0], 3, 1)) * t[..., None]),
        lambda p, t: np.mean(p.reshape(len(p.shape) and p.shape[0], -1) * t),
    ),
    *each(np.concatenate, lambda p, t: np.mean(np.concatenate([p, t], axis=1) ** 2)),
    *each(
        np.stack,
        lambda p, t: np.mean(np.max(np.stack([p, t], axis=-1), axis=-1)),
        lambda p, t: np.mean(np.stack([p, t], axis=1) ** 2),
    ),
    *each(np.expand_dims, lambda p, t: np.mean(np.expand_dims(p, 1) * np.expand_dims(t, 2))),
    *each(np.split, lambda p, t: np.mean(np.split(p, 3, axis=1)[1] * t)),
    *each(np.log, lambda p, t: np.log(np.sum(np.exp(p)))),
]


def loss_label(case):
    return f"loss {label(case)}"


def loss_inputs(dtype="float64", rows=5):
    rng = np.random.default_rng(3)
    return {name: rng.normal(size=(rows, 3)).astype(dtype) for name in ("prediction", "target")}


@pytest.mark.parametrize(("rows", "dtype"), [(5, "float64"), (3, "float32")])
@pytest.mark.parametrize("case", LOSSES, ids=loss_label)
def test_a_function_in_a_loss_means_what_numpy_does(case, rows, dtype, differences):
    loss, given = nl.loss(case.function), loss_inputs(dtype, rows)
    variant = Variant(wrt=frozenset({"prediction"}))
    program = Programs(trace_loss(loss, 3, np.dtype(dtype))).joint(variant)
    found = program(one_step(rows), np.dtype(dtype), given | {"d loss": np.ones((), dtype)})
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    assert found["loss"] == pytest.approx(loss(**given), rel=tolerance, abs=tolerance / 10)
    assert found["d prediction"].dtype == dtype
    if dtype == "float64":
        v = np.random.default_rng(4).uniform(-1, 1, (rows, 3))
        p, t = given["prediction"], given["target"]
        wanted = differences(lambda e: {"": loss(p + e * v, t)}, 1e-4)[""]
        assert np.sum(found["d prediction"] * v) == pytest.approx(wanted, rel=1e-7, abs=1e-9)


# What means something else for one example than for a batch, or is no array function of NumPy at all.


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda g: np.matvec(g.C, g.x[..., :3]), id="heads of a matrix and none of a vector"),
        pytest.param(lambda g: np.vecmat(g.x[..., :3], g.C.mT), id="heads of a matrix and none of a vector before it"),
        pytest.param(lambda g: np.vecdot(g.C, g.m[..., 0, :]), id="heads of one vector"),
        pytest.param(lambda g: g.m @ g.C.mT, id="heads of a matrix on the right"),
        pytest.param(lambda g: g.C @ g.m.mT, id="heads of a matrix on the left"),
        pytest.param(lambda g: np.concatenate([g.x, g.b], axis=-1), id="features of each and of all"),
        pytest.param(lambda g: np.stack([g.x, g.b], axis=-1), id="a stack of each and of all"),
        pytest.param(lambda g: np.broadcast_to(g.x, (*g.x.shape[:-1], 2, 4)), id="an axis by broadcast_to"),
        pytest.param(lambda g: g.x[..., None] * g.x, id="features of different ranks"),
        pytest.param(lambda g: np.dot(g.B, g.C.mT), id="np.dot with three axes on the right"),
        pytest.param(lambda g: np.outer(g.x, g.x), id="np.outer"),
    ],
)
def test_what_a_batch_would_make_something_else_of_is_refused(function):
    with pytest.raises(BatchError, match=r"write|give|make|repeat"):
        traced(function)


def test_np_dot_takes_another_order_of_axes_than_a_product_which_is_why_it_is_refused():
    B, C = np.ones((2, 3)), np.arange(30.0).reshape(2, 3, 5)
    assert not np.array_equal(np.dot(B, C), B @ C)


# Whether all of it is here.


def traced(function, used=None):
    """`function` of tracers in a step; the keys of the vocabulary that it uses are added to `used`."""
    cell = OfFunction(inputs=4, hidden=1, function=lambda g: np.zeros(1), rng=0)
    tracing = watching(used)
    values = {name: tracing.given(input_node(name, v.shape, lead=False)) for name, v in cell.parameters.items()}
    x, m = (tracing.given(input_node(n, shape, lead=True)) for n, shape in (("x", (4,)), ("m", (2, 3))))
    return function(Given(x, m, cell.reading(values)))


def watching(used, *, whole=False):
    def watched(key, call):
        return lambda *args, **options: (None if used is None else used.add(key), call(*args, **options))[1]

    vocabulary = {key: watched(key, call) for key, call in VOCABULARY.items()}
    return Tracing("the test", np.dtype("float64"), vocabulary, whole=whole)


def used_in_step(case):
    used = set()
    assert isinstance(traced(case.function, used), Tracer)
    return used


def used_in_loss(case):
    used = set()
    tracing = watching(used, whole=True)
    assert isinstance(case.function(*(tracing.given(input_node(n, (3,), lead=True)) for n in "pt")), Tracer)
    return used


def test_every_case_uses_what_it_is_a_case_of():
    assert [label(case) for case in STEPS if case.key not in used_in_step(case)] == []
    assert [loss_label(case) for case in LOSSES if case.key not in used_in_loss(case)] == []


def test_every_word_of_the_vocabulary_has_a_case():
    assert set(VOCABULARY) == {case.key for case in STEPS} | {np.outer}


def test_every_method_of_an_array_has_a_case(monkeypatch):
    asked, answer = set(), Tracer.__getattr__
    monkeypatch.setattr(Tracer, "__getattr__", lambda self, name: (asked.add(name), answer(self, name))[1])
    for case in STEPS:
        traced(case.function)
    assert {*METHODS, "astype"} <= asked
