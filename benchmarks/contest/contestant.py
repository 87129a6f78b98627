"""One who takes part: a call that is timed, and what its result is when all are compared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import attrs
import numpy as np

from nanolstm import Array

Answer = Mapping[str, Array]
"""Arrays by name: "y" (B, T, N), or "value" and the gradients by the names of our parameters."""

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
"""Of the largest element of an array."""

FLOOR = 1e-3
"""An array is taken to be no smaller than this part of the largest: what cancels out is rounding alone, of any size."""


class DifferentError(Exception):
    """Two contestants do not compute the same."""


@attrs.frozen
class Contestant:
    """Who runs what.

    Args:
        name: as it is printed.
        call: what is timed.
        read: its result as arrays; None for one who computes something else.
        around: entered before its turn, outside of what is timed.
    """

    name: str
    call: Callable[[], Any]
    read: Callable[[Any], Answer] | None = None
    around: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext


def errors(contestants: list[Contestant], dtype: str, tolerance: float | None = None) -> dict[str, float]:
    """How far each is from the first, relative to the largest element of each array; everybody runs once.

    `tolerance` is that of the type unless given.

    Raises:
        DifferentError: somebody is not within the tolerance, or somebody's answer is not a number.
    """
    answers = {}
    for one in contestants:
        with one.around():
            result = one.call()
        if one.read:
            answers[one.name] = one.read(result)
    (_, ours), *others = answers.items()
    tolerance = tolerance or TOLERANCE[dtype]
    return {name: _error(name, ours, theirs, tolerance) for name, theirs in others}


def _error(name: str, ours: Answer, theirs: Answer, tolerance: float) -> float:
    if ours.keys() != theirs.keys():
        raise DifferentError(f"{name} answers with {', '.join(theirs)}, and not with {', '.join(ours)}")
    worst, floor = 0.0, FLOOR * max(float(np.max(np.abs(mine), initial=0.0)) for mine in ours.values())
    for key, mine in ours.items():
        other = np.asarray(theirs[key])
        if other.shape != np.shape(mine):
            raise DifferentError(f"{name}: {key} has the shape {other.shape}, and not {np.shape(mine)}")
        error = float(np.max(np.abs(other - mine)) / max(np.max(np.abs(mine)), floor, 1e-30))
        if not (error < tolerance):  # so that NaN is an error too
            raise DifferentError(f"{name}: {key} differs by {error:.1e} of its largest element")
        worst = max(worst, error)
    return worst
