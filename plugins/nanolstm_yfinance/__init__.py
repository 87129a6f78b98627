"""Prices from Yahoo Finance as a data source, asked through yfinance.

A load takes three steps, one file each: the request becomes a [`Query`][nanolstm_yfinance.query.Query], the query is
answered by `cache.py` or `yahoo.py`, and yfinance's frame becomes one of ours in `prices.py`. What goes wrong on the
way is named in `verdict.py`, from what `witness.py` saw on the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanolstm import hookimpl

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm.data.request import DataRequest
    from nanolstm.hookspecs import RegisterSource


@hookimpl
def nanolstm_register_sources(register: RegisterSource) -> None:
    """Register the source `yfinance`."""
    register("yfinance", load)


def load(request: DataRequest) -> pd.DataFrame:
    """Prices of stocks, funds, indices and currencies from Yahoo Finance.

    Answers for windows that are wholly in the past are kept on disk and used again, unless `request.refresh` is set.
    They are not updated by Yahoo's later adjustments for dividends and splits.

    Args:
        request: `symbol` as Yahoo writes it ("AAPL", "^GSPC", "EURUSD=X"); `end` is exclusive; without `start` the
            whole history. `timeout` (30 s unless told) bounds the whole conversation, retries included. `options` may
            hold `interval` ("1d" unless told) and `session`, a `requests.Session` or one of curl_cffi's, for proxies.

    Returns:
        Open, High, Low, Close, Adj Close (float64) and Volume (int64), in the currency and unit of the exchange, not
        adjusted but for `Adj Close`. The index "Date" has no time zone: it is the day, or for an `interval` below one
        day the time, at the exchange.

    Raises:
        InputError: no symbol, or an unknown option or interval.
        UnknownSymbolError: Yahoo does not know the symbol.
        NoDataError: Yahoo has no prices in the window.
        RateLimitedError: Yahoo answered HTTP 429, also to the retries.
        UnreachableError: no connection, no answer before the deadline, or a fault of Yahoo's own.
        MalformedAnswerError: the answer is no JSON, or lacks a field.
        SourceUnavailableError: Yahoo refused for another reason.
    """
    from nanolstm_yfinance import cache, yahoo
    from nanolstm_yfinance.query import Query

    query = Query.of(request)
    kept = None if request.refresh else cache.find(query)
    if kept is not None:
        return kept
    frame = yahoo.ask(query)
    cache.keep(query, frame)
    return frame
