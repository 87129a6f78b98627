"""One mutant after the other, each through the stages up to the first that fails."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import attrs

from .measuring import Measured
from .mutants import Mutant
from .results import Result
from .selection import BUDGET, LONG, LONG_ALIKE, first
from .stages import Stage, tests
from .workspace import Workspace

LEAST, SLACK = 300.0, 5.0
"""A stage is ended after this many seconds at least, and after so many times what it takes on the original.

The original finds its kernels in a warm cache; a mutant may have to compile all of them.
"""


@attrs.frozen
class Draw:
    """A mutant, and where it stands in the sequence of its seed."""

    seed: int
    number: int
    sources: str
    mutant: Mutant


def tried(draw: Draw, workspace: Workspace, stages: Sequence[Stage], measured: Measured) -> Result:
    """Run the stages on a mutant until one fails: the tests nearest to it first, then all stages, then more tests."""
    mutant, spent = draw.mutant, {}
    status, killed_by, evidence = "survived", "", ""
    with workspace.mutated(mutant.file, mutant.source):
        for stage, limit in _met(mutant, stages, measured):
            outcome = workspace.run(stage.command, max(LEAST, SLACK * limit))
            spent[stage.name] = round(outcome.seconds, 2)
            if outcome.status != "passed":
                status = "killed" if outcome.status == "failed" else "timeout"
                killed_by, evidence = stage.name, _evidence(outcome.output)
                break
    return Result(
        seed=draw.seed,
        draw=draw.number,
        sources=draw.sources,
        key=mutant.key,
        file=mutant.file,
        line=mutant.line,
        function=mutant.function,
        kind=mutant.kind,
        before=mutant.before,
        after=mutant.after,
        diff=mutant.diff,
        status=status,
        killed_by=killed_by,
        evidence=evidence,
        seconds=round(sum(spent.values()), 2),
        stages=spent,
    )


def _met(mutant: Mutant, stages: Sequence[Stage], measured: Measured) -> Iterator[tuple[Stage, float]]:
    """The stages that a mutant meets, and how long each takes on the original."""
    near = first(measured.tests, mutant.called)
    if near:
        yield tests("nearest", *near), BUDGET
    for stage in stages:
        baseline = measured.stages[stage.name]
        if mutant.file in baseline.imports:
            yield stage, baseline.seconds
    more = [name for name in first(measured.tests, mutant.called, LONG, alike=LONG_ALIKE) if name not in near]
    if more:
        yield tests("all that call it", *more), LONG


def all_tried(
    draws: Sequence[Draw], workspaces: Sequence[Workspace], stages: Sequence[Stage], measured: Measured
) -> Iterator[Result]:
    """The results as they come, as many at a time as there are workspaces."""
    free: queue.SimpleQueue[Workspace] = queue.SimpleQueue()
    for workspace in workspaces:
        free.put(workspace)
    ended = threading.Event()

    def run(draw: Draw) -> Result | None:
        if ended.is_set():
            return None
        workspace = free.get()
        try:
            return tried(draw, workspace, stages, measured)
        finally:
            free.put(workspace)

    with ThreadPoolExecutor(len(workspaces)) as pool:
        try:
            for future in as_completed([pool.submit(run, draw) for draw in draws]):
                if result := future.result():
                    yield result
        finally:
            ended.set()


def _evidence(output: str) -> str:
    """The line of pytest's that names the failed test, or else the last line there is."""
    lines = [line for line in output.splitlines() if line.strip()]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return (failed or lines or [""])[-1 if not failed else 0][:300]
