"""Hidden sizes with which different cells have about as many parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from nanolstm.errors import InputError, one_line

_SMALLEST = 64
"""Up to which size one is looked for that the cell can have at all: heads, say, have to divide it."""


def nearest_size(count: Callable[[int], int], wanted: int, *, name: str = "the cell") -> int:
    """The hidden size whose number of parameters is nearest to `wanted`, the smaller one of two that are equally near.

    >>> nearest_size(lambda hidden: hidden**2, 50)
    7

    Args:
        count: the number of parameters at a hidden size, which grows with it; it raises an error for a size that the
            cell cannot have.
        wanted: how many there should be.
        name: what errors call the cell.

    Raises:
        InputError: the cell can have no size.
    """
    errors: list[Exception] = []

    @cache
    def counted(size: int) -> int | None:
        try:
            return count(size)
        except Exception as error:  # noqa: BLE001  # whatever a cell's author raises for a size
            errors.append(error)
            return None

    def first(begin: int, end: int) -> int | None:
        return next((size for size in range(begin, end) if counted(size) is not None), None)

    def off(size: int) -> int:
        return abs((counted(size) or 0) - wanted)

    low = first(1, _SMALLEST + 1)
    if low is None:
        raise InputError(f"{name} cannot be made with any hidden size from 1 to {_SMALLEST}: {one_line(errors[0])}")
    high = low
    # Every unit has a parameter, so that no size above `wanted` can be the one.
    while (counted(high) or 0) < wanted and high < wanted:
        above = first(2 * high, 4 * high)
        if above is None:
            break
        low, high = high, above
    border = high
    while border - low > 1:
        middle = (low + border) // 2
        size = first(middle, border)
        if size is None:
            border = middle
        elif (counted(size) or 0) >= wanted:
            high, border = size, middle
        else:
            low = size
    return min((low, high), key=off)
