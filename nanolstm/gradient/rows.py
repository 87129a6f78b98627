"""Sequences of a batch as rows: only the valid steps, ordered by time, the longest sequence first.

A time step is then a slice, what is computed for all steps at once is one product, and nothing is ever computed beyond
a sequence's end, where a 0 could become infinity and a gradient NaN. The order is that of PyTorch's PackedSequence.
"""

from __future__ import annotations

from functools import cached_property

import attrs
import numpy as np

from nanolstm.language.functions import Array


@attrs.define(eq=False)
class Rows:
    """The rows of a batch of `batch` sequences of at most `time` steps.

    Attributes:
        time: T.
        batch: B.
        lengths: how many steps of each sequence are valid, (B,); None for all.
    """

    time: int
    batch: int
    lengths: Array | None = None

    @cached_property
    def order(self) -> Array:
        """The sequences (B,), longest first."""
        return np.arange(self.batch) if self.lengths is None else np.argsort(-self.lengths, kind="stable")

    @cached_property
    def steps(self) -> list[tuple[int, int]]:
        """For each time step, its rows: from, to."""
        if self.lengths is None:
            sizes = np.full(self.time, self.batch)
        else:
            sizes = (self.lengths[:, None] > np.arange(self.time)).sum(axis=0)
            sizes = sizes[sizes > 0]
        ends = np.cumsum(sizes).tolist()
        return list(zip([0, *ends], ends, strict=False))

    @cached_property
    def bounds(self) -> Array:
        """Where the rows of each time step begin, and where the last end: (T + 1,) int64."""
        if self.lengths is None:
            return np.arange(0, (self.time + 1) * self.batch, self.batch, dtype=np.int64)
        return np.array([0, *(b for _, b in self.steps)], np.int64)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.time * self.batch if self.lengths is None else self.steps[-1][1]

    @cached_property
    def index(self) -> Array | None:
        """Where each row stands in an array (T, B) that is flattened; None if it stands there as it is."""
        if self.lengths is None:
            return None
        return np.concatenate([t * self.batch + self.order[: b - a] for t, (a, b) in enumerate(self.steps)])

    def pack(self, array: Array) -> Array:
        """The rows (rows, ...) of an array (T, B, ...)."""
        flat = array.reshape(self.time * self.batch, *array.shape[2:])
        return flat if self.index is None else flat[self.index]

    def unpack(self, rows: Array) -> Array:
        """The array (T, B, ...) of rows, 0 beyond each sequence's end."""
        if self.index is None:
            return rows.reshape(self.time, self.batch, *rows.shape[1:])
        flat = np.zeros((self.time * self.batch, *rows.shape[1:]), rows.dtype)
        flat[self.index] = rows
        return flat.reshape(self.time, self.batch, *rows.shape[1:])

    @cached_property
    def turned(self) -> Array:
        """Which row stands in the place of each when every sequence is turned round within its length."""
        if self.lengths is None:
            return np.arange(self.count).reshape(self.time, self.batch)[::-1].ravel()
        starts = np.array([a for a, _ in self.steps])
        place = np.concatenate([np.arange(b - a) for a, b in self.steps])  # among the sequences, longest first
        time = np.repeat(np.arange(len(self.steps)), [b - a for a, b in self.steps])
        turned: Array = starts[self.lengths[self.order][place] - 1 - time] + place
        return turned

    def sorted(self, states: Array) -> Array:
        """States (B, ...) with the longest sequence first."""
        return states if self.lengths is None else states[self.order]

    def unsorted(self, states: Array) -> Array:
        """The inverse of `sorted`."""
        if self.lengths is None:
            return states
        back = np.empty_like(states)
        back[self.order] = states
        return back
