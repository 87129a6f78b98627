"""Answers kept on disk: when they are used again, and what cannot harm them."""

import datetime as dt
import gc
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nanolstm.data.request import DataRequest
from nanolstm_yfinance import cache
from nanolstm_yfinance.query import Query

WINDOW = {"start": "2022-01-03", "end": "2022-01-13"}


def query(symbol="AAPL", **request):
    return Query.of(DataRequest(source="yfinance", symbol=symbol, **{**WINDOW, **request}))


def files(folder):
    return sorted(path.name for path in (folder / "yfinance").iterdir() if path.is_file())


def in_another_process(code, **kwargs):
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **kwargs)


def test_a_past_window_is_asked_for_once_and_equal_to_the_last_bit(ask, yahoo):
    yahoo.bars.series["close"][:5] = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, None]
    fresh = ask()
    asked = len(yahoo.asked)
    kept = ask()
    assert len(yahoo.asked) == asked
    pd.testing.assert_frame_equal(kept, fresh, check_exact=True, check_freq=True)
    for column in fresh.columns:
        assert kept[column].dtype == fresh[column].dtype
        np.testing.assert_array_equal(kept[column].to_numpy().view(np.int64), fresh[column].to_numpy().view(np.int64))
    assert kept.index.dtype == fresh.index.dtype


def test_refresh_asks_anew_and_keeps_the_new_answer(ask, yahoo):
    ask()
    yahoo.bars.series["close"][0] = 7.0
    assert ask()["Close"].iloc[0] != 7.0
    assert ask(refresh=True)["Close"].iloc[0] == 7.0
    assert ask()["Close"].iloc[0] == 7.0


@pytest.mark.parametrize("end", [None, dt.date.today() + dt.timedelta(days=30)])
def test_a_window_that_reaches_into_the_future_is_always_asked_for(ask, yahoo, clean_slate, end):
    start = dt.date.today() - dt.timedelta(days=9)
    yahoo.bars = type(yahoo.bars).of(str(start), 3)
    ask(start=start, end=end)
    yahoo.bars = type(yahoo.bars).of(str(start), 5)
    assert len(ask(start=start, end=end)) == 5
    assert files(clean_slate) == []


def test_a_day_is_over_only_when_it_is_over_everywhere():
    now = dt.datetime.now(dt.UTC)
    assert query(end=(now - dt.timedelta(hours=12)).date()).past
    assert not query(end=(now - dt.timedelta(hours=12)).date() + dt.timedelta(days=1)).past
    assert not query(end=None).past


def test_other_windows_intervals_and_symbols_are_kept_apart():
    asked = [
        query(),
        query(end="2022-01-12"),
        query(start=None),
        query(options={"interval": "1wk"}),
        query("BRK-B"),
        query("BRK.B"),
        query("BRK_B"),
        query("^GSPC"),
        query("GSPC"),
        query("Ä" * 300),
        query("Ä" * 299),
    ]
    assert len({cache.path(one).name.lower() for one in asked}) == len(asked)
    assert cache.path(query("aapl")) == cache.path(query("AAPL"))


@pytest.mark.parametrize("symbol", ["^GSPC", "BRK-B", "EURUSD=X", "../../etc/passwd", "CON", "A:B*C", "Ä" * 300])
def test_any_symbol_is_kept_inside_the_folder_and_found_again(ask, yahoo, clean_slate, symbol):
    ask(symbol)
    asked = len(yahoo.asked)
    assert len(ask(symbol)) == 10
    assert len(yahoo.asked) == asked
    (name,) = files(clean_slate)
    assert len(name) < 150
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text[: text.rindex("\n", 0, -1) + 1],
        lambda text: text.replace("103.", "104.", 1),
        lambda text: "\x00" * len(text),
        lambda text: text.partition("\n")[2],
    ],
    ids=["empty", "half", "without the last row", "another price", "zeros", "without the checksum"],
)
def test_a_damaged_file_is_asked_for_anew_and_replaced(ask, yahoo, clean_slate, damage):
    fresh = ask()
    path = cache.path(query())
    path.write_text(damage(path.read_text()))
    asked = len(yahoo.windows())
    pd.testing.assert_frame_equal(ask(), fresh)
    assert len(yahoo.windows()) == asked + 1
    pd.testing.assert_frame_equal(cache.find(query()), fresh)


def test_a_file_that_is_no_text_is_asked_for_anew(ask, yahoo):
    ask()
    cache.path(query()).write_bytes(b"\xff\xfe\x00")
    assert len(ask()) == 10


