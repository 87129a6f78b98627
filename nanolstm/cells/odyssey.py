"""The vanilla LSTM of "LSTM: A Search Space Odyssey", and its eight variants: each changes one thing.

All parts that a variant does without are absent, so that its parameters are those that the paper counts. With M inputs
and K units, V has 4 K (M + K + 1) + 3 K of them.
"""

from __future__ import annotations

import numpy as np

from nanolstm.cells.lstm import PeepholeLSTM
from nanolstm.language.fields import absent
from nanolstm.language.functions import Array, identity, sigmoid
from nanolstm.language.gate import Gate, diagonal, gate
from nanolstm.language.initialisers import normal

VARIANTS = ("VanillaLSTM", "NIG", "NFG", "NOG", "NIAF", "NOAF", "CIFG", "NP", "FGR")
"""The names of the cells that the paper compares: `nl.sweep(..., cells=VARIANTS)`, from this module."""


class VanillaLSTM(PeepholeLSTM):
    """V, the vanilla LSTM that Greff et al. (2017) start from: all gates, peepholes, and both activations.

    It is [`PeepholeLSTM`][nanolstm.cells.PeepholeLSTM] with the paper's start: weights and peepholes are normal with a
    standard deviation of 0.1, and all biases, that of the forget gate too, are 0. With M inputs, K hidden units, i, f,
    o and g standing for input, forget, output and new (the paper's z), U (K, M), W (K, K), P (K), b (K):

        i = sigmoid(U_i x + W_i h + P_i * c + b_i)          (K)
        f = sigmoid(U_f x + W_f h + P_f * c + b_f)          (K)
        g = tanh(U_g x + W_g h + b_g)                       (K)
        c = f * c + i * g                                   (K)
        o = sigmoid(U_o x + W_o h + P_o * c + b_o)          (K)        of the new memory
        h = o * tanh(c)                                     (K)

    Returns:
        h (..., K), the paper's y; its states are `h` and `c`, each (..., K).

    Reference:
        Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. and Schmidhuber, J. (2017). LSTM: a search space
        odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).
    """

    input: Gate = gate(sigmoid, P=diagonal("c"), init=normal(0.1))
    forget: Gate = gate(sigmoid, P=diagonal("c"), init=normal(0.1))
    output: Gate = gate(sigmoid, P=diagonal("c"), init=normal(0.1))
    new: Gate = gate(np.tanh, init=normal(0.1))


class NIG(VanillaLSTM):
    """No input gate: the vanilla LSTM of Greff et al. (2017) without it, i = 1.

    As [`VanillaLSTM`][nanolstm.cells.VanillaLSTM], but:

        c = f * c + g                                       (K)

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. and Schmidhuber, J. (2017). LSTM: a search space
        odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).
    """

    input = absent

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        c = self.forget(x, h, c) * c + self.new(x, h)
        h = self.output(x, h, c) * np.tanh(c)
        return h, h, c


class NFG(VanillaLSTM):
    """No forget gate: the vanilla LSTM of Greff et al. (2017) without it, f = 1.

    As [`VanillaLSTM`][nanolstm.cells.VanillaLSTM], but:

        c = c + i * g                                       (K)

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. and Schmidhuber, J. (2017). LSTM: a search space
        odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).
    """

    forget = absent

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        c = c + self.input(x, h, c) * self.new(x, h)
        h = self.output(x, h, c) * np.tanh(c)
        return h, h, c


class NOG(VanillaLSTM):
    """No output gate: the vanilla LSTM of Greff et al. (2017) without it, o = 1.

    As [`VanillaLSTM`][nanolstm.cells.VanillaLSTM], but:

        h = tanh(c)                                         (K)

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. and Schmidhuber, J. (2017). LSTM: a search space
        odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).
    """

    output = absent

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        c = self.forget(x, h, c) * c + self.input(x, h, c) * self.new(x, h)
        h = np.tanh(c)
        return h, h, c


