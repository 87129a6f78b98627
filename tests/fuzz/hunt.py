"""One seed from beginning to end: its case is compared in every mode that is due, and what fails is shrunk."""

from __future__ import annotations

import os
from typing import Any

import attrs

from .case import Case, case_of
from .compare import compare
from .modes import EAGER, INTERPRETED, MACHINE, PLANNED
from .report import program_of
from .shrink import shrunk

Pair = tuple[str, str]


@attrs.define
class Hunted:
    """What came of a seed; it goes from one process to another.

    Attributes:
        failures: each as text.
        programs: the same shrunk, each as a script.
        notes: what could not be compared, and why.
        seconds: by mode.
        pairs: operations of which one reads what the other made.
    """

    failures: list[str] = attrs.field(factory=list)
    programs: list[str] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    seconds: dict[str, float] = attrs.field(factory=dict)
    pairs: set[Pair] = attrs.field(factory=set)


def hunted(seed: int, wishes: dict[str, Any]) -> Hunted:
    """The comparison of one seed.

    `wishes` are "machine", whether it is due for machine code; "known", the pairs of operations that were met before,
    or None if a new one is no reason for machine code; "shrink", for how many seconds to shrink a failure.
    """
    os.environ.setdefault("NANOLSTM_POISON", "1")
    case = case_of(seed)
    pairs = pairs_of(case)
    modes = [EAGER, PLANNED, INTERPRETED]
    if wishes["machine"] or (wishes["known"] is not None and pairs - wishes["known"]):
        modes.append(MACHINE)
    outcome = compare(case, modes)
    programs = []
    if wishes["shrink"]:
        for failure in outcome.failures[:1]:
            small = shrunk(case, failure, wishes["shrink"])
            again = compare(small, (failure.mode,), only=failure).failures
            programs.append(program_of(small, again[0] if again else failure))
    return Hunted([str(f) for f in outcome.failures], programs, outcome.notes, outcome.seconds, pairs)


def pairs_of(case: Case) -> set[Pair]:
    """The pairs of operations in the graphs of a case's steps."""
    import nanolstm as nl

    from .case import build

    found: set[Pair] = set()
    try:
        for cell in build(case).model.cells:
            for node in nl.trace(cell).nodes():
                found |= {(operand.op.name, node.op.name) for operand in node.inputs}
    except Exception:  # noqa: BLE001  # it fails again, and is told, where the case is compared
        pass
    return found
