"""Time steps as rows: which rows of an array belong to each of them."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Any

import attrs
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@attrs.define(eq=False)
class Steps:
    """Rows ordered by time, in each step the longest sequence first.

    Attributes:
        bounds: (T + 1,) int64, where each step begins, and where the last ends.
        batch: B, how many sequences there are.
        backward: whether the last step is run first.
    """

    bounds: Array
    batch: int
    backward: bool = False

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.bounds[-1])

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """The rows of each step, from and to, in the order in which they are run."""
        ends = self.bounds.tolist()
        pairs = list(pairwise(ends))
        return pairs[::-1] if self.backward else pairs


def one_step(rows: int) -> Steps:
    """All rows at once, for what has no state."""
    return Steps(np.array([0, rows], np.int64), rows)
