"""The gated recurrent unit, with its reset gate after or before the product, and those with fewer gates or others."""

from __future__ import annotations

import numpy as np

from nanolstm.language.cell import Cell
from nanolstm.language.fields import param
from nanolstm.language.functions import Array, layer_norm, relu, sigmoid
from nanolstm.language.gate import Gate, gate
from nanolstm.language.initialisers import forget_bias, glorot, orthogonal

WEIGHTS = {"U": glorot(), "W": orthogonal()}


class ResetGate(Gate):
    """A gate whose recurrent product a reset gate r scales: act(U x + b + r * (W h + d)), called with (x, h, r).

    Attributes:
        d: the bias inside of the reset, (size,), from 0 on.
    """

    d: Array = param("size", 0.0)

    def __call__(self, *values: Array) -> Array:
        """The gate's value for x (..., M), h (..., K) and r (..., size)."""
        x, h, reset = values
        of_x, of_h = self.terms(x, h)
        return self.activation(of_x + self.b + reset * (of_h + self.d))


class GRU(Cell):
    """The gated recurrent unit of Cho et al. (2014) with the reset gate after the product, as in PyTorch.

    With M inputs, K hidden units, r, z and n standing for reset, update and new, U (K, M), W (K, K), b and d (K):

        r = sigmoid(U_r x + W_r h + b_r)           (K)
        z = sigmoid(U_z x + W_z h + b_z)           (K)
        n = tanh(U_n x + b_n + r * (W_n h + d_n))  (K)
        h = (1 - z) * n + z * h                    (K)

    It is the unit of the paper's first version; [`GRUv3`][nanolstm.cells.GRUv3] is that of its last. The paper has no
    biases. Recurrent weights start orthogonal, as in the paper; the others are drawn by Glorot's rule, where the paper
    has normal numbers of standard deviation 0.01 for its 1000 units; biases start at 0.

    The gates are in PyTorch's order: reset, update, new. `torch.nn.GRU` has two biases for each of the first two, which
    are `b` together, and `d` is its b_hn. Flax has the same order; Keras (with `reset_after=True`) and ONNX (with
    `linear_before_reset=1`) have update, reset, new.

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Cho, K., van Merrienboer, B., Gulcehre, C., Bahdanau, D., Bougares, F., Schwenk, H. and Bengio, Y. (2014).
        Learning phrase representations using RNN encoder-decoder for statistical machine translation.
        arXiv:1406.1078v1.
    """

    reset: Gate = gate(sigmoid, init=WEIGHTS)
    update: Gate = gate(sigmoid, init=WEIGHTS)
    new: Gate = gate(np.tanh, kind=ResetGate, init=WEIGHTS)

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        r, z = self.reset(x, h), self.update(x, h)
        h = (1 - z) * self.new(x, h, r) + z * h
        return h, h


class GRUv3(GRU):
    """The gated recurrent unit of Cho et al. (2014) with the reset gate before the product, as printed.

    As [`GRU`][nanolstm.cells.GRU], but the reset gate acts on what is remembered and not on the product with it:

        n = tanh(U_n x + W_n (r * h) + b_n)   (K)

    The gates of Keras (with `reset_after=False`), and of ONNX by default, are these in the order update, reset, new.
    PyTorch does not have it.

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Cho, K., van Merrienboer, B., Gulcehre, C., Bahdanau, D., Bougares, F., Schwenk, H. and Bengio, Y. (2014).
        Learning phrase representations using RNN encoder-decoder for statistical machine translation. Proceedings of
        EMNLP. Equations 5 to 8.
    """

    new: Gate = gate(np.tanh, init=WEIGHTS)

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        r, z = self.reset(x, h), self.update(x, h)
        h = (1 - z) * self.new(x, r * h) + z * h
        return h, h


