"""A process that measures one part on one number of threads, prints it, and writes what it found to a file.

It is a process of its own because XLA, OpenBLAS and ONNX Runtime choose their threads when they start.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import attrs

from contest.machine import cores
from contest.settings import Settings


def hold(threads: int) -> None:
    """Everybody gets that many cores, whatever they would start: a thread of one's own cannot win anything."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores()[:threads])


def set_threads(threads: int) -> None:
    """The environment has said it already; where there is a call for it, it is said once more."""
    import nanolstm as nl

    if hasattr(nl, "set_num_threads"):
        nl.set_num_threads(threads)


def main() -> None:
    job = json.loads(sys.argv[1])
    settings = Settings(**job["settings"])
    hold(settings.threads)
    # Only now, since they import what counts its cores.
    from contest.parts import PARTS
    from contest.table import progressively

    set_threads(settings.threads)
    part = PARTS[job["part"]]
    entries = list(progressively(part.run(settings), ratios=part.ratios))
    Path(job["result"]).write_text(json.dumps([attrs.asdict(entry) for entry in entries]), encoding="utf-8")


if __name__ == "__main__":
    main()
