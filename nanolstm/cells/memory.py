"""Cells whose state is a matrix that associates vectors: fast weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanolstm.language.cell import Cell
from nanolstm.language.fields import State, param, state
from nanolstm.language.functions import Array, identity, layer_norm, merge, relu, sigmoid, split
from nanolstm.language.gate import Gate, gate
from nanolstm.language.initialisers import RandomSource, glorot


def within_root(rng: RandomSource, shape: tuple[int, ...]) -> Any:
    """Uniform within 1 / sqrt(K), K being the number of units."""
    return rng.uniform(-1.0, 1.0, shape) / shape[0] ** 0.5


def small_identity(_: RandomSource, shape: tuple[int, ...]) -> Any:
    """A twentieth of the identity."""
    return 0.05 * np.eye(shape[0])


class FastWeights(Cell):
    """Fast weights that attend to the recent past, by Ba, Hinton, Mnih, Leibo and Ionescu (2016).

    With M inputs, K hidden units, the slow weights C (K, M) and W (K, K), the fast weights A (K, K), S inner steps:

        s = C x + W h                           (K), sustained while the state settles
        h_0 = relu(s)                           (K)
        h_r = relu(LN(s + A h_(r-1)))           (K), r = 1 .. S
        h = h_S                                 (K)
        A = decay A + rate h h^T                (K, K)

    where LN(a) = gain * (a - mean(a)) / std(a) + shift over the K units. A multiplied by h_r is a sum of all earlier
    states, each weighed by its likeness to h_r and by its age. A step reads the A of the step before.

    The slow weights start as is usual for this cell: W at a twentieth of the identity, and C uniform within
    1 / sqrt(K), as the paper's appendix says.

    Args:
        inner: S, how many inner steps.
        decay: lambda in the paper, how much of the fast weights is left after a step.
        rate: eta in the paper, how strongly a state is written.

    Returns:
        h (..., K); its states are `h` (..., K) and `A` (..., K, K).

    Reference:
        Ba, J., Hinton, G., Mnih, V., Leibo, J. Z. and Ionescu, C. (2016). Using fast weights to attend to the recent
        past. Advances in Neural Information Processing Systems 29.
    """

    inner: int = 1
    decay: float = 0.95
    rate: float = 0.5
    A: State = state(("hidden", "hidden"))
    slow: Gate = gate(identity, bias=False, init={"U": within_root, "W": small_identity})
    gain: Array = param("hidden", 1.0)
    shift: Array = param("hidden", 0.0)

    def step(self, x: Array, h: Array, A: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), A (..., K, K)) to (h, h, A)."""
        sustained = self.slow(x, h)
        h = relu(sustained)
        for _ in range(self.inner):
            h = relu(layer_norm(sustained + np.matvec(A, h)) * self.gain + self.shift)
        A = self.decay * A + self.rate * h[..., :, None] * h[..., None, :]
        return h, h, A


def unit_silu(x: Array) -> Array:
    """The feature map of DeltaNet: x sigmoid(x), at length 1 over the last axis."""
    y = x * sigmoid(x)
    unit: Array = y / np.sqrt(np.sum(y * y, axis=-1, keepdims=True) + 1e-6)
    return unit


class DeltaNet(Cell):
    """DeltaNet: fast weights written by the delta rule, by Schlag and others (2021), as Yang and others (2024) have it.

    With M inputs and K hidden units in `heads` heads of D = K / heads units, each with a memory S of its own:

        q = phi(U_q x)                          (D)        U (D, M) of each head
        k = phi(U_k x)                          (D)
        v = U_v x                               (D)
        beta = sigmoid(u_b x)                   (1)        u (M) of each head
        S = S + beta (v - S k) k^T              (D, D)
        y = S q                                 (D)

    What S answers to the key k is moved towards v, all the way where beta is 1, and answers to keys at right angles to
    k stay. phi(a) is a sigmoid(a), divided by its length; Schlag et al. have other feature maps, that sum to 1. This is
    the cell alone, without the short convolutions before q, k and v (after which their v, too, is a sigmoid(a)) and the
    norm and the projection after y.

    Args:
        heads: how many heads; they divide the hidden size.

    Returns:
        y (..., K); its state is `S` (..., heads, D, D).

    Reference:
        Schlag, I., Irie, K. and Schmidhuber, J. (2021). Linear transformers are secretly fast weight programmers.
        International Conference on Machine Learning. Yang, S., Wang, B., Zhang, Y., Shen, Y. and Kim, Y. (2024).
        Parallelizing linear transformers with the delta rule over sequence length. Advances in Neural Information
        Processing Systems 37.
    """

    heads: int = 1
    S: State = state(("heads", "depth", "depth"))
    query: Gate = gate(identity, W=None, bias=False, init=glorot())
    key: Gate = gate(identity, W=None, bias=False, init=glorot())
    value: Gate = gate(identity, W=None, bias=False, init=glorot())
    rate: Gate = gate(sigmoid, size="heads", W=None, bias=False, init=glorot())

    @property
    def depth(self) -> int:
        """D, the units of a head."""
        return self.hidden // self.heads

    def step(self, x: Array, S: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), S (..., heads, D, D)) to (y (..., K), S)."""
        q, k, v = (split(part(x), self.heads) for part in (self.query, self.key, self.value))
        q, k = unit_silu(q), unit_silu(k)
        change = self.rate(x)[..., None] * (v - np.matvec(S, k))
        S = S + change[..., :, None] * k[..., None, :]
        return merge(np.matvec(S, q)), S