class LiGRU(Cell):
    """The light gated recurrent unit of Ravanelli, Brakel, Omologo and Bengio (2018): no reset gate, and relu for tanh.

    With M inputs, K hidden units, z and n standing for update and new, U (K, M), W (K, K), b (K):

        z = sigmoid(U_z x + W_z h + b_z)   (K)
        n = relu(U_n x + W_n h + b_n)      (K)
        h = z * h + (1 - z) * n            (K)

    The paper normalises U x over the batch, for relu has no upper bound. A step must not mix the examples of a batch,
    so this cell does not: what batch normalisation is once it is trained, a scale and a shift of each unit, is part of
    U and b here, as in torchrecurrent and RecurrentLayers.jl. [`LayerNormLiGRU`][nanolstm.cells.LayerNormLiGRU]
    normalises over the units instead, which a step can do. Recurrent weights start orthogonal and the others by
    Glorot's rule, as in the paper, and biases at 0. The gates are in the order of torchrecurrent: update, new.

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Ravanelli, M., Brakel, P., Omologo, M. and Bengio, Y. (2018). Light gated recurrent units for speech
        recognition. IEEE Transactions on Emerging Topics in Computational Intelligence 2(2).
    """

    update: Gate = gate(sigmoid, init=WEIGHTS)
    new: Gate = gate(relu, init=WEIGHTS)

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        z = self.update(x, h)
        h = z * h + (1 - z) * self.new(x, h)
        return h, h


class InputNormGate(Gate):
    """A gate that normalises what comes from its input over the units: act(layer_norm(U x) * gain + W h + b).

    Attributes:
        gain: (size,), from 0.1 on.
    """

    gain: Array = param("size", 0.1)

    def __call__(self, *values: Array) -> Array:
        """The gate's value for x (..., M) and h (..., K)."""
        of_x, of_h = self.terms(*values)
        return self.activation(layer_norm(of_x) * self.gain + of_h + self.b)


class LayerNormLiGRU(LiGRU):
    """The light gated recurrent unit of Ravanelli, Brakel, Omologo and Bengio (2018) with layer normalisation.

    As [`LiGRU`][nanolstm.cells.LiGRU], but with layer_norm(U x) * gain in the place of each U x, where the paper has
    batch normalisation. (SpeechBrain's layer norm takes both gates together; here each has its own.) `gain` (K) starts
    at 0.1 and b at 0, as the paper's scale and shift.

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Ravanelli, M., Brakel, P., Omologo, M. and Bengio, Y. (2018). Light gated recurrent units for speech
        recognition. IEEE Transactions on Emerging Topics in Computational Intelligence 2(2).
    """

    update: Gate = gate(sigmoid, kind=InputNormGate, init=WEIGHTS)
    new: Gate = gate(relu, kind=InputNormGate, init=WEIGHTS)


class UGRNN(Cell):
    """The update gate recurrent network of Collins, Sohl-Dickstein and Sussillo (2017): one gate, and nothing else.

    With M inputs, K hidden units, n and g standing for new and update, U (K, M), W (K, K), b (K):

        n = tanh(U_n x + W_n h + b_n)      (K)
        g = sigmoid(U_g x + W_g h + b_g)   (K)
        h = g * h + (1 - g) * n            (K)

    The paper adds a constant to the sum of the gate, so that memory lasts from the start of training; here b_g starts
    at 1, the constant of TensorFlow's `UGRNNCell`, which amounts to the same. Weights start as those of the GRU. The
    gates are in the order of torchrecurrent: new, update.

    Returns:
        h (..., K); its state is `h`, (..., K).

    Reference:
        Collins, J., Sohl-Dickstein, J. and Sussillo, D. (2017). Capacity and trainability in recurrent neural networks.
        International Conference on Learning Representations.
    """

    new: Gate = gate(np.tanh, init=WEIGHTS)
    update: Gate = gate(sigmoid, init={**WEIGHTS, **forget_bias(1.0)})

    def step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K)) to (h, h)."""
        g = self.update(x, h)
        h = g * h + (1 - g) * self.new(x, h)
        return h, h
