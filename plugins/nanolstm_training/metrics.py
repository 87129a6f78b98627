"""Metrics: plain NumPy functions of (prediction, target), each (n, N), that are reported and not trained."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.floating[Any]]


def accuracy(prediction: Array, target: Array) -> Any:
    """The share of rows whose largest number is at the class that it is, 0 to 1.

    Args:
        prediction: (n, C), logits or probabilities.
        target: (n, C), one-hot.
    """
    return np.mean(np.argmax(prediction, axis=-1) == np.argmax(target, axis=-1))


def binary_accuracy(prediction: Array, target: Array, *, threshold: float = 0.5) -> Any:
    """The share of entries on the right side of `threshold`, 0 to 1; for logits that is 0.

    Args:
        prediction: (n, N), probabilities; or logits.
        target: (n, N), 0 or 1.
        threshold: above it a prediction means 1.
    """
    return np.mean((prediction > threshold) == (target > 0.5))


def r2(prediction: Array, target: Array) -> Any:
    """The coefficient of determination, at most 1; 0 is as good as the mean of each column. NaN for constant targets.

    Args:
        prediction: (n, N).
        target: (n, N); the mean over columns is taken, as in scikit-learn's `r2_score`.
    """
    left = np.sum(np.square(target - prediction), axis=0)
    total = np.sum(np.square(target - np.mean(target, axis=0)), axis=0)
    return np.mean(1 - left / np.where(total > 0, total, np.nan))
