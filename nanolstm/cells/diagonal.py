"""Cells whose units remember each for itself: their recurrent weights are diagonal, or there are none."""

from __future__ import annotations

import math

import numpy as np

from nanolstm.errors import CellError
from nanolstm.language.cell import Cell
from nanolstm.language.fields import State, param, state
from nanolstm.language.functions import Array, identity, relu, sigmoid
from nanolstm.language.gate import Gate, diagonal, gate
from nanolstm.language.initialisers import RandomSource, glorot, uniform

STEPS = 1000
LIMIT = 2 ** (1 / STEPS)


class IndRNN(Cell):
    """The independently recurrent neural network of Li, Li, Cook, Zhu and Gao (2018): each unit remembers itself alone.

    With M inputs, K hidden units, U (K, M), b (K), u (K):

        h = relu(U x + u * h + b)   (K)

    After each update u is brought back within 2^(1/T), as the paper advises for relu, so that over T steps no gradient
    grows more than twofold. T is 1000 here; for another, declare u again with another limit, as below. u starts uniform
    from 0 to 1, so that units of all time scales are there, U by Glorot's rule, b at 0.

    ```python
    import numpy as np
    import nanolstm as nl
    from nanolstm import Array, param

    class ShortIndRNN(nl.cells.IndRNN):
        u: Array = param("hidden", nl.uniform(0, 1), project=lambda u: np.clip(u, -(2 ** (1 / 50)), 2 ** (1 / 50)))
    ```

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Li, S., Li, W., Cook, C., Zhu, C. and Gao, Y. (2018). Independently recurrent neural network (IndRNN): building
        a longer and deeper RNN. Conference on Computer Vision and Pattern Recognition.
    """

    new: Gate = gate(identity, W=None, init=glorot())
    u: Array = param("hidden", uniform(0, 1), project=lambda u: np.clip(u, -LIMIT, LIMIT))

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        h = relu(self.new(x) + self.u * h)
        return h, h


def _lei(rng: RandomSource, shape: tuple[int, ...]) -> Array:
    limit = math.sqrt(3 / shape[-1])
    return rng.uniform(-limit, limit, shape)


class SRU(Cell):
    """The simple recurrent unit of Lei, Zhang, Wang, Dai and Artzi (2018), which is as wide as its input.

    With K inputs and K hidden units, n, f and r standing for new, forget and reset, U (K, K), v (K), b (K):

        n = U_n x                                                   (K)
        f = sigmoid(U_f x + v_f * c + b_f)                          (K)
        r = sigmoid(U_r x + v_r * c + b_r)                          (K)
        c = f * c + (1 - f) * n                                     (K)
        h = r * c + (1 - r) * x * sqrt(1 + 2 exp(highway_bias))     (K)

    v is "forget.W" and "reset.W"; r sees the memory before the step. The square root makes the output vary at first as
    much as the input does, where b_r starts at `highway_bias`. As in the paper U starts uniform within sqrt(3 / K); v
    and b_f start at 0. The gates are in the order of the package sru: new, forget, reset; it has the square root where
    `rescale=True`.

    Args:
        highway_bias: where b_r starts; below 0 more of the input than of the memory is let through.

    Returns:
        h (..., K); its state is `c`, (..., K).

    Raises:
        CellError: another number of inputs than of hidden units.

    Reference:
        Lei, T., Zhang, Y., Wang, S. I., Dai, H. and Artzi, Y. (2018). Simple recurrent units for highly parallelizable
        recurrence. Proceedings of EMNLP. Equations 1 to 4.
    """

    highway_bias: float = 0.0
    new: Gate = gate(identity, W=None, bias=False, init=_lei)
    forget: Gate = gate(sigmoid, W=diagonal("c"), init={"U": _lei, "W": 0.0})
    reset: Gate = gate(sigmoid, W=diagonal("c"), init={"U": _lei, "W": 0.0})

    def initialise(self, rng: RandomSource) -> None:  # noqa: ARG002  (nothing is drawn)
        """Let the reset gate start at `highway_bias`."""
        self.reset.b[:] = self.highway_bias

    def skip_to_output(self, x: Array) -> Array:
        """What the reset gate weighs against the memory, (..., K)."""
        if self.inputs != self.hidden:
            raise CellError(
                f"{type(self).__name__}(inputs={self.inputs}, hidden={self.hidden}): its output is a mean of its "
                "memory and its input, which must be of one width; ProjectedSRU takes any"
            )
        return x

    def step(self, x: Array, c: Array) -> tuple[Array, Array]:
        """One time step: (x (..., K), c (..., K)) to (h, c)."""
        f, r = self.forget(x, c), self.reset(x, c)
        c = f * c + (1 - f) * self.new(x)
        h = r * c + (1 - r) * self.skip_to_output(x) * math.sqrt(1 + 2 * math.exp(self.highway_bias))
        return h, c


