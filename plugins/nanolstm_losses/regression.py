"""Losses between a predicted number and the true one.

Written with NumPy ufuncs, `np.where` and reductions only, and with Python numbers for constants: a gradient can then be
derived by tracing, and float32 stays float32.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nanolstm.errors import InputError

Array: TypeAlias = npt.NDArray[np.floating[Any]]


def rmse(prediction: Array, target: Array) -> Any:
    """Root mean squared error.

    `sqrt(mean((prediction - target)**2))`, the mean taken over all n * N entries at once, so that it is not the average
    of the RMSEs of parts. Its minimum, 0, is at `prediction = target`, where it has no derivative.

    Args:
        prediction: (n, N).
        target: (n, N), in the prediction's units.

    Returns:
        A scalar in the target's units.

    Source: the loss of the notebook that nanolstm starts from.
    """
    return np.sqrt(mse(prediction, target))


def mse(prediction: Array, target: Array) -> Any:
    """Mean squared error.

    `mean((prediction - target)**2)` over all n * N entries. Its minimum, 0, is at `prediction = target`; for a target
    that varies, at its conditional mean.

    Args:
        prediction: (n, N).
        target: (n, N), in the prediction's units.

    Returns:
        A scalar in the square of the target's units.
    """
    return np.mean(np.square(prediction - target))


def mae(prediction: Array, target: Array) -> Any:
    """Mean absolute error.

    `mean(abs(prediction - target))` over all n * N entries. Its minimum, 0, is at `prediction = target`; for a target
    that varies, at its conditional median.

    Args:
        prediction: (n, N).
        target: (n, N), in the prediction's units.

    Returns:
        A scalar in the target's units.
    """
    return np.mean(np.abs(prediction - target))


def huber(prediction: Array, target: Array, *, delta: float = 1.0) -> Any:
    """Squared error near the target, absolute error beyond `delta`.

    With `e = prediction - target`, the mean over all n * N entries of `e**2 / 2` where `abs(e) <= delta` and of
    `delta * (abs(e) - delta / 2)` elsewhere. Its minimum, 0, is at `prediction = target`.

    Args:
        prediction: (n, N).
        target: (n, N), in the prediction's units.
        delta: the error at which the parabola becomes a line, above 0, in the target's units.

    Returns:
        A scalar in the square of the target's units.

    Raises:
        InputError: `delta` is no number above 0.

    Source: Huber (1964), Robust Estimation of a Location Parameter, Annals of Mathematical Statistics 35(1), 73-101,
    where `delta` is called k.
    """
    if not (isinstance(delta, Real) and delta > 0):
        raise InputError(f"huber(delta={delta!r}): delta is the error where squares end, a number above 0")
    error = np.abs(prediction - target)
    # One expression for both branches: inside, near is the error; outside, delta. float(), lest NumPy's widen float32.
    near = np.minimum(error, float(delta))
    return np.mean(near * (error - 0.5 * near))


def smape(prediction: Array, target: Array) -> Any:
    """Symmetric mean absolute percentage error, 0 to 200.

    `200 * mean(abs(prediction - target) / (abs(prediction) + abs(target)))` over all n * N entries; an entry where both
    are 0 counts as 0. Its minimum, 0, is at `prediction = target`. It means little for data that crosses zero, such as
    scaled prices or returns.

    Args:
        prediction: (n, N).
        target: (n, N), in the prediction's units, on a scale whose zero means "nothing".

    Returns:
        A scalar in percent.

    Source: Makridakis, Spiliotis & Assimakopoulos (2020), The M4 Competition: 100,000 time series and 61 forecasting
    methods, International Journal of Forecasting 36(1), 54-74, the definition of sMAPE.
    """
    scale = np.abs(prediction) + np.abs(target)
    return 200.0 * np.mean(np.abs(prediction - target) / np.where(scale > 0, scale, 1.0))
