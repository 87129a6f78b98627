"""What every task asks of its options: whole numbers and numbers within limits, and random numbers."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TypeAlias

import numpy as np

from nanolstm.errors import InputError

Rng: TypeAlias = "int | np.random.Generator | np.random.RandomState | None"
"""An int seeds a new generator, a Generator or RandomState is drawn from as it is, None is different every time."""


def whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """`value` as an int, or an InputError that gives the limits."""
    limits = f"at least {least}" if most is None else f"from {least} to {most}"
    fits = isinstance(value, Integral) and not isinstance(value, bool)
    if not (fits and least <= value and (most is None or value <= most)):  # type: ignore[operator]
        raise InputError(f"{name}={value!r}: expected a whole number, {limits}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def number(name: str, value: object, least: float) -> float:
    """`value` as a float, or an InputError that gives the limit."""
    fits = isinstance(value, Real) and not isinstance(value, bool)
    if not (fits and least <= value < float("inf")):  # type: ignore[operator]
        raise InputError(f"{name}={value!r}: expected a number, at least {least:g}")
    return float(value)  # type: ignore[arg-type]


def random_numbers(rng: Rng) -> np.random.Generator:
    """What to draw from. Only `uniform`, `normal` and `choice` may be used: a RandomState has these too."""
    if isinstance(rng, np.random.RandomState):
        return rng  # type: ignore[return-value]
    if rng is None or isinstance(rng, np.random.Generator):
        return np.random.default_rng(rng)
    return np.random.default_rng(whole("rng", rng, 0))
