"""Entries as lines of a table: of the terminal, while they come, and of the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby

import attrs

from contest.entry import Entry

WIDTH = 14


def seconds(value: float) -> str:
    """In the unit that reads best."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if abs(value) * factor >= 1 or unit == "µs":
            return f"{digits(value * factor)} {unit}"
    raise AssertionError


def digits(value: float) -> str:
    """Three of them at least."""
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"


def quantity(value: float, unit: str) -> str:
    return seconds(value) if unit == "s" else f"{value:.1f} {unit}"


def times(ratio: float) -> str:
    """Three digits and a multiplication sign."""
    return f"{digits(ratio)} x"


def number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def mean(values: Iterable[float]) -> float:
    """The geometric one."""
    logarithms = [math.log(value) if value > 0 else math.nan for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else math.nan


@attrs.define
class Table:
    """Some entries of one group.

    Args:
        title: the group.
        ratios: whether all but the first value are shown as multiples of the first.
        entries: its lines so far.
    """

    title: str
    ratios: bool
    entries: list[Entry] = attrs.field(factory=list)

    @property
    def head(self) -> list[str]:
        """The columns: everything that an entry has, in the order of the first that has it."""
        values = dict.fromkeys(name for entry in self.entries for name in entry.values)
        extra = dict.fromkeys(name for entry in self.entries for name in entry.extra)
        return [*values, *extra]

    def line(self, entry: Entry) -> list[str]:
        """Its cells below the head."""
        return [self._cell(entry, name) for name in self.head]

    def _cell(self, entry: Entry, name: str) -> str:
        if name in entry.extra:
            return number(entry.extra[name])
        if name not in entry.values:
            return ""
        ratio = entry.ratio(name)
        first = name == next(iter(entry.values))
        return quantity(entry.values[name], entry.unit) if first or not self.ratios or ratio is None else times(ratio)

    @property
    def foot(self) -> list[str]:
        """The geometric means of the ratios; nothing where there are none."""
        if not self.ratios or len(self.entries) < 2:
            return []
        ratios = {name: [r for e in self.entries if (r := e.ratio(name)) is not None] for name in self.head}
        first = self.head[:1]
        return [times(mean(r)) if r and name not in first else "" for name, r in ratios.items()]


def of(entries: Iterable[Entry], *, ratios: bool) -> list[Table]:
    """A table for each group."""
    return [Table(title, ratios, list(group)) for title, group in groupby(entries, key=lambda e: e.group)]


def progressively(entries: Iterable[Entry], *, ratios: bool) -> Iterator[Entry]:
    """Print each entry when it comes, and pass it on."""
    table = Table("", ratios)
    for entry in entries:
        if entry.group != table.title:
            _print_foot(table)
            table = Table(entry.group, ratios)
            print(f"\n  {entry.group}")
        table.entries.append(entry)
        if entry.failed:
            print(f"    {entry.label:<26}FAILED: {entry.failed}")
        else:
            if not any(not e.failed for e in table.entries[:-1]):
                print(" " * 30 + "".join(f"{name:>{_width(name)}}" for name in table.head))
            print(f"    {entry.label:<26}" + _aligned(table, table.line(entry)))
        yield entry
    _print_foot(table)


def _print_foot(table: Table) -> None:
    if table.foot and table.head:
        print(f"    {'geometric mean':<26}" + _aligned(table, table.foot))


def _aligned(table: Table, cells: list[str]) -> str:
    return "".join(f"{cell:>{_width(name)}}" for name, cell in zip(table.head, cells, strict=True)).rstrip()


def _width(name: str) -> int:
    return max(WIDTH, len(name) + 2)


def as_markdown(table: Table) -> str:
    """With the geometric means in bold."""
    failed = ["failed", *[""] * len(table.head)][: len(table.head)]
    rows = [[table.title, *table.head], ["---", *["--:"] * len(table.head)]]
    rows += [[entry.label, *(failed if entry.failed else table.line(entry))] for entry in table.entries]
    if table.foot:
        rows.append(["**geometric mean**", *(f"**{cell}**" if cell else "" for cell in table.foot)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
