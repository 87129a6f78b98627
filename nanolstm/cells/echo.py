"""The echo state network: a recurrent network that is drawn and not trained."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from nanolstm.errors import CellError
from nanolstm.language.cell import Cell
from nanolstm.language.functions import Array
from nanolstm.language.gate import Gate, gate
from nanolstm.language.initialisers import RandomSource, uniform


def _above_0(cell: Any, field: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not value > 0:
        raise CellError(f"{type(cell).__name__}({field.name}={value!r}): expected a number above 0")


def _leak(cell: Any, field: Any, value: Any) -> None:
    _above_0(cell, field, value)
    if value > 1:
        raise CellError(f"{type(cell).__name__}(leak={value!r}): expected a number above 0 and up to 1 (no leak)")


class EchoState(Cell):
    """The reservoir of an echo state network, by Jaeger (2001), with the leaky units of Jaeger and others (2007).

    With M inputs, K hidden units, U (K, M), W (K, K), b (K), all drawn once and frozen:

        h = (1 - leak) * h + leak * tanh(U x + W h + b)         (K)

    Only a linear readout of h learns: the cell has no parameter that is trained, and a model puts the readout on top.

    ```python
    import numpy as np
    import nanolstm as nl

    reservoir = nl.cells.EchoState(inputs=1, hidden=50, radius=0.9, leak=0.5, rng=0)
    model = nl.Sequence(reservoir, readout=1, rng=0)
    list(model.parameters)                         # ["readout.U", "readout.b"]
    ```

    The loss of such a model with `loss="mse"` is quadratic: `nl.fit(..., loss="mse", optimizer="lbfgs")` finds its
    minimum, and so does a regression of the targets on the states, `nl.Sequence(reservoir)(x)`, such as scikit-learn's
    `Ridge`.

    `U` is uniform from -1 to 1, times `input_scaling`, and `b` likewise, times `bias_scaling`. `W` is normal where two
    units are connected and 0 elsewhere, then scaled to the spectral radius. Below 1 it makes states forget where they
    began, as a rule; that W is to be scaled so, and sparse, is Jaeger's; that each unit reads a fixed number of others,
    however many there are, is advised by Lukoševičius (2012). There is no feedback from the output and no noise in the
    state. reservoirpy's `Reservoir` has the names `sr`, `lr`, `input_scaling`, `Win`, `W` and `bias`.

    Args:
        radius: the spectral radius of W.
        leak: how much of a state is new in each step, above 0 and up to 1; the smaller, the slower.
        input_scaling: the largest weight of an input.
        bias_scaling: the largest bias; without biases (0) the states of -x are those of x with the other sign.
        connections: how many units each unit reads, at most all.

    Returns:
        h (..., K); its state is `h` (..., K).

    Reference:
        Jaeger, H. (2001). The "echo state" approach to analysing and training recurrent neural networks. GMD Report
        148. Jaeger, H., Lukoševičius, M., Popovici, D. and Siewert, U. (2007). Optimization and applications of echo
        state networks with leaky-integrator neurons. Neural Networks 20(3).
    """

    radius: float = attrs.field(default=0.9, validator=_above_0)
    leak: float = attrs.field(default=1.0, validator=_leak)
    input_scaling: float = 1.0
    bias_scaling: float = 0.0
    connections: int = attrs.field(default=10, validator=_above_0)
    new: Gate = gate(np.tanh, frozen=True, init={"*": uniform(-1, 1), "b": uniform(-1, 1)})

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        h = (1 - self.leak) * h + self.leak * self.new(x, h)
        return h, h

    def initialise(self, rng: RandomSource) -> None:
        """Leave each unit its connections, and scale all weights."""
        W = rng.standard_normal((self.hidden, self.hidden))
        order = np.argsort(rng.uniform(size=W.shape), axis=1)
        np.put_along_axis(W, order[:, self.connections :], 0.0, axis=1)
        self.frozen["new.W"][...] = W * (self.radius / np.abs(np.linalg.eigvals(W)).max())
        self.frozen["new.U"][...] *= self.input_scaling
        self.frozen["new.b"][...] *= self.bias_scaling
