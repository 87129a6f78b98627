"""Asking Yahoo through yfinance, within a deadline."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING
from urllib.parse import quote

from nanolstm.errors import InputError, NanolstmError, RateLimitedError, UnreachableError
from nanolstm_yfinance import cache
from nanolstm_yfinance.manners import WORKER, close_its_cache, mannered, settle, without_its_cache
from nanolstm_yfinance.prices import transform
from nanolstm_yfinance.verdict import no_data, unreachable, verdict
from nanolstm_yfinance.witness import Conversation, lead, watched

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm_yfinance.query import Query

PAUSES = (0.5, 1.0)
"""Seconds before the second and the third try, each made up to a quarter longer or shorter."""


def ask(query: Query) -> pd.DataFrame:
    """Yahoo's answer, as `prices.transform` shapes it.

    A thread of its own leads the conversation, because sockets and name look-ups can hang in C code beyond any
    timeout: at the deadline the thread is left behind.

    Raises:
        NanolstmError: one of those that `load` names.
    """
    import yfinance  # noqa: F401 - loading it takes seconds, which are not Yahoo's

    settle(cache.folder() / "library")
    conversation = Conversation(time.monotonic() + query.timeout)
    answer: Future[pd.DataFrame] = Future()

    def run() -> None:
        try:
            try:
                frame = _converse(query, conversation)
            finally:
                close_its_cache()
            answer.set_result(frame)
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
            answer.set_exception(error)

    with mannered():
        threading.Thread(target=run, name=WORKER, daemon=True).start()
        try:
            return answer.result(query.timeout)
        except TimeoutError:
            heard = f" (HTTP {conversation.status} before that)" if conversation.status else ""
            raise unreachable(query, f"no answer within {query.timeout:g} s{heard}") from conversation.fault
        finally:
            conversation.expires = 0.0


def _converse(query: Query, conversation: Conversation) -> pd.DataFrame:
    lead(conversation)
    for pause in PAUSES:
        try:
            return _attempt(query, conversation)
        except (RateLimitedError, UnreachableError):
            pause *= random.uniform(0.75, 1.25)  # so that many processes do not come back at the same moment
            if pause >= conversation.left():
                raise
            time.sleep(pause)
    return _attempt(query, conversation)


def _attempt(query: Query, conversation: Conversation) -> pd.DataFrame:
    conversation.begin()
    try:
        frame = _history(query)
    except NanolstmError:
        raise
    except Exception as error:
        if _broken_cache(error, conversation):
            conversation.without_cache = True
            without_its_cache()
            return _attempt(query, conversation)
        raise verdict(query, conversation, error) from error
    frame = transform(frame, query)
    if frame.empty:
        raise no_data(query)
    return frame


def _history(query: Query) -> pd.DataFrame:
    import yfinance
    from yfinance.data import YfData
    from yfinance.exceptions import YFDataException

    # yfinance keeps answers in memory, faulty ones too: a retry or a refresh would be served from there.
    YfData.cache_get.cache_clear()
    # Its own session, which passes for a browser; any ticker has one.
    session = query.session or yfinance.Ticker("AAPL").session
    # yfinance puts the symbol into a path as it is.
    symbol = quote(query.symbol, safe="^=&$@!*+,:;~'()")
    try:
        ticker = yfinance.Ticker(symbol, session=watched(session))
    except YFDataException as error:
        if "session" not in str(error).lower():
            raise
        raise InputError(f"options['session'] cannot be used: {error}") from None
    # Without `period="max"` a missing start would mean one month.
    window = {"start": query.start} if query.start else {"period": "max"}
    frame: pd.DataFrame = ticker.history(
        **window,
        end=query.end,
        interval=query.interval,
        auto_adjust=False,
        actions=False,
        keepna=True,  # else rows without prices vanish before anybody could say so
        timeout=query.timeout,
    )
    return frame


def _broken_cache(error: Exception, conversation: Conversation) -> bool:
    """Whether yfinance fell over its own SQLite files: locked, not to be opened, damaged."""
    if conversation.without_cache:
        return False
    module = type(error).__module__.partition(".")[0]
    return module in ("peewee", "sqlite3", "pickle", "_pickle") or conversation.requests == 0
