"""What a call gives for each row, brought to where the kernels read it, and looked at on the way.

Every thread brings the rows of its own slices, right before its kernels read them.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

from nanolstm.kernels.compiled import compiled, entry_point
from nanolstm.kernels.signals import announce
from nanolstm.kernels.threads import Task

Array = np.ndarray[Any, np.dtype[Any]]

_IN_ORDER = np.zeros(0, np.int64)


def _bring(
    bounds: Any, first: int, last: int, thread: int, rows: Any, wrong: Any, index: Any, source: Any, signals: Any
) -> None:
    announce(signals)
    begin, end, width = bounds[first, 0], bounds[last - 1, -1], rows.shape[1]
    bad = False
    if len(index):
        for r in range(begin, end):
            place = index[r]
            for j in range(width):
                value = source[place, j]
                rows[r, j] = value
                bad |= value - value != 0  # of NaN and infinity
    else:
        given, brought = source.reshape(-1), rows.reshape(-1)
        for i in range(begin * width, end * width):
            value = given[i]
            brought[i] = value
            bad |= value - value != 0
    wrong[thread] = bad


@cache
def _entry(dtype: str) -> tuple[Any, Any]:
    """The compiled function, as it is called, and who keeps it."""
    rows = f"{dtype}[:, ::1]"
    made = compiled(
        f"void(int64[:, ::1], int64, int64, int64, {rows}, boolean[::1], int64[::1], {rows}, int64[:, ::1])", apart=True
    )(_bring)
    return entry_point(made), made


class Bring:
    """Brings an array to its rows; it is run as a kernel is, before those that read them.

    Attributes:
        rows: where they are brought.
        work: about how many operations that takes.
        threads: for how many threads it has memory.
    """

    def __init__(self, rows: Array, bounds: Array, threads: int) -> None:
        """To `rows`, those of each slice being from the first of its `bounds` up to the last."""
        self.rows, self.work, self.threads = rows, rows.size, threads
        self._bounds, self._wrong = bounds, np.zeros(threads, bool)
        self._source: Array | None = None
        self._index = _IN_ORDER
        self._call = _entry(rows.dtype.name)[0]

    def next(self, array: Array, index: Array | None) -> None:
        """Bring that (B, T, ...), or (T, ...), once: for each row the step which `index` says; without it in order."""
        flags = array.flags
        if not (flags.c_contiguous and flags.aligned):
            array = np.array(array, order="C")
        self._source = array.reshape(-1, self.rows.shape[1])
        self._index = _IN_ORDER if index is None else index

    def of(self, first: int, last: int, thread: int) -> Task:
        """What brings the rows of the slices from `first` to `last`."""
        bring = partial(self._call, self._bounds, first, last, thread, self.rows, self._wrong)

        def run(signals: Array) -> None:
            if self._source is not None:
                bring(self._index, self._source, signals)

        return run

    def end(self) -> None:
        """It has run everywhere: bring nothing until there is something new, and hold on to nothing."""
        self._source = None

    @property
    def is_finite(self) -> bool:
        """Whether everything that was brought last is."""
        return True not in self._wrong.tolist()
