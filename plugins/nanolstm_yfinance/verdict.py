"""What went wrong, named from what came over the wire rather than from yfinance's guess."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from nanolstm.errors import (
    InputError,
    MalformedAnswerError,
    NanolstmError,
    NoDataError,
    RateLimitedError,
    SourceUnavailableError,
    UnknownSymbolError,
    UnreachableError,
)

if TYPE_CHECKING:
    from nanolstm_yfinance.query import Query
    from nanolstm_yfinance.witness import Conversation

RATE_LIMITED = (429, 999)  # 999 is Yahoo's own older number for the same
FIELDS = ("open", "high", "low", "close", "volume")


def verdict(query: Query, conversation: Conversation, error: Exception) -> NanolstmError:
    """The error that a user should see.

    Args:
        query: what was asked.
        conversation: what was answered.
        error: what yfinance made of it.
    """
    if conversation.fault is not None:
        return unreachable(query, _words(conversation.fault))
    if conversation.status is None:
        return _unwitnessed(query, error)
    answer = _json(conversation.body)
    refusal = _refusal(query, conversation, _said(answer))
    if refusal is not None:
        return refusal
    try:
        flaw = _flaw(answer)
    except (TypeError, AttributeError, LookupError):
        flaw = "it is not built as Yahoo's answers are"
    if flaw is None and not _chart(answer).get("timestamp"):
        return no_data(query)
    if type(error).__name__ == "YFInvalidPeriodError":
        return NoDataError(f"Yahoo does not offer {query} without a start ({_one_line(str(error))}); give one")
    if "Will be right back" in conversation.body:
        return unreachable(query, "Yahoo says that it will be right back")
    return malformed(query, flaw or f"yfinance cannot read it: {_words(error)}")


def unreachable(query: Query, came: str) -> UnreachableError:
    """No answer, or a fault at Yahoo."""
    return UnreachableError(
        f"asked Yahoo for {query} and got no prices: {came}; check the connection and the proxy, or try again later"
    )


def no_data(query: Query, said: str = "") -> NoDataError:
    """The symbol is there and the window is empty."""
    words = f" (it says: {said})" if said else ""
    return NoDataError(f"Yahoo has no prices for {query}{words}; choose another window")


def malformed(query: Query, flaw: str) -> MalformedAnswerError:
    """An answer that is not in Yahoo's format."""
    return MalformedAnswerError(
        f"asked Yahoo for {query} and its answer is malformed: {flaw}; "
        "a proxy or a login page may have answered instead, or yfinance needs an update"
    )


def _refusal(query: Query, conversation: Conversation, said: str) -> NanolstmError | None:
    status = conversation.status or 0
    came = f"HTTP {status}: {said}" if said else f"HTTP {status}"
    if status in RATE_LIMITED:
        return RateLimitedError(
            f"asked Yahoo for {query} and was refused as asking too often ({came}, tried {conversation.tries} times); "
            "wait some minutes, or pass options={'session': ...} with another proxy"
        )
    if status >= 500:
        return unreachable(query, f"Yahoo reports a fault of its own ({came})")
    if status in (401, 403):
        return SourceUnavailableError(
            f"asked Yahoo for {query} and was refused ({came}), which often means that this address is blocked; "
            "try again later, or pass options={'session': ...} with another proxy"
        )
    if status == 404 or "delisted" in said or "Not Found" in said:
        if conversation.symbol_known:
            return no_data(query, said)
        return UnknownSymbolError(
            f"Yahoo does not know the symbol {query.symbol!r} ({came}); "
            "look up how Yahoo writes it on https://finance.yahoo.com/lookup"
        )
    if said and "interval" in said.lower() and "support" in said.lower():
        return InputError(f"asked Yahoo for {query} and it refused the interval ({came}); choose another one")
    if said:
        return no_data(query, said)
    return malformed(query, came) if status >= 400 else None


def _unwitnessed(query: Query, error: Exception) -> NanolstmError:
    """Nothing about prices passed through the session: yfinance gave up before, or the session hides its requests."""
    name = type(error).__name__
    if name == "YFRateLimitError":
        return RateLimitedError(f"asked Yahoo for {query} and was refused as asking too often; wait some minutes")
    if name in ("YFTzMissingError", "YFPricesMissingError") or "ISIN" in str(error):
        return UnknownSymbolError(f"Yahoo does not know the symbol {query.symbol!r} ({_words(error)}); check it")
    if name == "JSONDecodeError":
        return malformed(query, "it is no complete JSON")
    if isinstance(error, OSError):
        return unreachable(query, _words(error))
    return SourceUnavailableError(f"asked Yahoo for {query} and yfinance itself failed ({_words(error)}); update it")


def _json(body: str) -> Any:
    """The answer, never empty; None if it is no JSON."""
    try:
        return json.loads(body) or {}
    except ValueError:
        return None


def _said(answer: Any) -> str:
    """Yahoo's own words about what is wrong, on one line; empty if it says none."""
    body = answer if isinstance(answer, dict) else {}
    part = body.get("chart") or body.get("finance")
    error = part.get("error") if isinstance(part, dict) else None
    if not error:
        return ""
    said = error.get("description") or error.get("code") if isinstance(error, dict) else error
    return _one_line(str(said))


def _chart(answer: Any) -> dict[str, Any]:
    try:
        chart = answer["chart"]["result"][0]
    except (TypeError, LookupError):
        return {}
    return chart if isinstance(chart, dict) else {}


def _flaw(answer: Any) -> str | None:
    """The first thing that an answer lacks; None if it has all that is read. Fails on what is built differently."""
    if answer is None:
        return "it is no complete JSON"
    chart = _chart(answer)
    if not chart:
        return "it has no 'chart.result'"
    for field in ("exchangeTimezoneName", "instrumentType", "currency"):
        if field not in chart.get("meta", {}):
            return f"the field 'meta.{field}' is missing"
    if not chart.get("indicators", {}).get("quote"):
        return "the field 'indicators.quote' is missing"
    quotes = chart["indicators"]["quote"][0]
    days = len(chart.get("timestamp") or ())
    for field in FIELDS if days else ():
        if field not in quotes:
            return f"the field 'indicators.quote.{field}' is missing"
        if len(quotes[field]) != days:
            return f"'indicators.quote.{field}' has {len(quotes[field])} values for {days} times"
    return None


def _words(error: BaseException) -> str:
    # curl puts a preface before what happened and a link behind it.
    text = re.sub(
        r"^Failed to perform, curl: \(\d+\) |\.? See https://curl\.se\S* first for more details\.?", "", str(error)
    )
    return f"{type(error).__name__}: {_one_line(text)}"


def _one_line(text: str, longest: int = 200) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= longest else f"{text[:longest]}..."
