"""How fast nanolstm is beside PyTorch, JAX and ONNX Runtime: one command prints the whole table.

    pip install ".[compare]"
    python benchmarks/speed.py                                   # everything, about half an hour on 2 cores
    python benchmarks/speed.py --quick                           # whether everything works, not how fast
    python benchmarks/speed.py --only training,forward --dtype float32 --threads 2
    python benchmarks/speed.py --out docs/speed                  # docs/speed.json, docs/speed.md, docs/speed.svg
    python benchmarks/speed.py --out docs/speed --resume         # go on where that was broken off

Whoever is not installed is left out. The results of all are compared before anything is timed; then they alternate in
one process, and medians are compared. Each part runs in a process of its own for each number of threads, which is given
that many cores.

If OPENBLAS_CORETYPE or OPENBLAS_L2_SIZE is set, these processes start without it, and a line says so: both help old
versions of OpenBLAS on some machines, and slow down the one that a current NumPy brings.

The exit code is 1 if contestants do not agree or a part fails. A goal that is missed is printed, and no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import attrs
from contest import machine
from contest.goals import goals
from contest.page import page
from contest.parts import PARTS
from contest.picture import draw
from contest.results import Measured, Results, entry_of, write
from contest.settings import Settings


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small shapes and hardly any repetitions")
    parser.add_argument("--only", type=names, default=list(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--dtype", type=dtypes, default=["float32", "float64"], help="float32,float64")
    parser.add_argument("--threads", type=counts, default=[2, 1], help="how many, for example 2,1")
    parser.add_argument("--seconds", type=float, help="for an entry, all contestants together (1.2; 0.02 if quick)")
    parser.add_argument("--out", type=Path, help="write PATH.json, PATH.md and PATH.svg, after each part")
    parser.add_argument("--resume", action="store_true", help="leave out parts that PATH.json has from these versions")
    given = parser.parse_args()
    if given.resume and not given.out:
        parser.error("--resume needs --out")
    return given


def names(text: str) -> list[str]:
    return chosen(text, list(PARTS))


def dtypes(text: str) -> list[str]:
    return chosen(text, ["float32", "float64"])


def chosen(text: str, known: list[str]) -> list[str]:
    """Those named, in the order in which they are known."""
    wanted = text.split(",")
    if unknown := set(wanted) - set(known):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is none of {', '.join(known)}")
    return [name for name in known if name in wanted]


def counts(text: str) -> list[int]:
    """Numbers of threads, the most first."""
    found = sorted({int(part) for part in text.split(",")}, reverse=True)
    if found[-1] < 1:
        raise argparse.ArgumentTypeError("at least one thread")
    return found


def introduce(given: argparse.Namespace) -> None:
    """What is about to happen, and on what."""
    there = machine.cores()
    print(f"{machine.processor()}, {len(there)} cores")
    print(", ".join(f"{name} {version}" for name, version in machine.versions().items()))
    for name in machine.RIVALS.keys() - set(machine.rivals()):
        print(f"{name} is left out: it is not installed (it needs {', '.join(machine.RIVALS[name])})")
    for name in machine.UNWANTED:
        if name in os.environ:
            print(f"{name} is set here; the processes that measure start without it")
    if (busy := getattr(os, "getloadavg", lambda: (0.0,))()[0]) > 0.5:
        print(f"others are at work on this machine (load {busy:.1f}): the numbers will not be worth much")
    if given.threads[0] > len(there):
        print(f"{given.threads[0]} threads share {len(there)} cores")


def measure(measured: Measured) -> Measured | None:
    """In a process of its own; None if that fails."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "entries.json"
        job = {"part": measured.part, "settings": attrs.asdict(measured.settings), "result": str(result)}
        begin = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-m", "contest.worker", json.dumps(job)],
            check=False,
            env=machine.environment(measured.settings.threads),
        )
        if process.returncode:
            return None
        measured.entries = [entry_of(value) for value in json.loads(result.read_text(encoding="utf-8"))]
        measured.seconds = time.perf_counter() - begin
        return measured


def asked(given: argparse.Namespace) -> list[Measured]:
    """What is to be measured."""
    seconds = given.seconds or (0.02 if given.quick else 1.2)
    versions, processor, cores = machine.versions(), machine.processor(), len(machine.cores())
    return [
        Measured(
            name,
            Settings(threads, given.dtype, seconds, given.quick, machine.rivals()),
            versions,
            processor,
            cores,
            date="",
        )
        for name in given.only
        for threads in (given.threads[:1] if PARTS[name].once else given.threads)
    ]


def publish(results: Results, out: Path | None) -> None:
    """The page and the picture, from all that there is by now."""
    if out:
        picture = out.with_name(f"{out.name}.svg")
        drawn = draw(results, picture)
        write(out.with_name(f"{out.name}.md"), page(results, picture.name if drawn else None))


def main() -> int:
    given = options()
    introduce(given)
    results = Results.of(given.out.with_name(f"{given.out.name}.json") if given.out else None)
    failed = False
    for measured in asked(given):
        title = f"{PARTS[measured.part].title}, {measured.settings.on}"
        before = results.measured.get(measured.key)
        if given.resume and before and before.stands_for(measured):
            print(f"\n{title}: there since {before.date}")
            continue
        print(f"\n{title}", flush=True)
        measured.date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        if measure(measured):
            failed = failed or any(entry.failed for entry in measured.entries)
            if measured.entries:
                results.keep(measured)
                publish(results, given.out)
        else:
            print("  FAILED: see above")
            failed = True
    if results.measured:
        print_goals(results)
    return int(failed)


def print_goals(results: Results) -> None:
    print(f"\nGoals, on {results.most_threads} threads")
    for goal in goals(results):
        text, wanted, found, verdict = goal.row
        print(f"  {text:<78}{wanted:>18}{found:>44}  {verdict.strip('*')}")


if __name__ == "__main__":
    sys.exit(main())
