"""Liquid cells: units whose time constants depend on what they see, by a solver and in closed form."""

from __future__ import annotations

import numpy as np

from nanolstm.language.cell import Cell
from nanolstm.language.fields import absent, feed, param
from nanolstm.language.functions import Array, identity, sigmoid, softplus
from nanolstm.language.gate import Gate, gate
from nanolstm.language.initialisers import RandomSource, glorot, uniform


class Synapses(Gate):
    """A synapse from each of L senders to each of K receivers: how open it is, softplus(w) sigmoid(sigma (v - mu)).

    Its weights are `w`, `mu` and `sigma`, each (K, L). Called with the senders' v (..., L), it answers with one
    conductance for each synapse, (..., K, L).
    """

    def __call__(self, *values: Array) -> Array:
        """The conductances (..., K, L) for v (..., L)."""
        (v,) = values
        return softplus(self.w) * sigmoid(self.sigma * (v[..., None, :] - self.mu))


def polarity(rng: RandomSource, shape: tuple[int, ...]) -> Array:
    """Reversal potentials: two synapses of three excite (1), the third inhibits (-1)."""
    drawn: Array = rng.choice([-1.0, 1.0, 1.0], shape)
    return drawn


_SYNAPSE = {"w": uniform(0.001, 1.0), "mu": uniform(0.3, 0.8), "sigma": uniform(3.0, 8.0)}


class LTC(Cell):
    """The liquid time-constant network of Hasani, Lechner, Amini, Rus and Grosu (2021), fully connected.

    Each of K units is a membrane with the potential v. It leaks, and every unit and every input opens a synapse to it.
    With g (K, K) the conductances of synapses between units and s (K, M) those of sensory ones, the potential follows

        C dv/dt = G (E_leak - v) + sum_l g_l (E_l - v) + sum_m s_m (S_m - v)          (K)

        g = softplus(recurrent.w) * sigmoid(recurrent.sigma * (v - recurrent.mu))     (K, K)
        s = softplus(sensory.w) * sigmoid(sensory.sigma * (x' - sensory.mu))          (K, M)
        x' = input_w * x + input_b                                                    (M)
        C = softplus(cm), G = softplus(gleak), E_leak = vleak                         (K)
        E = erev                                                                      (K, K)
        S = sensory_erev                                                              (K, M)

    so that its time constant, C / (G + sum g + sum s), is liquid: it depends on the state and the input. The paper's
    fused solver takes the conductances from before a step of length d and solves for the potential after it; this is
    done `unfolds` times with d = dt / unfolds, which stays bounded however long dt is:

        v = (C v + d (G E_leak + sum g E + sum s S)) / (C + d (G + sum g + sum s))    (K)
        y = output_w * v + output_b                                                   (K)

    The synapses, the maps of input and output, first values and names are those of the authors' package ncps, whose
    `LTCCell` with a `FullyConnected` wiring and `implicit_param_constraints=True` (the default of its `LTC`) this is;
    its matrices are ours transposed. Softplus keeps the denominator positive, so that its `epsilon` is left out.
    Reversal potentials are trained, as there; a subclass may freeze them: `erev: Array = param(..., frozen=True)`.

    Args:
        unfolds: steps of the solver within one time step.

    Returns:
        y (..., K); its state is `v` (..., K). The feed `dt` is the time since the last step, 1 unless it is given.
        A recording holds the conductance of every synapse: `sensory` (..., K, M), `recurrent` (..., K, K).

    Reference:
        Hasani, R., Lechner, M., Amini, A., Rus, D. and Grosu, R. (2021). Liquid time-constant networks. Proceedings of
        the AAAI Conference on Artificial Intelligence 35(9). Equation 1 and algorithm 1.
    """

    unfolds: int = 6
    dt: Array = feed(default=1.0)
    gleak: Array = param("hidden", uniform(0.001, 1.0))
    vleak: Array = param("hidden", uniform(-0.2, 0.2))
    cm: Array = param("hidden", uniform(0.4, 0.6))
    recurrent: Gate = gate(sigmoid, kind=Synapses, U=None, W=None, bias=False, w="v", mu="v", sigma="v", init=_SYNAPSE)
    erev: Array = param(("hidden", "hidden"), polarity)
    sensory: Gate = gate(sigmoid, kind=Synapses, U=None, W=None, bias=False, w="x", mu="x", sigma="x", init=_SYNAPSE)
    sensory_erev: Array = param(("hidden", "inputs"), polarity)
    input_w: Array = param("inputs", 1.0)
    input_b: Array = param("inputs", 0.0)
    output_w: Array = param("hidden", 1.0)
    output_b: Array = param("hidden", 0.0)

    def step(self, x: Array, v: Array, dt: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), v (..., K), dt (..., 1)) to (y, v)."""
        part, capacitance, leak = dt / self.unfolds, softplus(self.cm), softplus(self.gleak)
        s = self.sensory(x * self.input_w + self.input_b)
        current = leak * self.vleak + np.sum(s * self.sensory_erev, axis=-1)
        conductance = leak + np.sum(s, axis=-1)
        for _ in range(self.unfolds):
            g = self.recurrent(v)
            charge = capacitance * v + part * (current + np.sum(g * self.erev, axis=-1))
            v = charge / (capacitance + part * (conductance + np.sum(g, axis=-1)))
        return self.output_w * v + self.output_b, v


def lecun_tanh(x: Array) -> Array:
    """1.7159 tanh(0.666 x), which maps numbers of variance 1 to such numbers."""
    y: Array = 1.7159 * np.tanh(0.666 * x)
    return y


def glorot_row(rng: RandomSource, shape: tuple[int, ...]) -> Array:
    """Glorot's rule for a vector that is a matrix of one row where it comes from."""
    drawn: Array = rng.uniform(-1.0, 1.0, shape) * np.sqrt(6.0 / (1 + shape[0]))
    return drawn


