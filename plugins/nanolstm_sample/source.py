"""Reads the shipped series. Where they are from, and what their figures mean, is in `ORIGIN.md` beside this file."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from nanolstm.errors import InputError, NoDataError, UnknownSymbolError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm.data.request import DataRequest

SERIES = {"AAPL": "aapl.csv.gz"}
"""The file of each symbol, in this package."""


def load(request: DataRequest) -> pd.DataFrame:
    """Daily AAPL prices and volumes, 2000-03-01 to 2013-03-01, shipped with nanolstm.

    The columns are yfinance's: Open, High, Low, Close, Adj Close (in US dollars) and Volume (in shares). Open to Close
    and Volume are as traded, with the jumps of two splits in them; only Adj Close is comparable across the years.

    Args:
        request: `symbol` is `"AAPL"`, in any case, or None; `start` (inclusive) and `end` (exclusive) cut a window out.
            There are no options.

    Returns:
        A frame with a DatetimeIndex named Date, ascending, one row a trading day, at most 3,270.

    Raises:
        UnknownSymbolError: any other symbol.
        NoDataError: no trading day in the window.
        InputError: any option.

    Source: Quandl WIKI Prices by way of the package bokeh_sampledata, in the public domain; see `ORIGIN.md`.
    """
    import pandas as pd

    for option in request.options:
        raise InputError(f"the source 'sample' takes no options; {option!r} was given")
    symbol = "AAPL" if request.symbol is None else str(request.symbol)
    if symbol.upper() not in SERIES:
        raise UnknownSymbolError(f"the sample has no {symbol!r}; {nearest(symbol, SERIES, 'it has')}")

    resource = files("nanolstm_sample") / SERIES[symbol.upper()]
    with resource.open("rb") as stream:
        frame = pd.read_csv(stream, compression="gzip", index_col="Date", parse_dates=["Date"])

    inside = pd.Series(True, index=frame.index)
    if request.start:
        inside &= frame.index >= pd.Timestamp(request.start)
    if request.end:
        inside &= frame.index < pd.Timestamp(request.end)
    if not inside.any():
        first, last = frame.index[0].date(), frame.index[-1].date()
        window = f"from {request.start or 'its start'} until before {request.end or 'its end'}"
        raise NoDataError(f"the sample of {symbol.upper()} runs from {first} to {last}: there is no day {window}")
    return frame[inside]
