"""One reader for each kind of file. A new kind is one function and one line in `READERS`."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from nanolstm.errors import BadDataError, DataError, InputError, nearest

if TYPE_CHECKING:
    import pandas as pd


@attrs.frozen
class Reader:
    """How a kind of file is read.

    Args:
        read: a path and options to the frame without its times, and the column of times.
        options: the names of all options that make sense for this kind.
    """

    read: Callable[..., tuple[pd.DataFrame, pd.Series]]
    options: tuple[str, ...]


def read_csv(path: Path, *, time: str | int = 0, sep: str = ",", decimal: str = ".") -> tuple[pd.DataFrame, pd.Series]:
    """Read text with one header row, in UTF-8, compressed if its name ends in .gz."""
    import pandas as pd

    for name, value in (("sep", sep), ("decimal", decimal)):
        if not (isinstance(value, str) and len(value) == 1):
            raise InputError(f"{name}={value!r}: expected one character")
    if sep == decimal:
        raise InputError(f"sep and decimal are both {sep!r}; which character separates the fields? for example sep=';'")
    try:
        frame = pd.read_csv(path, sep=sep, decimal=decimal, encoding="utf-8-sig", low_memory=False)
    except pd.errors.EmptyDataError:
        raise BadDataError(f"{path} is empty") from None
    except UnicodeError as error:
        raise BadDataError(f"{path} is no text in UTF-8: {error}") from None
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise BadDataError(f"{path} is no CSV file with the separator {sep!r}: {reason}") from None
    except (EOFError, zlib.error, OSError, ValueError) as error:
        raise BadDataError(f"{path} cannot be read: {error}") from None

    names = [str(name) for name in frame.columns]
    if any("\0" in name for name in names):
        raise BadDataError(f"{path} is no CSV file: there are zero bytes in its first line")
    if re.match(r"\d{4}-\d{2}-\d{2}", names[0]):
        raise BadDataError(f"{path} has no header: its first line, {names[0]!r}..., is data; put column names above it")
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        raise BadDataError(f"{path}: its rows have more fields than its header, which has {len(names)}")
    if frame.empty:
        raise BadDataError(f"{path} has a header and no rows")
    if len(names) == 1:
        raise BadDataError(f"{path} has one column, {names[0]!r}, so none beside the times; is sep={sep!r} right?")
    return _taken(frame, time, path)


def read_tsv(path: Path, *, sep: str = "\t", **options: Any) -> tuple[pd.DataFrame, pd.Series]:
    """Read text whose fields are separated by tabs."""
    return read_csv(path, sep=sep, **options)


def read_parquet(path: Path, *, time: str | int | None = None) -> tuple[pd.DataFrame, pd.Series]:
    """Read a Parquet file; the times are its stored index, or the first column of dates, unless `time` names them."""
    import pandas as pd

    try:
        import pyarrow  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise DataError(f'{path}: Parquet needs pyarrow; pip install "nanolstm[parquet]"') from None
    try:
        # A stream, not the path: of a path, pyarrow makes columns out of folder names such as `year=2024`.
        with path.open("rb") as stream:
            frame = pd.read_parquet(stream, engine="pyarrow")
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadDataError(f"{path} is no Parquet file, or damaged: {reason}") from None
    if not len(frame):
        raise BadDataError(f"{path} has no rows")

    stored = not isinstance(frame.index, pd.MultiIndex) and not isinstance(frame.index, pd.RangeIndex)
    if stored and (time is None or (time == frame.index.name and time not in frame.columns)):
        return frame, frame.index.to_series()
    if time is None:
        dates = [name for name in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[name])]
        if not dates:
            columns = ", ".join(map(str, frame.columns))
            raise BadDataError(f"{path} has no index of times and no column of dates; say time=, one of: {columns}")
        time = dates[0]
    return _taken(frame, time, path)


def _taken(frame: pd.DataFrame, time: str | int, path: Path) -> tuple[pd.DataFrame, pd.Series]:
    """The frame without the column of times, and that column."""
    names = [str(name) for name in frame.columns]
    if isinstance(time, str):
        if time not in names:
            raise BadDataError(f"{path} has no column {time!r} for the time; {nearest(time, names, 'columns')}")
        position = names.index(time)
    elif isinstance(time, int) and not isinstance(time, bool):
        if not 0 <= time < len(names):
            raise BadDataError(f"{path} has no column {time} for the time; its {len(names)} columns count from 0")
        position = time
    else:
        raise InputError(f"time={time!r}: expected the name of a column, or its position counted from 0")
    return frame.drop(columns=frame.columns[position]), frame.iloc[:, position]


CSV_OPTIONS = ("time", "date_format", "sep", "decimal")
READERS = {
    ".csv": Reader(read_csv, CSV_OPTIONS),
    ".csv.gz": Reader(read_csv, CSV_OPTIONS),
    ".tsv": Reader(read_tsv, CSV_OPTIONS),
    ".parquet": Reader(read_parquet, ("time", "date_format")),
}
"""The reader of each kind of file, by the end of its name."""
