"""Whether two results agree, up to what rounding can explain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .outcome import DifferError
from .results import Results

TOLERANCE = {"float64": 1e-9, "float32": 2e-3}
"""Relative to the largest value of an array, or to a share of the largest of all."""

SHARE = {"float64": 1e-4, "float32": 1e-1}
"""What is smaller than so much of the largest result is measured by that: the rest is rounding."""

ROUNDING = {"float64": 1e-15, "float32": 5e-7}
"""What is smaller is rounding of factors near 1, as 1 - tanh(a)**2 is where a saturates."""

Sensitivity = Callable[[list[str]], dict[str, float]]
"""How far each of some results may be off because everything that is given is rounded."""


def settle(found: Results, expected: Results, dtype: str, sensitivity: Sensitivity | None = None) -> None:
    """Compare what both have.

    Raises:
        DifferError: they differ by more than the tolerance and, if that is given, the sensitivity.
    """
    deviations = _deviations(found, expected, dtype)
    if deviations and sensitivity is not None:
        change = sensitivity(list(deviations))
        deviations = {name: (error, size) for name, (error, size) in deviations.items() if not error <= change[name]}
    if deviations:
        name, (error, size) = max(deviations.items(), key=lambda item: item[1][0] / (item[1][1] or 1.0))
        more = f" and {len(deviations) - 1} more" if len(deviations) > 1 else ""
        raise DifferError(f"{name} is off by {error:.2e} of {size:.2e}{more}")


def settle_exactly(found: Results, expected: Results) -> None:
    """Compare to the last bit.

    Raises:
        DifferError: they differ.
    """
    for name, value in expected.items():
        if not np.array_equal(found[name], value, equal_nan=value.dtype.kind == "f"):
            error = np.abs(np.asarray(found[name], float) - np.asarray(value, float)).max(initial=0)
            raise DifferError(f"{name} is not the same to the last bit, but off by {error:.2e}")


def _deviations(found: Results, expected: Results, dtype: str) -> dict[str, tuple[float, float]]:
    """The largest error of each result that deviates, and what it is relative to."""
    finite_ones = [v for v in expected.values() if v.dtype.kind == "f" and np.isfinite(v).all()]
    largest = max((float(np.abs(v).max(initial=0)) for v in finite_ones), default=0.0)
    deviations = {}
    for name in (name for name in expected if name in found):
        one, other = np.asarray(found[name]), np.asarray(expected[name])
        if one.shape != other.shape:
            raise DifferError(f"{name} has shape {one.shape} and not {other.shape}")
        if (one.dtype.kind == "b") != (other.dtype.kind == "b"):
            raise DifferError(f"{name} is {one.dtype} and not {other.dtype}")
        one, other = one.astype(float), other.astype(float)
        finite = np.isfinite(other)
        if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
            raise DifferError(f"{name} is not finite in other places")
        error = float(np.abs(one - other)[finite].max(initial=0))
        size = max(float(np.abs(other[finite]).max(initial=0)), SHARE[dtype] * largest)
        if not error <= max(TOLERANCE[dtype] * size, ROUNDING[dtype]):
            deviations[name] = (error, size)
    return deviations