def test_a_folder_that_cannot_be_written_to_costs_one_warning_and_no_data(ask, yahoo, clean_slate):
    clean_slate.write_text("a file where the folder should be")
    for _ in range(2):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always", UserWarning)
            assert len(ask()) == 10
        told = [str(one.message) for one in seen if one.category is UserWarning]
        assert len(told) == 1
        assert str(clean_slate) in told[0]
        assert "NANOLSTM_CACHE" in told[0]
        assert "\n" not in told[0]
    assert clean_slate.read_text() == "a file where the folder should be"


def test_a_full_disk_costs_one_warning_and_no_data(ask, clean_slate, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert len(ask()) == 10
    assert files(clean_slate) == []


@pytest.mark.parametrize("broken", ["tkr-tz.db", "cookies.db"])
@pytest.mark.parametrize("how", ["folder", "garbage"])
def test_yfinances_own_files_cannot_break_a_load(ask, clean_slate, broken, how):
    path = clean_slate / "yfinance" / "library" / broken
    path.parent.mkdir(parents=True)
    if how == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"this is no database" * 1000)
    assert len(ask()) == 10
    # peewee leaves behind, unclosed, the connection whose first statement failed.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_yfinances_own_files_lie_below_the_same_folder(ask, clean_slate):
    ask()
    assert (clean_slate / "yfinance" / "library" / "tkr-tz.db").is_file()


def test_without_the_variable_the_users_cache_folder_is_taken(monkeypatch, tmp_path):
    monkeypatch.delenv("NANOLSTM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder().name.lower() == "nanolstm"
    monkeypatch.setenv("NANOLSTM_CACHE", "~/elsewhere")
    assert cache.cache_folder() == Path.home() / "elsewhere"


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(ask, clean_slate, monkeypatch):
    old = ask()

    def interrupted(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.keep(query(), old * 2)
    assert files(clean_slate) == [cache.path(query()).name]
    pd.testing.assert_frame_equal(cache.find(query()), old)


KILLED = """
import os, sys, time
import pandas as pd
from nanolstm.data.request import DataRequest
from nanolstm_yfinance import cache
from nanolstm_yfinance.query import Query

def halfway(handle):
    print("halfway", flush=True)
    time.sleep(60)

os.fsync = halfway
query = Query.of(DataRequest(source="yfinance", symbol="AAPL", start="2022-01-03", end="2022-01-13"))
index = pd.date_range("2022-01-03", periods=10, name="Date")
cache.keep(query, pd.DataFrame({name: 1.0 for name in cache.TYPES}, index=index))
"""


def test_a_process_killed_in_the_middle_of_writing_leaves_no_half_written_answer(ask, yahoo, clean_slate):
    with in_another_process(KILLED) as process:
        assert process.stdout.readline() == "halfway\n"
        process.kill()
    assert not cache.path(query()).exists()
    assert cache.find(query()) is None
    (part,) = (clean_slate / "yfinance").glob(".*.part")
    assert len(ask()) == 10
    assert len(yahoo.windows()) == 1
    long_ago = dt.datetime.now().timestamp() - 2 * cache.ABANDONED
    os.utime(part, (long_ago, long_ago))
    ask(refresh=True)
    assert files(clean_slate) == [cache.path(query()).name]


WRITERS = """
import sys
import pandas as pd
from nanolstm.data.request import DataRequest
from nanolstm_yfinance import cache
from nanolstm_yfinance.query import Query

value = float(sys.argv[1])
query = Query.of(DataRequest(source="yfinance", symbol="AAPL", start="2022-01-03", end="2022-01-13"))
index = pd.date_range("2022-01-03", periods=400, name="Date")
frame = pd.DataFrame({name: value for name in cache.TYPES}, index=index).astype({"Volume": "int64"})
for _ in range(60):
    cache.keep(query, frame)
"""


def test_two_processes_that_write_at_once_leave_a_whole_file_at_every_moment(clean_slate):
    writers = [subprocess.Popen([sys.executable, "-c", WRITERS, str(k)]) for k in (1, 2)]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if cache.path(query()).exists():
            frame = cache.find(query())
            assert frame is not None
            assert frame.shape == (400, 6)
            assert frame.to_numpy().min() == frame.to_numpy().max()
            seen.add(frame["Close"].iloc[0])
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= {1.0, 2.0}
    assert cache.find(query()) is not None
    assert files(clean_slate) == [cache.path(query()).name]
