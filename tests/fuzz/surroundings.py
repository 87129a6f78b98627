"""Random surroundings of a cell: sizes of the batch, what a call brings along, how a model is put together and run."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from .generate import drawn

BATCH = {0: 3, 1: 6, 2: 6, 3: 8, 4: 4, 5: 4, 7: 3, 8: 3, 9: 3, 16: 2, 17: 2, 33: 1, 175: 1}
"""How many sequences; 0 is one without an axis for it."""

TIME = {1: 3, 2: 4, 3: 8, 4: 6, 5: 6, 7: 4, 8: 3, 9: 3, 16: 2, 17: 2, 33: 1, 175: 1}

MOST_ROWS = 700
"""How many steps of all sequences there are at most."""

LOSSES = {
    "mse": "np.mean(np.square(prediction - target))",
    "rmse": "np.sqrt(np.mean(np.square(prediction - target)))",
    "log cosh": "np.mean(np.logaddexp(prediction - target, target - prediction))",
    "huber": "np.mean(np.where(np.abs(prediction - target) < 0.5, np.square(prediction - target), "
    "np.abs(prediction - target) - 0.25))",
    "weighted": "np.sum(np.square(prediction - target) * np.exp(-target)) / np.sum(np.exp(-target))",
    "correlated": "np.mean(prediction * target) + np.square(np.mean(prediction)) + 0.1 * np.std(prediction - target)",
    "of rows": "np.mean(np.max(np.tanh(prediction) * target, axis=-1))",
    "cross entropy": "np.mean(np.log(np.sum(np.exp(prediction), axis=-1)) - np.sum(prediction * target, axis=-1))",
    "greatest": "np.max(np.abs(prediction - target)) + 0.1 * np.mean(prediction)",
    "norms": "np.mean(np.sqrt(np.sum(np.square(prediction - target), axis=-1) + 0.01))",
    "explained": "np.sum(np.square(prediction - target)) / (1.0 + np.sum(np.square(target - np.mean(target))))",
    "of columns": "np.sum(np.square(np.mean(prediction - target, axis=0))) + np.mean(np.square(prediction)) * 0.1",
    "log likelihood": "np.mean(np.log1p(np.square(prediction - target) / 1.7)) + np.square(np.mean(prediction))",
    "product of sums": "np.tanh(np.sum(prediction * target)) * np.mean(np.exp(-np.square(prediction)))",
    "covariance": 'np.sum(np.square(np.einsum("ni,nj->ij", prediction, target))) / prediction.shape[0]',
    "of the first": "np.mean(np.square(prediction[:, :1] - target[:, -1:])) + np.var(prediction)",
}
"""Bodies of losses."""

LAYOUTS = ("plain", "plain", "read-only", "strided", "transposed", "reversed", "float32", "list", "padding", "padding")
"""How x and the target lie in memory."""


@attrs.frozen(kw_only=True)
class Surroundings:
    """Everything of a case but its cells.

    Attributes:
        seed: of all numbers.
        draw: which of the random points it is.
        batch: how many sequences, or 0 for one without an axis for it.
        time: how many steps.
        lengths: of each sequence, or None.
        resets: whether states are reset now and then.
        initial: whether first states are given.
        truncate: as `value_and_grad` takes it.
        checkpoint_every: likewise.
        last: whether only the last step of each sequence is scored.
        noise: the seed of random masks, or None for their mean.
        loss: a key of `LOSSES`.
        dtype: of the cells.
        threads: how many.
        rows_per_slice: how many sequences a slice of the batch has, or None for what the library chooses.
        rows_per_block: how many rows are added up at a time, or None for what the library chooses.
        layout: one of `LAYOUTS`.
        bidirectional: as a model takes it.
        readout: likewise.
        learn_initial: likewise.
        also: what is compared beside outputs and gradients.
    """

    seed: int
    draw: int = 0
    batch: int = 2
    time: int = 3
    lengths: tuple[int, ...] | None = None
    resets: bool = False
    initial: bool = False
    truncate: int | None = None
    checkpoint_every: int | None = None
    last: bool = False
    noise: int | None = None
    loss: str = "mse"
    dtype: str = "float64"
    threads: int = 1
    rows_per_slice: int | None = None
    rows_per_block: int | None = None
    layout: str = "plain"
    bidirectional: bool = False
    readout: int | None = None
    learn_initial: bool = False
    also: tuple[str, ...] = ()

    def options(self) -> dict[str, Any]:
        """Those that a model takes."""
        chosen: dict[str, Any] = {"readout": self.readout} if self.readout else {}
        return chosen | {name: True for name in ("bidirectional", "learn_initial") if getattr(self, name)}

    def rows(self) -> int:
        """How many steps of all sequences there are."""
        return sum(self.lengths) if self.lengths else self.time * max(self.batch, 1)


SIMPLEST = Surroundings(seed=0)
"""What the shrinker aims at."""


def surround(seed: int, *, states: bool) -> Surroundings:
    """The surroundings of a seed; `states` is whether a cell has any."""
    rng = np.random.default_rng([seed, 2])

    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    batch, time = drawn(rng, BATCH), drawn(rng, TIME)
    while max(batch, 1) * time > MOST_ROWS:
        batch, time = drawn(rng, BATCH), drawn(rng, TIME)
    both = states and chance(0.08)
    also = [name for name in ("record", "stepper", "jvp", "hvp", "again", "ensemble") if chance(ALSO[name])]
    return Surroundings(
        seed=seed,
        batch=batch,
        time=time,
        lengths=_lengths(rng, batch, time),
        resets=chance(0.3),
        initial=states and chance(0.3),
        truncate=int(rng.integers(1, time + 1)) if chance(0.2) else None,
        checkpoint_every=int(rng.integers(1, time + 1)) if chance(0.15) else None,
        last=chance(0.1),
        noise=int(rng.integers(100)) if chance(0.5) else None,
        loss=str(rng.choice(list(LOSSES))),
        dtype="float32" if chance(0.2) else "float64",
        threads=int(rng.choice((1, 2))),
        rows_per_slice=int(rng.choice((1, 1, 2, 3))) if chance(0.4) else None,
        rows_per_block=int(rng.choice((1, 2, 3, 8))) if chance(0.4) else None,
        layout=str(rng.choice(LAYOUTS)),
        bidirectional=both,
        readout=int(rng.integers(1, 4)) if chance(0.1) else None,
        learn_initial=states and chance(0.08),
        also=tuple(also),
    )


ALSO = {"record": 0.3, "stepper": 0.2, "jvp": 0.25, "hvp": 0.1, "again": 0.3, "ensemble": 0.1}
"""How often each further comparison is made."""


def _lengths(rng: np.random.Generator, batch: int, time: int) -> tuple[int, ...] | None:
    if batch < 1 or rng.random() < 0.5:
        return None
    match rng.choice(("random", "skewed", "skewed", "even", "full")):
        case "random":
            lengths = rng.integers(1, time + 1, batch)
        case "skewed":
            lengths = np.ones(batch, int)
            lengths[rng.integers(batch)] = time
        case "even":
            lengths = np.full(batch, rng.integers(1, time + 1))
        case _:
            lengths = np.full(batch, time)
    return tuple(int(n) for n in lengths)
