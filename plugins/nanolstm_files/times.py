"""A column of times as an index. Only ISO 8601 is read without being told: 01/02/2024 is two different days."""

from __future__ import annotations

import pandas as pd

from nanolstm.errors import BadDataError, InputError

CLOCK_AND_OFFSET = r"^(.*?:.*?|[^:]*)([zZ]|[+-]\d{2}:?\d{2})?$"
"""An ISO 8601 time: what the clock shows, and how far it is from UTC. Without a colon there is only a date."""


def time_index(column: pd.Series, date_format: str | None, *, where: str) -> tuple[pd.Index, pd.DatetimeIndex | None]:
    """The index that a column of times makes, and the same times as the file's own clock shows them.

    Args:
        column: dates, times with or without a zone, text, or numbers, (n,).
        date_format: the format of dates that are text or numbers; None for ISO 8601, and for numbers as they are.
        where: the file, for error texts.

    Returns:
        The index, named as the column, and a DatetimeIndex without zone, by which a window of dates is cut; None if
        the times are numbers.

    Raises:
        BadDataError: a time is missing or cannot be read; the first such row is named, counted from 1.
        InputError: `date_format` is no format.
    """
    missing = column.isna()
    if missing.any():
        row = int(missing.to_numpy().argmax()) + 1
        raise BadDataError(f"{where}: row {row} of the time column {column.name!r} is empty{_others(missing)}")
    if pd.api.types.is_datetime64_any_dtype(column):
        times = pd.DatetimeIndex(column)
        return times, times.tz_localize(None)
    if date_format is not None:
        times = _formatted(column.astype(str).str.strip(), date_format, where)
        return times, times.tz_localize(None)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return pd.Index(column), None
    return _iso(column.astype(str).str.strip(), where)


def _formatted(text: pd.Series, date_format: str, where: str) -> pd.DatetimeIndex:
    try:
        times = pd.to_datetime(text, format=date_format, errors="coerce", utc="%z" in date_format)
    except ValueError as error:
        raise InputError(f"date_format={date_format!r} is no format of dates: {error}") from None
    _require_read(times, text, f"which is not {date_format!r}", where)
    return pd.DatetimeIndex(times)


def _iso(text: pd.Series, where: str) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    parts = text.str.extract(CLOCK_AND_OFFSET)
    clock = pd.to_datetime(parts[0], format="ISO8601", errors="coerce")
    _require_read(clock, text, "which is no ISO 8601 date; tell its format, as in date_format='%d.%m.%Y'", where)
    aware = parts[1].notna()
    odd = aware != aware.iloc[0]
    if odd.any():
        row = int(odd.to_numpy().argmax())
        raise BadDataError(
            f"{where}: the time column {text.name!r} mixes times with an offset from UTC and times without: "
            f"row 1 is {text.iloc[0]!r}, row {row + 1} is {text.iloc[row]!r}"
        )
    times = pd.to_datetime(text, format="ISO8601", utc=len(parts[1].dropna().unique()) > 1)
    return pd.DatetimeIndex(times), pd.DatetimeIndex(clock)


def _require_read(times: pd.Series, text: pd.Series, problem: str, where: str) -> None:
    bad = times.isna()
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise BadDataError(
            f"{where}: row {row + 1} of the time column {text.name!r} is {text.iloc[row]!r}{_others(bad)}, {problem}"
        )


def _others(bad: pd.Series) -> str:
    return f" (and {bad.sum() - 1} more)" if bad.sum() > 1 else ""
