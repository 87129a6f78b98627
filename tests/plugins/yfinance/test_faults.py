"""What a user is told when Yahoo does not answer, or answers something else."""

import json
import socket
import threading
import time

import pytest
import requests
from requests.adapters import HTTPAdapter

from nanolstm.errors import (
    DataError,
    InputError,
    MalformedAnswerError,
    NoDataError,
    RateLimitedError,
    SourceUnavailableError,
    UnknownSymbolError,
    UnreachableError,
)


def always(status, text):
    return lambda path, query: (status, text)


def in_turn(yahoo, *answers):
    """These answers to the questions for prices, then good ones."""
    left = list(answers)
    return lambda path, query: left.pop(0) if left else yahoo.good(path, query)


def without(yahoo, *path):
    """A good answer that lacks the field at `path`."""

    def chart(url, query):
        answer = yahoo.bars.answer()
        inside = answer["chart"]["result"][0]
        for key in path[:-1]:
            inside = inside[key]
        del inside[path[-1]]
        return answer

    return chart


def test_an_unknown_symbol_is_named_after_one_question(told, yahoo):
    yahoo.chart = lambda path, query: yahoo.not_found
    message = told(UnknownSymbolError, "APPL")
    assert "'APPL'" in message
    assert "404" in message
    assert "lookup" in message
    assert len(yahoo.charts()) == 1


def test_an_unknown_symbol_is_recognised_by_yahoos_words_under_http_200(told, yahoo):
    yahoo.chart = lambda path, query: (200, yahoo.not_found[1])
    assert "delisted" in told(UnknownSymbolError)


def test_a_404_for_a_window_of_a_known_symbol_means_no_data(told, yahoo):
    yahoo.chart = lambda path, query: yahoo.not_found if "period1" in query else yahoo.good(path, query)
    assert "from 2022-01-03 to before 2022-01-13" in told(NoDataError)


def test_an_isin_that_yahoo_cannot_find_is_an_unknown_symbol(told, yahoo):
    assert "Invalid ISIN" in told(UnknownSymbolError, "US0378331005")
    assert yahoo.charts() == []


def test_a_symbol_without_its_whole_history_asks_for_a_start(told, yahoo):
    def short(path, query):
        answer = yahoo.bars.answer()
        answer["chart"]["result"][0]["meta"]["validRanges"] = ["1d", "5d"]
        return answer

    yahoo.chart = short
    assert "give one" in told(NoDataError, start=None)


def test_a_window_without_prices_is_named(told, yahoo):
    message = told(NoDataError, start="1999-01-01", end="1999-02-01")
    assert "from 1999-01-01 to before 1999-02-01" in message
    assert "another window" in message


def test_an_empty_result_means_no_data(told, yahoo):
    def empty(path, query):
        answer = yahoo.bars.answer()
        result = answer["chart"]["result"][0]
        if "period1" in query:
            del result["timestamp"]
            result["indicators"] = {"quote": [{}], "adjclose": [{}]}
        return answer

    yahoo.chart = empty
    told(NoDataError)


def test_a_window_that_yahoo_refuses_is_answered_in_its_words(told, yahoo):
    said = yahoo.error("Bad Request", "Data doesn't exist for startDate = 1, endDate = 2")
    yahoo.chart = lambda path, query: (400, said) if "period1" in query else yahoo.good(path, query)
    assert "Data doesn't exist for startDate = 1" in told(NoDataError)


def test_an_interval_that_yahoo_refuses_is_an_input_error(told, yahoo):
    said = yahoo.error("Unprocessable Entity", "Invalid input - interval=90m is not supported. Valid intervals: [1m]")
    yahoo.chart = lambda path, query: (422, said) if "period1" in query else yahoo.good(path, query)
    assert "interval=90m is not supported" in told(InputError)


def test_a_rate_limit_that_passes_goes_unseen(ask, yahoo):
    # yfinance itself asks twice, with another cookie; the third answer is our own retry.
    yahoo.chart = in_turn(yahoo, (429, "Too Many Requests"), (429, "Too Many Requests"))
    assert len(ask()) == 10
    assert len(yahoo.charts()) == 4


