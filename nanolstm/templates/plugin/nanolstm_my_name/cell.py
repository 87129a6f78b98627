"""The cell: fields that say what it has, and one step in plain NumPy."""

import numpy as np
from nanolstm import Cell, Gate, gate, sigmoid


class MyNameCell(Cell):
    """A memory that one gate opens: h = (1 - z) * h + z * g.

    Returns:
        h (..., K), which is also its state.
    """

    update: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        z = self.update(x, h)
        h = (1 - z) * h + z * self.new(x, h)
        return h, h
