"""The tasks, and when each counts as solved."""

from __future__ import annotations

import math
from pathlib import Path

import attrs
import numpy as np

from contest.task import Examples, Task
from contest.vowels import vowels
from nanolstm import Array, SequenceData


def adding(length: int) -> Task:
    """The sum of the two marked of T numbers.

    Always answering 1 has a mean squared error of 1/6.

    Source: Hochreiter & Schmidhuber (1997), section 5.4, in the form of Le, Jaitly & Hinton (2015).
    """
    from nanolstm_tasks.memory import adding as draw

    return Task(
        name=f"adding, T = {length}",
        train=_single(draw(n=6400, length=length, rng=0)),
        held=_single(draw(n=1000, length=length, rng=1)),
        loss="mse",
        score="loss",
        goal=0.01,
        outputs=1,
        hidden=32,
        epochs=60,
    )


def copy(delay: int = 20, items: int = 5, symbols: int = 4) -> Task:
    """A few symbols, said again after a delay, in their order.

    Without memory the cross-entropy is at best items * log(symbols) / T; the goal is a tenth of that.

    Source: Arjovsky, Shah & Bengio (2016), section 5.1, there with 10 of 8 symbols and longer delays.
    """
    from nanolstm_tasks.memory import copy as draw

    length = delay + 2 * items
    return Task(
        name=f"copy, T = {length}",
        train=_single(draw(n=6400, delay=delay, items=items, symbols=symbols, rng=0)),
        held=_single(draw(n=1000, delay=delay, items=items, symbols=symbols, rng=1)),
        loss="cross_entropy",
        score="loss",
        goal=0.1 * items * math.log(symbols) / length,
        outputs=symbols + 1,
        hidden=64,
        epochs=60,
        steps="all",
    )


def digits() -> Task:
    """scikit-learn's digits, 8 x 8 pixels, read row by row; a fifth of them is held out."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, classes = load_digits(return_X_y=True)
    rows = (images.reshape(-1, 8, 8) / 16).astype("float32")
    x, held_x, target, held_target = train_test_split(rows, classes, test_size=0.2, random_state=0, stratify=classes)
    return Task(
        name="digits, row by row",
        train=Examples(x, target),
        held=Examples(held_x, held_target),
        loss="cross_entropy",
        score="accuracy",
        goal=0.97,
        outputs=10,
        hidden=64,
        epochs=60,
    )


def speakers(wheel: Path | None) -> Task:
    """JapaneseVowels: who of nine is speaking, from sequences of 7 to 29 steps.

    Each coefficient is given the mean 0 and the spread 1, by those that are trained on.
    """
    train, held = vowels(wheel)
    known = train.x[_valid(train)]
    mean, spread = known.mean(axis=0), known.std(axis=0)
    return Task(
        name="JapaneseVowels",
        train=_standard(train, mean, spread),
        held=_standard(held, mean, spread),
        loss="cross_entropy",
        score="accuracy",
        goal=0.95,
        outputs=9,
        hidden=64,
        batch=16,
        epochs=100,
    )


def _single(data: SequenceData) -> Examples:
    """In float32, classes as they are."""

    def single(part: Array) -> Array:
        return part.astype("float32") if part.dtype.kind == "f" else part

    return Examples(single(data.x), single(data.y), data.lengths)


def _standard(examples: Examples, mean: Array, spread: Array) -> Examples:
    x = np.where(_valid(examples)[..., None], (examples.x - mean) / spread, 0).astype("float32")
    return attrs.evolve(examples, x=x)


def _valid(examples: Examples) -> Array:
    """(B, T): which steps are not beyond the end."""
    lengths = np.broadcast_to(examples.x.shape[1] if examples.lengths is None else examples.lengths, len(examples.x))
    valid: Array = np.arange(examples.x.shape[1]) < lengths[:, None]
    return valid
