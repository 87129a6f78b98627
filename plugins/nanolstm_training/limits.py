"""Which numbers an option may be: validators for attrs fields."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from nanolstm.errors import InputError

Validator = Callable[[Any, Any, Any], None]


def between(low: float, high: float = math.inf, *, open_low: bool = False) -> Validator:
    """A number from `low` (or above it) to below `high`."""
    begin = f"above {low:g}" if open_low else f"from {low:g} on"
    words = begin if high == math.inf else f"{begin} and below {high:g}"

    def check(owner: Any, field: Any, value: Any) -> None:
        for number in value if isinstance(value, tuple) else (value,):
            number_is_real = isinstance(number, Real) and not isinstance(number, bool)
            if not number_is_real or not low <= number < high or (open_low and number == low):
                raise InputError(f"{type(owner).__name__.lower()}({field.name}={value!r}): expected a number {words}")

    return check


def count(owner: Any, field: Any, value: Any) -> None:
    """A whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{type(owner).__name__.lower()}({field.name}={value!r}): expected a whole number from 1 on")
