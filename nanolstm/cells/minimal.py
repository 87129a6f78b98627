"""Units with one gate, which forgets: MGU and its simplifications, and the JANET."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from nanolstm.cells.gru import WEIGHTS
from nanolstm.errors import CellError
from nanolstm.language.cell import Cell
from nanolstm.language.functions import Array, identity, sigmoid
from nanolstm.language.gate import Gate, gate
from nanolstm.language.initialisers import RandomSource, orthogonal


class MGU(Cell):
    """The minimal gated unit of Zhou, Wu, Zhang and Zhou (2016): a GRU whose two gates are one.

    With M inputs, K hidden units, f and n standing for forget and new, U (K, M), W (K, K), b (K):

        f = sigmoid(U_f x + W_f h + b_f)      (K)
        n = tanh(U_n x + W_n (f * h) + b_n)   (K)
        h = (1 - f) * h + f * n               (K)

    The gate is called the forget gate although memory is kept where it is 0. Weights start as those of the GRU, biases
    at 0. The gates are in the order of torchrecurrent: forget, new.

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Zhou, G.-B., Wu, J., Zhang, C.-L. and Zhou, Z.-H. (2016). Minimal gated unit for recurrent neural networks.
        International Journal of Automation and Computing 13(3).
    """

    forget: Gate = gate(sigmoid, init=WEIGHTS)
    new: Gate = gate(np.tanh, init=WEIGHTS)

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        f = self.forget(x, h)
        h = (1 - f) * h + f * self.new(x, f * h)
        return h, h


class MGU1(MGU):
    """The minimal gated unit of Heck and Salem (2017) whose gate does not see the input: MGU1.

    As [`MGU`][nanolstm.cells.MGU], but

        f = sigmoid(W_f h + b_f)   (K)

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Heck, J. C. and Salem, F. M. (2017). Simplified minimal gated unit variations for recurrent neural networks.
        IEEE International Midwest Symposium on Circuits and Systems.
    """

    forget: Gate = gate(sigmoid, U=None, init={"W": orthogonal()})

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        f = self.forget(h)
        h = (1 - f) * h + f * self.new(x, f * h)
        return h, h


class MGU2(MGU1):
    """The minimal gated unit of Heck and Salem (2017) whose gate sees the memory alone: MGU2.

    As [`MGU1`][nanolstm.cells.MGU1], but

        f = sigmoid(W_f h)   (K)

    Of the three it did best in the paper.

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Heck, J. C. and Salem, F. M. (2017). Simplified minimal gated unit variations for recurrent neural networks.
        IEEE International Midwest Symposium on Circuits and Systems.
    """

    forget: Gate = gate(sigmoid, U=None, bias=False, init={"W": orthogonal()})


class MGU3(MGU):
    """The minimal gated unit of Heck and Salem (2017) whose gate is a trained constant: MGU3.

    As [`MGU`][nanolstm.cells.MGU], but

        f = sigmoid(b_f)   (K)

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Heck, J. C. and Salem, F. M. (2017). Simplified minimal gated unit variations for recurrent neural networks.
        IEEE International Midwest Symposium on Circuits and Systems.
    """

    forget: Gate = gate(sigmoid, U=None, W=None)

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        f = self.forget()
        h = (1 - f) * h + f * self.new(x, f * h)
        return h, h


def _at_least_two(cell: Any, field: Any, t_max: Any) -> None:
    if not 2 <= t_max < np.inf:
        raise CellError(
            f"{type(cell).__name__}({field.name}={t_max!r}): it is the longest dependence that is expected, in time "
            "steps, from which the forget gate's first biases are drawn, log(uniform(1, t_max - 1)); give a number "
            "from 2 on, such as the length of the sequences"
        )


class JANET(Cell):
    """The JANET of van der Westhuizen and Lasenby (2018), "just another network": an LSTM with its forget gate alone.

    With M inputs, K hidden units, n standing for new, U (K, M), W (K, K), b (K), beta a number:

        s = U_f x + W_f h + b_f                                    (K)
        n = tanh(U_n x + W_n h + b_n)                              (K)
        h = sigmoid(s) * h + (1 - sigmoid(s - beta)) * n           (K)

    s is the gate "forget", whose activation stands in the step. With beta above 0 more of the new is let in than is
    forgotten of the old. b_f starts as chrono initialisation has it (Tallec and Ollivier 2018): the logarithms of
    numbers drawn uniformly from 1 to t_max - 1, so that units forget at all time scales up to t_max. Weights start as
    those of the GRU, b_n at 0. The paper has h and c, which are equal. Its implementation has the order new, forget;
    torchrecurrent, which trains beta, has forget, new.

    Args:
        beta: by how much less the input is held back; 1 in the paper.
        t_max: the longest dependence that is expected, in time steps, from 2 on; the paper takes the sequence length.

    Returns:
        h (..., K); its state is `h`, (..., K).

    Raises:
        CellError: t_max below 2.

    Reference:
        van der Westhuizen, J. and Lasenby, J. (2018). The unreasonable effectiveness of the forget gate.
        arXiv:1804.04849.
    """

    beta: float = 1.0
    t_max: float = attrs.field(default=100.0, validator=_at_least_two)
    forget: Gate = gate(identity, init=WEIGHTS)
    new: Gate = gate(np.tanh, init=WEIGHTS)

    def initialise(self, rng: RandomSource) -> None:
        """Chrono initialisation of the forget gate's bias."""
        self.forget.b[:] = np.log(rng.uniform(1, self.t_max - 1, self.hidden))

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        s = self.forget(x, h)
        f = sigmoid(s)
        h = f * h + (1 - sigmoid(s - self.beta)) * self.new(x, h)
        return h, h
