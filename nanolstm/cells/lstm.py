"""The LSTM with forget gates, the one before it, and those that change which gates it has and what they see."""

from __future__ import annotations

import attrs
import numpy as np

from nanolstm.language.cell import Cell
from nanolstm.language.fields import State, absent, state
from nanolstm.language.functions import Array, identity, sigmoid
from nanolstm.language.gate import Gate, diagonal, gate
from nanolstm.language.initialisers import forget_bias, glorot, uniform

PEEPHOLES = {"*": glorot(), "P": uniform(-0.1, 0.1)}


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
    starts at 1, as [`forget_bias`][nanolstm.forget_bias] says why, and all others at 0. PyTorch and Keras have the
    gates in the order i, f, g, o; ONNX in the order i, o, f, g.

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Gers, F. A., Schmidhuber, J. and Cummins, F. (2000). Learning to forget: continual prediction with LSTM. Neural
        Computation 12(10).
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


class LSTM1997(LSTM):
    """The first LSTM, of Hochreiter and Schmidhuber (1997): without a forget gate.

    As [`LSTM`][nanolstm.cells.LSTM], but what the memory holds is never let go:

        c = c + i * g                        (K)

    The paper squashes with 2 tanh(a / 2) where g has tanh(a), and with tanh(c / 2) before the output gate. That is the
    same cell: weights and bias of `new`, and the memory, are here half of what they are in the paper. It was trained
    with a gradient that is cut at the gates; here it is the exact one. The order of gates in torchrecurrent's
    OriginalLSTM is i, g, o.

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Hochreiter, S. and Schmidhuber, J. (1997). Long short-term memory. Neural Computation 9(8).
    """

    forget = absent

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        c = c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


class PeepholeLSTM(LSTM):
    """The LSTM whose gates see the memory, of Gers, Schraudolph and Schmidhuber (2002).

    As [`LSTM`][nanolstm.cells.LSTM], but with P (K), a weight for each unit's own memory:

        i = sigmoid(U_i x + W_i h + P_i * c + b_i)          (K)
        f = sigmoid(U_f x + W_f h + P_f * c + b_f)          (K)
        c = f * c + i * g                                   (K)
        o = sigmoid(U_o x + W_o h + P_o * c + b_o)          (K)        of the new memory
        h = o * tanh(c)                                     (K)

    The second tanh is what is usual since, as in Graves (2013). Peepholes are drawn uniformly from -0.1 to 0.1. ONNX
    has them in the order i, o, f, torchrecurrent's PeepholeLSTM in the order i, f, o.

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Gers, F. A., Schraudolph, N. N. and Schmidhuber, J. (2002). Learning precise timing with LSTM recurrent
        networks. Journal of Machine Learning Research 3.
    """

    input: Gate = gate(sigmoid, P=diagonal("c"), init=PEEPHOLES)
    forget: Gate = gate(sigmoid, P=diagonal("c"), init={**PEEPHOLES, "b": 1.0})
    output: Gate = gate(sigmoid, P=diagonal("c"), init=PEEPHOLES)

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        c = self.forget(x, h, c) * c + self.input(x, h, c) * self.new(x, h)
        h = self.output(x, h, c) * np.tanh(c)
        return h, h, c


class ProjectedLSTM(LSTM):
    """The LSTM with a recurrent projection layer of Sak, Senior and Beaufays (2014), without its peepholes.

    As [`LSTM`][nanolstm.cells.LSTM], but what is returned and fed back is narrower than the memory. With K units of
    memory and N outputs, U (K, M), W (K, N), b (K), R (N, K) standing for the weight of `projection`:

        c = f * c + i * g                    (K)
        h = R (o * tanh(c))                  (N)

    It is `torch.nn.LSTM(proj_size=N)`, whose gates are in the order i, f, g, o. The paper's own, with peepholes, is
    [`LSTMP`][nanolstm.cells.LSTMP].

    Args:
        outputs: N; half of K unless told.

    Returns:
        h (..., N); its states are `h` (..., N) and `c` (..., K).

    Reference:
        Sak, H., Senior, A. and Beaufays, F. (2014). Long short-term memory recurrent neural network architectures for
        large scale acoustic modeling. Interspeech 2014.
    """

    outputs: int = attrs.field(default=attrs.Factory(lambda cell: (cell.hidden + 1) // 2, takes_self=True))
    h: State = state("outputs")
    projection: Gate = gate(identity, size="outputs", U=None, W="c", bias=False, init=glorot())

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., N), c (..., K)) to (h, h, c)."""
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.projection(self.output(x, h) * np.tanh(c))
        return h, h, c


class LSTMP(ProjectedLSTM):
    """The LSTM with a recurrent projection layer and peepholes, of Sak, Senior and Beaufays (2014).

    As [`ProjectedLSTM`][nanolstm.cells.ProjectedLSTM], but its gates see the memory as those of
    [`PeepholeLSTM`][nanolstm.cells.PeepholeLSTM] do: P_i * c and P_f * c of the memory before the step, P_o * c of the
    one after it. The paper's second projection, which is not fed back, is a readout here.

    Args:
        outputs: N; half of K unless told.

    Returns:
        h (..., N); its states are `h` (..., N) and `c` (..., K).

    Reference:
        Sak, H., Senior, A. and Beaufays, F. (2014). Long short-term memory recurrent neural network architectures for
        large scale acoustic modeling. Interspeech 2014.
    """

    input: Gate = gate(sigmoid, P=diagonal("c"), init=PEEPHOLES)
    forget: Gate = gate(sigmoid, P=diagonal("c"), init={**PEEPHOLES, "b": 1.0})
    output: Gate = gate(sigmoid, P=diagonal("c"), init=PEEPHOLES)

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., N), c (..., K)) to (h, h, c)."""
        c = self.forget(x, h, c) * c + self.input(x, h, c) * self.new(x, h)
        h = self.projection(self.output(x, h, c) * np.tanh(c))
        return h, h, c


class CoupledLSTM(LSTM):
    """The LSTM with coupled input and forget gates of Greff et al. (2017): it forgets as much as it takes in.

    As [`LSTM`][nanolstm.cells.LSTM], but:

        c = (1 - i) * c + i * g              (K)

    The bias of the input gate starts at -1, so that as much is kept at the start as the LSTM keeps. The paper's variant
    has peepholes, and is [`CIFG`][nanolstm.cells.CIFG].

    Returns:
        h (..., K); its states are `h` and `c`, each (..., K).

    Reference:
        Greff, K., Srivastava, R. K., Koutník, J., Steunebrink, B. R. and Schmidhuber, J. (2017). LSTM: a search space
        odyssey. IEEE Transactions on Neural Networks and Learning Systems 28(10).
    """

    input: Gate = gate(sigmoid, init=forget_bias(-1.0, glorot()))
    forget = absent

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), h (..., K), c (..., K)) to (h, h, c)."""
        i = self.input(x, h)
        c = (1 - i) * c + i * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c
