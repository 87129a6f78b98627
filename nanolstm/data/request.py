"""What is asked of a data source, and the two kinds of answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from nanolstm.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def _columns(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _date(value: str | dt.date | None) -> dt.date | None:
    if value is None or (isinstance(value, dt.date) and not isinstance(value, dt.datetime)):
        return value
    if isinstance(value, dt.datetime):
        return value.date()
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InputError(f"{value!r} is no date; write it as YYYY-MM-DD, for example 2022-01-31") from None


@attrs.frozen(kw_only=True)
class DataRequest:
    """A question to a data source.

    ```python
    from nanolstm import DataRequest

    request = DataRequest(source="sample", symbol="AAPL", start="2012-01-01", columns=("Adj Close", "Volume"))
    ```

    Args:
        source: the name under which a plugin registered the source.
        symbol: what to load, in the source's own terms: a ticker, a path, the name of a task.
        start: the first day, inclusive (a date or `YYYY-MM-DD`); None for as early as there is.
        end: the day after the last one, exclusive, as in yfinance; None for as late as there is.
        columns: the columns that will be used (one name, or several in order); empty for all. A source may read more;
            the rest is dropped before the data is checked.
        missing: what happens to rows with missing values: `"error"`, `"drop"` (the row) or `"ffill"` (the last value
            is carried forward; never one from the future).
        refresh: ask the source anew even where an earlier answer is kept.
        timeout: seconds after which the source gives up with an `UnreachableError`; None for the source's own choice.
        options: parameters that only this source knows, by name.

    Raises:
        InputError: a malformed date, an empty window, an unknown choice for `missing`.
    """

    source: str
    symbol: str | None = None
    start: dt.date | None = attrs.field(default=None, converter=_date)
    end: dt.date | None = attrs.field(default=None, converter=_date)
    columns: tuple[str, ...] = attrs.field(default=(), converter=_columns)
    missing: Literal["error", "drop", "ffill"] = "error"
    refresh: bool = False
    timeout: float | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if self.start and self.end and self.start >= self.end:
            raise InputError(
                f"the window is empty: start {self.start} is not before end {self.end}, and end is exclusive"
            )
        if self.missing not in ("error", "drop", "ffill"):
            raise InputError(f"missing={self.missing!r}: expected 'error', 'drop' or 'ffill'")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SequenceData:
    """Sequences as arrays: the answer of a source that has no time index, such as a synthetic task.

    Args:
        x: inputs, (B, T, M) float.
        y: targets: (B, T, N) for one target per step, (B, N) for one per sequence, or integer classes (B, T) or (B,).
        lengths: valid steps of each sequence, (B,) int; None if all have T.
    """

    x: np.ndarray
    y: np.ndarray
    lengths: np.ndarray | None = None

    def __repr__(self) -> str:
        shapes = {name: getattr(getattr(self, name), "shape", None) for name in ("x", "y", "lengths")}
        return f"SequenceData({', '.join(f'{name} {shape}' for name, shape in shapes.items())})"


Data: TypeAlias = "pd.DataFrame | SequenceData"
"""What a source answers: a frame with a time index, one row per step, or sequences as arrays."""
