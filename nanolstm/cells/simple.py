"""Recurrent networks without gates: what a cell was before the LSTM."""

from __future__ import annotations

import numpy as np

from nanolstm.language.cell import Cell
from nanolstm.language.fields import State, state
from nanolstm.language.functions import Array, identity, relu
from nanolstm.language.gate import Gate, gate
from nanolstm.language.initialisers import RandomSource, glorot, normal, orthogonal, zeros


class Elman(Cell):
    """The simple recurrent network of Elman (1990), with tanh.

    With M inputs, K hidden units, U (K, M), W (K, K), b (K):

        h = tanh(U x + W h + b)              (K)

    Elman's units are logistic; tanh is what is usual since. The paper's output layer is a readout here:
    `nl.Sequence(cell, readout=N)`. U is drawn by Glorot's rule, W is orthogonal, b is 0. It is `torch.nn.RNN`, whose
    two biases add up to b, and Keras's SimpleRNN.

    Returns:
        h (..., K); its state is `h` (..., K).

    Reference:
        Elman, J. L. (1990). Finding structure in time. Cognitive Science 14(2).
    """

    new: Gate = gate(np.tanh, init={"U": glorot(), "W": orthogonal()})

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        h = self.new(x, h)
        return h, h


class ElmanReLU(Elman):
    """The simple recurrent network of Elman (1990), with rectified units.

    As [`Elman`][nanolstm.cells.Elman], but, U (K, M), W (K, K), b (K):

        h = max(U x + W h + b, 0)            (K)

    It is `torch.nn.RNN(nonlinearity="relu")`. A start from which it learns to remember is that of
    [`IRNN`][nanolstm.cells.IRNN].

    Returns:
        h (..., K); its state is `h` (..., K).

    Reference:
        Elman, J. L. (1990). Finding structure in time. Cognitive Science 14(2).
    """

    new: Gate = gate(relu, init={"U": glorot(), "W": orthogonal()})


class IRNN(ElmanReLU):
    """The IRNN of Le, Jaitly and Hinton (2015): rectified units that start by keeping what they hold.

    As [`ElmanReLU`][nanolstm.cells.ElmanReLU], h = max(U x + W h + b, 0), but W starts as `scale` times the identity
    matrix, U is normal with a standard deviation of 0.001, and b is 0.

    Args:
        scale: 1 keeps the state for ever; the paper takes 0.01 for speech, where the past matters less.

    Returns:
        h (..., K); its state is `h` (..., K).

    Reference:
        Le, Q. V., Jaitly, N. and Hinton, G. E. (2015). A simple way to initialize recurrent networks of rectified
        linear units. arXiv:1504.00941.
    """

    scale: float = 1.0
    new: Gate = gate(relu, init={"U": normal(0.001), "W": zeros()})

    def initialise(self, rng: RandomSource) -> None:  # noqa: ARG002
        """Let each unit start by keeping its own value."""
        np.fill_diagonal(self.parameters["new.W"], self.scale)


class Jordan(Cell):
    """The network of Jordan (1986): what it remembers is its own output.

    With M inputs, K hidden units, N outputs, s standing for the context and g for the hidden units:

        g = tanh(U_g x + W_g s + b_g)        (K)        U (K, M), W (K, N), b (K)
        y = U_y g + b_y                      (N)        U (N, K), b (N)
        s = memory * s + y                   (N)

    Jordan's units are logistic. Here the hidden ones are tanh and the output is linear, so that it can follow any
    series; `output: Gate = gate(sigmoid, size="outputs", U="new", W=None)` in a subclass is his. Weights are drawn by
    Glorot's rule, and biases are 0.

    Args:
        outputs: N.
        memory: how much of the context is kept beside the last output, from 0 to below 1; Jordan's mu. At 0 the context
            is the last output.

    Returns:
        y (..., N); its state is the `context` (..., N).

    Reference:
        Jordan, M. I. (1986). Serial order: a parallel distributed processing approach. Technical report 8604, Institute
        for Cognitive Science, University of California, San Diego.
    """

    outputs: int = 1
    memory: float = 0.0
    context: State = state("outputs")
    new: Gate = gate(np.tanh, init=glorot())
    output: Gate = gate(identity, size="outputs", U="new", W=None, init=glorot())

    def step(self, x: Array, context: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), context (..., N)) to (y (..., N), context)."""
        y = self.output(self.new(x, context))
        return y, self.memory * context + y
