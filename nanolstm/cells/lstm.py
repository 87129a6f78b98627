"""The LSTM with forget gates."""

from __future__ import annotations

import numpy as np

from nanolstm.language.cell import Cell
from nanolstm.language.functions import Array, sigmoid
from nanolstm.language.gate import Gate, gate
from nanolstm.language.initialisers import forget_bias, glorot


class LSTM(Cell):
    """The LSTM with forget gates, of Gers, Schmidhuber and Cummins (2000), Learning to Forget.

    With M inputs, K hidden units, i, f, o and g standing for input, forget, output and new, U (K, M), W (K, K), b (K):

        i = sigmoid(U_i x + W_i h + b_i)     (K)
        f = sigmoid(U_f x + W_f h + b_f)     (K)
        o = sigmoid(U_o x + W_o h + b_o)     (K)
        g = tanh(U_g x + W_g h + b_g)        (K)
        c = f * c + i * g                    (K)
        h = o * tanh(c)                      (K)

    One cell stands in each of the paper's memory blocks, and its two squashing functions are tanh, as is usual since
    and as in `torch.nn.LSTM`; there are no peepholes. Weights are drawn by Glorot's rule. The bias of the forget gate
    starts at 1, as [`forget_bias`][nanolstm.forget_bias] says why, and all others at 0.

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).
    """

    input: Gate = gate(sigmoid, init=glorot())
    forget: Gate = gate(sigmoid, init=forget_bias(1.0, glorot()))
    output: Gate = gate(sigmoid, init=glorot())
    new: Gate = gate(np.tanh, init=glorot())

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c