def test_a_rate_limit_for_ever_is_named_after_three_tries(told, yahoo):
    yahoo.chart = always(429, "Too Many Requests")
    message = told(RateLimitedError)
    assert "tried 3 times" in message
    assert "429" in message
    assert "wait" in message
    assert len(yahoo.charts()) == 6


def test_a_rate_limit_of_the_cookie_alone_does_no_harm(ask, yahoo, session):
    send = session.send

    def limited(request, **kwargs):
        response = send(request, **kwargs)
        if "getcrumb" in request.url:
            response.status_code = 429
        return response

    session.send = limited
    assert len(ask()) == 10


def test_retries_never_wait_past_the_deadline(told, yahoo, monkeypatch):
    monkeypatch.setattr("nanolstm_yfinance.yahoo.PAUSES", (60, 60))
    yahoo.chart = always(429, "Too Many Requests")
    start = time.monotonic()
    assert "tried 1 times" in told(RateLimitedError, timeout=3)
    assert time.monotonic() - start < 3


def test_a_fault_at_yahoo_is_no_unknown_symbol(told, yahoo):
    yahoo.chart = always(500, "<html>Internal Server Error</html>")
    message = told(UnreachableError)
    assert "HTTP 500" in message
    assert "try again later" in message
    assert len(yahoo.charts()) == 3


def test_a_fault_at_yahoo_that_passes_goes_unseen(ask, yahoo):
    yahoo.chart = in_turn(yahoo, (503, "busy"), (502, "busy"))
    assert len(ask()) == 10


def test_a_fault_in_the_window_alone_is_asked_again_rather_than_served_from_yfinances_memory(ask, yahoo):
    faults = [(500, "busy")]
    yahoo.chart = lambda p, q: faults.pop() if faults and "period1" in q else yahoo.good(p, q)
    assert len(ask()) == 10
    assert len(yahoo.windows()) == 2


def test_being_blocked_is_not_called_delisted(told, yahoo):
    yahoo.chart = always(403, "<html>Forbidden</html>")
    message = told(SourceUnavailableError)
    assert "blocked" in message
    assert "delisted" not in message


def test_yahoo_down_for_maintenance_is_unreachable(told, yahoo):
    down = (200, "<html>Will be right back...</html>")
    yahoo.chart = lambda path, query: down if "period1" in query else yahoo.good(path, query)
    assert "right back" in told(UnreachableError)


def test_a_refused_connection_is_unreachable(told, session):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        session.port = unused.getsockname()[1]
        assert "ConnectionError" in told(UnreachableError)


def test_an_isin_that_cannot_be_looked_up_for_want_of_a_connection_is_unreachable(told, session):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        session.port = unused.getsockname()[1]
        assert "ConnectionError" in told(UnreachableError, "US0378331005")


def test_an_isin_that_is_answered_with_a_web_page_is_malformed(told, yahoo):
    yahoo.found = None
    assert "no complete JSON" in told(MalformedAnswerError, "US0378331005")


def test_a_fault_of_the_users_own_session_is_told_in_its_words(told, session):
    class Tunnel(HTTPAdapter):
        def send(self, request, **kwargs):
            raise RuntimeError("the tunnel is closed")

    session.mount("http://", Tunnel())
    assert "RuntimeError: the tunnel is closed" in told(UnreachableError)


def test_a_host_without_an_address_is_unreachable(told, session):
    class NoAddress(HTTPAdapter):
        def send(self, request, **kwargs):
            raise requests.ConnectionError("Failed to resolve 'query2.finance.yahoo.com'\n(Name or service not known)")

    session.mount("http://", NoAddress())
    assert "Failed to resolve" in told(UnreachableError)


def test_a_server_that_never_answers_is_given_up_at_the_deadline(told, yahoo):
    yahoo.chart = lambda path, query: "hang"
    start = time.monotonic()
    message = told(UnreachableError, timeout=1.5)
    assert 0.5 < time.monotonic() - start < 4
    assert "check the connection" in message


def test_a_call_that_hangs_beyond_every_timeout_is_given_up_at_the_deadline(told, session):
    released = threading.Event()

    class Hang(HTTPAdapter):
        def send(self, request, **kwargs):
            released.wait(20)
            raise requests.ConnectionError("too late")

    session.mount("http://", Hang())
    start = time.monotonic()
    try:
        assert "no answer within 1 s" in told(UnreachableError, timeout=1)
        assert time.monotonic() - start < 3
    finally:
        released.set()


