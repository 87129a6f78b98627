"""Mutants that mean the same as the original, each with the reason: `equivalent.toml` names them."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import attrs

from .identity import key_of
from .mutants import changes
from .tree import Tree

FILE = Path(__file__).with_name("equivalent.toml")


@attrs.frozen
class Equivalents:
    """Reasons by key; and by function where several functions of the sources have the same key."""

    reasons: dict[str, dict[str, str]]

    @classmethod
    def read(cls, file: Path = FILE) -> Equivalents:
        """Those that a file names.

        Raises:
            ValueError: an entry lacks its key, function or reason, or occurs twice.
        """
        reasons: dict[str, dict[str, str]] = {}
        for i, entry in enumerate(tomllib.loads(file.read_text(encoding="utf-8")).get("mutant", []), start=1):
            if missing := [name for name in ("key", "function", "reason") if name not in entry]:
                raise ValueError(f"{file.name}: entry {i} lacks {', '.join(missing)}; every entry needs all three")
            if entry["function"] in reasons.setdefault(entry["key"], {}):
                raise ValueError(f"{file.name}: entry {i} repeats key {entry['key']} of {entry['function']!r}")
            reasons[entry["key"]][entry["function"]] = entry["reason"]
        return cls(reasons)

    def reason(self, key: str, function: str, ambiguous: frozenset[str] = frozenset()) -> str | None:
        """Why a mutant cannot be killed, or None; the function counts only where the key alone does not say which."""
        functions = self.reasons.get(key, {})
        if key in ambiguous:
            return functions.get(function)
        return next(iter(functions.values()), None)

    def stale(self, keys: Iterable[str]) -> list[str]:
        """The keys that no mutant of the sources has any more."""
        return sorted(self.reasons.keys() - set(keys))


def all_keys(sources: Iterable[str]) -> Counter[str]:
    """How many mutants have each key."""
    trees = [Tree.of(source) for source in sources]
    return Counter(key_of(tree, c.node, c.kind, c.replacement) for tree in trees for c in changes(tree))
