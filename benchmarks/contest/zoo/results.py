"""What was measured of the zoo: one JSON file, written anew after each entry, and as a whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from contest.results import write
from contest.shapes import Shape


@attrs.frozen
class Timed:
    """A cell at a shape.

    Args:
        cell: its name.
        shape: (B, T, M, H); M is another for a cell that must be as wide as its input.
        values: the median seconds of a training step, by contestant.
        calls: how many a median is of.
        errors: how far the results of the others are from ours, relative to the largest element.
        failed: why there are no values.
        date: when.
        version: of nanolstm, with a digest of its sources.
    """

    cell: str
    shape: Shape = attrs.field(converter=tuple)
    values: dict[str, float] = attrs.field(factory=dict)
    calls: dict[str, int] = attrs.field(factory=dict)
    errors: dict[str, float] = attrs.field(factory=dict)
    failed: str = ""
    date: str = ""
    version: str = ""

    def ratio(self, other: str) -> float | None:
        """How many times our time that of another is."""
        return self.values[other] / self.values["nanolstm"] if other in self.values else None


@attrs.define
class ZooResults:
    """All that was measured.

    Args:
        path: of the file; None keeps nothing.
        machine: processor, cores, threads, versions: of the last entry.
        entries: by cell and shape.
    """

    path: Path | None
    machine: dict[str, Any] = attrs.field(factory=dict)
    entries: dict[tuple[str, Shape], Timed] = attrs.field(factory=dict)

    @classmethod
    def of(cls, path: Path | None) -> ZooResults:
        """What the file holds, where there is one."""
        results = cls(path)
        if path and path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            results.machine = kept["machine"]
            entries = [Timed(**entry) for entry in kept["entries"]]
            results.entries = {(entry.cell, entry.shape): entry for entry in entries}
        return results

    def keep(self, entry: Timed) -> None:
        """Add it, and write the file."""
        self.entries[entry.cell, entry.shape] = entry
        self.save()

    def save(self) -> None:
        """Write the file."""
        if self.path:
            lines = ",\n".join(json.dumps(attrs.asdict(entry)) for entry in self.entries.values())
            write(self.path, f'{{"machine": {json.dumps(self.machine)},\n"entries": [\n{lines}\n]}}\n')
