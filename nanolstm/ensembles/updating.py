"""Updates of all members: one optimizer on the parameters of all as one vector, or one for each member."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from nanolstm.language.functions import Array
from nanolstm.train.clipping import Clip, norm_of
from nanolstm.train.optimizer import Optimizer
from nanolstm.train.schedule import Watching


def norms_of(gradients: Array) -> Array:
    """The Euclidean norm of each row, in the order of summation that one by itself has."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms: Array = np.sqrt(np.vecdot(gradients, gradients).astype(float))
    for row in np.flatnonzero(~np.isfinite(norms)):
        norms[row] = norm_of(gradients[row])
    return norms


def clip_each(clip: Clip, gradients: Array, norms: Array) -> None:
    """Clip each row of `gradients`, whose norms are `norms`, in place."""
    if clip.value is not None:
        np.clip(gradients, -clip.value, clip.value, out=gradients)
        norms = norms_of(gradients)
    if clip.norm is not None:
        factors = np.minimum(1.0, clip.norm / (norms + 1e-6))
        gradients *= factors.astype(gradients.dtype)[:, None]


class Updates:
    """Optimizers, and the schedules that go with them.

    An optimizer that changes each number by what belongs to that number alone works on all members at once, and others
    have a copy for each member; so it is with a schedule that goes by scores, which are each member's own.
    """

    def __init__(self, optimizer: Optimizer, schedule: Any, vectors: Array) -> None:
        """For parameters like `vectors`, (members, P)."""
        self._together = optimizer.by_element and not isinstance(schedule, Watching)
        self._width = vectors.shape[1]
        count = 1 if self._together else len(vectors)
        self._optimizers = [copy.deepcopy(optimizer) for _ in range(count)]
        self._schedules = [
            copy.deepcopy(schedule) if isinstance(schedule, Watching) else schedule for _ in range(count)
        ]
        for one, rows in zip(self._optimizers, self._rows(vectors), strict=True):
            one.start(rows)

    def __call__(self, vectors: Array, gradients: Array, done: float, epochs: int) -> Array:
        """Change `vectors` in place, after so many epochs, and answer with the learning rate of each member."""
        rates = []
        for i, (values, gradient) in enumerate(zip(self._rows(vectors), self._rows(gradients), strict=True)):
            one, schedule = self._optimizers[i], self._schedules[i]
            one.steps += 1
            rates.append(one.lr * (1.0 if schedule is None else schedule(done, epochs)))
            one.update(values, gradient, rates[-1])
        return np.broadcast_to(rates, len(vectors))

    def observe(self, row: int, score: float) -> None:
        """Tell the schedule of a member its score."""
        if not self._together and isinstance(self._schedules[row], Watching):
            self._schedules[row].observe(score)

    def keep(self, rows: Array, vectors: Array) -> None:
        """Go on with the members of `rows` alone, whose parameters are now `vectors`."""
        if not self._together:
            self._optimizers = [self._optimizers[row] for row in rows]
            self._schedules = [self._schedules[row] for row in rows]
            return
        (one,) = self._optimizers
        steps = one.steps
        kept = {name: array.reshape(-1, self._width)[rows].ravel() for name, array in one.state().items()}
        one.start(vectors.reshape(-1))
        one.restore(kept)
        one.steps = steps

    def _rows(self, array: Array) -> list[Array]:
        return [array.reshape(-1)] if self._together else list(array)
