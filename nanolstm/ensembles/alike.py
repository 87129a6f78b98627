"""A quick check that the members of an ensemble still have the same steps, so that one kernel serves all of them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

from nanolstm.compile.programs import Programs
from nanolstm.language.anatomy import Anatomy
from nanolstm.language.cell import Cell
from nanolstm.language.declaration import settings_of
from nanolstm.traced import programs_of

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence

_IMMUTABLE = (bool, int, float, str, type(None), np.dtype)


class Alike:
    """The programs that members share."""

    def __init__(self, models: tuple[Sequence, ...]) -> None:
        """Of models of one shape."""
        self._members = [[part.cell for part in model.parts()] for model in models]
        self._anatomies: list[Anatomy] = []
        self._same = False
        self._mutable: list[list[Cell]] = []

    def programs(self) -> tuple[Programs, ...] | None:
        """Those of each part, or None if not all members have the same.

        Raises:
            TraceError: a step that cannot be traced.
        """
        found = tuple(map(programs_of, self._members[0]))
        # What a class or a function reads is the same for all. A field that is set gives its cell a new anatomy.
        anatomies = [cell.anatomy for cells in self._members for cell in cells]
        if not self._anatomies or not all(map(operator.is_, anatomies, self._anatomies)):
            self._anatomies = anatomies
            self._same = _have(found, self._members)
            self._mutable = [cells for cells in self._members if any(map(_may_change, cells))]
        return found if self._same and _have(found, self._mutable) else None


def _have(programs: tuple[Programs, ...], members: list[list[Cell]]) -> bool:
    return all(programs_of(cell) is own for cells in members for cell, own in zip(cells, programs, strict=True))


def _may_change(cell: Cell) -> bool:
    """Whether a field of a cell holds something that can change without being set."""
    fields = (getattr(cell, name) for name in settings_of(type(cell)) if name != "rng")
    return not all(isinstance(value, _IMMUTABLE) for value in fields)
