"""Work arrays that are used again: a fresh large array costs a page fault for every 4 KiB of it.

What a call takes is its own until the call ends, so that two threads may run one model at once; it then goes back. What
is handed to the caller never comes from here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from types import TracebackType
from typing import Any

import attrs
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_LIMIT = 1 << 28
"""How many bytes are held at most for later calls."""

_free: dict[int, list[Array]] = defaultdict(list)
_held = 0


def _room(size: int) -> int:
    """`size` bytes rounded up, so that arrays of nearly one size can stand in for each other."""
    step = 1 << max(12, size.bit_length() - 3)
    return -(-size // step) * step


@attrs.define(eq=False)
class Memory:
    """The work arrays of one call; a context, at the end of which they go back."""

    _taken: list[Array] = attrs.field(factory=list, init=False)

    def take(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array with anything in it, aligned to 64 bytes."""
        global _held  # noqa: PLW0603
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        room = _room(size)
        try:
            whole = _free[room].pop()
            _held -= room
        except IndexError:
            whole = _aligned(room)
        self._taken.append(whole)
        return whole[:size].view(dtype).reshape(shape)

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _held  # noqa: PLW0603
        for array in self._taken:
            if _held + array.nbytes <= _LIMIT:
                _free[array.nbytes].append(array)
                _held += array.nbytes
        self._taken.clear()


def _aligned(size: int) -> Array:
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]
