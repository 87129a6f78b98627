"""Clipping: gradients that are not allowed to be larger than they should be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from nanolstm.errors import InputError
from nanolstm.language.functions import Array


def norm_of(vector: Array) -> float:
    """The Euclidean norm; infinite or NaN only if a number of the vector is."""
    with np.errstate(over="ignore", invalid="ignore"):
        square = float(vector.dot(vector))
        if math.isfinite(square):
            return math.sqrt(square)
        largest = float(np.abs(vector).max())  # the sum may be beyond what the numbers themselves are not
        return largest * math.sqrt(float(np.square(vector / largest, dtype=float).sum()))


@attrs.frozen
class Clip:
    """Limits: each number of a gradient to -value..value, then the norm of all of it to at most `norm`."""

    norm: float | None = None
    value: float | None = None

    def __call__(self, gradient: Array, norm: float) -> None:
        """Clip `gradient`, whose norm is `norm`, in place."""
        if self.value is not None:
            np.clip(gradient, -self.value, self.value, out=gradient)
            norm = norm_of(gradient)
        if self.norm is not None:
            # With 1e-6 and no branch it is what PyTorch's clip_grad_norm_ does.
            gradient *= min(1.0, self.norm / (norm + 1e-6))


def clip(given: Any) -> Clip | None:
    """What `clip=` asks for: a number is a limit of the norm, a mapping says `norm` and `value` by name.

    Raises:
        InputError: anything else.
    """
    if given is None:
        return None
    limits = given if isinstance(given, Mapping) else {"norm": given}
    if not limits or limits.keys() - {"norm", "value"} or not all(map(_is_limit, limits.values())):
        raise InputError(
            f"clip={given!r}: expected a number above 0 for the norm of the whole gradient, or "
            '{"norm": 1.0}, {"value": 0.5}, or both in one'
        )
    return Clip(**limits)


def _is_limit(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
