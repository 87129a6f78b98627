"""How fast every cell of the zoo is beside itself in PyTorch and in JAX: one command prints the whole table.

    pip install ".[compare]"
    python benchmarks/zoo.py                                    # everything, about half an hour on 2 cores
    python benchmarks/zoo.py --cells LSTM,GRU --shapes 32x100x8x32
    python benchmarks/zoo.py --out docs/zoo-speed               # docs/zoo-speed.json, docs/zoo-speed.md
    python benchmarks/zoo.py --out docs/zoo-speed --resume      # go on where that was broken off
    python benchmarks/zoo.py --show LSTM                        # what the others run

A training step in float32. Whoever is not installed is left out. The loss and all gradients of all are compared before
anything is timed; then they alternate in one process, and medians are compared. Cells run in processes of their own,
some after the other in each; one that fails or takes too long is noted, and the others go on.

The exit code is 1 if something failed. A cell that is slower than another's is printed, and no failure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from contest import machine
from contest.results import write
from contest.shapes import Shape
from contest.zoo.case import SHAPES, ZooCase
from contest.zoo.page import page
from contest.zoo.results import Timed, ZooResults

from nanolstm.cells.zoo import HOMES

TOGETHER = 10
"""Cells that one process measures: to start one takes as long as to measure a cell."""

Entries = list[tuple[str, Shape]]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=cells, default=list(HOMES), help="some of the zoo, for example LSTM,GRU")
    parser.add_argument("--shapes", type=shapes, default=list(SHAPES), help="BxTxMxH,... for example 1x522x2x3")
    parser.add_argument("--seconds", type=float, default=0.6, help="for an entry, all together; slow ones take longer")
    parser.add_argument("--timeout", type=float, default=120, help="seconds for an entry, with compiling")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write PATH.json and PATH.md")
    parser.add_argument("--resume", action="store_true", help="leave out what PATH.json has, of whatever version")
    parser.add_argument("--show", metavar="CELL", help="print what PyTorch and JAX run, and measure nothing")
    given = parser.parse_args()
    if given.resume and not given.out:
        parser.error("--resume needs --out")
    return given


def cells(text: str) -> list[str]:
    wanted = text.split(",")
    if unknown := set(wanted) - set(HOMES):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is none of {', '.join(HOMES)}")
    return wanted


def shapes(text: str) -> list[Shape]:
    found = []
    for word in text.split(","):
        try:
            B, T, M, H = map(int, word.split("x"))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{word!r}: expected BxTxMxH, for example 32x100x8x32") from None
        found.append((B, T, M, H))
    return found


def show(name: str) -> None:
    """The source of the twins of a cell."""
    from contest.zoo import with_jax, with_torch
    from contest.zoo.written import source_of

    cell = ZooCase(name, SHAPES[1], "float32").cell
    for language in (with_torch, with_jax):
        print(f"# {language.NAME}\n\n{source_of(cell, language.OPS)}")


def measure(entries: Entries, given: argparse.Namespace, path: Path) -> None:
    """All of them, some in each process; what a process leaves out because it fails is noted as failed."""
    while entries:
        together, rest = entries[:TOGETHER], entries[TOGETHER:]
        job = {"entries": together, "threads": given.threads, "seconds": given.seconds, "path": str(path)}
        try:
            process = subprocess.run(
                [sys.executable, "-m", "contest.zoo.worker", json.dumps(job)],
                check=False,
                env=machine.environment(given.threads),
                timeout=given.timeout * len(together),
            )
            why = f"its process ended with {process.returncode}"
        except subprocess.TimeoutExpired:
            why = "it took too long"
        results = ZooResults.of(path)
        left = [entry for entry in together if entry not in results.entries]
        if left:
            (name, shape), *left = left
            print(f"  {name:<20}{shape!s:<20}FAILED: {why}")
            date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            results.keep(Timed(name, shape, failed=why, date=date))
        entries = left + rest


def main() -> int:
    given = options()
    if given.show:
        show(given.show)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = given.out.with_name(f"{given.out.name}.json") if given.out else Path(folder) / "zoo.json"
        wanted = [(name, shape) for shape in given.shapes for name in given.cells]
        results = ZooResults.of(path)
        for entry in wanted:
            if entry in results.entries and (not given.resume or results.entries[entry].failed):
                del results.entries[entry]
        results.save()
        print(f"{machine.processor()}, {given.threads} threads, float32")
        measure([entry for entry in wanted if entry not in results.entries], given, path)
        results = ZooResults.of(path)
        if given.out:
            write(given.out.with_name(f"{given.out.name}.md"), page(results))
    return int(any(results.entries[entry].failed for entry in wanted))


if __name__ == "__main__":
    sys.exit(main())
