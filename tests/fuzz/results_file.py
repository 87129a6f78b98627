"""The results of a long run: one JSON line for each range of seeds that has ended, so that it can be resumed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

Pair = tuple[str, str]


@attrs.define
class Range:
    """What came of the seeds from `first` up to `last`.

    Attributes:
        cases: how many were compared, by mode.
        seconds: how long that took, by mode.
        notes: what could not be compared, and how often.
        pairs: operations of which one reads what the other made, met here first.
        failures: of each seed that failed.
    """

    first: int
    last: int
    cases: Counter[str] = attrs.field(factory=Counter)
    seconds: Counter[str] = attrs.field(factory=Counter)
    notes: Counter[str] = attrs.field(factory=Counter)
    pairs: set[Pair] = attrs.field(factory=set)
    failures: dict[int, list[str]] = attrs.field(factory=dict)

    def line(self) -> str:
        """The range as a line of the file."""
        return json.dumps(
            {
                "seeds": [self.first, self.last],
                "cases": dict(self.cases),
                "seconds": {mode: round(s, 2) for mode, s in self.seconds.items()},
                "notes": dict(self.notes),
                "pairs": sorted(map(list, self.pairs)),
                "failures": {str(seed): found for seed, found in self.failures.items()},
            }
        )

    @classmethod
    def of_line(cls, line: str) -> Range:
        """The inverse."""
        found: dict[str, Any] = json.loads(line)
        first, last = found["seeds"]
        return cls(
            first,
            last,
            Counter(found["cases"]),
            Counter(found["seconds"]),
            Counter(found["notes"]),
            {(str(one), str(other)) for one, other in found["pairs"]},
            {int(seed): told for seed, told in found["failures"].items()},
        )


def ended(file: Path | None) -> list[Range]:
    """The ranges that a file holds; a line that was cut off when the run was killed does not count."""
    ranges = []
    for line in file.read_text().splitlines() if file is not None and file.exists() else ():
        try:
            ranges.append(Range.of_line(line))
        except (ValueError, KeyError, TypeError):
            continue
    return ranges


def append(file: Path | None, found: Range) -> None:
    """Add a range, on a line of its own even if the last one was cut off."""
    if file is None:
        return
    cut = file.exists() and file.stat().st_size and not file.read_bytes().endswith(b"\n")
    with file.open("a") as stream:
        stream.write("\n" * bool(cut) + found.line() + "\n")


def total(ranges: Iterable[Range]) -> Range:
    """All of them together."""
    whole = Range(0, 0)
    for one in ranges:
        whole.cases += one.cases
        whole.seconds += one.seconds
        whole.notes += one.notes
        whole.pairs |= one.pairs
        whole.failures |= one.failures
    return whole