def test_a_load_after_one_that_was_given_up_works(told, ask, yahoo):
    yahoo.chart = lambda path, query: "hang"
    told(UnreachableError, timeout=1)
    yahoo.chart = None
    assert len(ask()) == 10


def test_a_cookie_server_that_hangs_does_not_keep_the_prices_away(ask, yahoo, session, monkeypatch):
    monkeypatch.setattr("nanolstm_yfinance.witness.SIDE_PATIENCE", 0.2)
    send = session.send

    def swallowed(request, **kwargs):
        if "/chart/" not in request.url:
            time.sleep(kwargs["timeout"])
            raise requests.ReadTimeout("swallowed")
        return send(request, **kwargs)

    session.send = swallowed
    assert len(ask()) == 10


@pytest.mark.parametrize("cut", [1, 60, 400])
def test_truncated_json_is_malformed_and_not_asked_for_again(told, yahoo, cut):
    yahoo.chart = lambda path, query: (200, json.dumps(yahoo.bars.answer())[:cut])
    assert "no complete JSON" in told(MalformedAnswerError)
    assert len(yahoo.charts()) == 1


def test_a_web_page_instead_of_json_is_malformed(told, yahoo):
    yahoo.chart = always(200, "<html><body>Sign in to the hotel's network</body></html>")
    assert "login page" in told(MalformedAnswerError)


@pytest.mark.parametrize("text", ["null", "[]", "{}", '"text"', '{"chart": null}', '{"chart": {"result": []}}'])
def test_json_of_another_form_is_malformed(told, yahoo, text):
    yahoo.chart = always(200, text)
    assert "chart.result" in told(MalformedAnswerError)


@pytest.mark.parametrize(
    "path",
    [("meta",), ("meta", "exchangeTimezoneName"), ("meta", "currency"), ("indicators",)]
    + [("indicators", "quote", 0, name) for name in ("open", "close", "volume")],
    ids=lambda path: str(path[-1]),
)
def test_a_missing_field_is_named(told, yahoo, path):
    yahoo.chart = without(yahoo, *path)
    message = told(MalformedAnswerError)
    assert str(path[-1]) in message
    assert "missing" in message


def places(inside, path=()):
    """The path of everything within an answer, down to the single price."""
    yield path
    for key in inside if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else ():
        yield from places(inside[key], (*path, key))


@pytest.mark.parametrize("odd", [None, [], {}, "odd", -1, [None]], ids=repr)
def test_whatever_is_odd_in_an_answer_the_user_gets_prices_or_one_of_our_errors(ask, yahoo, odd):
    yahoo.bars = type(yahoo.bars).of(count=2)
    outcomes = set()
    for path in list(places(yahoo.bars.answer()))[1:]:
        answer = yahoo.bars.answer()
        inside = answer
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = odd
        text = json.dumps(answer)
        yahoo.chart = lambda path, query, text=text: (200, text)
        try:
            outcomes.add(len(ask(refresh=True)))
        except DataError as error:
            outcomes.add(type(error))
    assert MalformedAnswerError in outcomes
    assert 2 in outcomes


def test_columns_of_unequal_length_are_malformed(told, yahoo):
    yahoo.bars.series["close"].append(1.0)
    yahoo.chart = lambda path, query: yahoo.bars.answer()
    assert "11 values for 10 times" in told(MalformedAnswerError)


def test_text_where_prices_belong_is_malformed(told, yahoo):
    yahoo.bars.series["close"][2] = "n/a"
    assert "yfinance cannot read it" in told(MalformedAnswerError)


def test_an_answer_that_breaks_off_in_the_connection_is_asked_for_again(ask, yahoo, session):
    send, broken = session.send, [True]

    def breaks(request, **kwargs):
        if "/chart/" in request.url and broken:
            broken.pop()
            raise requests.exceptions.ChunkedEncodingError("Connection broken: IncompleteRead")
        return send(request, **kwargs)

    session.send = breaks
    assert len(ask()) == 10
