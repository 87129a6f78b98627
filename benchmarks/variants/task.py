"""The tasks that the variants are trained on: what is learned, what is held back, and how wrong an answer is."""

from __future__ import annotations

from typing import TypeAlias

import attrs
import numpy as np

from nanolstm import Array

Data: TypeAlias = "tuple[Array, Array]"
"""x (B, T, M) and target."""

BATCH = 32


@attrs.frozen(eq=False)
class Task:
    """Sequences in three parts, of which training sees the first only.

    All that is trained on stands in `train` as often as it is to be seen, and is gone through once. A trial thus ends
    after the same number of steps for everybody, and no epoch is chosen by data that its score is taken of.

    Attributes:
        name: as it stands in files.
        title: as it stands above a column of numbers.
        about: what is to be learned, in a sentence.
        measure: what the error is, 0 at best and in per cent: one minus `score`.
        nothing: the error of whoever has learned nothing, as a share.
        validation: chooses among the trials of a search.
        test: what is reported.
        loss, steps, readout: as `nl.fit` takes them.
        score: a registered metric, 1 at best.
    """

    name: str
    title: str
    about: str
    measure: str
    nothing: float
    train: Data
    validation: Data
    test: Data
    loss: str
    steps: str
    readout: int
    score: str

    @property
    def training_steps(self) -> int:
        return -(-len(self.train[0]) // BATCH)

    def with_held_back(self, part: Data) -> tuple[Data, float]:
        """What is trained on and then `part`, and the share of that: so `nl.sweep` takes it."""
        x, target = (np.concatenate(both) for both in zip(self.train, part, strict=True))
        return (x, target), len(part[0]) / len(x)


def digits(*, quick: bool) -> Task:
    """scikit-learn's digits, two pixels at a time."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    x, target = (images[order].reshape(-1, 32, 2) / 16).astype("float32"), classes[order]
    epochs, most = (1, 64) if quick else (16, 1000)
    return Task(
        name="digits",
        title="digits",
        about="scikit-learn's 8 x 8 digits, read two pixels at a time (32 steps), are to be told apart at the last "
        f"step: {most:,} to learn from, {epochs} times each; 297 for validation; 500 for the test",
        measure="digits taken for another",
        nothing=0.9,
        train=(np.tile(x[:most], (epochs, 1, 1)), np.tile(target[:most], epochs)),
        validation=(x[1000:1297], target[1000:1297]),
        test=(x[1297:], target[1297:]),
        loss="cross_entropy",
        steps="last",
        readout=10,
        score="accuracy",
    )


def narma(*, quick: bool) -> Task:
    """The system of order 10 of Atiya and Parlos (2000), at each step."""
    from nanolstm_tasks.series import narma10

    def drawn(n: int, rng: int) -> Data:
        series = narma10(n=n, length=100, rng=rng)
        return series.x.astype("float32"), series.y.astype("float32")

    count = 2 * BATCH if quick else 400 * BATCH
    return Task(
        name="narma10",
        title="narma10",
        about="the next value of a nonlinear system that is driven by noise and reaches ten steps back (Atiya and "
        f"Parlos 2000), at each of 100 steps: {count:,} sequences to learn from, each once; 200 for validation; 500 "
        "for the test",
        measure="variance of the target that is not explained",
        nothing=1.0,
        train=drawn(count, 0),
        validation=drawn(200, 1),
        test=drawn(500, 2),
        loss="mse",
        steps="all",
        readout=1,
        score="r2",
    )


TASKS = {"digits": digits, "narma10": narma}


def tasks(*, quick: bool) -> list[Task]:
    """All of them."""
    return [make(quick=quick) for make in TASKS.values()]
