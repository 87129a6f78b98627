"""What a user gets when Yahoo answers, and what yfinance does to odd answers on the way."""

import datetime as dt
import json
import threading
import urllib.parse
import warnings

import numpy as np
import pandas as pd
import pytest

from nanolstm.data.request import DataRequest
from nanolstm.errors import InputError, UnknownSymbolError
from nanolstm_yfinance import load

COLUMNS = {
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Adj Close": "adjclose",
    "Volume": "volume",
}


def days(frame):
    return [str(day.date()) for day in frame.index]


def test_a_good_answer_arrives_unchanged(ask, yahoo):
    frame = ask()
    assert list(frame.columns) == list(COLUMNS)
    for column, name in COLUMNS.items():
        np.testing.assert_array_equal(frame[column], yahoo.bars.series[name])
    assert [day.date() for day in frame.index] == yahoo.bars.days
    assert frame.index.tz is None
    assert frame.index.name == "Date"
    assert [str(kind) for kind in frame.dtypes] == ["float64"] * 5 + ["int64"]


def test_the_end_is_exclusive_and_the_start_inclusive(ask):
    assert days(ask(start="2022-01-05", end="2022-01-07")) == ["2022-01-05", "2022-01-06"]


def test_rows_outside_the_window_that_yahoo_adds_do_not_arrive(ask, yahoo):
    yahoo.chart = lambda path, query: yahoo.bars.answer()
    assert days(ask(start="2022-01-05", end="2022-01-07")) == ["2022-01-05", "2022-01-06"]


def test_the_dates_are_those_of_the_exchange_wherever_it_is(ask, yahoo):
    # Tokyo opens when it is still the day before in New York and in Greenwich.
    opens = dt.datetime(2022, 1, 4, 0, 0, tzinfo=dt.timezone(dt.timedelta(hours=9)))

    def tokyo(path, query):
        answer = yahoo.bars.answer("Asia/Tokyo")
        stamps = [int((opens + dt.timedelta(days=d)).timestamp()) for d in range(10)]
        answer["chart"]["result"][0]["timestamp"] = stamps
        return answer

    yahoo.chart = tokyo
    frame = ask("7203.T", start="2022-01-04", end="2022-01-06")
    assert days(frame) == ["2022-01-04", "2022-01-05"]
    assert int(yahoo.windows()[0]["period1"]) == int(opens.timestamp())


def test_without_start_and_end_the_whole_history_is_asked_for(ask, yahoo):
    assert len(ask(start=None, end=None)) == 10
    (window,) = yahoo.windows()
    years = (int(window["period2"]) - int(window["period1"])) / (365.25 * 86400)
    assert years == pytest.approx(99, abs=0.5)


def test_without_a_start_the_history_begins_with_the_first_day_not_one_month_before_the_end(ask, yahoo):
    yahoo.bars = type(yahoo.bars).of("2019-06-03", 5)
    assert len(ask(start=None, end="2022-01-01")) == 5


def test_without_an_end_the_history_goes_on_until_now(ask, yahoo):
    recent = dt.date.today() - dt.timedelta(days=8)
    yahoo.bars = type(yahoo.bars).of(str(recent), 5)
    assert days(ask(start=str(recent), end=None))[0] == str(recent)


def test_other_intervals_are_passed_on(ask, yahoo):
    ask(options={"interval": "1wk"})
    assert yahoo.windows()[0]["interval"] == "1wk"


def test_hours_carry_the_time_at_the_exchange(ask, yahoo):
    def hourly(path, query):
        answer = yahoo.bars.answer()
        result = answer["chart"]["result"][0]
        result["meta"]["tradingPeriods"] = [
            [{"start": s, "end": s + 23400, "timezone": "EST", "gmtoffset": -18000}] for s in result["timestamp"]
        ]
        return answer

    yahoo.chart = hourly
    frame = ask(options={"interval": "1h"})
    assert frame.index.tz is None
    assert frame.index.name == "Date"
    assert str(frame.index[0]) == "2022-01-03 09:30:00"


def test_dividends_and_splits_add_no_column_and_no_warning(ask, yahoo):
    def eventful(path, query):
        answer = yahoo.bars.answer()
        result = answer["chart"]["result"][0]
        second, third = result["timestamp"][1:3]
        result["events"] = {
            "dividends": {str(second): {"amount": 0.5, "date": second}},
            "splits": {str(third): {"date": third, "numerator": 2, "denominator": 1}},
        }
        return answer

    yahoo.chart = eventful
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        frame = ask()
    assert list(frame.columns) == list(COLUMNS)
    assert [str(warning.message) for warning in seen] == []


def test_a_row_without_prices_arrives_as_missing_values_and_yfinance_makes_its_volume_zero(ask, yahoo):
    for name in yahoo.bars.series:
        yahoo.bars.series[name][3] = None
    frame = ask()
    assert len(frame) == 10
    assert frame.iloc[3].isna().tolist() == [True] * 5 + [False]
    assert frame["Volume"].iloc[3] == 0


def test_a_single_missing_price_arrives_as_a_missing_value(ask, yahoo):
    yahoo.bars.series["adjclose"][4] = None
    frame = ask()
    assert frame.isna().to_numpy().sum() == 1
    assert np.isnan(frame["Adj Close"].iloc[4])


def test_of_a_day_that_comes_twice_yfinance_silently_keeps_the_first(ask, yahoo):
    yahoo.bars.days[4] = yahoo.bars.days[3]
    frame = ask()
    assert len(frame) == 9
    assert frame["Close"].iloc[3] == yahoo.bars.series["close"][3]


