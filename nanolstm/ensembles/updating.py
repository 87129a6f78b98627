"""Updates of all members: one optimizer on the parameters of all as one vector, or one for each member."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from nanolstm.language.functions import Array
from nanolstm.train.clipping import Clip, norm_of
from nanolstm.train.optimizer import Optimizer
from nanolstm.train.schedule import Watching

_AT_ONCE = 1 << 14
"""Bytes of parameters that are updated at once; an optimizer passes through some such arrays at the same time."""


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

    An optimizer that changes each number by what belongs to that number alone works on several members as one vector,
    on so many that what it reads and writes stays in the first cache. Others have a copy for each member; so it is with
    a schedule that goes by scores, which are each member's own.
    """

    def __init__(self, optimizer: Optimizer, schedule: Any, vectors: Array) -> None:
        """For parameters like `vectors`, (members, P)."""
        self._watching = isinstance(schedule, Watching)
        together = optimizer.by_element and not self._watching
        self._size = max(1, _AT_ONCE // vectors[0].nbytes) if together else 1
        self._optimizers = [copy.deepcopy(optimizer) for _ in self._groups(vectors)]
        self._schedules = [copy.deepcopy(schedule) if self._watching else schedule for _ in vectors]
        for one, values in zip(self._optimizers, self._groups(vectors), strict=True):
            one.start(values)

    def __call__(self, vectors: Array, gradients: Array, done: float, epochs: int) -> Array:
        """Change `vectors` in place, after so many epochs, and answer with the learning rate of each member."""
        rates = []
        groups = zip(self._optimizers, self._groups(vectors), self._groups(gradients), strict=True)
        for number, (one, values, gradient) in enumerate(groups):
            schedule = self._schedules[number * self._size]
            one.steps += 1
            rates.append(one.lr * (1.0 if schedule is None else schedule(done, epochs)))
            one.update(values, gradient, rates[-1])
        return np.repeat(rates, self._size)[: len(vectors)]

    def observe(self, row: int, score: float) -> None:
        """Tell the schedule of a member its score."""
        if self._watching:
            self._schedules[row].observe(score)

    def keep(self, rows: list[int], vectors: Array) -> None:
        """Go on with the members of `rows` alone, whose parameters are now `vectors`."""
        self._schedules = [self._schedules[row] for row in rows]
        if self._size == 1:
            self._optimizers = [self._optimizers[row] for row in rows]
            return
        first = self._optimizers[0]
        width, groups = vectors.shape[1], self._groups(vectors)
        arrays = {
            name: np.concatenate([one.arrays[name].reshape(-1, width) for one in self._optimizers])[rows]
            for name in first.arrays
        }
        self._optimizers = self._optimizers[: len(groups)]
        for number, (one, values) in enumerate(zip(self._optimizers, groups, strict=True)):
            steps, some = one.steps, slice(number * self._size, (number + 1) * self._size)
            one.start(values)
            one.restore({name: array[some].reshape(-1) for name, array in arrays.items()})
            one.steps = steps

    def _groups(self, array: Array) -> list[Array]:
        """The rows of the members that one optimizer works on, as one vector, for each optimizer."""
        return [array[begin : begin + self._size].reshape(-1) for begin in range(0, len(array), self._size)]