class CfC(Cell):
    """The closed-form continuous-time network of Hasani, Lechner, Amini and others (2022).

    Its state moves from ff1 to ff2 on a curve over the time since the last step, with no solver. With M inputs, K
    hidden units and a backbone of D units that all four heads share:

        b = lecun_tanh(U x + W h + bias)           (D)        U (D, M), W (D, K)
        t = sigmoid(time_a(b) * dt + time_b(b))    (K)        time_a and time_b affine, U (K, D)
        h = ff1 * (1 - t) + ff2 * t                (K)        ff1 = tanh(U b + bias), ff2 likewise, U (K, D)

    In the paper's words, ff1 is g, ff2 is h, and time_a is f, the liquid time constant; the paper has no time_b.
    Names, time_b, the activation of the backbone, 1.7159 tanh(0.666 x), and weights drawn by Glorot's rule are those of
    the authors' package ncps, whose `CfCCell` in the mode `default` this is. The matrix of its backbone is U and W
    beside each other. Biases start at 0.

    Args:
        backbone_units: D.

    Returns:
        h (..., K), which is also its state. The feed `dt` is the time since the last step, 1 unless it is given.

    Reference:
        Hasani, R., Lechner, M., Amini, A., Liebenwein, L., Ray, A., Tschaikowski, M., Teschl, G. and Rus, D. (2022).
        Closed-form continuous-time neural networks. Nature Machine Intelligence 4(11).
    """

    backbone_units: int = 128
    dt: Array = feed(default=1.0)
    backbone: Gate = gate(lecun_tanh, size="backbone_units", init=glorot())
    ff1: Gate = gate(np.tanh, U="backbone", W=None, init=glorot())
    ff2: Gate = gate(np.tanh, U="backbone", W=None, init=glorot())
    time_a: Gate = gate(identity, U="backbone", W=None, init=glorot())
    time_b: Gate = gate(identity, U="backbone", W=None, init=glorot())

    def step(self, x: Array, h: Array, dt: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K), dt (..., 1)) to (h, h)."""
        b = self.backbone(x, h)
        t = sigmoid(self.time_a(b) * dt + self.time_b(b))
        h = self.ff1(b) * (1 - t) + self.ff2(b) * t
        return h, h


class CfCNoGate(CfC):
    """CfC without the gate before ff1: h = ff1 + ff2 * t, as the mode `no_gate` of ncps has it.

    Everything else is as in [`CfC`][nanolstm.cells.CfC].

    Returns:
        h (..., K), which is also its state.

    Reference:
        Hasani, R., Lechner, M., Amini, A., Liebenwein, L., Ray, A., Tschaikowski, M., Teschl, G. and Rus, D. (2022).
        Closed-form continuous-time neural networks. Nature Machine Intelligence 4(11).
    """

    def step(self, x: Array, h: Array, dt: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K), dt (..., 1)) to (h, h)."""
        b = self.backbone(x, h)
        h = self.ff1(b) + self.ff2(b) * sigmoid(self.time_a(b) * dt + self.time_b(b))
        return h, h


class CfCPure(CfC):
    """CfC as the plain solution of a liquid unit, whose state decays towards A: the mode `pure` of ncps.

    With the backbone b (D) of [`CfC`][nanolstm.cells.CfC]:

        f = U b + bias                                   (K)        U (K, D)
        h = A - A * exp(-dt (abs(w_tau) + abs(f))) * f   (K)        A (K), w_tau (K)

    The absolute values, which the paper does not have, are those of ncps: they keep the rate positive. A and w_tau are
    drawn by Glorot's rule for one row, as there.

    Returns:
        h (..., K), which is also its state.

    Reference:
        Hasani, R., Lechner, M., Amini, A., Liebenwein, L., Ray, A., Tschaikowski, M., Teschl, G. and Rus, D. (2022).
        Closed-form continuous-time neural networks. Nature Machine Intelligence 4(11).
    """

    ff1: Gate = gate(identity, U="backbone", W=None, init=glorot())
    ff2 = absent
    time_a = absent
    time_b = absent
    w_tau: Array = param("hidden", glorot_row)
    A: Array = param("hidden", glorot_row)

    def step(self, x: Array, h: Array, dt: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), h (..., K), dt (..., 1)) to (h, h)."""
        f = self.ff1(self.backbone(x, h))
        h = self.A - self.A * np.exp(-dt * (np.abs(self.w_tau) + np.abs(f))) * f
        return h, h
