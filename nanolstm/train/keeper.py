"""When a training is written to its checkpoint."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nanolstm.train.checkpoint import Checkpoint
from nanolstm.train.file import write

if TYPE_CHECKING:
    from nanolstm.train.training import Training


class Keeper:
    """Writes a training to its file when it is time, and only when it is between two steps."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._seconds, self._epochs = checkpoint.seconds, checkpoint.every_epochs
        self._epoch, self._time = 0, 0.0
        self._written: tuple[int, int] | None = None

    def begin(self, training: Training) -> None:
        """Look at what is trained before it changes, and see at once whether it can be kept.

        A file that is there already stays until there is something better.
        """
        _ = training.plan.identity
        self._epoch, self._time = training.epoch, time.monotonic()
        if not self._checkpoint.path.exists():
            self._write(training)

    def step_end(self, training: Training) -> None:
        """Write if it has been long enough."""
        if time.monotonic() - self._time >= self._seconds and training.ending is None:
            self._write(training)

    def epoch_end(self, training: Training) -> None:
        """Write if it has been long enough, or if there were epochs enough."""
        if self._epochs is not None and training.epoch - self._epoch >= self._epochs and training.ending is None:
            self._write(training)
        self.step_end(training)

    def finish(self, training: Training) -> None:
        """Write what a training has come to that was not cut short."""
        asked = training.ending is not None and training.ending[0] == "asked"
        if asked or self._written != (training.epoch, training.steps):
            self._write(training)

    def _write(self, training: Training) -> None:
        write(self._checkpoint.path, training)
        self._epoch, self._time = training.epoch, time.monotonic()
        self._written = training.epoch, training.steps
