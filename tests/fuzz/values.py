"""What an expression of a random program may read: a name, and what is known of the numbers behind it."""

from __future__ import annotations

import math

import attrs

INFINITE = math.inf

MOST = 400
"""How many elements a value has at most."""


@attrs.frozen
class Value:
    """A value that an expression may read.

    Attributes:
        name: as it is read.
        shape: of its features.
        lead: whether it has a value for each example.
        boolean: whether it is a mask.
        low: a bound that it never falls below.
        high: a bound that it never exceeds.
        size: how large it typically is.
        constant: whether it is made of literals alone.
    """

    name: str
    shape: tuple[int, ...] = ()
    lead: bool = True
    boolean: bool = False
    low: float = -INFINITE
    high: float = INFINITE
    size: float = 0.6
    constant: bool = False

    @property
    def rank(self) -> int:
        """How many feature axes it has."""
        return len(self.shape)

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def goes_together(one: Value, other: Value) -> bool:
    """Whether two values of equal rank can be broadcast to a common shape that is not too large."""
    if any(a != b and 1 not in (a, b) for a, b in zip(one.shape, other.shape, strict=True)):
        return False
    return math.prod(max(a, b) for a, b in zip(one.shape, other.shape, strict=True)) <= MOST
