"""Formulas of a cell's sizes: whether they count what a cell of any size has."""

from fractions import Fraction

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm import Array, Cell, Gate, blocks, gate, param
from nanolstm.cells.zoo import HOMES
from nanolstm.describing.family import family_of, frozen, trained
from nanolstm.describing.formula import Formula, fitted
from nanolstm.errors import InputError


class Leaky(Cell):
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = 0.9 * h + 0.1 * self.new(x, h)
        return h, h


class Equal(Cell):
    """Adds its input to its state."""

    new: Gate = gate(np.tanh, U=None)

    def step(self, x, h):
        h = self.new(h) + x
        return h, h


class Heads(Cell):
    heads: int = 2
    new: Gate = gate(np.tanh, W=blocks("h", "heads"))

    def step(self, x, h):
        h = self.new(x, h)
        return h, h


class Fours(Leaky):
    """Four heads, always."""

    new: Gate = gate(np.tanh, W=blocks("h", 4))


class Projected(Cell):
    projection: int = 3
    down: Gate = gate(np.tanh, size="projection", U=None, W="hidden", bias=False)
    up: Gate = gate(np.tanh, U="projection", W=None)

    def step(self, x, h):
        h = self.up(self.down(h))
        return h, h


class AsWide(Cell):
    """As wide as it is tall unless told otherwise."""

    width: int = attrs.field()
    down: Gate = gate(np.tanh, size="width", U=None, bias=False)
    up: Gate = gate(np.tanh, U="width", W=None)

    @width.default
    def _hidden(self):
        return self.hidden

    def step(self, x, h):
        h = self.up(self.down(h))
        return h, h


class Switched(Leaky):
    wide: bool = False
    extra: Array = param("width", 0.0)

    @property
    def width(self):
        return 2 * self.hidden if self.wide else 1


class Halved(Leaky):
    half: Array = param(("halves", "inputs"), 0.0, frozen=True)

    @property
    def halves(self):
        return -(-self.hidden // 2)


class Binary(Leaky):
    """As many numbers as no polynomial counts."""

    digits: Array = param("length", 0.0)

    @property
    def length(self):
        return self.hidden.bit_length()


@pytest.mark.parametrize(
    ("kind", "formula", "fixed", "holds_where"),
    [
        (Leaky, "K² + KM + K", "0", ()),
        (Equal, "K² + K", "0", ("M = K",)),
        (Heads, "K²/heads + KM + K", "0", ("K a multiple of heads", "heads = 2 unless set")),
        (Fours, "K²/4 + KM + K", "0", ("K a multiple of 4",)),
        (Projected, "2K·projection + K", "0", ("projection = 3 unless set",)),
        (AsWide, "2K·width + K", "0", ("width = K unless set",)),
        (Switched, "K² + KM + K + 1", "0", ("wide = False",)),
        (Halved, "K² + KM + K", "KM/2", ("K a multiple of 2",)),
        (Binary, "12", "0", ("K = 2, M = 2",)),
        (nl.cells.LSTM, "4K² + 4KM + 4K", "0", ()),
        (nl.cells.ToyLSTM, "3K² + 3KM + 3K + M + 1", "0", ("outputs = 1",)),
    ],
)
def test_a_class_has_the_formula_that_one_would_write(kind, formula, fixed, holds_where):
    family = family_of(kind)
    assert (str(family.formula(trained)), str(family.formula(frozen))) == (formula, fixed)
    assert family.holds_where == holds_where


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        *((getattr(nl.cells, name), {"K": 24, "M": 24}) for name in HOMES),
        *((getattr(nl.cells, name), {"K": 60, "M": 60}) for name in HOMES),
        (Heads, {"K": 42, "M": 11, "heads": 7}),
        (Fours, {"K": 28, "M": 11}),
        (Projected, {"K": 9, "M": 8, "projection": 11}),
        (Halved, {"K": 30, "M": 4}),
    ],
)
def test_a_formula_counts_a_cell_of_a_size_that_it_was_not_read_from(kind, sizes):
    family = family_of(kind)
    fields = {name: value for name, value in sizes.items() if name not in ("K", "M")}
    # A letter of the formula that is not given has the value that the class gives it.
    letters = {name: getattr(kind(inputs=24, hidden=24), name) for name in family.sizes[0] if name not in ("K", "M")}
    cell = kind(inputs=sizes["M"], hidden=sizes["K"], **{**letters, **fields})
    assert family.formula(trained)({**letters, **sizes}) == cell.parameters.count
    assert family.formula(frozen)({**letters, **sizes}) == cell.frozen.count


def test_what_is_given_is_no_letter():
    assert str(family_of(Heads, {"heads": 4}).formula(trained)) == "K²/4 + KM + K"
    family = family_of(nl.cells.ToyLSTM, {"outputs": 3}, hidden=3)
    assert str(family.formula(trained)) == "12M + 45"
    assert family.holds_where == ("K = 3", "outputs = 3")
    assert str(family_of(Leaky, inputs=2).formula(trained)) == "K² + 3K"


def test_a_class_that_takes_no_size_says_what_it_said_at_the_first():
    class Never(Leaky):
        def initialise(self, rng):
            raise InputError(f"not at {self.hidden}")

    with pytest.raises(InputError, match="not at 2"):
        family_of(Never)


POWERS = [(k, m) for k in range(4) for m in range(4) if k + m <= 3]


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(POWERS), st.integers(1, 9), max_size=4), st.sampled_from([1, 2, 4]))
def test_a_polynomial_is_found_from_its_values(coefficients, divisor):
    sizes = [{"K": 4 * k, "M": 4 * m} for k in range(1, 5) for m in range(1, 5)]
    values = [sum(c * s["K"] ** k * s["M"] ** m for (k, m), c in coefficients.items()) for s in sizes]
    whole = [value - value % divisor for value in values]
    found = fitted(sizes, [value // divisor for value in whole])
    if whole == values:
        assert found({"K": 11, "M": 7}) == sum(
            Fraction(c * 11**k * 7**m, divisor) for (k, m), c in coefficients.items()
        )


def test_what_is_no_polynomial_has_no_formula():
    sizes = [{"K": k, "M": m} for k in range(1, 6) for m in range(1, 6)]
    assert fitted(sizes, [2 ** size["K"] + size["M"] for size in sizes]) is None


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({}, "0"),
        ({(): -3}, "-3"),
        ({(("K", 1),): 1, (): -2}, "K - 2"),
        ({(("K", 1), ("M", 1)): Fraction(3, 2)}, "3KM/2"),
        ({(("order", 2),): 1, (("K", 1), ("order", 1)): 2, (("K", 2),): 1}, "K² + 2K·order + order²"),
        ({(("heads", -1),): 5, (("K", 3),): 1}, "K³ + 5/heads"),
    ],
)
def test_a_formula_is_written_as_on_paper(terms, text):
    assert str(Formula({powers: Fraction(c) for powers, c in terms.items()})) == text
