"""The draw: an endless, seeded sequence of mutants, spread over files by how much there is to change in each."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from .mutants import Change, Mutant, changes, mutant
from .tree import Tree

FOLDERS = ("compile", "kernels", "graph", "gradient")
"""The compiler: folders of the package whose files are mutated."""

GOLDEN = 0.6180339887498949
"""A step by which numbers modulo 1 fill the interval evenly, however many are taken."""


@attrs.frozen
class Sources:
    """The files that are mutated, by their paths in the project."""

    files: dict[str, str]

    @classmethod
    def found(cls, project: Path, package: str = "nanolstm", folders: Sequence[str] = FOLDERS) -> Sources:
        """Every Python file in `folders` of the package.

        Raises:
            FileNotFoundError: there is no such folder, or nothing in it.
        """
        files: dict[str, str] = {}
        for folder in folders:
            place = project / package / folder
            paths = sorted(place.rglob("*.py"))
            if not paths:
                raise FileNotFoundError(f"no Python file in {place}; name the folders of the compiler with --folders")
            files |= {path.relative_to(project).as_posix(): path.read_text(encoding="utf-8") for path in paths}
        return cls(files)

    @property
    def digest(self) -> str:
        """A hash of all of them: results of one draw belong to one state of the sources."""
        whole = "\x00".join(f"{path}\x00{text}" for path, text in sorted(self.files.items()))
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


@attrs.define(eq=False)
class _File:
    """What is left to draw of one file, by the kind of fault."""

    path: str
    tree: Tree
    left: dict[str, list[Change]]

    @classmethod
    def of(cls, path: str, source: str) -> _File:
        tree = Tree.of(source)
        left: dict[str, list[Change]] = {}
        for change in changes(tree):
            left.setdefault(change.kind, []).append(change)
        return cls(path, tree, left)

    @property
    def places(self) -> int:
        return len({change.place for kind in self.left.values() for change in kind})

    def draw(self, rng: random.Random) -> Mutant | None:
        """A mutant of a place that none has been drawn of; None where nothing is left."""
        while self.left:
            kind = rng.choice(sorted(self.left))
            place = rng.choice(sorted({change.place for change in self.left[kind]}))
            change = rng.choice([change for change in self.left[kind] if change.place == place])
            kept = {k: [c for c in made if c.place != place] for k, made in self.left.items()}
            self.left = {k: made for k, made in kept.items() if made}
            if found := mutant(self.path, self.tree, change):
                return found
        return None


def drawn(sources: Sources, seed: int) -> Iterator[Mutant]:
    """Mutants without end, or until each place has had one; the same for the same sources and seed.

    A file is drawn as often as it has places to change, and within it each kind of fault equally often: rare kinds
    occur, which would else be lost among constants and calls.
    """
    files = [_File.of(path, source) for path, source in sorted(sources.files.items())]
    weights = list(itertools.accumulate(file.places for file in files))
    rng = random.Random(seed)
    offset = rng.random()
    for i in itertools.count():
        if not any(file.left for file in files):
            return
        at = (offset + i * GOLDEN) % 1 * weights[-1]
        if found := files[bisect.bisect_right(weights, at)].draw(rng):
            yield found
