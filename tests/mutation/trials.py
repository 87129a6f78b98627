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
from .workspace import WARM, Workspace

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


@attrs.frozen
class Met:
    """A stage that a mutant meets.

    Attributes:
        stage: the command.
        seconds: how long it takes on the original.
        chosen: the tests that were chosen for this mutant; none of a stage that was measured as it is.
    """

    stage: Stage
    seconds: float
    chosen: tuple[str, ...] = ()

    @property
    def limit(self) -> float:
        """After how many seconds it is ended."""
        return max(LEAST, SLACK * self.seconds)

    def up_to(self, evidence: str) -> Met:
        """The chosen tests up to the one that `evidence` says failed: they have to pass on the original."""
        failed = [i for i, name in enumerate(self.chosen, start=1) if name in evidence]
        return Met(tests("original", *self.chosen[: max(failed, default=1)]), self.seconds)


def tried(draw: Draw, workspace: Workspace, stages: Sequence[Stage], measured: Measured) -> Result:
    """Run the stages on a mutant until one fails: the tests nearest to it first, then all stages, then more tests.

    A failure of chosen tests counts if the same tests pass on the original: some need others that run before them.
    """
    mutant, spent = draw.mutant, {}
    status, killed_by, evidence = "survived", "", ""
    left = iter(_met(mutant, stages, measured))
    while status == "survived":
        with workspace.mutated(mutant.file, mutant.source):
            for met in left:
                outcome = workspace.run(met.stage.command, met.limit)
                spent[met.stage.name] = round(outcome.seconds, 2)
                if outcome.status != "passed":
                    break
            else:
                break
        evidence = _evidence(outcome.output)
        if outcome.status == "timeout":
            status, killed_by = "timeout", met.stage.name
        elif not met.chosen or _passes(workspace, met.up_to(evidence)):
            status, killed_by = "killed", met.stage.name
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
        evidence=evidence if killed_by else "",
        seconds=round(sum(spent.values()), 2),
        stages=spent,
    )


def _passes(workspace: Workspace, met: Met) -> bool:
    return workspace.run(met.stage.command, met.limit, WARM).status == "passed"


def _met(mutant: Mutant, stages: Sequence[Stage], measured: Measured) -> Iterator[Met]:
    near = tuple(first(measured.tests, mutant.called))
    if near:
        yield Met(tests("nearest", *near), BUDGET, near)
    for stage in stages:
        baseline = measured.stages[stage.name]
        if mutant.file in baseline.imports:
            yield Met(stage, baseline.seconds)
    calling = first(measured.tests, mutant.called, LONG, alike=LONG_ALIKE)
    more = tuple(name for name in calling if name not in near)
    if more:
        yield Met(tests("all that call it", *more), LONG, more)


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
