"""The command line; `python -m tests.mutation --help`."""

# ruff: noqa: T201 (it prints what it finds)

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from .drawing import FOLDERS, Sources, drawn
from .equivalents import Equivalents, all_keys
from .measuring import measured
from .results import Result, append, read, report
from .stages import BROAD, STAGES
from .trials import Draw, all_tried
from .workspace import Workspace

PROJECT = Path(__file__).parents[2]


def main() -> int:
    """Draw, try or report."""
    options = _options()
    sources = Sources.found(PROJECT, options.package, options.folders)
    equivalents = Equivalents.read()
    keys = all_keys(sources.files.values()) if equivalents.reasons else {}
    ambiguous = frozenset(key for key, count in keys.items() if count > 1)
    if options.report:
        print(report(read(options.report), equivalents, ambiguous))
        for key in equivalents.stale(keys):
            print(f"equivalent.toml names {key}, which is a mutant of nothing any more")
        return 0
    draws = _counted(sources, options.seed, options.count, equivalents, ambiguous)
    if options.only:
        draws = [draw for draw in draws if draw.number in options.only]
    if options.list:
        for draw in draws:
            print(f"{draw.number}: {draw.mutant.kind}, key {draw.mutant.key}\n{draw.mutant.diff}\n")
        return 0
    known = [result for result in read(options.results) if result.seed == options.seed]
    if any(result.sources != sources.digest for result in known):
        print(f"{options.results} has results of seed {options.seed} from other sources; name another file")
        return 2
    done = {result.draw for result in known if not (options.again and result.status == "survived")}
    _try([draw for draw in draws if draw.number not in done], options.results, options.workspace, options.processes)
    numbers = {draw.number for draw in draws}
    found = [r for r in read(options.results) if r.seed == options.seed and r.draw in numbers]
    print(report(found, equivalents, ambiguous))
    return 0


def _counted(
    sources: Sources, seed: int, count: int, equivalents: Equivalents, ambiguous: frozenset[str]
) -> list[Draw]:
    """The first `count` mutants of a seed that are not named as equivalent."""
    found: list[Draw] = []
    for number, mutant in enumerate(drawn(sources, seed)):
        if len(found) == count:
            break
        if equivalents.reason(mutant.key, mutant.function, ambiguous) is None:
            found.append(Draw(seed, number, sources.digest, mutant))
    return found


def _try(draws: list[Draw], results: Path, folder: Path | None, processes: int) -> None:
    """Try mutants, and append what becomes of each."""
    if not draws:
        return
    with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as temporary:
        first = Workspace.made(PROJECT, folder or Path(temporary) / "first")
        print(f"measuring the stages on the original, in {first.folder}", flush=True)
        original = measured(first, STAGES, BROAD)
        print(", ".join(f"{name} {baseline.seconds:.0f} s" for name, baseline in original.stages.items()), flush=True)
        others = [first.copied(Path(temporary) / f"other {i}") for i in range(1, processes)]
        for i, result in enumerate(all_tried(draws, [first, *others], STAGES, original), start=1):
            append(results, result)
            print(f"{i}/{len(draws)} {_told(result)}", flush=True)


def _told(result: Result) -> str:
    by = f" by {result.killed_by}: {result.evidence}" if result.killed_by else ""
    return f"{result.kind}, {result.file}:{result.line}: {result.status}{by} ({result.seconds:.0f} s)"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="A mutation test of the compiler.")
    parser.add_argument("--count", type=int, default=100, help="how many mutants, equivalents not counted")
    parser.add_argument("--seed", type=int, default=0, help="which draw")
    parser.add_argument("--results", type=Path, help="a file to which one JSON line a mutant is appended")
    parser.add_argument("--report", type=Path, metavar="FILE", help="print the score of such a file, and run nothing")
    parser.add_argument("--list", action="store_true", help="print the mutants, and run nothing")
    parser.add_argument("--only", type=int, nargs="+", help="of these, the numbers that --list shows")
    parser.add_argument("--again", action="store_true", help="try those that survived once more")
    parser.add_argument("--processes", type=int, default=1, help="how many mutants at a time")
    parser.add_argument("--workspace", type=Path, help="a folder for the mutated copy, kept for the next run")
    parser.add_argument("--package", default="nanolstm", help="the folder of the package")
    parser.add_argument("--folders", nargs="+", default=FOLDERS, help="its folders that are mutated")
    options = parser.parse_args()
    if not (options.results or options.report or options.list):
        parser.error("one of --results, --report and --list is needed")
    return options


if __name__ == "__main__":
    sys.exit(main())
