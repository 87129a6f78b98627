"""What is asked of Yahoo: a request, checked and in Yahoo's terms."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs

from nanolstm.errors import InputError, UnknownSymbolError, nearest

if TYPE_CHECKING:
    from nanolstm.data.request import DataRequest

INTERVALS = ("1m", "2m", "5m", "15m", "30m", "60m", "90m", "1h", "1d", "5d", "1wk", "1mo", "3mo")
"""The intervals that Yahoo knows (yfinance, `PriceHistory.history`)."""

TIMEOUT = 30.0
"""Seconds for the whole conversation where the request leaves it open."""

LONGEST = 86400.0
"""Seconds that nobody waits; operating systems refuse to wait for ever in so many words."""


@attrs.frozen(kw_only=True)
class Query:
    """One question to Yahoo. Its text is how error messages name it."""

    symbol: str
    start: dt.date | None = None
    end: dt.date | None = None
    interval: str = "1d"
    timeout: float = TIMEOUT
    session: Any = attrs.field(default=None, eq=False)

    @classmethod
    def of(cls, request: DataRequest) -> Query:
        """The query that `request` means.

        Raises:
            InputError: no symbol, an unknown option or interval, or a timeout that is not positive.
            UnknownSymbolError: a symbol that cannot be one.
        """
        symbol = (request.symbol or "").strip().upper()
        if not symbol:
            raise InputError("the source 'yfinance' needs a symbol as Yahoo writes it, for example symbol='AAPL'")
        if not symbol.strip("."):
            raise UnknownSymbolError(f"{request.symbol!r} is no Yahoo symbol; write one such as 'AAPL' or '^GSPC'")
        for option in request.options:
            if option not in ("interval", "session"):
                known = nearest(option, ("interval", "session"))
                raise InputError(f"the source 'yfinance' has no option {option!r}; {known}")
        interval = request.options.get("interval", "1d")
        if interval not in INTERVALS:
            raise InputError(f"Yahoo has no interval {interval!r}; {nearest(str(interval), INTERVALS)}")
        timeout = TIMEOUT if request.timeout is None else float(request.timeout)
        if not timeout > 0:
            raise InputError(f"timeout={request.timeout!r}: expected a positive number of seconds")
        return cls(
            symbol=symbol,
            start=request.start,
            end=request.end,
            interval=interval,
            timeout=min(timeout, LONGEST),
            session=request.options.get("session"),
        )

    @property
    def past(self) -> bool:
        """Whether the window is over, so that its prices are final.

        A day is over when it is over everywhere: twelve hours west of Greenwich comes last.
        """
        westmost = dt.timezone(dt.timedelta(hours=-12))
        return self.end is not None and self.end <= dt.datetime.now(westmost).date()

    def __str__(self) -> str:
        start = f"from {self.start}" if self.start else "from the beginning"
        end = f"to before {self.end}" if self.end else "until now"
        return f"{self.symbol} ({self.interval}, {start} {end})"
