"""The machine itself: a product of large matrices, which shows how fast arithmetic can be here."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from contest.contestant import Contestant
from contest.shapes import Shape

NAME, SIZE = "matmul", 2048
FLOPS = 2 * SIZE**3


def product(dtype: str, threads: int) -> Contestant:
    """NumPy's, on that many threads, whatever others have asked of its BLAS."""
    a, b = np.random.default_rng(0).normal(size=(2, SIZE, SIZE)).astype(dtype)
    out = np.empty_like(a)
    return Contestant(NAME, lambda: np.matmul(a, b, out=out), None, lambda: threadpool_limits(threads, "blas"))


def flops_of_lstm(shape: Shape) -> float:
    """Of a training step: the products forward, and twice as many backward."""
    B, T, M, H = shape
    return 3 * 2 * B * T * 4 * H * (H + M)
