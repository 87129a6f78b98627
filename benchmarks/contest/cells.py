"""The cells, as a user of nanolstm writes them."""

from __future__ import annotations

import numpy as np

import nanolstm as nl
from nanolstm import Array, Cell, Gate, diagonal, gate, param, sigmoid


class LSTM(Cell):
    """Gers, Schmidhuber and Cummins (2000)."""

    input: Gate = gate(sigmoid)
    forget: Gate = gate(sigmoid)
    output: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


class GRU(Cell):
    """Cho et al. (2014), version 1: the reset gate comes before the product."""

    update: Gate = gate(sigmoid)
    reset: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        z, r = self.update(x, h), self.reset(x, h)
        h = (1 - z) * h + z * self.new(x, r * h)
        return h, h


class PeepholeLSTM(Cell):
    """Gers, Schraudolph and Schmidhuber (2002)."""

    input: Gate = gate(sigmoid, P=diagonal("c"))
    forget: Gate = gate(sigmoid, P=diagonal("c"))
    output: Gate = gate(sigmoid, P=diagonal("c"))
    new: Gate = gate(np.tanh)

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        c = self.forget(x, h, c) * c + self.input(x, h, c) * self.new(x, h)
        h = self.output(x, h, c) * np.tanh(c)
        return h, h, c


class NormGate(Gate):
    """Its weighted sum is normalised over the units before gain and bias."""

    gain: Array = param("size", 1.0)

    def preactivation(self, x: Array, h: Array) -> Array:
        return nl.layer_norm(x @ self.U.T + h @ self.W.T) * self.gain + self.b


class LayerNormLSTM(LSTM):
    """The LSTM with layer norm (Ba, Kiros and Hinton, 2016) in each gate."""

    input: Gate = gate(sigmoid, kind=NormGate)
    forget: Gate = gate(sigmoid, kind=NormGate)
    output: Gate = gate(sigmoid, kind=NormGate)
    new: Gate = gate(np.tanh, kind=NormGate)


class Leaky(Cell):
    """A diagonal recurrence with a learned decay for each unit: no matrix in the loop."""

    decay: Array = param("hidden", 0.0)
    new: Gate = gate(np.tanh, W=None)

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        a = sigmoid(self.decay)
        h = a * h + (1 - a) * self.new(x)
        return h, h


CELLS: dict[str, type[Cell]] = {
    "LSTM": LSTM,
    "GRU v1": GRU,
    "peephole LSTM": PeepholeLSTM,
    "layer-norm LSTM": LayerNormLSTM,
    "toy LSTM": nl.cells.ToyLSTM,
    "diagonal": Leaky,
}
"""By the names under which they are measured."""
