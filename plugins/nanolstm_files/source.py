"""From a path to a frame with a time index: the path is checked, the file read, its time parsed, the window cut."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nanolstm.errors import InputError, NoDataError, UnknownSymbolError, nearest
from nanolstm_files.readers import READERS

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm.data.request import DataRequest


def load(request: DataRequest) -> pd.DataFrame:
    """A CSV or Parquet file on this machine, named by its path.

    ```python
    from nanolstm import DataRequest

    DataRequest(source="files", symbol="~/data/river.csv", start="2012-01-01", options={"time": "day", "sep": ";"})
    ```

    Args:
        request: `symbol` is a path (`~` is your home) that ends in .csv, .csv.gz, .tsv or .parquet. `start` (inclusive)
            and `end` (exclusive) cut a window out of times that are dates, by the clock that the file itself writes.

    Options:
        time: name or position of the time column. Default: for CSV the first column; for Parquet the stored index,
            or the first column of dates. Numbers are kept as they are, as a step index; text must be dates in ISO 8601
            (2024-01-31, 2024-01-31 09:30+01:00) unless `date_format` says otherwise. Times whose offset from UTC
            varies, as with daylight saving, become UTC.
        date_format: the format of the dates, in the codes of `datetime.strptime`, such as `"%d.%m.%Y"`.
        sep: CSV only: the character between fields, `","` by default, a tab for .tsv.
        decimal: CSV only: the decimal point, `"."` by default.

    Returns:
        A frame, one row for each row of the file and in its order, with the times as its index. All other columns are
        kept as they were read, text too.

    Raises:
        UnknownSymbolError: no path, no such file, a folder, or a suffix that is not known.
        BadDataError: the file is empty, damaged, or not what its suffix says; the time column is not there or has
            something in it that is no time.
        NoDataError: no row in the window.
        InputError: an unknown option, or a wrong value for one; a window of dates for times that are numbers.
        DataError: a Parquet file without pyarrow installed.
    """
    from nanolstm_files.times import time_index

    path = _existing(request.symbol)
    suffix, reader = next(
        ((suffix, reader) for suffix, reader in READERS.items() if path.name.lower().endswith(suffix)), ("", None)
    )
    if reader is None:
        raise UnknownSymbolError(f"{path}: this kind of file is not known; known are {', '.join(READERS)}")
    options = dict(request.options)
    for name in options:
        if name not in reader.options:
            raise InputError(
                f"{name!r} is no option for {suffix} files; {nearest(str(name), reader.options, 'options')}"
            )

    date_format = options.pop("date_format", None)
    if not (date_format is None or isinstance(date_format, str)):
        raise InputError(f"date_format={date_format!r}: expected text such as '%d.%m.%Y'")
    frame, column = reader.read(path, **options)
    index, clock = time_index(column, date_format, where=str(path))
    frame.index = index
    return _window(frame, clock, request, path)


def _existing(symbol: object) -> Path:
    if not isinstance(symbol, str | os.PathLike) or not os.fspath(symbol):
        raise UnknownSymbolError("the source 'files' needs a path, for example symbol='prices.csv'")
    path = Path(os.fsdecode(symbol))
    try:
        path = path.expanduser()
    except RuntimeError:
        raise UnknownSymbolError(f"{path}: there is no such user") from None
    if path.is_file():
        return path
    if path.is_dir():
        raise UnknownSymbolError(f"{path} is a folder; name one file in it")
    if not path.parent.is_dir():
        raise UnknownSymbolError(f"there is no file {path}: its folder is not there ('files' reads local paths only)")
    close = difflib.get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()], n=1)
    raise UnknownSymbolError(f"there is no file {path}" + (f"; did you mean {close[0]!r}?" if close else ""))


def _window(frame: pd.DataFrame, clock: pd.DatetimeIndex | None, request: DataRequest, path: Path) -> pd.DataFrame:
    import pandas as pd

    if not (request.start or request.end):
        return frame
    if clock is None:
        raise InputError(f"{path}: start and end are dates, and the times in {frame.index.name!r} are numbers")
    inside = pd.Series(True, index=range(len(frame)))
    if request.start:
        inside &= clock >= pd.Timestamp(request.start)
    if request.end:
        inside &= clock < pd.Timestamp(request.end)
    if not inside.any():
        window = f"from {request.start or 'its start'} until before {request.end or 'its end'}"
        raise NoDataError(f"{path} runs from {clock.min()} to {clock.max()}: there is no row {window}")
    return frame[inside.to_numpy()]
