"""Cells that are differential equations taken in steps: leaky integrators, oscillators, two time scales."""

from __future__ import annotations

import numpy as np

from nanolstm.language.cell import Cell
from nanolstm.language.fields import feed, param
from nanolstm.language.functions import Array, identity, sigmoid, softplus
from nanolstm.language.gate import Gate, gate
from nanolstm.language.initialisers import RandomSource, glorot


def spread_rates(rng: RandomSource, shape: tuple[int, ...]) -> Array:
    """What softplus makes the inverse of time constants of, which spread evenly over the orders from 1 to 20."""
    taus = np.exp(rng.uniform(0.0, np.log(20.0), shape))
    rates: Array = np.log(np.expm1(1 / taus))
    return rates


def one_over_root(rng: RandomSource, shape: tuple[int, ...]) -> Array:
    """Normal numbers of variance 1 / K, with which a random network of tanh units is between silence and chaos."""
    drawn: Array = rng.standard_normal(shape) / np.sqrt(shape[-1])
    return drawn


class LeakyIntegrator(Cell):
    """The leaky integrator: the continuous-time recurrent network of Funahashi and Nakamura (1993).

    Each unit sums what comes in and forgets it with a time constant tau of its own, which is learned. With M inputs and
    K hidden units:

        tau du/dt = -u + W tanh(u) + U x + b                              (K)        U (K, M), W (K, K), b (K)
        1 / tau = softplus(rate)                                          (K)

    Within a step what drives u is held, and the leak is solved exactly, so that any `dt` is stable:

        keep = exp(-dt / tau)                                             (K)
        u = keep * u + (1 - keep) * (W tanh(u) + U x + b)                 (K)

    Where dt is small beside tau this is Euler's step, with dt / tau in the place of 1 - keep, which much of the
    literature takes. The paper has sigmoidal units in general; tanh, which neuroscience often takes, counts firing
    rates from a resting level. Time constants start spread from 1 to 20 units of time, U by Glorot's rule, and W with
    variance 1 / K.

    Returns:
        tanh(u) (..., K), the firing rates; its state is `u` (..., K). The feed `dt` is the time since the last step, 1
        unless it is given.

    Reference:
        Funahashi, K. and Nakamura, Y. (1993). Approximation of dynamical systems by continuous time recurrent neural
        networks. Neural Networks 6(6).
    """

    dt: Array = feed(default=1.0)
    rate: Array = param("hidden", spread_rates)
    drive: Gate = gate(identity, init={"U": glorot(), "W": one_over_root})

    def step(self, x: Array, u: Array, dt: Array) -> tuple[Array, Array]:
        """One time step: (x (..., M), u (..., K), dt (..., 1)) to (tanh(u), u)."""
        keep = np.exp(-softplus(self.rate) * dt)
        u = keep * u + (1 - keep) * self.drive(x, np.tanh(u))
        return np.tanh(u), u


