"""Work arrays that are used again: a fresh large array costs a page fault for every 4 KiB of it.

A call takes arrays one after the other, and the next call of the same kind takes the same ones. A memory belongs to one
call at a time, so that two threads may run one model at once. What is handed to the caller never comes from here.
"""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import attrs
import numpy as np

from nanolstm.compile import poison

Array = np.ndarray[Any, np.dtype[Any]]

_free: WeakKeyDictionary[Any, list[Memory]] = WeakKeyDictionary()


@attrs.define(eq=False)
class Memory:
    """The work arrays of one call; a context, at the end of which they are free for the next.

    Attributes:
        guarded: whether its arrays are poisoned and guarded; see `nanolstm.compile.poison`.
    """

    _owner: Any = None
    guarded: bool = attrs.field(factory=poison.is_on, init=False)
    _room: list[Array] = attrs.field(factory=list, init=False)
    _arrays: list[Array] = attrs.field(factory=list, init=False)
    _guards: dict[int, Array] = attrs.field(factory=dict, init=False)
    _next: int = attrs.field(default=0, init=False)

    @property
    def size(self) -> int:
        """How many bytes it has taken so far."""
        return sum(room.nbytes for room in self._room)

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any] | type) -> Array:
        """An array with anything in it, aligned to 64 bytes."""
        place = self._next
        self._next += 1
        if place < len(self._arrays):
            array = self._arrays[place]
            if array.shape == shape and array.dtype == dtype:
                if self.guarded:
                    poison.fill(array)
                return array
        else:
            self._room.append(_aligned(0, place))
            self._arrays.append(self._room[place])
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if self.guarded:
            self._room[place] = self._guarded(_aligned(size + 2 * poison.GUARD, place), place)
        elif self._room[place].nbytes < size:
            self._room[place] = _aligned(size, place)
        array = self._arrays[place] = self._room[place][:size].view(dtype).reshape(shape)
        if self.guarded:
            poison.fill(array)
        return array

    def lasting(self, shape: tuple[int, ...], dtype: np.dtype[Any] | type) -> Array:
        """An array with anything in it that belongs to whoever asks; `poison` leaves it as it is."""
        if not self.guarded:
            return np.empty(shape, dtype)
        size = math.prod(shape) * np.dtype(dtype).itemsize
        array = self._guarded(_aligned(size + 2 * poison.GUARD, 0), -1 - len(self._guards)).view(dtype).reshape(shape)
        poison.fill(array)
        return array

    def poison(self) -> None:
        """Before a call that uses arrays that were taken earlier: spoil what the last one left there."""
        for array in self._arrays:
            poison.fill(array)

    def check(self) -> None:
        """After a call: raise a WorkspaceError if something was written outside of an array."""
        for number, memory in self._guards.items():
            poison.check_guards(memory, number)

    def _guarded(self, memory: Array, number: int) -> Array:
        self._guards[number] = memory
        return poison.guard(memory)

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._next = 0
        try:
            if kind is None:
                self.check()
        finally:
            self._guards = {number: memory for number, memory in self._guards.items() if number >= 0}
            if self._owner is not None:
                _free.setdefault(self._owner(), []).append(self)


def memory_of(model: Any) -> Memory:
    """Work arrays that `model` has used before, if no other call is using them."""
    from weakref import ref

    free = _free.get(model)
    try:
        memory = free.pop() if free else Memory(ref(model))
    except IndexError:  # another thread was faster
        memory = Memory(ref(model))
    return memory if memory.guarded == poison.is_on() else Memory(ref(model))


def _aligned(size: int, place: int) -> Array:
    """Bytes that begin a line of the cache, each array in another part of a page.

    Large arrays begin a page of their own, and rows of arrays that all begin at one place of a page push each other out
    of the first cache.
    """
    raw = np.empty(size + _PAGE + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE + (place * 7 * _LINE) % _PAGE
    return raw[start : start + size]


_LINE, _PAGE = 64, 4096
