"""What was measured, in one JSON file: it is written anew after each part, and as a whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from contest.entry import Entry
from contest.parts import PARTS
from contest.settings import Settings


@attrs.define
class Measured:
    """A part on a number of threads: what was found, when, and with what.

    Args:
        part: its name.
        settings: what was asked for.
        versions: of everybody.
        processor: its name.
        cores: how many there were.
        date: when it began.
        seconds: how long it took.
        entries: what was found.
    """

    part: str
    settings: Settings
    versions: dict[str, str]
    processor: str
    cores: int
    date: str
    seconds: float = 0.0
    entries: list[Entry] = attrs.field(factory=list)

    @property
    def key(self) -> str:
        """It replaces what was kept under the same."""
        return f"{self.part}, {self.settings.on}"

    def stands_for(self, other: Measured) -> bool:
        """Whether the other one, not measured yet, would be the same."""
        return attrs.evolve(self, date="", seconds=0.0, entries=[]) == attrs.evolve(other, date="")


@attrs.define
class Results:
    """All that was measured, by key."""

    path: Path | None = None
    measured: dict[str, Measured] = attrs.field(factory=dict)

    @classmethod
    def of(cls, path: Path | None) -> Results:
        """What the file holds, where there is one."""
        results = cls(path)
        if path and path.exists():
            for key, value in json.loads(path.read_text(encoding="utf-8")).items():
                settings, entries = Settings(**value.pop("settings")), map(entry_of, value.pop("entries"))
                results.measured[key] = Measured(settings=settings, entries=list(entries), **value)
        return results

    def keep(self, measured: Measured) -> None:
        """Add it, and write the file."""
        self.measured[measured.key] = measured
        if self.path:
            text = json.dumps({key: attrs.asdict(value) for key, value in self.measured.items()}, indent=1)
            write(self.path, text + "\n")

    def __iter__(self) -> Iterator[Measured]:
        """In the order of the parts, the most threads first."""
        places = {name: place for place, name in enumerate(PARTS)}
        return iter(sorted(self.measured.values(), key=lambda m: (places[m.part], -m.settings.threads)))

    @property
    def most_threads(self) -> int:
        """That anything was measured on."""
        return max(m.settings.threads for m in self.measured.values())

    def entries(self, part: str, threads: int | None = None, **wanted: Any) -> list[Entry]:
        """Of a part on the most threads unless told, those whose attributes are as wanted and that did not fail."""
        threads = self.most_threads if threads is None else threads
        found = [e for m in self if m.part == part and m.settings.threads == threads for e in m.entries]
        return [e for e in found if not e.failed and all(getattr(e, name) == value for name, value in wanted.items())]


def entry_of(value: dict[str, Any]) -> Entry:
    """As it was before it was written."""
    shape = value.pop("shape")
    return Entry(shape=tuple(shape) if shape else None, **value)


def write(path: Path, text: str) -> None:
    """The whole file, or the old one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