class ProjectedSRU(SRU):
    """The simple recurrent unit of Lei, Zhang, Wang, Dai and Artzi (2018) for inputs of any width.

    As [`SRU`][nanolstm.cells.SRU], but with M inputs, all U (K, M), and S x in the place of x in the output, S (K, M)
    being "skip.U". The package sru does the same where the widths differ.

    Returns:
        h (..., K); its state is `c`, (..., K).

    Reference:
        Lei, T., Zhang, Y., Wang, S. I., Dai, H. and Artzi, Y. (2018). Simple recurrent units for highly parallelizable
        recurrence. Proceedings of EMNLP. Equations 1 to 4.
    """

    skip: Gate = gate(identity, W=None, bias=False, init=_lei)

    def skip_to_output(self, x: Array) -> Array:
        """What the reset gate weighs against the memory, (..., K)."""
        return self.skip(x)


class QRNN(Cell):
    """The quasi-recurrent neural network of Bradbury, Merity, Xiong and Socher (2017), window 2, fo-pooling.

    With M inputs, K hidden units, p (M) the input of the step before (0 at first), n, f and o standing for new, forget
    and output, U and W (K, M):

        n = tanh(U_n x + W_n p)       (K)
        f = sigmoid(U_f x + W_f p)    (K)
        o = sigmoid(U_o x + W_o p)    (K)
        c = f * c + (1 - f) * n       (K)
        h = o * c                     (K)

    As in the paper there are no biases. Weights are drawn by Glorot's rule. The gates are in the order of the package
    pytorch-qrnn, which has biases: new, forget, output.

    Returns:
        h (..., K); its states are `c` (..., K) and `before`, the last input, (..., M).

    Reference:
        Bradbury, J., Merity, S., Xiong, C. and Socher, R. (2017). Quasi-recurrent neural networks. International
        Conference on Learning Representations. Equations 1, 2 and 4.
    """

    before: State = state("inputs")
    new: Gate = gate(np.tanh, W="before", bias=False, init=glorot())
    forget: Gate = gate(sigmoid, W="before", bias=False, init=glorot())
    output: Gate = gate(sigmoid, W="before", bias=False, init=glorot())

    def step(self, x: Array, c: Array, before: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), c (..., K), before (..., M)) to (h (..., K), c, x)."""
        f = self.forget(x, before)
        c = f * c + (1 - f) * self.new(x, before)
        return self.output(x, before) * c, c, x


def positive(x: Array) -> Array:
    """The function g of the minimal units, which is positive: x + 0.5 where x >= 0 and sigmoid(x) elsewhere."""
    y: Array = np.where(x >= 0, x + 0.5, sigmoid(x))
    return y


class MinGRU(Cell):
    """The minimal GRU of Feng, Tung, Ahmed, Bengio and Hajimirsadegh (2024), whose gates do not see the memory.

    With M inputs, K hidden units, n and z standing for new and update, U (K, M), b (K):

        n = g(U_n x + b_n)           (K)        g(a) = a + 0.5 where a >= 0, sigmoid(a) elsewhere
        z = sigmoid(U_z x + b_z)     (K)
        h = (1 - z) * h + z * n      (K)

    g is that of the paper's appendix, whose log-space form needs a positive memory and is what its experiments ran.
    Here the sum over time is taken step by step, and logarithms would change nothing but rounding. With
    `log_space=False` g is left out, as in the paper's main text. U is drawn by Glorot's rule, b starts at 0. The gates
    are in the order of minGRU-pytorch, which has no biases: new, update.

    Args:
        log_space: whether the new memory passes through g.

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Feng, L., Tung, F., Ahmed, M. O., Bengio, Y. and Hajimirsadegh, H. (2024). Were RNNs all we needed?
        arXiv:2410.01201.
    """

    log_space: bool = True
    new: Gate = gate(identity, W=None, init=glorot())
    update: Gate = gate(sigmoid, W=None, init=glorot())

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        z, n = self.update(x), self.new(x)
        h = (1 - z) * h + z * (positive(n) if self.log_space else n)
        return h, h


class MinLSTM(Cell):
    """The minimal LSTM of Feng, Tung, Ahmed, Bengio and Hajimirsadegh (2024), whose gates do not see the memory.

    With M inputs, K hidden units, n, f and i standing for new, forget and input, U (K, M), b (K):

        n = g(U_n x + b_n)                       (K)        g(a) = a + 0.5 where a >= 0, sigmoid(a) elsewhere
        f = sigmoid(U_f x + b_f)                 (K)
        i = sigmoid(U_i x + b_i)                 (K)
        h = f / (f + i) * h + i / (f + i) * n    (K)

    g and first values are as in [`MinGRU`][nanolstm.cells.MinGRU]. The gates are in the order of minGRU-pytorch, which
    has no biases: new, forget, input.

    Args:
        log_space: whether the new memory passes through g.

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Feng, L., Tung, F., Ahmed, M. O., Bengio, Y. and Hajimirsadegh, H. (2024). Were RNNs all we needed?
        arXiv:2410.01201.
    """

    log_space: bool = True
    new: Gate = gate(identity, W=None, init=glorot())
    forget: Gate = gate(sigmoid, W=None, init=glorot())
    input: Gate = gate(sigmoid, W=None, init=glorot())

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        f, i, n = self.forget(x), self.input(x), self.new(x)
        keep = f / (f + i)
        h = keep * h + (1 - keep) * (positive(n) if self.log_space else n)
        return h, h
