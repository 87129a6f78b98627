"""The loss: a plain NumPy function, whose gradient nanolstm derives."""

import numpy as np


def loss(prediction, target, *, weight=2.0):
    """Mean squared error, where a prediction that is too low counts `weight` times.

    Both arrays are (n, N): every valid row of a batch, so that there is no mask.
    """
    error = prediction - target
    return np.mean(np.where(error < 0, weight, 1.0) * np.square(error))
