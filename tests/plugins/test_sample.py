"""The shipped series: its figures, its window, its errors."""

import datetime as dt
import gzip
import hashlib
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

import nanolstm_sample
from nanolstm.data.request import DataRequest
from nanolstm.errors import InputError, NoDataError, UnknownSymbolError
from nanolstm_sample.source import load


def sample(**request):
    return load(DataRequest(source="sample", **request))


def test_the_sample_is_3270_trading_days_with_yfinances_columns():
    frame = sample()
    assert list(frame.columns) == ["Open", "High", "Low", "Close", "Adj Close", "Volume"]
    assert len(frame) == 3270
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert frame.index.name == "Date"
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    assert np.isfinite(frame.to_numpy()).all()


def test_the_figures_are_those_of_the_source_to_the_last_digit():
    frame = sample()
    assert frame.loc["2000-03-01"].tolist() == [118.56, 132.06, 118.5, 130.31, 4.186662803811, 9616100]
    assert frame.loc["2013-03-01"].tolist() == [438.0, 438.1799, 429.98, 430.47, 56.137353095488, 19730300]


def test_high_and_low_enclose_open_and_close_within_a_rounding():
    frame = sample()
    assert (frame["High"] >= frame[["Open", "Close"]].max(axis=1) - 0.01).all()
    assert (frame["Low"] <= frame[["Open", "Close"]].min(axis=1) + 0.01).all()


@pytest.mark.parametrize(("before", "split"), [("2000-06-20", "2000-06-21"), ("2005-02-25", "2005-02-28")])
def test_close_halves_at_a_split_and_adjusted_close_does_not(before, split):
    ratio = sample().loc[split] / sample().loc[before]
    assert ratio["Close"] == pytest.approx(0.5, abs=0.06)
    assert ratio["Adj Close"] == pytest.approx(2 * ratio["Close"], rel=1e-4)


def test_the_file_is_the_one_its_note_of_origin_describes():
    folder = files("nanolstm_sample")
    text = gzip.decompress((folder / "aapl.csv.gz").read_bytes())
    assert hashlib.sha256(text).hexdigest() in (folder / "ORIGIN.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 3271


def test_the_file_carries_no_time_stamp():
    assert (files("nanolstm_sample") / "aapl.csv.gz").read_bytes()[4:8] == bytes(4)


@pytest.mark.parametrize("symbol", [None, "AAPL", "aapl", "Aapl"])
def test_the_symbol_is_aapl_in_any_case_or_left_out(symbol):
    pd.testing.assert_frame_equal(sample(symbol=symbol), sample())


def test_another_symbol_is_unknown_and_the_answer_lists_what_there_is():
    with pytest.raises(UnknownSymbolError, match=r"no 'APPL'; did you mean 'AAPL'\? it has: AAPL"):
        sample(symbol="APPL")


def test_the_window_includes_its_start_and_excludes_its_end():
    frame = sample(start="2012-03-01", end="2013-03-01")
    assert frame.index[0] == pd.Timestamp("2012-03-01")
    assert frame.index[-1] == pd.Timestamp("2013-02-28")


def test_a_window_open_at_one_end_reaches_the_end_of_the_series():
    assert len(sample(start="2013-03-01")) == 1
    assert sample(end=dt.date(2000, 3, 2)).index.tolist() == [pd.Timestamp("2000-03-01")]


@pytest.mark.parametrize(
    "window",
    [{"start": "2022-01-01", "end": "2024-01-31"}, {"end": "2000-03-01"}, {"start": "2005-01-01", "end": "2005-01-03"}],
)
def test_a_window_without_a_trading_day_names_the_range_that_there_is(window):
    with pytest.raises(NoDataError, match="2000-03-01 to 2013-03-01"):
        sample(**window)


def test_an_option_is_refused_by_name():
    with pytest.raises(InputError, match="no options; 'interval' was given"):
        sample(options={"interval": "1d"})


def test_each_load_is_a_frame_of_its_own():
    first = sample()
    first.loc["2000-03-01", "Close"] = 0.0
    assert sample().loc["2000-03-01", "Close"] == 130.31


def test_the_source_is_registered_as_sample():
    registered = []
    nanolstm_sample.nanolstm_register_sources(lambda name, source: registered.append((name, source)))
    assert registered == [("sample", load)]
    assert load.__doc__.splitlines()[0].startswith("Daily AAPL prices")
