"""Tasks of following a system: what it does next, from what it did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanolstm.data.request import SequenceData
from nanolstm.errors import InputError
from nanolstm_tasks.options import Rng, number, random_numbers, whole

SUBSTEPS = 10
"""Steps of the integration of `mackey_glass` in a unit of time."""

AWAY = 10.0
"""What `narma10` reaches only if it runs away: among 20,000 sequences of length 2000, none that stayed reached 3."""


def mackey_glass(*, n: int = 10, length: int = 500, tau: int = 17, washout: int = 1000, rng: Rng = 0) -> SequenceData:
    """Predict the next value of a chaotic delay equation.

    `dx/dt = 0.2 * x(t - tau) / (1 + x(t - tau)**10) - 0.1 * x(t)`, sampled once a unit of time; chaotic above a `tau`
    of about 16.8. Integrated by the classic Runge-Kutta scheme of order 4 with step 0.1, the delayed value halfway
    between two steps by cubic Hermite interpolation. Each sequence starts from a constant history of its own, uniform
    in [1.1, 1.3); that start is forgotten during `washout`.

    Args:
        n: sequences, B.
        length: steps, T, one unit of time each.
        tau: the delay, a whole number of units of time; 17 and 30 are usual.
        washout: units of time that are left out before the sequences begin.
        rng: as in every task; 0 unless told, so that the same request gives the same data.

    Returns:
        x (B, T, 1), the values, and y (B, T, 1), each one unit of time later.

    Source: Mackey & Glass (1977), Oscillation and Chaos in Physiological Control Systems, Science 197, 287-289,
    equation 4b; with the figures usual since Jaeger (2001), The "echo state" approach, GMD Report 148.
    """
    n, length = whole("n", n, 1), whole("length", length, 1)
    tau, washout = whole("tau", tau, 1), whole("washout", washout, 0)
    start = random_numbers(rng).uniform(1.1, 1.3, size=n)

    h, lag, steps = 1 / SUBSTEPS, tau * SUBSTEPS, (washout + length) * SUBSTEPS
    grow = _production(start)
    series = np.empty((steps + 1, n))
    series[0] = start
    # The production of the value at each step, and halfway to the next one, from `lag` steps before the first.
    at = np.empty((lag + steps + 1, n))
    halfway = np.empty((lag + steps, n))
    at[: lag + 1] = halfway[:lag] = grow
    for k in range(steps):
        now, slope = series[k], at[k] - 0.1 * series[k]
        second = halfway[k] - 0.1 * (now + h / 2 * slope)
        third = halfway[k] - 0.1 * (now + h / 2 * second)
        fourth = at[k + 1] - 0.1 * (now + h * third)
        following = now + h / 6 * (slope + 2 * second + 2 * third + fourth)
        middle = (now + following) / 2 + h / 8 * (slope - (at[k + 1] - 0.1 * following))
        series[k + 1] = following
        at[lag + k + 1] = _production(following)
        halfway[lag + k] = _production(middle)
    return _next_value(series[washout * SUBSTEPS :: SUBSTEPS].T)


def _production(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.2 * x / (1 + x**10))


def narma10(*, n: int = 10, length: int = 500, rng: Rng = 0) -> SequenceData:
    """Follow a nonlinear system of order 10 that is driven by noise.

    `y(t+1) = 0.3 * y(t) + 0.05 * y(t) * (y(t) + ... + y(t-9)) + 1.5 * u(t-9) * u(t) + 0.1`, with `u` uniform in
    [0, 0.5), starting at rest (all 0 before the first step). The target at step t is `y(t+1)`, the newest value that
    the inputs up to t decide. On rare inputs the system runs away (1 sequence in 100 of length 2000); these are drawn
    anew.

    Args:
        n: sequences, B.
        length: steps, T.
        rng: as in every task; 0 unless told, so that the same request gives the same data.

    Returns:
        x (B, T, 1), the input u, and y (B, T, 1).

    Raises:
        InputError: sequences so long that nearly all of them run away.

    Source: Atiya & Parlos (2000), New Results on Recurrent Network Training: Unifying the Algorithms and Accelerating
    Convergence, IEEE Transactions on Neural Networks 11(3), 697-709, the tenth-order system of its simulations.
    """
    n, length = whole("n", n, 1), whole("length", length, 1)
    draw = random_numbers(rng)
    u = draw.uniform(0.0, 0.5, size=(n, length))
    y = _narma10(u)
    for _ in range(100):
        away = ~(y < AWAY).all(axis=1)
        if not away.any():
            return SequenceData(x=u[:, :, None], y=y[:, :, None])
        u[away] = draw.uniform(0.0, 0.5, size=(away.sum(), length))
        y[away] = _narma10(u[away])
    raise InputError(f"narma10 with length={length} runs away again and again; take shorter sequences")


def _narma10(u: np.ndarray) -> np.ndarray:
    """The system's answer to inputs (B, T); one that runs away is held at `AWAY`."""
    n, length = u.shape
    before = 10
    u = np.concatenate([np.zeros((n, before)), u], axis=1)
    y = np.zeros((n, before + length + 1))
    for t in range(before, before + length):
        now = y[:, t]
        following = 0.3 * now + 0.05 * now * y[:, t - 9 : t + 1].sum(axis=1) + 1.5 * u[:, t - 9] * u[:, t] + 0.1
        y[:, t + 1] = np.minimum(following, AWAY)
    return y[:, before + 1 :]


def sines(
    *, n: int = 100, length: int = 200, frequencies: Sequence[float] = (0.2, 0.311), noise: float = 0.1, rng: Rng = 0
) -> SequenceData:
    """Predict the next value of a few sine waves in noise.

    `s(t) = sum(sin(f * t + phase)) / F + noise * e(t)` over F frequencies, with a uniform phase of its own for each
    wave and sequence, and `e` standard normal. Nothing predicts better than a root mean
    squared error of `noise`.

    Args:
        n: sequences, B.
        length: steps, T.
        frequencies: in radians a step; those of the source are 0.2 and 0.311, and for harder tasks 0.42, 0.51.
        noise: standard deviation of the noise, at least 0; the waves together stay within -1..1.
        rng: as in every task; 0 unless told, so that the same request gives the same data.

    Returns:
        x (B, T, 1), the values, and y (B, T, 1), each one step later.

    Source: the multiple superimposed oscillations of Schmidhuber, Wierstra, Gagliolo & Gomez (2007), Training Recurrent
    Networks by Evolino, Neural Computation 19(3), 757-779, there without noise and with one fixed phase.
    """
    n, length, noise = whole("n", n, 1), whole("length", length, 1), number("noise", noise, 0)
    if isinstance(frequencies, str) or not np.size(frequencies):
        raise InputError(f"frequencies={frequencies!r}: expected one or more numbers, for example (0.2, 0.311)")
    waves = np.array([number("frequencies", f, 0) for f in np.ravel(frequencies).tolist()])
    draw = random_numbers(rng)
    phases = draw.uniform(0.0, 2 * np.pi, size=(n, waves.size, 1))
    clean = np.sin(waves[:, None] * np.arange(length + 1) + phases).mean(axis=1)
    return _next_value(clean + noise * draw.normal(size=clean.shape))


def _next_value(series: np.ndarray) -> SequenceData:
    """Each value of series (B, T + 1) as input, and the one after it as target."""
    return SequenceData(x=series[:, :-1, None].copy(), y=series[:, 1:, None].copy())
