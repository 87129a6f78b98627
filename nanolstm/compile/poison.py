"""Poisoned and guarded work memory, to find reads of unwritten elements and writes outside of a buffer.

Set `NANOLSTM_POISON=1`, or enter `poisoned()`: every work buffer, kept or new, is filled before each call with NaN
(integers: a large number; masks: True), and the guard words in front of it and behind it are checked after the call.
No result may change. A buffer that is made while the switch is off has no guards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from nanolstm.errors import WorkspaceError

Array = np.ndarray[Any, np.dtype[Any]]

GUARD = 4096
"""Bytes in front of a guarded buffer, and behind it."""

_PATTERN = 0xA5

_on = ContextVar("nanolstm poison", default=os.environ.get("NANOLSTM_POISON", "").strip() not in ("", "0"))


def is_on() -> bool:
    """Whether new work buffers are poisoned and guarded."""
    return _on.get()


@contextmanager
def poisoned(*, on: bool = True) -> Iterator[None]:
    """Poison and guard the work buffers that are made inside, whatever `NANOLSTM_POISON` says."""
    token = _on.set(on)
    try:
        yield
    finally:
        _on.reset(token)


def fill(array: Array) -> None:
    """Fill `array` with a value that spoils whatever reads it."""
    kind = array.dtype.kind
    array[...] = np.nan if kind in "fc" else True if kind == "b" else np.iinfo(array.dtype).max // 2


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """As `np.empty`; poisoned if the switch is on."""
    array = np.empty(shape, dtype)
    if is_on():
        fill(array)
    return array


def guard(memory: Array) -> Array:
    """The part of `memory`, bytes, that lies between two guards; both are written."""
    memory[:GUARD] = memory[-GUARD:] = _PATTERN
    return memory[GUARD:-GUARD]


def check_guards(memory: Array, number: int) -> None:
    """Raise an error if a guard around buffer `number` was written to.

    Raises:
        WorkspaceError: says where.
    """
    for guards, where in ((memory[:GUARD], "in front of"), (memory[-GUARD:], "behind")):
        if not (guards == _PATTERN).all():
            size = memory.size - 2 * GUARD
            raise WorkspaceError(
                f"compiled code wrote {where} work buffer {number} ({size} bytes): a fault of nanolstm; "
                "please report it with the cell and the shapes of the call"
            )
