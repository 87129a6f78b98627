"""The cells of xLSTM: gates that grow exponentially, and a stabiliser that keeps them finite."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanolstm.language.cell import Cell
from nanolstm.language.fields import State, state
from nanolstm.language.functions import Array, identity, merge, sigmoid, softplus, split
from nanolstm.language.gate import Gate, blocks, gate
from nanolstm.language.initialisers import RandomSource, normal


def log_sigmoid(x: Array) -> Array:
    """The logarithm of a sigmoid gate, without overflow."""
    return -softplus(-x)


def small(rng: RandomSource, shape: tuple[int, ...]) -> Any:
    """The small normal numbers of Nguyen and Salazar (2019), Transformers without tears, as xLSTM is drawn."""
    return (2 / (5 * shape[-1])) ** 0.5 * rng.standard_normal(shape)


def from_3_to_6(_: RandomSource, shape: tuple[int, ...]) -> Any:
    """From heads that forget sooner to heads that remember long."""
    return np.linspace(3.0, 6.0, shape[0])


class SLSTM(Cell):
    """The sLSTM of xLSTM, by Beck, Pöppel, Spanring and others (2024): exponential gates, a normaliser, a stabiliser.

    With M inputs, K hidden units in `heads` heads that do not see each other, U (K, M), R (K, K) block-diagonal, b (K):

        i = exp(U_i x + R_i h + b_i)            (K)
        f = sigmoid(U_f x + R_f h + b_f)        (K)
        z = tanh(U_z x + R_z h + b_z)           (K)
        o = sigmoid(U_o x + R_o h + b_o)        (K)
        c = f * c + i * z                       (K)
        n = f * n + i                           (K)
        h = o * c / n                           (K)

    The memory c and its normaliser n would overflow. Both are kept divided by exp(m), of which h knows nothing:

        m = max(log f + m, log i)               (K), from minus infinity
        i' = exp(log i - m)                     (K), in place of i
        f' = exp(log f + m_before - m)          (K), in place of f

    Therefore the fields `input` and `forget` (and their recordings) are the logarithms of the gates. The paper's other
    forget gate, exp, is `forget: Gate = gate(identity, W=blocks("h", "heads"))` in a subclass. This is the cell alone,
    without the convolution, the norms and the projections of the block that the paper puts around it.

    First values follow the authors' package `xlstm`, whose inputs pass through block-diagonal matrices first: recurrent
    weights 0, and in each head forget biases from 5 down to -7, so that some units remember and others do not. Its
    order of gates is that of the fields.

    Args:
        heads: how many heads; they divide the hidden size.

    Returns:
        h (..., K); its states are `h`, `c`, `n` and `m`, each (..., K).

    Reference:
        Beck, M., Pöppel, K., Spanring, M. et al. (2024). xLSTM: extended long short-term memory. Advances in Neural
        Information Processing Systems 37.
    """

    heads: int = 1
    m: State = state(start=-np.inf)
    input: Gate = gate(identity, W=blocks("h", "heads"), init={"U": small, "W": 0.0})
    forget: Gate = gate(log_sigmoid, W=blocks("h", "heads"), init={"U": small, "W": 0.0})
    new: Gate = gate(np.tanh, W=blocks("h", "heads"), init={"U": small, "W": 0.0})
    output: Gate = gate(sigmoid, W=blocks("h", "heads"), init={"U": small, "W": 0.0})

    def step(self, x: Array, h: Array, c: Array, n: Array, m: Array) -> tuple[Array, Array, Array, Array, Array]:
        """One time step: (x (..., M), h, c, n, m (..., K)) to (h, h, c, n, m)."""
        log_i, log_f = self.input(x, h), self.forget(x, h)
        new_m = np.maximum(log_f + m, log_i)
        i, f = np.exp(log_i - new_m), np.exp(log_f + m - new_m)
        c, n = f * c + i * self.new(x, h), f * n + i
        h = self.output(x, h) * c / n
        return h, h, c, n, new_m

    def initialise(self, rng: RandomSource) -> None:  # noqa: ARG002
        """Spread the forget biases over the units of each head."""
        place = np.linspace(0.0, 1.0, self.hidden // self.heads)
        self.parameters["forget.b"][...] = np.tile(5.0 - 12.0 * place**0.3, self.heads)


class MLSTM(Cell):
    """The mLSTM of xLSTM, by Beck, Pöppel, Spanring and others (2024): a matrix memory of keys and values.

    With M inputs and K hidden units in `heads` heads of D = K / heads units, each with a memory of its own:

        q = U_q x + b_q                         (D)        U (D, M), b (D) of each head
        k = (U_k x + b_k) / sqrt(D)             (D)
        v = U_v x + b_v                         (D)
        i = exp(u_i x + b_i)                    (1)        u (M), b (1) of each head
        f = sigmoid(u_f x + b_f)                (1)
        o = sigmoid(U_o x + b_o)                (D)
        C = f C + i v k^T                       (D, D)
        n = f n + i k                           (D)
        h = o * C q / max(|n . q|, 1)           (D)

    C and n are kept divided by exp(m), as in [`SLSTM`][nanolstm.cells.SLSTM], and the 1 with them:

        m = max(log f + m, log i)               (1), from minus infinity
        h = o * C q / max(|n . q|, exp(-m))     (D)

    No gate sees the state. The fields `input` and `forget` are the logarithms of the gates; the paper's other forget
    gate, exp, is `forget: Gate = gate(identity, size="heads", W=None)` in a subclass. The key is divided by
    sqrt(D) with its bias, as in the authors' package `xlstm`. This is the cell alone, without the convolution, the
    norms and the projections of the block that the paper puts around it.

    First values follow the package, whose gates read the query, key and value and which has another output branch:
    weights of `input` and `forget` 0, forget biases from 3 to 6 over the heads.

    Args:
        heads: how many heads; they divide the hidden size.

    Returns:
        h (..., K); its states are `C` (..., heads, D, D), `n` (..., heads, D) and `m` (..., heads).

    Reference:
        Beck, M., Pöppel, K., Spanring, M. et al. (2024). xLSTM: extended long short-term memory. Advances in Neural
        Information Processing Systems 37. Equations 19 to 27.
    """

    heads: int = 1
    C: State = state(("heads", "depth", "depth"))
    n: State = state(("heads", "depth"))
    m: State = state("heads", start=-np.inf)
    query: Gate = gate(identity, W=None, init=small)
    key: Gate = gate(identity, W=None, init=small)
    value: Gate = gate(identity, W=None, init=small)
    input: Gate = gate(identity, size="heads", W=None, init={"U": 0.0, "b": normal(0.1)})
    forget: Gate = gate(log_sigmoid, size="heads", W=None, init={"U": 0.0, "b": from_3_to_6})
    output: Gate = gate(sigmoid, W=None, init=small)

    @property
    def depth(self) -> int:
        """D, the units of a head."""
        return self.hidden // self.heads

    def step(self, x: Array, C: Array, n: Array, m: Array) -> tuple[Array, Array, Array, Array]:
        """One time step: (x (..., M), C (..., heads, D, D), n (..., heads, D), m (..., heads)) to (h, C, n, m)."""
        q, k, v = (split(part(x), self.heads) for part in (self.query, self.key, self.value))
        k, log_i, log_f = k / self.depth**0.5, self.input(x), self.forget(x)
        new_m = np.maximum(log_f + m, log_i)
        i, f = np.exp(log_i - new_m)[..., None], np.exp(log_f + m - new_m)[..., None]
        C = f[..., None] * C + (i * v)[..., :, None] * k[..., None, :]
        n = f * n + i * k
        norm = np.maximum(np.abs(np.sum(n * q, axis=-1)), np.exp(-new_m))
        return self.output(x) * merge(np.matvec(C, q) / norm[..., None]), C, n, new_m
