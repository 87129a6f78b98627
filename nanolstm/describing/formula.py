"""A number that depends on the sizes of a cell, as a polynomial: 4K² + 4KM + 4K."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias

import attrs
import numpy as np

Powers: TypeAlias = tuple[tuple[str, int], ...]
"""The letters of a term and their powers, none of them 0."""

DEGREE = 3
_OF_SIZES = (0, 1, 2, 3)
_OF_FIELDS = (0, -1, 1, 2)
"""The powers that are tried, in this order: a size may be shared out, as K to heads. See `fitted`."""

_LARGEST_DENOMINATOR = 64
_RAISED = {1: "", 2: "²", 3: "³"}


@attrs.frozen
class Formula:
    """A polynomial in the hidden size K, the inputs M and further sizes, with rational coefficients.

    >>> half = Formula({(("K", 2), ("heads", -1)): Fraction(4), (("K", 1),): Fraction(1, 2), (): Fraction(1)})
    >>> str(half), half({"K": 4, "heads": 2})
    ('4K²/heads + K/2 + 1', Fraction(35, 1))

    Attributes:
        terms: the coefficients that are not 0, by the letters and their powers.
    """

    terms: Mapping[Powers, Fraction]

    def __call__(self, sizes: Mapping[str, int]) -> Fraction:
        """Its value."""
        return sum((c * math.prod(_value(sizes, powers)) for powers, c in self.terms.items()), Fraction(0))

    def __str__(self) -> str:
        text = ""
        for powers in sorted(self.terms, key=_place):
            coefficient = self.terms[powers]
            sign = ("-" if not text else " - ") if coefficient < 0 else " + " if text else ""
            text += sign + _term(abs(coefficient), powers)
        return text or "0"


def _value(sizes: Mapping[str, int], powers: Powers) -> list[Fraction]:
    return [Fraction(sizes[letter]) ** power for letter, power in powers]


def _place(powers: Powers) -> tuple[int, list[tuple[str, int]]]:
    """Where a term stands: higher powers first, K before M before words."""
    return -sum(power for _, power in powers if power > 0), [(letter, -power) for letter, power in powers] or [("~", 0)]


def _term(coefficient: Fraction, powers: Powers) -> str:
    above = [_raised(letter, power) for letter, power in powers if power > 0]
    below = [_raised(letter, -power) for letter, power in powers if power < 0]
    if coefficient.denominator > 1:
        below.insert(0, str(coefficient.denominator))
    number = "" if coefficient.numerator == 1 and above else str(coefficient.numerator)
    text = _joined([number, *above] if number else above)
    return "/".join([text, *below])


def _raised(letter: str, power: int) -> str:
    return letter + _RAISED[power]


def _joined(factors: Sequence[str]) -> str:
    """Letters stand beside each other, words apart."""
    text = factors[0]
    for factor in factors[1:]:
        text += factor if factor[0] in "KM" and len(factor) <= 2 else f"·{factor}"
    return text


def fitted(sizes: Sequence[Mapping[str, int]], values: Sequence[int]) -> Formula | None:
    """The polynomial that has just these values at these sizes; None where there is none.

    With more sizes than terms that is more than an estimate: every value is met exactly. A size that is the same
    everywhere, or the same as one before it, does not become a letter.

    Terms are the products of one power of each letter whose places in the order of powers come to 3 at most: of sizes
    K²M, of a field f besides f², K f and K²/f.
    """
    columns = {letter: tuple(size[letter] for size in sizes) for letter in sizes[0]}
    letters: list[str] = []
    for letter, column in columns.items():
        if len(set(column)) > 1 and column not in [columns[known] for known in letters]:
            letters.append(letter)
    orders = [_OF_SIZES if letter in ("K", "M") else _OF_FIELDS for letter in letters]
    terms: list[Powers] = [
        tuple((letter, order[i]) for letter, order, i in zip(letters, orders, places, strict=True) if i)
        for places in itertools.product(range(DEGREE + 1), repeat=len(letters))
        if sum(places) <= DEGREE
    ]
    products = np.array([[float(math.prod(_value(size, term))) for term in terms] for size in sizes])
    scale = np.abs(products).max(axis=0)
    solution = np.linalg.lstsq(products / scale, np.array(values, dtype=float), rcond=None)[0] / scale
    nearest = [Fraction(float(c)).limit_denominator(_LARGEST_DENOMINATOR) for c in solution]
    found = Formula({term: c for term, c in zip(terms, nearest, strict=True) if c})
    return found if all(found(size) == value for size, value in zip(sizes, values, strict=True)) else None
