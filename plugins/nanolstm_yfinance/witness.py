"""A session that sees what really passes between yfinance and Yahoo, and keeps it to the deadline.

yfinance reports many faults as "possibly delisted". What it was truly answered is known only on the wire, and the
session, which yfinance lets its caller choose, is the wire's public end.
"""

from __future__ import annotations

import functools
import threading
import time
from typing import Any

import attrs

CHART = "/v8/finance/chart/"
CHART_PATIENCE = 10.0
SIDE_PATIENCE = 5.0


class ConclusiveAnswerError(Exception):
    """Ends yfinance's attempt at an answer that neither another cookie nor another crumb would change."""


@attrs.define(eq=False)
class Conversation:
    """What was said in one load, kept by the thread that leads it.

    Args:
        expires: the deadline, by `time.monotonic`.
    """

    expires: float
    tries: int = 0
    requests: int = 0
    status: int | None = None
    body: str = ""
    fault: Exception | None = None
    symbol_known: bool = False
    without_cache: bool = False

    def left(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self.expires - time.monotonic())

    def begin(self) -> None:
        """Forget what the last attempt heard."""
        self.tries += 1
        self.requests, self.status, self.body, self.fault = 0, None, "", None

    def patience(self, asked: object, chart: bool) -> float:
        """The seconds that one request may take.

        The cookie and the crumb are not needed for prices, and blockers often swallow them: they may not eat up the
        time of the question itself.
        """
        if self.left() == 0.0:
            raise TimeoutError("the deadline has passed")
        limit = min(CHART_PATIENCE, self.left()) if chart else min(SIDE_PATIENCE, self.left() / 4)
        return max(0.05, min(limit, asked)) if isinstance(asked, (int, float)) else max(0.05, limit)

    def hear(self, status: int, body: str) -> None:
        """Take down an answer about prices.

        Raises:
            ConclusiveAnswerError: it is final; yfinance would ask for cookies, then for the same again.
        """
        self.status, self.body, self.fault = status, body, None
        if status == 200 and '"exchangeTimezoneName"' in body:
            self.symbol_known = True
        if status == 404 or 500 <= status < 600:
            raise ConclusiveAnswerError(f"HTTP {status}")


_here = threading.local()


def lead(conversation: Conversation) -> None:
    """Let every watched session report to `conversation` what this thread does.

    It is bound to the thread, not the session: yfinance keeps one session for the whole process, so that another
    thread's may carry our requests, and ours stays in use when we are done.
    """
    _here.conversation = conversation


def watched(session: Any) -> Any:
    """A view of `session`, with the same state, whose requests are witnessed."""
    if not hasattr(session, "request"):
        return session  # yfinance says what is wrong with it
    kind: type = type(session)
    view: Any = object.__new__(_watched_kind(kind))
    view.__dict__ = session.__dict__
    return view


@functools.cache
def _watched_kind(kind: type) -> type:
    # A subclass, since yfinance accepts only instances of the session classes that it knows.
    def request(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        send = kind.request  # type: ignore[attr-defined]
        conversation: Conversation | None = getattr(_here, "conversation", None)
        if conversation is None:
            return send(self, method, url, *args, **kwargs)
        chart = CHART in url
        if chart:
            conversation.status, conversation.fault = None, None
        conversation.requests += 1
        try:
            kwargs["timeout"] = conversation.patience(kwargs.get("timeout"), chart)
            response = send(self, method, url, *args, **kwargs)
        except Exception as error:
            if chart or conversation.status is None:
                conversation.fault = error
            raise
        if chart or CHART in str(response.url):
            conversation.hear(response.status_code, response.text)
        return response

    return type(f"Watched{kind.__name__}", (kind,), {"request": request})
