"""What the stages do on the original: which warms the caches, and says what a mutant is tried on, and for how long."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import attrs

from .noting import VARIABLE
from .selection import Test
from .stages import Stage
from .workspace import ABOUT, WARM, Workspace

LIMIT = 3600.0
"""How many seconds a stage may take on the original."""


@attrs.frozen
class Baseline:
    """A stage on the original: how long it takes with cold caches, and which files of the project it imports."""

    seconds: float
    imports: frozenset[str]


@attrs.frozen
class Measured:
    """All stages on the original, by name, and the tests in them."""

    stages: dict[str, Baseline]
    tests: tuple[Test, ...] = ()


def measured(workspace: Workspace, stages: Sequence[Stage], broad: Stage | None = None) -> Measured:
    """Run everything once; not again where the workspace was measured as it is now.

    Raises:
        RuntimeError: a stage fails without a mutant, so that its failures would say nothing. In `broad` that is no
            error: the tests that fail are left out.
    """
    commands = [[stage.name, *stage.command] for stage in (*stages, *([broad] if broad else []))]
    about = {"project": workspace.digest, "commands": commands}
    known = json.loads((workspace.folder / ABOUT).read_text() or "{}")
    if known.get("about") != about:
        calls = workspace.folder / "calls.jsonl"
        calls.unlink(missing_ok=True)
        found = {stage.name: _baseline(workspace, stage, calls) for stage in stages}
        if broad:
            _baseline(workspace, broad, calls, may_fail=True)
        known = {"about": about, "stages": found}
        (workspace.folder / ABOUT).write_text(json.dumps(known))
    baselines = {name: Baseline(seconds, frozenset(files)) for name, (seconds, files) in known["stages"].items()}
    return Measured(baselines, _tests(workspace.folder / "calls.jsonl"))


def _baseline(workspace: Workspace, stage: Stage, calls: Path, may_fail: bool = False) -> tuple[float, list[str]]:
    imports = workspace.folder / "imports.txt"
    imports.write_text("")
    noted = {"MUTATION_IMPORTS": str(imports), VARIABLE: str(calls)}
    outcome = workspace.run(stage.noting, LIMIT, WARM, noted)
    if outcome.status != "passed" and not may_fail:
        raise RuntimeError(f"stage {stage.name!r} fails on the original: {shlex.join(stage.command)}\n{outcome.output}")
    return outcome.seconds, sorted(set(imports.read_text().splitlines()))


def _tests(calls: Path) -> tuple[Test, ...]:
    lines = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
    found = {}
    for noted in map(json.loads, lines):
        if noted["passed"] and noted["name"] not in found:
            found[noted["name"]] = Test(noted["name"], noted["seconds"], frozenset(noted["functions"]))
    return tuple(found.values())
