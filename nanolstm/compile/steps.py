"""Time steps as rows: which rows of an array belong to each of them."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Any

import attrs
import numpy as np

from nanolstm.errors import WorkspaceError

Array = np.ndarray[Any, np.dtype[Any]]

TOGETHER = 64
"""How many rows are computed at a time where nothing depends on which of them are of one step."""


@attrs.define(eq=False)
class Steps:
    """Rows ordered by slices of the batch, in each slice by time, in each step the longest sequence first.

    Slices are what threads divide among themselves. NumPy runs a batch that is one slice.

    Attributes:
        bounds: (slices, T + 1) int64, where each step of each slice begins, and where the last ends.
        sequences: (slices + 1,) int64, the first sequence of each slice, and how many there are.
        backward: whether the last step is run first.
        members: how many models run side by side, each on equally many slices that follow each other, with an axis for
            them before every parameter; None for one model by itself.
        together: how many rows are computed at a time, whatever their time step; None for those of a step.
    """

    bounds: Array
    sequences: Array
    backward: bool = False
    members: int | None = None
    together: int | None = None

    @property
    def batch(self) -> int:
        """B, how many sequences there are."""
        return int(self.sequences[-1])

    @property
    def slices(self) -> int:
        """How many slices there are."""
        return len(self.bounds)

    @property
    def models(self) -> int:
        """How many models there are."""
        return self.members or 1

    @property
    def owners(self) -> Array:
        """Whose parameters each slice reads: (slices,) int64."""
        return np.arange(self.slices, dtype=np.int64) * self.models // self.slices

    @property
    def alone(self) -> bool:
        """Whether each model runs on one sequence."""
        return self.batch == self.models

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.bounds[-1, -1])

    @property
    def widest(self) -> int:
        """How many rows a step may have in one slice, when steps of other lengths take the place of these."""
        return self.together or self.batch // self.models - self.slices // self.models + 1

    def unordered(self) -> Steps:
        """The rows of the same slices, some at a time, for what has no state: to it, time is nothing."""
        # Slices have about equally many steps: where lengths differ, one may have the longest sequence more than that.
        most = int(np.diff(self.bounds[:, [0, -1]]).max()) + self.bounds.shape[1] - 1
        bounds = np.empty((self.slices, 1 - (-most // TOGETHER)), np.int64)
        sequences = np.arange(self.slices + 1, dtype=np.int64) * TOGETHER
        found = Steps(bounds, sequences, self.backward, self.members, TOGETHER)
        found.follow(self)
        return found

    def follow(self, steps: Steps) -> None:
        """Take over the rows of `steps`, whose sequences are no longer than where this was made as its `unordered`."""
        begins = steps.bounds[:, :1] + TOGETHER * np.arange(self.bounds.shape[1])
        np.minimum(begins, steps.bounds[:, -1:], out=self.bounds)
        if not np.array_equal(self.bounds[:, -1], steps.bounds[:, -1]):
            raise WorkspaceError(
                "a slice has more rows than memory was bound for: a fault of nanolstm; please report it"
            )

    def check(self) -> None:
        """Check the promise that memory is sized by: no step has more rows than `widest` in one slice.

        Raises:
            WorkspaceError: one has.
        """
        most = int(np.diff(self.bounds, axis=1).max(initial=0))
        if most > self.widest:
            raise WorkspaceError(
                f"a step has {most} rows in one slice, where memory is for {self.widest}: a fault of nanolstm; "
                "please report it with the shape of x and the lengths"
            )

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """The rows of each step, from and to, in the order in which they are run."""
        (ends,) = self.bounds.tolist()
        pairs = list(pairwise(ends))
        return pairs[::-1] if self.backward else pairs


def one_step(rows: int) -> Steps:
    """All rows at once, for what has no state."""
    return Steps(np.array([[0, rows]], np.int64), np.array([0, rows], np.int64))
