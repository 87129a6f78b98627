"""What everybody runs: a cell of the zoo, its weights, a batch and its target."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Literal

import attrs
import numpy as np

import nanolstm as nl
from contest.shapes import Shape
from nanolstm import Array, Cell

SHAPES: tuple[Shape, ...] = ((1, 522, 2, 3), (32, 100, 8, 32), (32, 100, 32, 128))

NOTES = {
    "SRU": "as wide as its input: M is H",
    "EchoState": "has nothing to train: with a readout of one unit",
}
"""Cells that are measured in another way than the others."""


@attrs.frozen(slots=False)
class ZooCase:
    """A cell of the zoo, by its name, at one shape, with its own first values.

    They are moved a little, so that a weight that starts at 0 counts when results are compared; by no more than that,
    or identities that are drawn to be just stable would not be it.
    """

    name: str
    shape: Shape
    dtype: str
    backend: Literal["auto", "numpy"] = "auto"

    @cached_property
    def cell(self) -> Cell:
        """With its weights."""
        _, _, M, H = self.shape
        cell: Cell = getattr(nl.cells, self.name)(
            inputs=H if self.name == "SRU" else M, hidden=H, rng=0, dtype=self.dtype
        )
        rng = np.random.default_rng(1)
        for value in cell.parameters.values():
            value += 0.01 / math.sqrt(H) * rng.normal(size=value.shape)
        return cell

    @cached_property
    def model(self) -> nl.Sequence:
        """Ours."""
        return nl.Sequence(self.cell, readout=None if self.cell.parameters else 1, rng=0, backend=self.backend)

    @cached_property
    def x(self) -> Array:
        """(B, T, M)."""
        B, T, _, _ = self.shape
        return np.random.default_rng(2).normal(size=(B, T, self.cell.inputs)).astype(self.dtype)

    @cached_property
    def feeds(self) -> dict[str, Array]:
        """(B, T, 1) each: uneven intervals, or the times that they add up to where a cell has no interval to assume."""
        B, T, _, _ = self.shape
        rng, found = np.random.default_rng(4), {}
        for name, part in self.cell.anatomy.feeds.items():
            intervals = rng.uniform(0.5, 1.5, (B, T, part.size))
            found[name] = (np.cumsum(intervals, axis=1) if part.default is None else intervals).astype(self.dtype)
        return found

    @cached_property
    def target(self) -> Array:
        """(B, T, N)."""
        B, T, _, _ = self.shape
        return np.random.default_rng(3).normal(size=(B, T, self.model.outputs)).astype(self.dtype)

    @property
    def weights(self) -> dict[str, Array]:
        """All that a step multiplies, by name: what is trained, what is frozen, the readout."""
        return {**self.model.parameters, **self.model.frozen}
