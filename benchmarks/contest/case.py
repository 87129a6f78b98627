"""What everybody runs: a cell, its weights, a batch and its target."""

from __future__ import annotations

from functools import cached_property

import attrs
import numpy as np

import nanolstm as nl
from contest.cells import CELLS
from contest.shapes import Shape
from nanolstm import Array, Cell


@attrs.frozen(slots=False)
class Case:
    """One cell at one shape. Weights are drawn as PyTorch draws them, uniform within 1 / sqrt(H)."""

    name: str
    shape: Shape
    dtype: str

    @cached_property
    def cell(self) -> Cell:
        """With its weights."""
        _, _, M, H = self.shape
        cell = CELLS[self.name](inputs=M, hidden=H, rng=0, dtype=self.dtype)
        rng = np.random.default_rng(1)
        for key, value in cell.parameters.items():
            value[...] = rng.uniform(-1, 1, value.shape) / np.sqrt(H) + key.endswith(".gain")
        return cell

    @cached_property
    def model(self) -> nl.Sequence:
        """Ours."""
        return nl.Sequence(self.cell)

    @cached_property
    def x(self) -> Array:
        """(B, T, M)."""
        B, T, M, _ = self.shape
        return np.random.default_rng(2).normal(size=(B, T, M)).astype(self.dtype)

    @cached_property
    def target(self) -> Array:
        """(B, T, N)."""
        B, T, _, _ = self.shape
        return np.random.default_rng(3).normal(size=(B, T, self.cell.outputs)).astype(self.dtype)
