"""Features of the calendar, known for every time to come: points on a circle, on which December meets January."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from nanolstm.errors import InputError, UnknownNameError, nearest

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

CYCLES: Mapping[str, tuple[Callable[[Any], Any], float]] = {
    "minute": (lambda t: t.minute, 60),
    "hour": (lambda t: t.hour + t.minute / 60, 24),
    "weekday": (lambda t: t.day_of_week, 7),
    "day": (lambda t: (t.day - 1) / t.days_in_month, 1),
    "month": (lambda t: t.month - 1, 12),
    "quarter": (lambda t: t.quarter - 1, 4),
    "day_of_year": (lambda t: (t.day_of_year - 1) / (365 + t.is_leap_year), 1),
}
"""By name: where in its cycle a time is, and how long the cycle is in the same units."""


def calendar_features(index: Any, names: tuple[str, ...]) -> Array:
    """The sine and cosine of each named cycle at the times of `index`: (T, 2 * len(names)).

    >>> import pandas as pd
    >>> calendar_features(pd.date_range("2024-01-01", periods=2, freq="6h"), ("hour",)).round(3).tolist()
    [[0.0, 1.0], [1.0, 0.0]]

    Raises:
        UnknownNameError: no such cycle.
        InputError: `index` holds step numbers, and no times.
    """
    import pandas as pd

    for name in names:
        if name not in CYCLES:
            raise UnknownNameError(f"no calendar feature {name!r}; {nearest(name, CYCLES, 'calendar features')}")
    if not names:
        return np.empty((len(index), 0))
    times = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index
    if not isinstance(times, pd.DatetimeIndex):
        raise InputError(
            f"calendar={names}: the index is {type(index).__name__} of {index.dtype}, and calendar features are of "
            "times; give the frame a DatetimeIndex, or leave calendar out"
        )
    columns: list[Array] = []
    for name in names:
        place, length = CYCLES[name]
        angle = 2 * np.pi * np.asarray(place(times), dtype=float) / length
        columns += [np.sin(angle), np.cos(angle)]
    return np.stack(columns, axis=1)


def calendar_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """What the columns of `calendar_features` are called."""
    return tuple(f"{name} {wave}" for name in names for wave in ("sine", "cosine"))
