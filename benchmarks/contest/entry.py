"""One line of a table: what some contestants took for one thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from contest.clock import medians
from contest.contestant import Contestant, DifferentError, errors
from contest.shapes import Shape


@attrs.define
class Entry:
    """What was measured of one thing.

    Args:
        group: the table it stands in, for example "LSTM, float32".
        label: its line, for example "(1, 522, 2, 3)".
        values: by contestant, in `unit`; the first is who the others are compared with.
        unit: "s", "MB", ...; seconds are printed as whatever reads best.
        extra: further numbers of this line, by their column.
        errors: how far the results of the others are from those of the first.
        calls: how many calls a median is of.
        failed: why nothing was measured.
        cell, dtype, shape: what it was, for the goals and the picture.
    """

    group: str
    label: str
    values: dict[str, float] = attrs.field(factory=dict)
    unit: str = "s"
    extra: dict[str, float] = attrs.field(factory=dict)
    errors: dict[str, float] = attrs.field(factory=dict)
    calls: dict[str, int] = attrs.field(factory=dict)
    failed: str = ""
    cell: str = "LSTM"
    dtype: str = ""
    shape: Shape | None = None

    def ratio(self, other: str) -> float | None:
        """How many times the value of the first that of another is."""
        first = next(iter(self.values.values()), None)
        return self.values[other] / first if first and other in self.values else None


def timed(group: str, label: str, contestants: Sequence[Contestant], seconds: float, dtype: str, **more: Any) -> Entry:
    """The contestants are compared, and if they agree, timed."""
    entry = Entry(group, label, dtype=dtype, **more)
    try:
        entry.errors = errors(list(contestants), dtype)
        entry.values, entry.calls = medians(contestants, seconds)
    except DifferentError as different:
        entry.failed = str(different)
    return entry
