"""Derivatives by differences, and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from nanolstm.language.functions import Array

STEPS = tuple(4e-3 / 4**i for i in range(7))
"""Step sizes of differences: the first are the most accurate, the last come closest to a kink."""

ROUNDING = 1e-15
"""The relative error of a loss or an output, in which a few thousand operations have rounded."""


@attrs.frozen(eq=False)
class Difference:
    """A derivative by differences.

    Attributes:
        value: itself.
        doubt: how far it may be off: two step sizes are so far apart.
        noise: the part of this that rounding alone makes.
    """

    value: Array
    doubt: float
    noise: float

    def size(self, allowed: float) -> float:
        """What an error is relative to: what is too small to be resolved is measured by the smallest that is."""
        return max(largest(self.value), self.noise / allowed) or 1.0


def differences(at: Callable[[float], list[Array]], allowed: float, *, one_scale: bool = False) -> list[Difference]:
    """The derivatives at 0 of the arrays that `at` answers with, by central differences of fourth order.

    Step sizes go down until two agree well enough for a comparison to `allowed`; if none do, the two that agree best
    count. What they are compared with later has no part in the choice. With `one_scale` all arrays come from the same
    sums, so that each has the rounding of the largest.
    """
    before: list[Array] = []
    best: list[Difference] = []
    for step in STEPS:
        near = [at(k * step) for k in (2, 1, -1, -2)]
        now = [(8 * (b - c) - (a - d)) / (12 * step) for a, b, c, d in zip(*near, strict=True)]
        sizes = [largest(value) for value in near[1]]
        noises = [ROUNDING * (max(sizes) if one_scale else size) / step for size in sizes]
        if before:
            gaps = [largest(n - o) + noise for n, o, noise in zip(now, before, noises, strict=True)]
            doubts = [gap if np.isfinite(gap) else np.inf for gap in gaps]
            found = [Difference(*three) for three in zip(now, doubts, noises, strict=True)]
            best = [min(pair, key=lambda by: by.doubt) for pair in zip(best or found, found, strict=True)]
            if all(by.doubt <= 0.03 * allowed * by.size(allowed) for by in best):
                break
        before = now
    return best


def largest(value: Array) -> float:
    """The largest absolute value, 0 of none."""
    return float(np.abs(value).max(initial=0.0))


def relative_error(found: Any, by: Difference, allowed: float, typical: float = 0.0) -> tuple[float, bool]:
    """The relative error of `found`, and whether it counts: the difference is sharp enough, or they agree."""
    size = max(by.size(allowed), typical if np.isfinite(typical) else 0.0)
    error = largest(np.asarray(found) - by.value) / size
    return error, error <= allowed or by.doubt <= 0.5 * allowed * size
