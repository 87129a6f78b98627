"""What every frame from every source must be before anything is computed from it."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nanolstm.data.request import SequenceData
from nanolstm.errors import BadDataError, UnknownNameError, nearest

if TYPE_CHECKING:
    import pandas as pd


def check_frame(
    frame: pd.DataFrame,
    *,
    source: str,
    columns: tuple[str, ...] = (),
    missing: Literal["error", "drop", "ffill"] = "error",
    least: int = 2,
) -> pd.DataFrame:
    """What a source answered, once nothing is wrong with it: `check_rows`, whose errors name the source."""
    import pandas as pd

    where = f"source {source!r}"
    if not isinstance(frame, pd.DataFrame):
        raise BadDataError(
            f"{where} answered with {type(frame).__name__}; expected a pandas.DataFrame or a SequenceData"
        )
    if frame.columns.nlevels == 1 and not len(frame.columns):
        raise BadDataError(f"{where} answered with no column")
    return check_rows(frame, where=where, columns=columns, missing=missing, least=least)


def check_rows(
    frame: pd.DataFrame,
    *,
    where: str,
    columns: tuple[str, ...] = (),
    missing: Literal["error", "drop", "ffill"] = "error",
    least: int = 2,
    remedy: str = "choose missing='drop' or 'ffill'",
) -> pd.DataFrame:
    """The columns of `frame` that will be used, as floats, once nothing is wrong with them.

    Args:
        frame: one row per time step.
        where: what the rows are, for errors.
        columns: which columns, in which order; empty for all.
        missing: what happens to rows with missing values: an error, `"drop"` the row, or `"ffill"`, the last value
            carried forward. Infinity is always an error.
        least: how many rows there must be at least.
        remedy: what the error about a missing value advises.

    Raises:
        UnknownNameError: a column that is not there.
        BadDataError: the index is not ascending, not unique or no time; a column holds no numbers, NaN or infinity; too
            few rows. The text names the column, the first bad row and how many there are.
    """
    for name in columns if frame.columns.nlevels == 1 else ():
        if name not in frame.columns:
            raise UnknownNameError(
                f"{where} has no column {name!r}; {nearest(name, map(str, frame.columns), 'columns')}"
            )
    if frame.columns.nlevels > 1:
        raise BadDataError(
            f"{where}: its columns have {frame.columns.nlevels} levels, such as {tuple(frame.columns[0])}; "
            "expected one level"
        )
    frame = frame[list(columns)] if columns else frame
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise BadDataError(f"{where}: there are two columns {twice!r}")
    _check_index(frame.index, where)
    frame = frame.apply(lambda column: _floats(column, where))
    for column in frame:
        infinite = frame[column].abs() == float("inf")
        if infinite.any():
            raise BadDataError(f"{where}: column {column!r} is infinite {_first(infinite)}")
    if missing == "ffill":
        frame = frame.ffill()
    elif missing == "drop":
        frame = frame.dropna()
    for column in frame:
        gaps = frame[column].isna()
        if gaps.any():
            hint = "there is no earlier value to carry forward" if missing == "ffill" else remedy
            raise BadDataError(f"{where}: column {column!r} has no value {_first(gaps)}; {hint}")
    if len(frame) < least:
        raise BadDataError(f"{where}: {len(frame)} rows; at least {least} are needed")
    return frame


def check_sequences(data: SequenceData, *, source: str) -> SequenceData:
    """`data` as arrays, once nothing is wrong with it.

    Raises:
        BadDataError: x is not (B, T, M) of finite floats, y fits neither the steps nor the sequences of x, or lengths
            are not B integers from 1 to T. The text names shapes, and the first bad place.
    """
    where = f"source {source!r}"
    x, y = np.asarray(data.x), np.asarray(data.y)
    if x.ndim != 3 or x.size == 0 or x.dtype.kind != "f":
        raise BadDataError(
            f"{where}: x has shape {x.shape} and dtype {x.dtype}; expected (B, T, M) of floats, none of them 0"
        )
    batch, time = x.shape[:2]
    axes = y.ndim + (y.dtype.kind in "iu")  # classes have no axis of features
    fits = (
        y.ndim > 0 and len(y) == batch and y.dtype.kind in "iuf" and (axes == 2 or (axes == 3 and y.shape[1] == time))
    )
    if not fits:
        raise BadDataError(
            f"{where}: y has shape {y.shape} and dtype {y.dtype}, and x {x.shape}; expected ({batch}, {time}, N) or "
            f"({batch}, N) floats, or integer classes ({batch}, {time}) or ({batch},)"
        )
    for name, array in (("x", x), ("y", y)):
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            raise BadDataError(f"{where}: {name} is not finite at {tuple(map(int, bad[0]))} ({len(bad)} values)")
    if data.lengths is None:
        return SequenceData(x=x, y=y)
    lengths = np.asarray(data.lengths)
    if lengths.shape != (batch,) or lengths.dtype.kind not in "iu" or lengths.min() < 1 or lengths.max() > time:
        raise BadDataError(
            f"{where}: lengths has shape {lengths.shape} and dtype {lengths.dtype}, {lengths.tolist()}; expected "
            f"{batch} integers from 1 to {time}"
        )
    return SequenceData(x=x, y=y, lengths=lengths)


def _check_index(index: Any, where: str) -> None:
    import pandas as pd

    timely = isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex)
    if not timely and not pd.api.types.is_numeric_dtype(index):
        raise BadDataError(f"{where}: the index is {index.dtype}; expected times (a DatetimeIndex) or step numbers")
    if index.isna().any():
        raise BadDataError(f"{where}: the time index has no value in row {int(index.isna().argmax())}")
    twice = index.duplicated()
    if twice.any():
        raise BadDataError(
            f"{where}: {_label(index[twice][0])} stands twice in the time index ({int(twice.sum())} rows too many)"
        )
    falls = index[1:] < index[:-1]
    if falls.any():
        row = int(falls.argmax()) + 1
        raise BadDataError(
            f"{where}: the time index is not ascending; {_label(index[row])} in row {row} comes after "
            f"{_label(index[row - 1])} ({int(falls.sum())} such rows)"
        )


def _floats(column: Any, where: str) -> Any:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column):
        return column.astype(float)
    numbers = column.map(_float)
    text = numbers.isna() & column.notna()
    if text.any():
        value = column[text].iloc[0]
        raise BadDataError(f"{where}: column {column.name!r} holds {value!r}, which is no number {_first(text)}")
    return numbers.astype(float)


def _float(value: Any) -> float:
    """`value` as a float; NaN for what is no number of a size that can be computed with."""
    try:
        return float(value) if isinstance(value, str | int | float | np.number | Decimal) else math.nan
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _first(bad: Any) -> str:
    return f"at {_label(bad.index[bad.to_numpy().argmax()])} ({int(bad.sum())} of {len(bad)} rows)"


def _label(value: Any) -> str:
    import pandas as pd

    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return str(value.date())
    return str(value)
