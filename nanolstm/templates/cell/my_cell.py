"""A cell of your own: change what you like, then check it."""

import numpy as np
from nanolstm import Cell, Gate, gate, sigmoid


class MyCell(Cell):
    """One line that says what this cell is.

    With M inputs and K hidden units, U (K, M), W (K, K), b (K):

        z = sigmoid(U_z x + W_z h + b_z)     (K)
        g = tanh(U_g x + W_g h + b_g)        (K)
        h = (1 - z) * h + z * g              (K)

    Returns:
        h (..., K), which is also its state.
    """

    # Name the paper in a section of the docstring, and `nanolstm cells` shows it:
    #
    #     Reference:
    #         Author, A. and Author, B. (2026). Title. Journal. Equations.

    # A gate is activation(U x + W h + b). More to declare:
    #   gate(sigmoid, size=1)                 another number of units
    #   gate(sigmoid, bias=False)             without b
    #   gate(sigmoid, W=None)                 without W, called self.name(x)
    #   gate(sigmoid, P=diagonal("c"))        a peephole, called self.name(x, h, c)
    #   gate(np.tanh, init=orthogonal(0.9))   other first values
    #   leak: float = 0.5                     a setting, given by keyword
    #   rate: Array = param("hidden", 0.0)    a parameter, read as self.rate
    update: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    # What comes after x is a state, zeros of the hidden size at the start: add `c`,
    # and return it too. Plain NumPy with features on the last axis: `h @ A.T`, never
    # `A @ h`; np.where(...), never `if`; new arrays, never `+=`.
    def step(self, x, h):
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        z = self.update(x, h)
        h = (1 - z) * h + z * self.new(x, h)
        return h, h  # the output, then each state in the order of the arguments
