"""yfinance's frame made into ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm_yfinance.query import Query

PRICES = ("Open", "High", "Low", "Close", "Adj Close")
COLUMNS = (*PRICES, "Volume")
TYPES = {**dict.fromkeys(PRICES, "float64"), "Volume": "int64"}


def transform(frame: pd.DataFrame, query: Query) -> pd.DataFrame:
    """The columns, the index and the window that were asked for; every value as it came.

    Args:
        frame: yfinance's answer, its index in the time zone of the exchange.
        query: the window. Yahoo dates an interval of several days by its first, so only its end cuts these.
    """
    import pandas as pd

    index = pd.DatetimeIndex(frame.index)
    # The wall clock of the exchange: converting to another zone first would move days.
    index = index.tz_localize(None).as_unit("ns").rename("Date")
    frame = frame[list(COLUMNS)].set_axis(index)
    if query.end:
        frame = frame[frame.index < pd.Timestamp(query.end)]
    if query.start and query.interval not in ("5d", "1wk", "1mo", "3mo"):
        frame = frame[frame.index >= pd.Timestamp(query.start)]
    return frame