class CoRNN(Cell):
    """The coupled oscillatory network, coRNN, of Rusch and Mishra (2021).

    Its units are oscillators, controlled, damped and driven through one another; y is where they are, z how fast they
    move. With M inputs, K hidden units and d = time_step * dt:

        y'' = tanh(W y + Z y' + U x + b) - gamma y - epsilon y'           (K)        U (K, M), W and Z (K, K), b (K)

        z = z + d (tanh(W y + Z z + U x + b) - gamma y - epsilon z)       (K)
        y = y + d z                                                       (K)

    The new y is made with the new z, which is what keeps the energy of the oscillators bounded. Of the paper's two
    schemes this is the one that takes the damping from before the step, as in the authors' code. Their Linear layer
    reads x, z, y in this order, and draws all its numbers within 1 / sqrt(M + 2 K), as here. The linear part of the
    scheme is stable where 2 epsilon d + gamma d^2 < 4: as the fields are set, for d below 0.38.

    Args:
        time_step: the paper's time step for dt = 1, between 0 and 1; like gamma and epsilon to be chosen for each task.
            All three start as the authors have them for sequential MNIST.
        gamma: how strongly an oscillator is drawn back, the square of its frequency.
        epsilon: how strongly it is damped.

    Returns:
        y (..., K); its states are `y` and `z`, each (..., K). The feed `dt` is the time since the last step, 1 unless
        it is given.

    Reference:
        Rusch, T. K. and Mishra, S. (2021). Coupled oscillatory recurrent neural network (coRNN): an accurate and
        (gradient) stable architecture for learning long time dependencies. International Conference on Learning
        Representations. Equation 3.
    """

    time_step: float = 0.042
    gamma: float = 2.7
    epsilon: float = 4.7
    dt: Array = feed(default=1.0)
    drive: Gate = gate(np.tanh, Z="z")

    def step(self, x: Array, y: Array, z: Array, dt: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), y (..., K), z (..., K), dt (..., 1)) to (y, y, z)."""
        d = self.time_step * dt
        z = z + d * (self.drive(x, y, z) - self.gamma * y - self.epsilon * z)
        y = y + d * z
        return y, y, z

    def initialise(self, rng: RandomSource) -> None:
        """Draw everything within 1 / sqrt(M + 2 K)."""
        limit = 1 / np.sqrt(self.inputs + 2 * self.hidden)
        for value in self.parameters.values():
            value[...] = rng.uniform(-limit, limit, value.shape)


class LEM(Cell):
    """Long expressive memory of Rusch, Mishra, Erichson and Mahoney (2022).

    Two states, each with a time step of its own for every unit, which is learned: a system on many time scales. With M
    inputs, K hidden units and d = time_step * dt:

        d_z = d sigmoid(U x + W y + b)            (K)        the gate step_z; U (K, M), W (K, K), b (K)
        d_y = d sigmoid(U x + W y + b)            (K)        the gate step_y
        z = (1 - d_z) z + d_z tanh(U x + W y + b)       (K)  the gate new_z
        y = (1 - d_y) y + d_y tanh(U x + W z + b)       (K)  the gate new_y, which reads the new z

    d_z and d_y are the paper's Delta t and Delta t with a bar. All numbers are drawn within 1 / sqrt(K), as in the
    authors' code, whose `inp2hid` has the gates in the order step_y, step_z, new_y, new_z. As d grows beyond 1 the
    states overshoot; keep time_step times the longest gap below that.

    Args:
        time_step: the paper's time step for dt = 1, at most 1; smaller for long sequences.

    Returns:
        y (..., K); its states are `y` and `z`, each (..., K). The feed `dt` is the time since the last step, 1 unless
        it is given.

    Reference:
        Rusch, T. K., Mishra, S., Erichson, N. B. and Mahoney, M. W. (2022). Long expressive memory for sequence
        modeling. International Conference on Learning Representations. Equation 3.
    """

    time_step: float = 1.0
    dt: Array = feed(default=1.0)
    step_y: Gate = gate(sigmoid)
    step_z: Gate = gate(sigmoid)
    new_y: Gate = gate(np.tanh, W="z")
    new_z: Gate = gate(np.tanh)

    def step(self, x: Array, y: Array, z: Array, dt: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), y (..., K), z (..., K), dt (..., 1)) to (y, y, z)."""
        d = self.time_step * dt
        d_y, d_z = d * self.step_y(x, y), d * self.step_z(x, y)
        z = (1 - d_z) * z + d_z * self.new_z(x, y)
        y = (1 - d_y) * y + d_y * self.new_y(x, z)
        return y, y, z

    def initialise(self, rng: RandomSource) -> None:
        """Draw everything within 1 / sqrt(K)."""
        limit = 1 / np.sqrt(self.hidden)
        for value in self.parameters.values():
            value[...] = rng.uniform(-limit, limit, value.shape)
