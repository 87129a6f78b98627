"""Schedules: a factor of the learning rate, from how many epochs are done and how many there are."""

from __future__ import annotations

import math
from typing import Any

import attrs

from nanolstm.errors import InputError
from nanolstm_training.limits import between, count


@attrs.frozen
class Constant:
    """1, always."""

    def __call__(self, done: float, epochs: int) -> float:
        """The factor after `done` of `epochs` epochs."""
        return 1.0


@attrs.frozen
class Step:
    """Multiplied by `factor` every so many epochs."""

    every: int = attrs.field(default=30, validator=count)
    factor: float = attrs.field(default=0.1, validator=between(0.0, open_low=True))

    def __call__(self, done: float, epochs: int) -> float:
        """The factor after `done` of `epochs` epochs."""
        return float(self.factor ** (done // self.every))


@attrs.frozen
class Cosine:
    """Half a cosine from 1 down to `floor` at the end, after a linear warm-up of so many epochs.

    Source: Loshchilov & Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts, equation 5, one cycle.
    """

    warmup: float = attrs.field(default=0.0, validator=between(0.0))
    floor: float = attrs.field(default=0.0, validator=between(0.0, 1.0))

    def __call__(self, done: float, epochs: int) -> float:
        """The factor after `done` of `epochs` epochs."""
        if done < self.warmup:
            return done / self.warmup
        share = min(1.0, (done - self.warmup) / max(epochs - self.warmup, 1e-9))
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * share)) / 2


@attrs.frozen
class Warmup:
    """Linear from 0 to 1 over so many epochs, then 1."""

    epochs: float = attrs.field(default=5.0, validator=between(0.0, open_low=True))

    def __call__(self, done: float, epochs: int) -> float:
        """The factor after `done` of `epochs` epochs."""
        return min(1.0, done / self.epochs)


@attrs.define
class Plateau:
    """Multiplied by `factor` when the score has not become better for `patience` epochs, down to `floor`.

    The score is the validation loss, or the loss where nothing is validated. As in PyTorch's `ReduceLROnPlateau` it
    counts as better if it is smaller by more than the share `threshold`.
    """

    patience: int = attrs.field(default=10, validator=count)
    factor: float = attrs.field(default=0.1, validator=between(0.0, 1.0, open_low=True))
    threshold: float = attrs.field(default=1e-4, validator=between(0.0))
    floor: float = attrs.field(default=0.0, validator=between(0.0, 1.0))
    _now: float = attrs.field(init=False, default=1.0, repr=False)
    _best: float = attrs.field(init=False, default=math.inf, repr=False)
    _waited: int = attrs.field(init=False, default=0, repr=False)

    def __call__(self, done: float, epochs: int) -> float:
        """The factor as it is now."""
        return self._now

    def observe(self, score: float) -> None:
        """Take note of an epoch's score."""
        if self._best == math.inf or score < self._best - self.threshold * abs(self._best):
            self._best, self._waited = score, 0
            return
        self._waited += 1
        if self._waited > self.patience:
            self._now, self._waited = max(self._now * self.factor, self.floor), 0

    def state(self) -> dict[str, Any]:
        """What is remembered."""
        return {"now": self._now, "best": None if self._best == math.inf else self._best, "waited": self._waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` answered with."""
        if not isinstance(state, dict) or state.keys() != {"now", "best", "waited"}:
            raise InputError(f"resume: the state of schedule plateau is {state!r}; it was another schedule")
        self._now, self._waited = state["now"], state["waited"]
        self._best = math.inf if state["best"] is None else state["best"]
