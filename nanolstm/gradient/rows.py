"""Sequences of a batch as rows: only the valid steps, ordered by time, the longest sequence first.

A time step is then a slice, what is computed for all steps at once is one product, and nothing is ever computed beyond
a sequence's end, where a 0 could become infinity and a gradient NaN. The order is that of PyTorch's PackedSequence; for
kernels it is so in each slice of the batch by itself, and where a run is divided into pieces, in each piece.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache
from itertools import pairwise

import attrs
import numpy as np

from nanolstm.compile import poison
from nanolstm.compile.steps import Steps
from nanolstm.language.functions import Array

SLICE = 16
"""How many sequences a slice has at least, unless that left work for one thread alone."""

LARGE, LARGE_SLICE = 1 << 20, 64
"""From how many bytes of parameters on it is more: they do not stay in the second cache, and each step reads all."""

WORTH_A_SLICE = 4_000_000
"""Operations (about 0.3 ms of them) below which the work is not divided."""


def slices_of(batch: int, work: int, size: int) -> int:
    """Into how many slices a batch is cut that takes so much `work` (operations) with parameters of `size` bytes.

    It must not depend on how many threads there are: each slice adds up its own share of the gradient.
    """
    if batch == 1 or work < WORTH_A_SLICE:
        return 1
    return max(2, min(64, batch // (SLICE if size < LARGE else LARGE_SLICE)))


@attrs.frozen(eq=False)
class Piece:
    """Some time steps of all sequences: rows from `begin` to `end`, whose bounds are counted from `begin`."""

    begin: int
    end: int
    bounds: Array


@attrs.define(eq=False)
class Rows:
    """The rows of a batch of `batch` sequences of at most `time` steps.

    Attributes:
        time: T.
        batch: B.
        lengths: how many steps of each sequence are valid, (B,); None for all.
        slices: into how many slices of about equally many steps the batch is cut.
        piece: how many time steps a piece has; None for all.
    """

    time: int
    batch: int
    lengths: Array | None = None
    slices: int = 1
    piece: int | None = None

    @cached_property
    def order(self) -> Array:
        """The sequences (B,), longest first."""
        return np.arange(self.batch) if self.lengths is None else np.argsort(-self.lengths, kind="stable")

    @cached_property
    def sequences(self) -> Array:
        """The first sequence of each slice, in that order, and B: (slices + 1,) int64."""
        if self.lengths is None:
            return np.arange(self.slices + 1, dtype=np.int64) * self.batch // self.slices
        steps = np.cumsum(self.lengths[self.order])
        ends = np.searchsorted(steps, steps[-1] * np.arange(1, self.slices) / self.slices, side="right")
        # No slice is empty: memory is sized by how many sequences one has at most when all others have one.
        number = np.arange(1, self.slices)
        ends = np.maximum.accumulate(np.maximum(ends, number) - number) + number
        return np.array([0, *np.minimum(ends, self.batch - self.slices + number), self.batch], np.int64)

    @cached_property
    def valid(self) -> Array:
        """Which steps of the sequences in that order are valid, (T, B)."""
        if self.lengths is None:
            return np.ones((self.time, self.batch), bool)
        return np.arange(self.time)[:, None] < self.lengths[self.order]

    @cached_property
    def pieces(self) -> list[Piece]:
        """The time steps in pieces, each of rows that stand together."""
        before = np.zeros((self.time, self.batch + 1), np.int64)
        np.cumsum(self.valid, axis=1, out=before[:, 1:])
        sizes = np.diff(before[:, self.sequences], axis=1).T  # of each slice at each step
        steps = self.time if self.lengths is None else int(self.lengths.max())
        pieces, begin = [], 0
        for start in range(0, steps, self.piece or steps):
            these = sizes[:, start : min(start + (self.piece or steps), steps)]
            ends = np.cumsum(these).reshape(these.shape)
            bounds = np.concatenate([ends[:, :1] - these[:, :1], ends], axis=1)
            pieces.append(Piece(begin, begin + int(bounds[-1, -1]), bounds))
            begin = pieces[-1].end
        return pieces

    def steps(self, piece: int = 0, *, backward: bool = False) -> Steps:
        """The rows of each step of a piece."""
        return Steps(self.pieces[piece].bounds, self.sequences, backward)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.time * self.batch if self.lengths is None else int(self.lengths.sum())

    @cached_property
    def in_order(self) -> bool:
        """Whether rows are ordered as the flattened array (T, B) is."""
        return self.lengths is None and self.slices == 1

    @cached_property
    def index(self) -> Array:
        """Where each row stands in the flattened array (B, T): (rows,)."""
        time = np.arange(self.time)[:, None]
        place = self.order * self.time + time
        return np.concatenate(
            [
                place[first:last, p:q][self.valid[first:last, p:q]]
                for first, last in _neighbours(range(0, self.time + (self.piece or self.time), self.piece or self.time))
                for p, q in _neighbours(self.sequences)
            ]
        )

    @cached_property
    def places(self) -> Array:
        """The row of each step of the flattened array (B, T): (B * T,); of what is beyond a sequence's end, any."""
        row = np.zeros(self.batch * self.time, np.intp)
        row[self.index] = np.arange(self.count)
        return row

    def pack(self, array: Array) -> Array:
        """The rows (rows, ...) of an array (B, T, ...)."""
        shape = (self.batch * self.time, *array.shape[2:])
        return np.swapaxes(array, 0, 1).reshape(shape) if self.in_order else array.reshape(shape)[self.index]

    def unpack(self, rows: Array) -> Array:
        """The array (B, T, ...) of rows, 0 beyond each sequence's end; a view where it is one."""
        if self.in_order:
            return rows.reshape(self.time, self.batch, *rows.shape[1:]).swapaxes(0, 1)
        shape = (self.batch * self.time, *rows.shape[1:])
        flat = poison.empty(shape, rows.dtype) if self.lengths is None else np.zeros(shape, rows.dtype)
        flat[self.index] = rows
        return flat.reshape(self.batch, self.time, *rows.shape[1:])

    @cached_property
    def turned(self) -> Array:
        """Which row stands in the place of each when every sequence is turned round within its length."""
        sequence, time = np.divmod(self.index, self.time)
        ends = np.full(self.batch, self.time) if self.lengths is None else self.lengths
        turned: Array = self.places[sequence * self.time + ends[sequence] - 1 - time]
        return turned

    @cached_property
    def times(self) -> Array:
        """The time step of each row."""
        return self.index % self.time

    def sorted(self, states: Array) -> Array:
        """States (B, ...) with the longest sequence first."""
        return states if self.lengths is None else states[self.order]

    def unsorted(self, states: Array) -> Array:
        """The inverse of `sorted`."""
        if self.lengths is None:
            return states
        back = poison.empty(states.shape, states.dtype)
        back[self.order] = states
        return back


def rows_of(time: int, batch: int, lengths: Array | None, slices: int, piece: int | None) -> Rows:
    """The rows of a batch: where nothing has a length, those of an earlier one of the same shape."""
    return _of_shape(time, batch, slices, piece) if lengths is None else Rows(time, batch, lengths, slices, piece)


@lru_cache(maxsize=16)
def _of_shape(time: int, batch: int, slices: int, piece: int | None) -> Rows:
    return Rows(time, batch, None, slices, piece)


def _neighbours(places: Iterable[int]) -> list[tuple[int, int]]:
    return list(pairwise(places))