def test_of_a_last_day_that_comes_twice_yfinance_silently_keeps_the_second(ask, yahoo):
    # A day that is still being traded comes twice from Yahoo, the later one with the newer prices.
    yahoo.bars.days[9] = yahoo.bars.days[8]
    frame = ask()
    assert len(frame) == 9
    assert frame["Close"].iloc[8] == yahoo.bars.series["close"][9]


def test_days_out_of_order_are_silently_sorted_by_yfinance_with_their_prices(ask, yahoo):
    backwards = yahoo.bars.days[::-1]
    yahoo.bars.days = backwards
    frame = ask()
    assert frame.index.is_monotonic_increasing
    np.testing.assert_array_equal(frame["Close"], yahoo.bars.series["close"][::-1])


def test_where_yahoo_gives_no_adjusted_close_yfinance_silently_takes_the_close(ask, yahoo):
    def unadjusted(path, query):
        answer = yahoo.bars.answer()
        del answer["chart"]["result"][0]["indicators"]["adjclose"]
        return answer

    yahoo.chart = unadjusted
    frame = ask()
    np.testing.assert_array_equal(frame["Adj Close"], frame["Close"])


@pytest.mark.parametrize("symbol", ["^GSPC", "BRK-B", "EURUSD=X", "../../etc/passwd", "A B?c#d%e", "Ä" * 300])
def test_any_symbol_reaches_yahoo_as_one_name(ask, yahoo, symbol):
    assert len(ask(symbol)) == 10
    asked = {urllib.parse.unquote(path.partition("/chart/")[2]) for path in yahoo.charts()}
    assert asked == {symbol.upper()}


def test_an_isin_is_looked_up(ask, yahoo):
    yahoo.found = [{"symbol": "AAPL"}]
    assert len(ask("US0378331005")) == 10
    assert {path.rpartition("/")[2] for path in yahoo.charts()} == {"AAPL"}


@pytest.mark.parametrize("symbol", [None, "", "  "])
def test_without_a_symbol_the_user_is_told_to_give_one(ask, yahoo, symbol):
    with pytest.raises(InputError, match=r"needs a symbol.*symbol='AAPL'"):
        ask(symbol)
    assert yahoo.asked == []


def test_dots_alone_are_no_symbol(ask, yahoo):
    with pytest.raises(UnknownSymbolError, match="no Yahoo symbol"):
        ask("..")
    assert yahoo.asked == []


def test_an_unknown_option_is_answered_with_the_nearest(ask):
    with pytest.raises(InputError, match=r"no option 'intervall'; did you mean 'interval'.*known: interval, session"):
        ask(options={"intervall": "1d"})


def test_an_unknown_interval_is_answered_with_the_nearest(ask):
    with pytest.raises(InputError, match="no interval '1day'; did you mean '1d'"):
        ask(options={"interval": "1day"})


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_that_is_no_time_is_refused(ask, timeout):
    with pytest.raises(InputError, match="positive number of seconds"):
        ask(timeout=timeout)


@pytest.mark.parametrize("session", [7, object(), "http://proxy"])
def test_a_session_that_yfinance_cannot_use_is_an_input_error(ask, session):
    with pytest.raises(InputError, match=r"options\['session'\] cannot be used"):
        ask(options={"session": session})


def test_sessions_of_curl_cffi_work_as_well(ask, yahoo):
    curl = pytest.importorskip("curl_cffi").requests

    class LocalCurl(curl.Session):
        def request(self, method, url, *args, **kwargs):
            local = urllib.parse.urlsplit(url)._replace(scheme="http", netloc=f"127.0.0.1:{yahoo.port}").geturl()
            return super().request(method, local, *args, **kwargs)

    with LocalCurl(trust_env=False) as session:
        assert len(ask(options={"session": session})) == 10
        yahoo.chart = lambda path, query: yahoo.not_found
        with pytest.raises(UnknownSymbolError, match="XYZ"):
            ask("XYZ", options={"session": session})


def test_without_a_session_yfinance_makes_its_own(yahoo, session, monkeypatch):
    monkeypatch.setattr("yfinance.base.new_session", lambda: session)
    frame = load(DataRequest(source="yfinance", symbol="AAPL", start="2022-01-03", end="2022-01-13"))
    assert len(frame) == 10


def test_the_users_own_calls_of_yfinance_work_on_after_a_load(ask, yahoo):
    import yfinance

    ask(timeout=5)
    # yfinance goes on with the session of its last call.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # yfinance's own, which only a load filters
        frame = yfinance.Ticker("MSFT").history(start="2022-01-03", end="2022-01-13")
    assert len(frame) == 10
    assert yfinance.config.debug.hide_exceptions is True


def test_loads_in_several_threads_do_not_mix(ask, yahoo):
    def mine(path, query):
        answer = yahoo.bars.answer()
        quote = answer["chart"]["result"][0]["indicators"]["quote"][0]
        quote["close"] = [float(path.rpartition("K")[2])] * 10
        return 200, json.dumps(answer)

    yahoo.chart = mine
    frames = {}

    def one(k):
        frames[k] = ask(f"K{k}")

    threads = [threading.Thread(target=one, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {k: frame["Close"].unique().tolist() for k, frame in frames.items()} == {k: [float(k)] for k in range(4)}


def test_the_plugin_registers_under_its_name_and_is_light():
    import subprocess
    import sys

    code = """
import sys, nanolstm_yfinance as plugin
found = {}
plugin.nanolstm_register_sources(lambda name, load: found.update({name: load}))
print(sorted(found), found["yfinance"].__doc__.splitlines()[0])
print([name for name in ("pandas", "yfinance", "numpy") if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0].startswith("['yfinance'] Prices")
    assert said[1] == "[]"


def test_the_index_has_the_same_unit_whatever_pandas_chooses(ask):
    assert ask().index.dtype == np.dtype("datetime64[ns]")
    assert isinstance(ask().index, pd.DatetimeIndex)
