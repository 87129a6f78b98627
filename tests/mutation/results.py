"""Results of mutants, one JSON line each, and what they come to."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from .equivalents import Equivalents


@attrs.frozen
class Result:
    """What became of one mutant.

    Attributes:
        draw: the how-manieth mutant of its seed it is.
        sources: the digest of the sources it was drawn from.
        status: "killed", "timeout" (killed as well) or "survived".
        killed_by: the stage that failed, or "".
        evidence: the line that says which test failed.
        seconds: how long all stages took.
        stages: how long each took.
    """

    seed: int
    draw: int
    sources: str
    key: str
    file: str
    line: int
    function: str
    kind: str
    before: str
    after: str
    diff: str
    status: str
    killed_by: str
    evidence: str
    seconds: float
    stages: dict[str, float]


def read(file: Path) -> list[Result]:
    """The results of a file, the last of each draw; none where there is no file.

    A last line that an interrupted run left incomplete is dropped.
    """
    if not file.exists():
        return []
    found: dict[tuple[int, str, int], Result] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            result = Result(**json.loads(line))
        except ValueError:
            continue
        found[result.seed, result.sources, result.draw] = result
    return list(found.values())


def append(file: Path, result: Result) -> None:
    """Write one more line."""
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(attrs.asdict(result)) + "\n")


def report(results: Sequence[Result], equivalents: Equivalents, ambiguous: frozenset[str] = frozenset()) -> str:
    """The score, what killed how many in which time, and the survivors with their diffs."""
    excused = [r for r in results if equivalents.reason(r.key, r.function, ambiguous)]
    counted = [r for r in results if r not in excused]
    survivors = [r for r in counted if r.status == "survived"]
    lines = [f"{len(counted) - len(survivors)} of {len(counted)} mutants killed; {len(excused)} named as equivalent"]
    if counted:
        lines.append(f"seconds a mutant: median {statistics.median(r.seconds for r in counted):.1f}, {_sum(counted)}")
    lines += ["", *_by("stage", [r.killed_by for r in counted if r.killed_by], _spent(counted))]
    lines += ["", *_by("kind", [r.kind for r in counted], {}), ""]
    for r in survivors:
        lines += [f"survived: {r.kind} in {r.function or 'the module'}, {r.file}:{r.line}, key {r.key}", r.diff, ""]
    return "\n".join(lines)


def _sum(results: Iterable[Result]) -> str:
    return f"together {sum(r.seconds for r in results):.0f}"


def _spent(results: Iterable[Result]) -> dict[str, float]:
    spent: Counter[str] = Counter()
    for result in results:
        spent.update(result.stages)
    return dict(spent)


def _by(what: str, words: Sequence[str], seconds: dict[str, float]) -> list[str]:
    counts = Counter(words)
    names = sorted(counts.keys() | seconds.keys(), key=lambda name: -counts[name])
    return [
        f"{counts[name]:4} {what} {name}" + (f", {seconds[name]:.0f} s" if name in seconds else "") for name in names
    ]
