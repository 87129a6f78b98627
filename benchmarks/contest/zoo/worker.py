"""A process that measures some cells, prints each, and keeps it in the file of results."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from contest import machine
from contest.worker import hold, set_threads


def main() -> None:
    job = json.loads(sys.argv[1])
    hold(job["threads"])
    # Only now, since they import what counts its cores.
    from contest.zoo.measure import measured
    from contest.zoo.page import line
    from contest.zoo.results import ZooResults

    set_threads(job["threads"])
    results = ZooResults.of(Path(job["path"]))
    versions = machine.versions()
    results.machine = {
        "processor": machine.processor(),
        "cores": len(machine.cores()),
        "threads": job["threads"],
        "versions": versions,
    }
    for name, shape in job["entries"]:
        date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        entry = measured(name, tuple(shape), job["seconds"], date=date, version=versions["nanolstm"])
        print(line(entry), flush=True)
        results.keep(entry)


if __name__ == "__main__":
    main()
