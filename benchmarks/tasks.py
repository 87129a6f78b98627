"""How long it takes to solve a task: `nl.fit` with `nl.cells.LSTM`, beside the same program in PyTorch.

    pip install ".[compare]"
    python benchmarks/tasks.py                                  # adding (T = 100) and digits
    python benchmarks/tasks.py --only adding --length 200
    python benchmarks/tasks.py --only digits --seeds 5

adding   the sum of the two marked of T numbers (Hochreiter and Schmidhuber 1997, section 5.4, in the form of Le, Jaitly
         and Hinton 2015), until the mean squared error of 1,000 other sequences is at most 0.01; that of always
         answering 1 is 1/6.
digits   scikit-learn's digits, 8 x 8 pixels, read row by row, until the accuracy on a fifth of them that is not trained
         on is at least 0.97. (The end is chosen by these, so it is a time, and no estimate of the accuracy on others.)

Both programs have the same model, first weights, order of data, Adam, clipping, float32, and look at the held-out data
after each epoch. Loss curves of a short training are compared first, in which kernels are compiled or loaded, too: that
is not in the seconds. In float32 long trainings drift apart in the end, which is why the steps may differ a little.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from contest import machine, restart
from contest.clock import rest
from contest.contestant import Contestant, errors
from contest.task import Reached, Task, solve

import nanolstm as nl

Program = Callable[[Task, nl.Sequence, int, int], Reached]
"""A task, a model with its first weights, a seed for the order of data, the number of epochs at most."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TASKS, help="one of the tasks")
    parser.add_argument("--length", type=int, default=100, help="T of the adding problem")
    parser.add_argument("--seeds", type=int, default=1, help="how many trainings of each task")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def adding(length: int) -> Task:
    from nanolstm_tasks.memory import adding as draw

    drawn, held = draw(n=6400, length=length, rng=0), draw(n=1000, length=length, rng=1)
    x, target, held_x, held_target = (part.astype("float32") for part in (drawn.x, drawn.y, held.x, held.y))
    return Task(
        f"adding, T = {length}",
        x,
        target,
        held_x,
        held_target,
        loss="mse",
        goal=0.01,
        outputs=1,
        hidden=32,
        rate=0.005,
        batch=32,
        clip=1.0,
        epochs=30,
    )


def digits(_: int) -> Task:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, classes = load_digits(return_X_y=True)
    rows = (images.reshape(-1, 8, 8) / 16).astype("float32")
    x, held_x, target, held_target = train_test_split(rows, classes, test_size=0.2, random_state=0, stratify=classes)
    return Task(
        "digits, row by row",
        x,
        target,
        held_x,
        held_target,
        loss="cross_entropy",
        goal=0.97,
        outputs=10,
        hidden=64,
        rate=0.005,
        batch=32,
        clip=1.0,
        epochs=60,
    )


TASKS = {"adding": adding, "digits": digits}


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
    text = f"{task.name:<20}{task.wanted:<18}{seed:>5}"
    for run in (ours, theirs):
        held = run.held[-1]
        score = held.loss if held.accuracy is None else held.accuracy
        text += f"{run.steps:>8}{run.seconds:>8.2f} s{score:>8.4f}{'' if task.reached(held) else ' NOT REACHED'}"
    whole, one_step = theirs.seconds / ours.seconds, (theirs.seconds / theirs.steps) / (ours.seconds / ours.steps)
    return f"{text}{whole:>8.2f}{one_step:>10.2f}"


def main() -> None:
    given = options()
    restart.on(given.threads)
    from contest.opponents import torch_training

    programs = {"nl.fit": solve, "PyTorch": torch_training.solve}
    print(f"{machine.processor()}, {given.threads} threads, float32")
    print(", ".join(f"{name} {version}" for name, version in machine.versions().items()))
    print(f"{'':<43}{'nl.fit':>26}{'PyTorch':>26}{'ratio of':>18}")
    columns = f"{'steps':>8}{'time':>10}{'score':>8}"
    print(f"{'task':<20}{'target':<18}{'seed':>5}{columns * 2}{'time':>8}{'a step':>10}", flush=True)
    for name in [given.only] if given.only else TASKS:
        task = TASKS[name](given.length)
        check(task, programs)
        for seed in range(given.seeds):
            runs = []
            for program in programs.values():
                rest()
                runs.append(program(task, task.model(seed), seed, task.epochs))
            print(line(task, seed, *runs), flush=True)


if __name__ == "__main__":
    main()
