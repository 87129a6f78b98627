"""Callbacks: objects that look at a training after each epoch, and may end it."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from nanolstm.errors import InputError, nearest
from nanolstm_training.limits import between

if TYPE_CHECKING:
    from nanolstm import Training


@attrs.define
class Target:
    """End as soon as a column of the history is at most `below`, or at least `above`.

    `target(below=0.01)` looks at the validation loss, or at the loss where nothing is validated.
    """

    column: str | None = None
    below: float | None = None
    above: float | None = None

    def __attrs_post_init__(self) -> None:
        if (self.below is None) == (self.above is None):
            raise InputError("target needs one of below= and above=: target(below=0.01)")

    def epoch_end(self, training: Training) -> None:
        """Look at the newest row."""
        row = training.history[-1]
        column = self.column or ("validation_loss" if "validation_loss" in row else "loss")
        if column not in row:
            raise InputError(f"target: the history has no column {column!r}; {nearest(column, row, 'columns')}")
        value = row[column]
        if self.below is not None and value <= self.below:
            training.stop(f"{column} is {value:.6g}, which is at most {self.below:g}")
        if self.above is not None and value >= self.above:
            training.stop(f"{column} is {value:.6g}, which is at least {self.above:g}")


@attrs.define
class TimeLimit:
    """End after so many seconds, with the step that is being made; one that is resumed begins to count anew."""

    seconds: float = attrs.field(validator=between(0.0, open_low=True))
    _end: float = attrs.field(init=False, default=0.0)

    def fit_start(self, training: Training) -> None:
        """Begin to count."""
        self._end = time.monotonic() + self.seconds

    def step_end(self, training: Training) -> None:
        """Look at the clock."""
        if time.monotonic() >= self._end:
            training.stop(f"the limit of {self.seconds:g} seconds was reached", for_good=False)

    epoch_end = step_end  # an optimizer that goes its own way has epochs only


@attrs.define
class CSV:
    """Write the history to a file, a row after each epoch, so that others can watch it grow.

    A training that is resumed writes it anew: of the epochs after its checkpoint there may be rows already.
    """

    path: str
    _begun: bool = attrs.field(init=False, default=False)

    def fit_start(self, training: Training) -> None:
        """Begin."""
        self._begun = False

    def epoch_end(self, training: Training) -> None:
        """Append the newest row; at first all that there are, below a line with their names."""
        row, first, self._begun = training.history[-1], not self._begun, True
        with Path(self.path).expanduser().open("w" if first else "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if first:
                writer.writeheader()
            writer.writerows(training.history if first else [row])
