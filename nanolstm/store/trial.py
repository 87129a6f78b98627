"""What a cell computes, in a few numbers: a class that has been changed since gives others.

Names and shapes of parameters say nothing of a step. So a file keeps what its cells make of a few inputs that are
always the same, and a class that makes something else of them is not the one that was saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nanolstm import eager
from nanolstm.language.cell import Cell
from nanolstm.language.functions import Array

_STEPS = 3
"""The second sees states that the first has made; few, since a chaotic cell enlarges differences of rounding."""

_TOLERANCE = {"float64": (1e-6, 1e-12), "float32": (1e-3, 1e-5)}
"""A part of the values' size, and a number for those that are nothing but rounding: far above what processors and
versions of NumPy differ by, far below what another activation makes."""


def tried(cell: Cell) -> list[list[float]] | None:
    """What `cell` makes of inputs between 0 and 1: two numbers for each step's output and for each last state.

    None where nothing can be said: the step refuses such inputs, does not stay finite, or is not the same twice.
    """
    rows = {"x": cell.inputs} | {name: feed.size for name, feed in cell.anatomy.feeds.items()}
    given = {name: _inputs(width).astype(cell.dtype) for name, width in rows.items()}
    x = given.pop("x")
    found = []
    for _ in range(2):
        try:
            with np.errstate(all="ignore"):
                ran = eager.run(cell, x, starts={}, initial={}, feeds=given)
                found.append([_numbers(value) for value in (*ran.y, *ran.state.values())])
        except Exception:  # noqa: BLE001  # the step is its author's, and may raise whatever it likes
            return None
    first, again = found
    return first if np.isfinite(found).all() and same(first, again, cell.dtype.name) else None


def same(ones: Any, others: Any, dtype: str) -> bool:
    """Whether two trials are of the same cell; where one of them says nothing there is nothing to compare."""
    if ones is None or others is None:
        return True
    try:
        a, b = np.asarray(ones, float), np.asarray(others, float)
    except (TypeError, ValueError):  # a file may say anything
        return False
    if a.shape != b.shape or a.ndim != 2:
        return False
    part, least = _TOLERANCE[dtype]
    return bool((np.abs(a - b) <= part * np.maximum(a, b)[:, 1:] + least).all())


def _inputs(width: int) -> Array:
    inputs: Array = 0.5 + 0.4 * np.sin(1.0 + 3.0 * np.arange(_STEPS)[:, None] + np.arange(width))
    return inputs


def _numbers(value: Array) -> list[float]:
    """A sum in which every element has its own weight, so that their order counts, and the size of what is summed."""
    flat = value.astype(float).ravel()
    count = max(1, flat.size)
    weights = np.cos(1.0 + np.arange(flat.size))
    return [float(flat @ weights) / count**0.5, float(np.sqrt(flat @ flat / count))]
