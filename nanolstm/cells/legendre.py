"""Legendre memory units: a sliding window over the past, held as coefficients of Legendre polynomials."""

from __future__ import annotations

import numpy as np

from nanolstm.language.cell import Cell
from nanolstm.language.fields import State, feed, param, state
from nanolstm.language.functions import Array, identity, split
from nanolstm.language.gate import Gate, gate
from nanolstm.language.initialisers import RandomSource


def window(order: int, theta: float) -> tuple[Array, Array]:
    """A (order, order) and B (order,) of dm/dt = A m + B u, in which m holds the last `theta` units of time of u."""
    q = np.arange(order)
    A = np.where(q[:, None] < q, -1.0, (-1.0) ** (q[:, None] - q + 1))
    return (2 * q[:, None] + 1) * A / theta, (2 * q + 1) * (-1.0) ** q / theta


def held(A: Array, B: Array) -> tuple[Array, Array]:
    """A and B of the step of length 1 in which u is held constant: m = A m + B u exactly."""
    from scipy.linalg import expm

    order = len(B)
    both = np.zeros((order + 1, order + 1))
    both[:order, :order], both[:order, order] = A, B
    both = expm(both)
    return both[:order, :order], both[:order, order]


def taylor(A: Array, B: Array, terms: int) -> tuple[Array, Array]:
    """A^k / k! (terms, order, order) and A^(k - 1) B / k! (terms, order), for k from 1 on."""
    powers, inputs = [A], [B]
    for k in range(2, terms + 1):
        inputs.append(powers[-1] @ B / k)
        powers.append(powers[-1] @ A / k)
    return np.stack(powers), np.stack(inputs)


def lecun_uniform(rng: RandomSource, shape: tuple[int, ...]) -> Array:
    """Uniform numbers of variance 1 / fan_in."""
    drawn: Array = rng.uniform(-1.0, 1.0, shape) * np.sqrt(3.0 / shape[-1])
    return drawn


def glorot_normal(rng: RandomSource, shape: tuple[int, ...]) -> Array:
    """Normal numbers of variance 2 / (fan_in + fan_out)."""
    drawn: Array = rng.standard_normal(shape) * np.sqrt(2.0 / sum(shape))
    return drawn


class LMU(Cell):
    """The Legendre memory unit of Voelker, Kajic and Eliasmith (2019).

    A linear memory m holds the last theta time steps of a signal u as D coefficients of Legendre polynomials, and a
    nonlinear layer reads it. With M inputs and K hidden units:

        theta dm/dt = A m + B u                   (D)        A (D, D), B (D)

        a_ij = (2 i + 1) (-1 if i < j else (-1)^(i - j + 1)),  b_i = (2 i + 1) (-1)^i

        u = U x + W h + M m                       (1)        the gate write: U (1, M), W (1, K), M (1, D)
        m = A' m + B' u                           (D)        A' and B': a time step with u held
        h = tanh(U x + W h + M m)                 (K)        the gate new: U (K, M), W (K, K), M (K, D)

    A' and B' are `A` and `B` of the cell, exact for a u that is constant within a time step (zero-order hold), fixed
    and not trained. There are no biases. As in the authors' code, the encoders (`write`) start uniform by LeCun's rule
    and that of the memory at 0, the kernels (`new`) normal by Glorot's. One signal is remembered, as in the paper;
    keras-lmu has several by `memory_d`. For time steps of unequal length there is
    [`IrregularLMU`][nanolstm.cells.IrregularLMU].

    Args:
        order: D, how finely the window is resolved.
        theta: the length of the window, in time steps.

    Returns:
        h (..., K); its states are `h` (..., K) and `m` (..., D).

    Reference:
        Voelker, A. R., Kajic, I. and Eliasmith, C. (2019). Legendre memory units: continuous-time representation in
        recurrent neural networks. Advances in Neural Information Processing Systems 32.
    """

    order: int = 8
    theta: float = 20.0
    m: State = state("order")
    A: Array = param(("order", "order"), 0.0, frozen=True)
    B: Array = param("order", 0.0, frozen=True)
    write: Gate = gate(identity, size=1, M="m", bias=False, init={"*": lecun_uniform, "M": 0.0})
    new: Gate = gate(np.tanh, M="m", bias=False, init=glorot_normal)

    def step(self, x: Array, h: Array, m: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), m (..., D)) to (h, h, m)."""
        m = m @ self.A.T + self.write(x, h, m) * self.B
        h = self.new(x, h, m)
        return h, h, m

    def initialise(self, rng: RandomSource) -> None:  # noqa: ARG002
        """Set A and B, which are not drawn."""
        self.A[...], self.B[...] = held(*window(self.order, self.theta))


class IrregularLMU(LMU):
    """The Legendre memory unit of Voelker, Kajic and Eliasmith (2019) at irregular times.

    As [`LMU`][nanolstm.cells.LMU], but theta dm/dt = A m + B u is solved over each `dt` anew, with u held: by its
    Taylor series, in n = `unfolds` equal parts d = dt / n, each

        m = m + sum_k d^k (A_k m + B_k u)         (D)        k from 1 to `terms`
        A_k = (A / theta)^k / k!                  (D, D)     `A` of the cell holds them one below the other
        B_k = (A / theta)^(k - 1) B / theta / k!  (D)        likewise `B`

    Where all steps are 1 this is the LMU. A gap that is longer than the window is solved as one of theta: the ideal
    window then holds nothing else than u, and that of finite order nearly so (at order 8 a fifth of what it held is
    left after theta, a hundredth after 1.5 theta). As the fields are set here the series is exact to 1e-10 for a dt of
    up to theta / 2, and to 1e-5 for theta; the higher the order, the more unfolds or the shorter gaps it takes.

    Args:
        terms: of the series.
        unfolds: parts that a time step is solved in.

    Returns:
        h (..., K); its states are `h` (..., K) and `m` (..., D). The feed `dt` is the time since the last step, in the
        unit of `theta`, 1 unless it is given.

    Reference:
        Voelker, A. R., Kajic, I. and Eliasmith, C. (2019). Legendre memory units: continuous-time representation in
        recurrent neural networks. Advances in Neural Information Processing Systems 32.
    """

    terms: int = 16
    unfolds: int = 4
    dt: Array = feed(default=1.0)
    A: Array = param(("rows", "order"), 0.0, frozen=True)
    B: Array = param("rows", 0.0, frozen=True)

    @property
    def rows(self) -> int:
        """The height of all A_k."""
        return self.terms * self.order

    def step(self, x: Array, h: Array, m: Array, dt: Array) -> tuple[Array, Array, Array]:  # type: ignore[override]
        """One time step: (x (..., M), h (..., K), m (..., D), dt (..., 1)) to (h, h, m)."""
        u, powers = self.write(x, h, m) * self.B, [np.minimum(dt, self.theta) / self.unfolds]
        for _ in range(self.terms - 1):
            powers.append(powers[-1] * powers[0])
        d = np.concatenate(powers, axis=-1)[..., None]
        for _ in range(self.unfolds):
            m = m + np.sum(d * split(m @ self.A.T + u, self.terms), axis=-2)
        h = self.new(x, h, m)
        return h, h, m

    def initialise(self, rng: RandomSource) -> None:  # noqa: ARG002
        """Set A and B, which are not drawn."""
        A, B = taylor(*window(self.order, self.theta), self.terms)
        self.A[...], self.B[...] = A.reshape(self.A.shape), B.ravel()
