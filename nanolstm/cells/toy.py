"""The toy LSTM of the notebook that nanolstm began as."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from nanolstm.errors import CellError
from nanolstm.language.cell import Cell
from nanolstm.language.functions import Array, sigmoid
from nanolstm.language.gate import Gate, gate


def _one_or_hidden(cell: Any, _: Any, outputs: Any) -> None:
    if outputs not in (1, cell.hidden):
        raise CellError(
            f"ToyLSTM(outputs={outputs!r}, hidden={cell.hidden}): the output gate multiplies the memory, h = o * c, so "
            f"its size N must be 1 (one gate for all units) or {cell.hidden} (one for each); for other widths put a "
            "readout on top: nl.Sequence(cell, readout=N)"
        )


class ToyLSTM(Cell):
    """The toy LSTM: its scalar output gate is also its prediction.

    With M inputs, K hidden units, N outputs, i, f, o and g standing for input, forget, output and new:

        i = sigmoid(U_i x + W_i h + b_i)     (K)        U (K, M), W (K, K), b (K)
        f = sigmoid(U_f x + W_f h + b_f)     (K)        U (K, M), W (K, K), b (K)
        o = sigmoid(U_o x + W_o h + b_o)     (N)        U (N, M), W (N, K), b (N)
        g = tanh(U_g x + W_g h)              (K)        U (K, M), W (K, K), no bias
        c = tanh(f * c + i * g)              (K)
        h = o * c                            (K)

    It differs from the LSTM of Gers, Schmidhuber and Cummins (2000) in that the memory c itself passes through tanh,
    that the output gate is one number for all units where N = 1, and that this gate, not h, is what the cell returns:
    predictions lie between 0 and 1. Weights are standard normal and biases 0, drawn gate by gate in the order above, so
    that `rng=np.random.RandomState(s)` draws what the notebook draws after `np.random.seed(s)`.

    Args:
        outputs: N, either 1 (the gate is broadcast over the hidden units) or K (element by element).

    Returns:
        The output gate (..., N); its states are `h` and `c`, each (..., K).
    """

    outputs: int = attrs.field(default=1, validator=_one_or_hidden)
    input: Gate = gate(sigmoid)
    forget: Gate = gate(sigmoid)
    output: Gate = gate(sigmoid, size="outputs")
    new: Gate = gate(np.tanh, bias=False)

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One day: (x (..., M), h (..., K), c (..., K)) to (o (..., N), h, c)."""
        i, f, o = self.input(x, h), self.forget(x, h), self.output(x, h)
        c = np.tanh(f * c + i * self.new(x, h))
        h = o * c
        return o, h, c
