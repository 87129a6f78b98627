"""One series or many, each a frame with one row per time step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nanolstm.data.checks import check_rows
from nanolstm.data.windows import Windows
from nanolstm.errors import BadDataError, InputError

if TYPE_CHECKING:
    import pandas as pd

ONE = "series"
"""What a series is called where there is one."""


def check_series(data: Any, windows: Windows) -> dict[Any, pd.DataFrame]:
    """One series (a frame) or many (a mapping of name to frame) as a dict of checked frames.

    Raises:
        BadDataError: times that are not ascending or not unique, values that are missing, infinite or no numbers.
        UnknownNameError: a column that is not there.
        InputError: neither a frame nor a mapping of frames, or no series.
    """
    import pandas as pd

    many = data if isinstance(data, Mapping) else {ONE: data}
    if not many:
        raise InputError("{} holds no series; expected a frame, or a dict of name to frame")
    checked = {}
    for name, frame in many.items():
        if not isinstance(name, str | int):
            raise InputError(f"a series is named {name!r}; expected text or a number, such as 'AAPL'")
        if not isinstance(frame, pd.DataFrame):
            raise InputError(
                f"{type(frame).__name__} is no series; expected a pandas.DataFrame with one row per time step, or a "
                "dict of name to such frames"
            )
        where = f"series {name!r}" if isinstance(data, Mapping) else "the series"
        checked[name] = check_rows(
            frame,
            where=where,
            columns=windows.columns,
            remedy="fill or drop it first, for example by frame.ffill(), which uses no later value",
        )
    kinds = {(frame.index.dtype, str(getattr(frame.index, "tz", None))) for frame in checked.values()}
    if len(kinds) > 1:
        raise BadDataError(f"the series' time indices are of different kinds: {sorted(map(str, kinds))}")
    return checked


def timeline(series: Mapping[Any, pd.DataFrame]) -> Any:
    """All times that any of the series has, ascending: what splits are cut on."""
    first, *others = (frame.index for frame in series.values())
    for index in others:
        first = first.union(index)
    return first