class NIAF(VanillaLSTM):
    """No input activation function: the vanilla LSTM of Greff et al. (2017), linear in what it takes in.

    As [`VanillaLSTM`][nanolstm.cells.VanillaLSTM], but:

        g = U_g x + W_g h + b_g                             (K)

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. and Schmidhuber, J. (2017). LSTM: a search space
        odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).
    """

    new: Gate = gate(identity, init=normal(0.1))


class NOAF(VanillaLSTM):
    """No output activation function: the vanilla LSTM of Greff et al. (2017), linear in what it gives out.

    As [`VanillaLSTM`][nanolstm.cells.VanillaLSTM], but:

        h = o * c                                           (K)

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. and Schmidhuber, J. (2017). LSTM: a search space
        odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).
    """

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        c = self.forget(x, h, c) * c + self.input(x, h, c) * self.new(x, h)
        h = self.output(x, h, c) * c
        return h, h, c


class CIFG(VanillaLSTM):
    """Coupled input and forget gates: the vanilla LSTM of Greff et al. (2017) with f = 1 - i.

    As [`VanillaLSTM`][nanolstm.cells.VanillaLSTM], but:

        c = (1 - i) * c + i * g                             (K)

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. and Schmidhuber, J. (2017). LSTM: a search space
        odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).
    """

    forget = absent

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        i = self.input(x, h, c)
        c = (1 - i) * c + i * self.new(x, h)
        h = self.output(x, h, c) * np.tanh(c)
        return h, h, c


class NP(VanillaLSTM):
    """No peepholes: the vanilla LSTM of Greff et al. (2017), whose gates do not see the memory.

    As [`VanillaLSTM`][nanolstm.cells.VanillaLSTM], but:

        i = sigmoid(U_i x + W_i h + b_i)                    (K)        likewise f and o

    It is [`LSTM`][nanolstm.cells.LSTM] with another start.

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. and Schmidhuber, J. (2017). LSTM: a search space
        odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).
    """

    input: Gate = gate(sigmoid, init=normal(0.1))
    forget: Gate = gate(sigmoid, init=normal(0.1))
    output: Gate = gate(sigmoid, init=normal(0.1))

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


class FGR(VanillaLSTM):
    """Full gate recurrence: the vanilla LSTM of Greff et al. (2017), whose gates also see all gates of the last step.

    As [`VanillaLSTM`][nanolstm.cells.VanillaLSTM], but with nine matrices I, F, O (K, K) more, as in the first LSTM of
    1997, and the states i, f and o, which are 0 before the first step:

        i = sigmoid(U_i x + W_i h + P_i * c + I_i i + F_i f + O_i o + b_i)       (K)
        f = sigmoid(U_f x + W_f h + P_f * c + I_f i + F_f f + O_f o + b_f)       (K)
        o = sigmoid(U_o x + W_o h + P_o * c + I_o i + F_o f + O_o o + b_o)       (K)

    On the right stand i, f and o of the step before, also in o, where c alone is the new memory.

    Returns:
        h (..., K); its states are `h`, `c`, `i`, `f` and `o`, each (..., K).

    Reference:
        Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. and Schmidhuber, J. (2017). LSTM: a search space
        odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).
    """

    input: Gate = gate(sigmoid, P=diagonal("c"), I="input", F="forget", O="output", init=normal(0.1))
    forget: Gate = gate(sigmoid, P=diagonal("c"), I="input", F="forget", O="output", init=normal(0.1))
    output: Gate = gate(sigmoid, P=diagonal("c"), I="input", F="forget", O="output", init=normal(0.1))

    def step(  # type: ignore[override]
        self, x: Array, h: Array, c: Array, i: Array, f: Array, o: Array
    ) -> tuple[Array, ...]:
        """One time step: (x (..., M), h, c, i, f, o, each (..., K)) to (h, h, c, i, f, o)."""
        last = i, f, o
        i, f = self.input(x, h, c, *last), self.forget(x, h, c, *last)
        c = f * c + i * self.new(x, h)
        o = self.output(x, h, c, *last)
        h = o * np.tanh(c)
        return h, h, c, i, f, o
