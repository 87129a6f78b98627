"""The rows after the end of a series: when they will be, and what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nanolstm.data.checks import check_rows
from nanolstm.data.windows import Windows
from nanolstm.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def extended(frame: pd.DataFrame, windows: Windows, future: Any = None, *, where: str) -> pd.DataFrame:
    """`frame` with a horizon of rows after its end.

    What is unknown of them holds the last known value, and is to be read by nobody.

    Args:
        frame: a checked series.
        windows: which columns are known in the future, and how many rows are needed.
        future: a frame with the times and the future columns of the coming rows; an index, where only times are needed;
            None where neither is: times then go on as they were, and are missing where the series is irregular.
        where: what the series is, for errors.

    Raises:
        InputError: too few rows, rows that are not after the end, or a calendar of times that are unknown.
        BadDataError: the future columns cannot be used.
    """
    import pandas as pd

    if future is None:
        if windows.future:
            raise InputError(
                f"{where}: {', '.join(windows.future)} must be given for the {windows.horizon} rows to come; write "
                "future=frame, with their times as its index"
            )
        times = next_times(frame.index, windows.horizon)
        if windows.calendar and times.isna().any():
            raise InputError(
                f"{where}: its times are irregular, so that those of the rows to come are unknown, and calendar="
                f"{windows.calendar} needs them; write future=index, such as pandas.bdate_range(...)"
            )
        rows = pd.DataFrame(index=times)
    else:
        given = future if isinstance(future, pd.DataFrame) else pd.DataFrame(index=pd.Index(future))
        if len(given) < windows.horizon or not given.index[0] > frame.index[-1]:
            raise InputError(
                f"{where}: future has {len(given)} rows{f' from {given.index[0]} on' if len(given) else ''}; expected "
                f"{windows.horizon}, after {frame.index[-1]}"
            )
        rows = given.iloc[: windows.horizon]
        if windows.future:
            rows = check_rows(rows, where=f"the future of {where}", columns=windows.future, least=1)
    joined = pd.concat([frame, rows.reindex(columns=frame.columns)])
    joined.index = frame.index.append(rows.index)
    return joined.ffill()


def next_times(index: Any, count: int) -> Any:
    """The `count` times that follow an index, in its own steps; missing where these are irregular.

    >>> import pandas as pd
    >>> list(next_times(pd.RangeIndex(3), 2))
    [3, 4]
    """
    import pandas as pd

    if isinstance(index, pd.PeriodIndex):
        return pd.period_range(index[-1], periods=count + 1, freq=index.freq)[1:]
    if not isinstance(index, pd.DatetimeIndex):
        step = index[-1] - index[-2]
        return pd.Index([index[-1] + step * ahead for ahead in range(1, count + 1)], dtype=index.dtype)
    freq = index.freq or (pd.infer_freq(index) if len(index) > 2 else None)
    if freq is None:
        return pd.DatetimeIndex([pd.NaT] * count, dtype=index.dtype)
    return pd.date_range(index[-1], periods=count + 1, freq=freq)[1:]
