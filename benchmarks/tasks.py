"""How long it takes to solve a task: `nl.fit` with `nl.cells.LSTM`, beside the same program in PyTorch.

    pip install ".[compare]"
    python benchmarks/tasks.py                                  # every task, three seeds
    python benchmarks/tasks.py --only adding copy --seeds 5
    python benchmarks/tasks.py --only vowels --wheel aeon-1.6.0-py3-none-any.whl

`contest/problems.py` says what each task is and when it counts as solved. JapaneseVowels lies in the wheel of aeon,
which pip downloads into a folder that is gone afterwards; aeon itself is not installed.

Both programs have the same model, first weights, order of data, Adam, clipping, float32, and look at the held-out data
after each epoch; the first time that it is good enough is the end. So what is measured is a time, and no estimate of
how good the model is on other data. Loss curves of a short training are compared first, in which kernels are compiled
or loaded, too: that is not in the seconds. In float32 long trainings drift apart, which is why the steps differ a
little; the last column is of one step. A seed draws the first weights and the order of the data.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from contest import machine, problems, restart
from contest.clock import rest
from contest.contestant import Contestant, errors
from contest.task import Reached, Task, solve
from contest.vowels import NoVowelsError

import nanolstm as nl

Program = Callable[[Task, nl.Sequence, int, int], Reached]
"""A task, a model with its first weights, a seed for the order of data, the number of epochs at most."""

TASKS: dict[str, Callable[[argparse.Namespace], Task]] = {
    "adding": lambda _: problems.adding(100),
    "adding200": lambda _: problems.adding(200),
    "copy": lambda _: problems.copy(),
    "digits": lambda _: problems.digits(),
    "vowels": lambda given: problems.speakers(given.wheel),
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TASKS, nargs="+", help="some of the tasks")
    parser.add_argument("--seeds", type=int, default=3, help="how many trainings of each task")
    parser.add_argument("--first-seed", type=int, default=0, help="where they begin to be counted")
    parser.add_argument("--wheel", type=Path, help="of aeon, for JapaneseVowels; unless given, pip is asked for it")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def check(task: Task, programs: Mapping[str, Program]) -> None:
    """Whether both compute the same, on a few batches; this warms them up, too."""
    short = task.beginning(batches=4)
    errors(
        [
            Contestant(name, lambda program=program: program(short, short.model(0), 0, 2), lambda run: run.curves)
            for name, program in programs.items()
        ],
        "float32",
    )


def line(task: Task, seed: int, ours: Reached, theirs: Reached) -> str:
    text = f"{task.name:<20}{task.wanted:<18}{seed:>6}"
    for run in (ours, theirs):
        held = run.held[-1]
        text += f"{run.steps:>8}{run.seconds:>8.2f} s{task.scored(held):>8.4f}"
        text += "" if task.reached(held) else " NOT REACHED"
    return text + ratios(ours, theirs)


def ratios(ours: Reached, theirs: Reached) -> str:
    one_step = (theirs.seconds / theirs.steps) / (ours.seconds / ours.steps)
    return f"{theirs.seconds / ours.seconds:>8.2f}{one_step:>10.2f}"


def medians(task: Task, seeds: list[tuple[Reached, ...]]) -> str:
    """Of all seeds."""
    text = f"{task.name:<20}{task.wanted:<18}{'median':>6}"
    middle = []
    for runs in zip(*seeds, strict=True):
        steps, seconds = (statistics.median(getattr(run, name) for run in runs) for name in ("steps", "seconds"))
        solved = sum(task.reached(run.held[-1]) for run in runs)
        text += f"{steps:>8.0f}{seconds:>8.2f} s{f'{solved} of {len(runs)}':>8}"
        middle.append(Reached(steps=steps, seconds=seconds))
    return text + ratios(*middle)


def main() -> None:
    given = options()
    restart.on(given.threads)
    from contest.opponents import torch_training

    programs = {"nl.fit": solve, "PyTorch": torch_training.solve}
    print(f"{machine.processor()}, {given.threads} threads, float32")
    print(", ".join(f"{name} {version}" for name, version in machine.versions().items()))
    print(f"{'':<44}{'nl.fit':>26}{'PyTorch':>26}{'ratio of':>18}")
    columns = f"{'steps':>8}{'time':>10}{'score':>8}"
    print(f"{'task':<20}{'target':<18}{'seed':>6}{columns * 2}{'time':>8}{'a step':>10}", flush=True)
    for name in given.only or TASKS:
        task = TASKS[name](given)
        check(task, programs)
        seeds = []
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            runs = []
            for program in programs.values():
                rest()
                runs.append(program(task, task.model(seed), seed, task.epochs))
            print(line(task, seed, *runs), flush=True)
            seeds.append(tuple(runs))
        if given.seeds > 1:
            print(medians(task, seeds), flush=True)


if __name__ == "__main__":
    try:
        main()
    except NoVowelsError as error:
        sys.exit(f"tasks.py: {error}")
