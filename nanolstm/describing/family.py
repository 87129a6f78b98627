"""Cells of one class at several sizes, from which its sizes are read as formulas."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from nanolstm.describing.formula import DEGREE, Formula, fitted
from nanolstm.language.cell import Cell
from nanolstm.language.declaration import settings_of
from nanolstm.language.dropout import unused_settings

_SIZES = ("inputs", "hidden", "dtype", "rng")
_STEPS = (1, 2, 3, 4, 5, 6, 8, 12, 16)
_MANY = DEGREE + 3
"""Sizes along an axis: four would have a polynomial of degree 3 whatever the values, and the others disprove it."""

_VALUES = ((1, 2, 3, 4, 6), (2, 3, 4, 6, 12))
"""What a field is set to whose letter is to stand in a formula."""


@attrs.frozen(eq=False)
class Family:
    """Cells of one class that differ in their sizes.

    Attributes:
        cells: the cells.
        sizes: of each its hidden size K, its inputs M, and the fields that are letters of its formulas.
        holds_where: what a formula takes for granted: ("M = K",), ("K a multiple of 4",), ("outputs = 1",).
        fields: what the class sets its fields to where they are not given; a formula where that follows its sizes.
    """

    cells: tuple[Cell, ...]
    sizes: tuple[Mapping[str, int], ...]
    holds_where: tuple[str, ...]
    fields: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def smallest(self) -> Cell:
        """The first of them."""
        return self.cells[0]

    def formula(self, number: Callable[[Cell], int]) -> Formula | None:
        """The formula of a number of each of them; None where it has none."""
        return self.fitted([number(cell) for cell in self.cells])

    def fitted(self, values: Sequence[int]) -> Formula | None:
        """The formula of numbers, one for each of them."""
        return fitted(self.sizes, values)


def trained(cell: Cell) -> int:
    """How many numbers of a cell are trained."""
    return cell.parameters.count


def frozen(cell: Cell) -> int:
    """How many of its parameters are not."""
    return cell.frozen.count


def family_of(
    kind: type[Cell], fields: Mapping[str, Any] = {}, inputs: int | None = None, hidden: int | None = None
) -> Family:
    """Cells of `kind` at the sizes that it takes: any, or inputs = hidden, or multiples of what divides them.

    Fields that count parameters become letters of the formulas where they can: those with whole numbers, which are not
    among the given `fields`. Where the number of parameters is no polynomial of the sizes, the family is one cell.

    Raises:
        Exception: whatever the class raises at the first of the sizes, where it takes none of them.
    """
    plain = _of_fixed_fields(kind, fields, inputs, hidden)
    counting = _fields_that_count(plain, kind, fields)
    free = [name for name, value in counting.items() if name not in fields and _is_whole(value)]
    for letters in [free, *([name] for name in free)] if len(plain.cells) > 1 and free else []:
        family = _with_letters(kind, fields, inputs, hidden, letters)
        if family is not None:
            break
    else:
        family, letters = plain, []
    hidden_ones = {*_SIZES, *unused_settings(plain.smallest)}
    values = {name: _value(plain, name) for name in settings_of(kind) if name not in hidden_ones}
    known = [f"{name} = {values[name]}{' unless set' * (name in letters)}" for name in counting]
    return attrs.evolve(family, holds_where=(*family.holds_where, *known), fields=values)


def _value(family: Family, name: str) -> Any:
    """The value of a field, which may be a formula: a class may set what it is not given by its sizes."""
    value = getattr(family.smallest, name)
    return (_is_whole(value) and family.formula(lambda cell: getattr(cell, name))) or value


def _of_fixed_fields(kind: type[Cell], fields: Mapping[str, Any], inputs: int | None, hidden: int | None) -> Family:
    first_error: Exception | None = None
    alone: Family | None = None
    for step in _STEPS:
        for axes, special in _lattices(step, inputs, hidden):
            made = _made(kind, fields, axes, special)
            if isinstance(made, Exception):
                first_error = first_error or made
            elif _counts(made):
                return made
            else:
                k, m = made.smallest.hidden, made.smallest.inputs
                alone = alone or Family(made.cells[:1], made.sizes[:1], (f"K = {k}, M = {m}",))
    if alone is None:
        assert first_error is not None
        raise first_error
    return alone


def _with_letters(
    kind: type[Cell], fields: Mapping[str, Any], inputs: int | None, hidden: int | None, letters: list[str]
) -> Family | None:
    """A family in which some fields vary too; None where there is no formula with them."""
    for values, step in itertools.product(_VALUES, (1, 12)):
        for axes, special in _lattices(step, inputs, hidden):
            made = _made(kind, fields, axes | dict.fromkeys(letters, values), special)
            if isinstance(made, Family) and _counts(made):
                # Twelve is what the values of a field divide.
                divided = tuple(text.replace(" 12", f" {' and '.join(letters)}") for text in made.holds_where)
                return attrs.evolve(made, holds_where=divided)
    return None


def _counts(family: Family) -> bool:
    return family.formula(trained) is not None and family.formula(frozen) is not None


def _made(
    kind: type[Cell], fields: Mapping[str, Any], axes: Mapping[str, Sequence[int]], special: tuple[str, ...]
) -> Family | Exception:
    """Cells at some sizes of a lattice: as many as determine a formula, and some to prove it on."""
    cells, sizes = [], []
    for places in _places([len(axis) for axis in axes.values()]):
        size = {name: axis[place] for (name, axis), place in zip(axes.items(), places, strict=True)}
        more = {name: value for name, value in size.items() if name not in ("K", "M")}
        try:
            with np.errstate(all="ignore"):
                cell = kind(inputs=size.get("M", size["K"]), hidden=size["K"], rng=0, **{**fields, **more})
        except Exception as error:  # noqa: BLE001  (a step that does not like the size may raise anything)
            return error
        cells.append(cell)
        sizes.append({"K": cell.hidden, "M": cell.inputs, **more})
    return Family(tuple(cells), tuple(sizes), special)


def _places(lengths: Sequence[int]) -> list[tuple[int, ...]]:
    """Where on its axes a lattice is looked at: near a corner, which determines a polynomial, and on the diagonal."""
    corner = [p for p in itertools.product(*map(range, lengths)) if sum(p) <= DEGREE]
    diagonal = [tuple(min(place, length - 1) for length in lengths) for place in range(max(lengths))]
    return list(dict.fromkeys([*corner, *diagonal]))


def _lattices(
    step: int, inputs: int | None, hidden: int | None
) -> Iterator[tuple[dict[str, Sequence[int]], tuple[str, ...]]]:
    """What K and M are set to, the most general first, and what is special about it; M is left out where it is K."""
    several = [step * i for i in range(2, 2 + _MANY)]
    ks, ms = [hidden] if hidden else several, [inputs] if inputs else several
    special = [f"K a multiple of {step}"] if step > 1 and not hidden else []
    special += [f"K = {hidden}"] if hidden else []
    special += [f"M = {inputs}"] if inputs else []
    # With M not so regular, what takes multiples for K alone is found first.
    yield {"K": ks, "M": ms if inputs else (2, 3, 5, 7, 8, 9)}, tuple(special)
    if step > 1 and not inputs:
        yield {"K": ks, "M": ms}, (*special, f"M a multiple of {step}")
    if not inputs and not hidden:
        yield {"K": ks}, (*special, "M = K")


def _fields_that_count(family: Family, kind: type[Cell], given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a cell on which its number of parameters depends, and their values.

    A field is tried at other values of its kind; one that takes none of them is taken not to count.
    """
    found = {}
    for name in [name for name in settings_of(kind) if name not in _SIZES]:
        value = getattr(family.smallest, name)
        cells = (family.cells[0], family.cells[-1])
        if any(_differs(cell, given, name, other) for cell in cells for other in _others(value, cell)):
            found[name] = value
    return found


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _others(value: Any, cell: Cell) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if value is None:
        return [1, 2]
    return [other for other in (1, 2, value + 1, 2 * value, cell.hidden) if other != value] if _is_whole(value) else []


def _differs(cell: Cell, given: Mapping[str, Any], name: str, value: Any) -> bool:
    try:
        with np.errstate(all="ignore"):
            other = type(cell)(inputs=cell.inputs, hidden=cell.hidden, rng=0, **{**given, name: value})
    except Exception:  # noqa: BLE001  (a value that the class does not take)
        return False
    return (trained(other), frozen(other)) != (trained(cell), frozen(cell))
