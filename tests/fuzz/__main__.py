"""Run random cells: `python -m tests.fuzz --seeds 0:10000 --results fuzz.jsonl`, or `--minutes 4`, or `--seed 17`."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("NANOLSTM_POISON", "1")

from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from .hunt import Hunted, hunted
from .results_file import Range, append, ended, total
from .workers import answers

LENGTH = 25
"""How many seeds a range has."""


def main() -> int:
    """Parse the command line and run; 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seeds", help="FIRST:LAST, the seeds to run")
    what.add_argument("--minutes", type=float, help="run the seeds of the day for so long")
    what.add_argument("--seed", type=int, help="run one, shrink what fails, and print it as a program")
    parser.add_argument("--results", type=Path, help="a file of finished ranges, to which the run is added")
    parser.add_argument("--machine", type=int, default=10, help="machine code for every so manieth case; 0 for none")
    parser.add_argument("--new-pairs", action="store_true", help="machine code for cases with a new pair of operations")
    parser.add_argument("--processes", type=int, default=2, help="how many run at once")
    parser.add_argument("--shrink", type=float, default=60.0, help="how many seconds a failure is shrunk; 0 for not")
    parser.add_argument("--print", type=int, default=5, dest="most", help="how many failures are printed as programs")
    options = parser.parse_args()
    with TemporaryDirectory() as kernels:
        os.environ.setdefault("NANOLSTM_CACHE", kernels)
        return _started(options, Console(soft_wrap=True))


def _started(options: Any, console: Console) -> int:
    if options.seed is not None:
        found = hunted(options.seed, {"machine": True, "shrink": options.shrink, "known": set()})
        console.print("\n".join(found.failures) or "no difference", markup=False, highlight=False)
        console.print("\n\n".join(found.programs), markup=False, highlight=False)
        return int(bool(found.failures))
    if options.minutes is not None:
        first = int(dt.datetime.now(dt.UTC).strftime("%Y%m%d")) * 10_000
        console.print(f"the seeds of the day begin at {first}")
        seeds, deadline = (first, first + 10_000), time.monotonic() + 60 * options.minutes
    else:
        begin, end = options.seeds.split(":")
        seeds, deadline = (int(begin), int(end)), float("inf")
    return _run(options, seeds, deadline, console)


def _run(options: Any, seeds: tuple[int, int], deadline: float, console: Console) -> int:
    before = ended(options.results)
    known = {(one.first, one.last) for one in before}
    wanted = [(a, min(a + LENGTH, seeds[1])) for a in range(seeds[0], seeds[1], LENGTH)]
    ranges = {bounds: Range(*bounds) for bounds in wanted if bounds not in known}
    left = {bounds: bounds[1] - bounds[0] for bounds in ranges}
    pairs = set(total(before).pairs)
    printed: Counter[str] = Counter()

    def following() -> Iterator[tuple[int, Any]]:
        for bounds in ranges:
            for seed in range(*bounds):
                if time.monotonic() > deadline:
                    return
                machine = bool(options.machine) and seed % options.machine == 0
                shrink = options.shrink if printed.total() < options.most else 0.0
                yield seed, {"machine": machine, "shrink": shrink, "known": pairs if options.new_pairs else None}

    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("cases", total=sum(left.values()))
        for seed, answer in answers(hunted, following(), options.processes):
            bounds = next(b for b in ranges if b[0] <= seed < b[1])
            if isinstance(answer, str):
                answer = Hunted(failures=[answer])
            _enter(ranges[bounds], seed, answer, pairs)
            pairs |= answer.pairs
            for told in answer.failures:
                console.print(f"seed {seed}: {told.splitlines()[0]}", markup=False, highlight=False)
            for program in answer.programs:
                printed[program] += 1
                console.print(program, markup=False, highlight=False)
            left[bounds] -= 1
            if not left[bounds]:
                append(options.results, ranges[bounds])
            progress.advance(bar)
    here = [ranges[bounds] for bounds in ranges]
    _summarise(total([*before, *here]), console)
    return int(any(one.failures for one in (*before, *here)))


def _enter(found: Range, seed: int, answer: Hunted, pairs: set[tuple[str, str]]) -> None:
    found.cases.update(answer.seconds.keys())
    found.seconds.update(answer.seconds)
    found.notes.update(note[:80] for note in answer.notes)
    found.pairs |= answer.pairs - pairs
    if answer.failures:
        found.failures[seed] = [told.splitlines()[0][:300] for told in answer.failures]


def _summarise(whole: Range, console: Console) -> None:
    for mode, count in whole.cases.items():
        each = 1e3 * whole.seconds[mode] / count
        console.print(f"{count:6d} cases {mode}, {each:.0f} ms each", highlight=False)
    console.print(f"{len(whole.pairs):6d} pairs of operations", highlight=False)
    for note, count in whole.notes.most_common(12):
        console.print(f"{count:6d} times: {note}", markup=False, highlight=False)
    console.print(f"{len(whole.failures):6d} seeds failed: {sorted(whole.failures)[:40]}", highlight=False)


if __name__ == "__main__":
    raise SystemExit(main())
