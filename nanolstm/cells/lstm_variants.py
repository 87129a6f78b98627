"""LSTMs with something of another kind added: normalised sums, a transition of each input's own, a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from nanolstm.cells.lstm import LSTM, PeepholeLSTM
from nanolstm.errors import CellError
from nanolstm.language.fields import feed, param
from nanolstm.language.functions import Array, identity, layer_norm, sigmoid, split
from nanolstm.language.gate import Gate, diagonal, gate
from nanolstm.language.initialisers import RandomSource, glorot


def _of_normalised(act: Callable[[Array], Array], bias: float = 0.0) -> Any:
    """A gate of two vectors of its own size, each with a gain for each unit."""
    gain = diagonal("hidden")
    return gate(act, U=None, W=None, gain_x=gain, gain_h=gain, init={"*": 1.0, "b": bias})


class LayerNormLSTM(LSTM):
    """The layer-normalised LSTM of Ba, Kiros and Hinton (2016).

    As [`LSTM`][nanolstm.cells.LSTM], but the sums of its gates are normalised: those of the inputs apart from those of
    the state, and all four gates together. With U (4K, M), W (4K, K), gains and biases (K), and norm(a) standing for
    (a - mean(a)) / sqrt(variance(a) + 1e-5):

        (i_x, f_x, o_x, g_x) = norm(U x)                                (4K)
        (i_h, f_h, o_h, g_h) = norm(W h)                                (4K)
        i = sigmoid(gain_x_i * i_x + gain_h_i * i_h + b_i)              (K)        likewise f, o, and g with tanh
        c = f * c + i * g                                               (K)
        h = o * tanh(gain * norm(c) + shift)                            (K)

    The paper has two biases more in each gate, which add up to b. Gains start at 1, shift and biases at 0, as there,
    but for the forget gate's bias, which starts at 1 as the LSTM's. Some implementations normalise each gate by itself;
    Haste's and the one among PyTorch's benchmarks do as the paper does.

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Ba, J. L., Kiros, J. R. and Hinton, G. E. (2016). Layer normalization. arXiv:1607.06450. Equations 20 to 22.
    """

    input: Gate = _of_normalised(sigmoid)
    forget: Gate = _of_normalised(sigmoid, bias=1.0)
    output: Gate = _of_normalised(sigmoid)
    new: Gate = _of_normalised(np.tanh)
    from_x: Gate = gate(layer_norm, size="all_gates", W=None, bias=False, init=glorot())
    from_h: Gate = gate(layer_norm, size="all_gates", U=None, bias=False, init=glorot())
    gain: Array = param("hidden", 1.0)
    shift: Array = param("hidden", 0.0)

    @property
    def all_gates(self) -> int:
        """The size of the four gates together, 4K."""
        return 4 * self.hidden

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        by_x, by_h = split(self.from_x(x), 4), split(self.from_h(h), 4)
        parts = enumerate((self.input, self.forget, self.output, self.new))
        i, f, o, g = (part(by_x[..., k, :], by_h[..., k, :]) for k, part in parts)
        c = f * c + i * g
        h = o * np.tanh(layer_norm(c) * self.gain + self.shift)
        return h, h, c


class MultiplicativeLSTM(LSTM):
    """The multiplicative LSTM (mLSTM) of Krause, Lu, Murray and Renals (2016): each input has a transition of its own.

    As [`LSTM`][nanolstm.cells.LSTM], but its gates read m in the place of h. With U (K, M) of `from_x` and W (K, K) of
    `from_h`:

        m = (U x) * (W h)                    (K)

    As in the authors' code, i and g are multiplied as they are in the LSTM, and h is o * tanh(c). Weights are drawn by
    Glorot's rule; the bias of the forget gate starts at 1. It has nothing to do with the mLSTM of the xLSTM.

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Krause, B., Lu, L., Murray, I. and Renals, S. (2016). Multiplicative LSTM for sequence modelling.
        arXiv:1609.07959. Equations 18 to 22.
    """

    from_x: Gate = gate(identity, W=None, bias=False, init=glorot())
    from_h: Gate = gate(identity, U=None, bias=False, init=glorot())

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        m = self.from_x(x) * self.from_h(h)
        return super().step(x, m, c)


def _from_the_shortest(cell: Any, _: Any, longest: float) -> None:
    if not 0 < cell.shortest <= longest < np.inf:
        raise CellError(
            f"{type(cell).__name__}(shortest={cell.shortest!r}, longest={longest!r}): expected two periods above 0 in "
            "the unit of `time`, the shortest first"
        )


class PhasedLSTM(PeepholeLSTM):
    """The phased LSTM of Neil, Pfeiffer and Liu (2016): each unit has a clock, and changes only while it is open.

    As [`PeepholeLSTM`][nanolstm.cells.PeepholeLSTM], whose step gives new_h and new_c, but with a gate k that depends
    on the time alone. With `log_period`, `shift` and `ratio` (K), and the time t of each step:

        period = exp(log_period)                                        (K)
        phase = ((t - shift) mod period) / period                       (K)
        k = 2 phase / ratio          where phase < ratio / 2            (K)
            2 - 2 phase / ratio      where phase < ratio
            leak * phase             elsewhere
        c = k * new_c + (1 - k) * c                                     (K)
        h = k * new_h + (1 - k) * h                                     (K)

    The period is trained as its logarithm, which keeps it positive, and the ratio is kept from 0.001 to 1. Periods are
    drawn so that their logarithms are uniform, shifts uniformly from 0 to the period; ratios start at 0.05. The paper
    says that peepholes are optional; its authors' code has them.

    ```python
    import numpy as np
    import nanolstm as nl

    times = np.cumsum(np.random.default_rng(0).exponential(size=100))      # when each x was seen
    model = nl.Sequence(nl.cells.PhasedLSTM(inputs=1, hidden=4, shortest=2.0, longest=50.0, rng=0))
    y = model(np.sin(times)[:, None], time=times)                          # (100, 4)
    ```

    Args:
        leak: how much a closed unit changes. The paper trains with 0.001 and then sets it to 0: `cell.leak = 0.0`.
        shortest: the shortest period at the start, in the unit of `time`.
        longest: the longest one.

    Raises:
        CellError: periods that are not above 0, or the longest before the shortest.

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K). It must be given the feed `time`, (T,) or (B, T).

    Reference:
        Neil, D., Pfeiffer, M. and Liu, S.-C. (2016). Phased LSTM: accelerating recurrent network training for long or
        event-based sequences. NIPS 2016. Equations 6 to 10.
    """

    leak: float = 0.001
    shortest: float = 1.0
    longest: float = attrs.field(default=1000.0, validator=_from_the_shortest)
    time: Array = feed()
    log_period: Array = param("hidden", 0.0)
    shift: Array = param("hidden", 0.0)
    ratio: Array = param("hidden", 0.05, project=lambda ratio: np.clip(ratio, 0.001, 1.0))

    def step(self, x: Array, h: Array, c: Array, time: Array) -> tuple[Array, Array, Array]:  # type: ignore[override]
        """One time step: (x (..., M), h (..., K), c (..., K), time (..., 1)) to (h, h, c)."""
        period = np.exp(self.log_period)
        phase = np.mod(time - self.shift, period) / period
        rise = 2 * phase / self.ratio
        opening = np.minimum(rise, 2 - rise)  # below 0 once the ratio is over
        k = np.where(opening <= 0, self.leak * phase, opening)
        _, new_h, new_c = super().step(x, h, c)
        h, c = k * new_h + (1 - k) * h, k * new_c + (1 - k) * c
        return h, h, c

    def initialise(self, rng: RandomSource) -> None:
        """Draw periods within their limits, and shifts within the periods."""
        log_period = rng.uniform(np.log(self.shortest), np.log(self.longest), self.hidden)
        self.parameters["log_period"][...] = log_period
        self.parameters["shift"][...] = rng.uniform(0.0, np.exp(log_period))
