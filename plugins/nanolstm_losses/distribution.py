"""Losses whose prediction is more than one number for each target: quantiles, or a mean and a variance.

The prediction holds the columns of the first target, then those of the second, and so on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nanolstm.errors import InputError

Array: TypeAlias = npt.NDArray[np.floating[Any]]


def quantile(prediction: Array, target: Array, *, q: float | Sequence[float] = 0.5) -> Any:
    """Pinball loss, whose minimum is at the quantiles `q`.

    With `e = target - prediction`, the mean of `max(q * e, (q - 1) * e)` over all n * N entries and all Q quantiles: an
    overestimate costs `1 - q` for each unit, an underestimate `q`. At `q = 0.5` it is half the mean absolute error. Its
    minimum, 0, is at `prediction = target`; for a target that varies, at its conditional quantiles.

    Args:
        prediction: (n, N * Q): the Q quantiles of the first target, in the order of `q`, then those of the second...
        target: (n, N), in the prediction's units.
        q: one quantile between 0 and 1 (both excluded), or Q of them.

    Returns:
        A scalar in the target's units.

    Raises:
        InputError: `q` is empty, or one of it is no number between 0 and 1.

    Source: Koenker & Bassett (1978), Regression Quantiles, Econometrica 46(1), 33-50, the minimisation that defines
    them.
    """
    levels = _levels(q)
    losses = []
    for k, level in enumerate(levels):
        error = target - prediction[..., k :: len(levels)]
        losses.append(np.mean(np.maximum(level * error, (level - 1.0) * error)))
    return sum(losses[1:], losses[0]) / len(levels)


def _levels(q: float | Sequence[float]) -> list[float]:
    candidates: list[Any] = np.ravel(q).tolist()
    if not candidates:
        raise InputError("quantile(q=()): at least one quantile is needed, for example q=0.9 or q=(0.1, 0.5, 0.9)")
    for level in candidates:
        if not (isinstance(level, Real) and 0 < float(level) < 1):
            raise InputError(f"quantile(q={q!r}): {level!r} is no number between 0 and 1; for 90 % write q=0.9")
    return [float(level) for level in candidates]


def gaussian_nll(prediction: Array, target: Array) -> Any:
    """Negative log-likelihood of a Gaussian whose mean and log variance are predicted.

    With mean `m` and log variance `s`, the mean over all n * N entries of
    `(log(2 * pi) + s + (target - m)**2 * exp(-s)) / 2`, in nats. For one observation it has no lower bound (a perfect
    mean lets the variance shrink to 0); over many its minimum is at the conditional mean and log variance.

    Args:
        prediction: (n, 2 * N): mean and log variance of the first target, then of the second...
        target: (n, N), in the mean's units; the variance is in their square.

    Returns:
        A scalar in nats; it can be negative.

    Source: Nix & Weigend (1994), Estimating the mean and variance of the target probability distribution, Proceedings
    of the IEEE International Conference on Neural Networks, 55-60; here with the constant `log(2 * pi) / 2`.
    """
    mean, log_variance = prediction[..., 0::2], prediction[..., 1::2]
    squared = np.square(target - mean)
    return 0.5 * (math.log(2 * math.pi) + np.mean(log_variance + squared * np.exp(-log_variance)))
