"""yfinance made to raise what it finds wrong, to write nothing, and to keep its own files below our folder."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

WORKER = "nanolstm-yfinance"

_lock = threading.Lock()
_loads = 0
_restore = contextlib.ExitStack()
_settled: Path | None = None


def settle(folder: Path) -> None:
    """Let yfinance keep its cookies and time zones in `folder`, and be silent in our threads."""
    global _settled
    import yfinance

    # Bound to the thread and never removed: a load that was given up must stay silent too.
    logging.getLogger("yfinance").addFilter(_not_ours)
    with _lock:
        if _settled != folder:
            yfinance.set_tz_cache_location(str(folder))
            _settled = folder


def without_its_cache() -> None:
    """Let yfinance do without its SQLite files; it has stand-ins for that, but takes them up only if a folder fails."""
    from yfinance import cache

    cache._TzCacheManager._tz_cache = cache._TzCacheDummy()
    cache._CookieCacheManager._Cookie_cache = cache._CookieCacheDummy()
    cache._ISINCacheManager._isin_cache = cache._ISINCacheDummy()


def close_its_cache() -> None:
    """Close the connections to yfinance's SQLite files that this thread has opened; the next use opens them again."""
    from yfinance import cache

    for kept in (cache.get_tz_cache(), cache.get_cookie_cache(), cache.get_isin_cache()):
        database = getattr(kept, "db", None)
        if database is not None:
            with contextlib.suppress(Exception):
                database.close()


@contextlib.contextmanager
def mannered() -> Iterator[None]:
    """The settings of the process during a load. They belong to all threads: the last load restores them."""
    global _loads
    counted = False
    try:
        with _lock:
            if _loads == 0:
                _enter()
            _loads += 1
            counted = True
        yield
    finally:
        with _lock:
            _loads -= counted
            if _loads == 0:  # also where entering was interrupted half-way
                _restore.close()


def _enter() -> None:
    import pandas as pd
    import yfinance

    debug = yfinance.config.debug
    _restore.callback(setattr, debug, "hide_exceptions", debug.hide_exceptions)
    debug.hide_exceptions = False
    _restore.enter_context(warnings.catch_warnings())
    # yfinance 1.7 sorts and indexes in place (utils.py:568-606), which pandas 3 announces to remove; importing yfinance
    # turns its deprecation warnings on for everybody. Neither is anything that a user of prices could act on.
    pandas_4 = getattr(pd.errors, "Pandas4Warning", DeprecationWarning)
    for method in ("sort_index", "set_index"):
        warnings.filterwarnings("ignore", f"The inplace keyword in DataFrame.{method} is deprecated", pandas_4)


def _not_ours(record: logging.LogRecord) -> bool:
    return record.threadName != WORKER
