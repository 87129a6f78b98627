"""Losses between predicted probabilities, or their logits, and classes."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.floating[Any]]

SMALLEST = 1e-37
"""The smallest probability that `bce` tells from 0: a normal number in float32 too, so that its logarithm is finite."""


def bce(prediction: Array, target: Array, *, logits: bool = False) -> Any:
    """Binary cross-entropy of a probability, or of its logit.

    `mean(-target * log(p) - (1 - target) * log(1 - p))` over all n * N entries. Its minimum is at `p = target`, and is
    0 for targets that are 0 or 1. Probabilities of 0 and 1 are exact where they are right; where they are wrong, the
    loss is that of a probability of 1e-37 (85.2 nats) in place of infinity. A `prediction` outside 0..1 is no
    probability and gives NaN.

    Args:
        prediction: (n, N), probabilities; with `logits=True` their logits, any real numbers.
        target: (n, N), 0 or 1, or a probability between them.
        logits: read the prediction as `log(p / (1 - p))`. Prefer this with a linear readout: it neither saturates nor
            loses its gradient.

    Returns:
        A scalar in nats.

    Source: the stable form in logits, `max(z, 0) - z * target + log(1 + exp(-abs(z)))`, is the textbook one, as in
    TensorFlow's `sigmoid_cross_entropy_with_logits`.
    """
    if logits:
        return np.mean(np.maximum(prediction, 0.0) - prediction * target + np.log1p(np.exp(-np.abs(prediction))))
    probability = np.where(np.abs(prediction - 0.5) <= 0.5, prediction, math.nan)
    yes = np.log(np.maximum(probability, SMALLEST))
    no = np.log(np.maximum(1.0 - probability, SMALLEST))
    return -np.mean(target * yes + (1.0 - target) * no)


def cross_entropy(prediction: Array, target: Array) -> Any:
    """Cross-entropy of classes, from logits.

    `mean(-sum(target * log_softmax(prediction)))`: the sum over the C classes, the mean over the n rows. Its infimum, 0
    for one-hot targets, is approached as the right class's logit grows beyond all others; only differences of logits
    matter.

    Args:
        prediction: (n, C), logits, any finite numbers.
        target: (n, C), one-hot, or probabilities that sum to 1.

    Returns:
        A scalar in nats; `log(C)` for equal logits.

    Source: Goodfellow, Bengio & Courville (2016), Deep Learning, section 6.2.2.3, equation 6.30.
    """
    shifted = prediction - np.max(prediction, axis=-1, keepdims=True)
    log_total = np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return np.mean(np.sum(target * (log_total - shifted), axis=-1))
