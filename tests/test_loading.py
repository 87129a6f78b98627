"""Every load goes through the same checks: what they find, what they say, and what may be done about gaps."""

import types

import numpy as np
import pandas as pd
import pytest

import nanolstm as nl
from nanolstm import DataRequest, SequenceData, hookimpl, plugins
from nanolstm.errors import BadDataError, DataError, InputError, UnknownNameError, UnknownSymbolError
from nanolstm.plugins import PluginHouse

DAYS = pd.date_range("2024-01-01", periods=6, name="day")
GAPS = [np.nan, 2.0, np.nan, np.nan, 5.0, 6.0]


@pytest.fixture
def answers(monkeypatch):
    """Makes the source `mine` answer with a value, or raise it."""
    monkeypatch.setattr(plugins, "shared", PluginHouse())

    def answer(value):
        def load(request):
            load.request = request
            if isinstance(value, BaseException):
                raise value
            return value

        def fill(register):
            register("mine", load)

        plugins.shared.register(types.SimpleNamespace(nanolstm_register_sources=hookimpl(fill)), "mine")
        return load

    return answer


def frame(index=DAYS, **columns):
    return pd.DataFrame(columns or {"price": np.arange(1.0, 1.0 + len(index))}, index=index)


# Frames that can be used


@pytest.mark.parametrize(
    "index",
    [
        DAYS,
        DAYS.tz_localize("America/New_York"),
        DAYS.to_period(),
        DAYS - DAYS[0],
        pd.RangeIndex(6),
        pd.Index([0.5, 1.0, 2.0, 7.0, 7.5, 9.0]),
        DAYS[[0, 1, 2, 4, 5]].append(pd.DatetimeIndex(["2030-01-01"])),
    ],
)
def test_a_frame_with_an_ascending_index_is_answered_as_floats_in_its_own_order(answers, index):
    answers(frame(index, b=range(6), a=[True, False] * 3, c=pd.array(range(6), dtype="Int64")))
    got = nl.load_data("mine")
    assert list(got.columns) == ["b", "a", "c"]
    assert {str(kind) for kind in got.dtypes} == {"float64"}
    assert got["b"].tolist() == [0, 1, 2, 3, 4, 5]
    assert got["a"].tolist() == [1, 0] * 3
    assert got.index.equals(index)


def test_the_columns_that_are_asked_for_come_in_that_order_and_no_other_is_looked_at(answers):
    answers(frame(text=list("abcdef"), volume=range(6), gaps=GAPS, price=range(6)))
    assert list(nl.load_data("mine", columns=["price", "volume"]).columns) == ["price", "volume"]
    assert list(nl.load_data("mine", columns="price").columns) == ["price"]


def test_what_is_loaded_is_the_callers_own(answers):
    mine = frame()
    answers(mine)
    got = nl.load_data("mine")
    got.iloc[0, 0] = -1.0
    assert mine["price"].tolist() == [1, 2, 3, 4, 5, 6]
    assert nl.load_data("mine")["price"].tolist() == [1, 2, 3, 4, 5, 6]


# Frames that cannot


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            frame(DAYS[[0, 2, 1, 4, 3, 5]]),
            "the time index is not ascending; 2024-01-02 in row 2 comes after 2024-01-03 (2 such rows)",
        ),
        (frame(DAYS[[0, 1, 1, 2, 2, 2]]), "2024-01-02 stands twice in the time index (3 rows too many)"),
        (
            frame(pd.DatetimeIndex(["2024-01-01 09:00", "2024-01-01 08:30"])),
            "2024-01-01 08:30:00 in row 1 comes after 2024-01-01 09:00:00 (1 such rows)",
        ),
        (frame(pd.DatetimeIndex(["2024-01-01", None, "2024-01-03"])), "the time index has no value in row 1"),
        (frame(list("abcdef")), "expected times (a DatetimeIndex) or step numbers"),
        (frame(price=[1, 2, np.inf, 4, -np.inf, 6]), "column 'price' is infinite at 2024-01-03 (2 of 6 rows)"),
        (
            frame(a=range(6), b=GAPS),
            "column 'b' has no value at 2024-01-01 (3 of 6 rows); choose missing='drop' or 'ffill'",
        ),
        (
            frame(a=[1, "two", 3, "four", 5, 6]),
            "column 'a' holds 'two', which is no number at 2024-01-02 (2 of 6 rows)",
        ),
        (
            frame(a=DAYS),
            "column 'a' holds Timestamp('2024-01-01 00:00:00'), which is no number at 2024-01-01 (6 of 6 rows)",
        ),
        (
            frame(a=pd.Categorical(list("xyxyxy"))),
            "column 'a' holds 'x', which is no number at 2024-01-01 (6 of 6 rows)",
        ),
        (frame(a=np.arange(6) * 1j), "column 'a'"),
        (frame(a=pd.Series([1, 10**400, 3, 4, 5, 6], DAYS, dtype=object)), "column 'a'"),
        (frame(DAYS[:1]), "1 rows; at least 2 are needed"),
        (frame().head(0), "0 rows; at least 2 are needed"),
        (pd.DataFrame(index=DAYS), "no column"),
        (pd.DataFrame(np.ones((6, 2)), index=DAYS, columns=["a", "a"]), "there are two columns 'a'"),
        (frame()["price"], "answered with Series; expected a pandas.DataFrame or a SequenceData"),
        ([[1.0], [2.0]], "answered with list"),
        (None, "answered with NoneType"),
    ],
)
def test_a_frame_that_cannot_be_used_is_told_with_column_place_and_count(answers, value, text):
    answers(value)
    with pytest.raises(BadDataError) as caught:
        nl.load_data("mine")
    assert str(caught.value).startswith("source 'mine'")
    assert text in str(caught.value)


def test_infinity_is_an_error_whatever_is_done_about_gaps(answers):
    answers(frame(a=[1, np.inf, np.nan, 4, 5, 6]))
    for missing in ("error", "drop", "ffill"):
        with pytest.raises(BadDataError, match=r"column 'a' is infinite at 2024-01-02 \(1 of 6 rows\)"):
            nl.load_data("mine", missing=missing)


def test_a_column_that_is_not_there_suggests_the_nearest(answers):
    answers(frame(Close=range(6), Open=range(6)))
    with pytest.raises(UnknownNameError) as caught:
        nl.load_data("mine", columns=["Open", "close"])
    assert str(caught.value) == "source 'mine' has no column 'close'; did you mean 'Close'? columns: Close, Open"


def test_columns_of_several_levels_are_told_and_not_guessed(answers):
    levels = pd.MultiIndex.from_tuples([("Close", "AAPL"), ("Open", "AAPL")])
    answers(pd.DataFrame(np.ones((6, 2)), index=DAYS, columns=levels))
    with pytest.raises((BadDataError, UnknownNameError), match="Close"):
        nl.load_data("mine", columns=["Close"])


# Gaps


def test_dropping_takes_away_whole_rows(answers):
    answers(frame(a=GAPS, b=[0.0, 1.0, 2.0, 3.0, 4.0, np.nan]))
    got = nl.load_data("mine", missing="drop")
    assert got.index.equals(DAYS[[1, 4]])
    assert got.to_numpy().tolist() == [[2.0, 1.0], [5.0, 4.0]]


def test_filling_carries_the_last_value_forward_and_never_one_back_from_the_future(answers):
    answers(frame(a=[1.0, *GAPS[1:]]))
    assert nl.load_data("mine", missing="ffill")["a"].tolist() == [1, 2, 2, 2, 5, 6]
    answers(frame(a=GAPS))
    with pytest.raises(
        BadDataError, match=r"'a' has no value at 2024-01-01 \(1 of 6 rows\); there is no earlier value"
    ):
        nl.load_data("mine", missing="ffill")


def test_too_few_rows_are_counted_after_gaps_are_dropped(answers):
    answers(frame(a=[np.nan] * 5 + [1.0]))
    with pytest.raises(BadDataError, match="1 rows; at least 2 are needed"):
        nl.load_data("mine", missing="drop")


def test_gaps_in_columns_that_nobody_asked_for_drop_no_rows(answers):
    answers(frame(a=range(6), b=GAPS))
    assert len(nl.load_data("mine", missing="drop", columns=["a"])) == 6


# Sequences


def sequences(**change):
    return SequenceData(
        **({"x": np.ones((4, 6, 2)), "y": np.zeros((4, 6, 1)), "lengths": np.array([6, 5, 4, 3])} | change)
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"lengths": None},
        {"y": np.zeros((4, 3))},
        {"y": np.arange(4)},
        {"y": np.zeros((4, 6), int)},
        {"x": np.ones((4, 6, 2), np.float32)},
    ],
)
def test_sequences_of_each_documented_form_are_answered(answers, change):
    data = sequences(**change)
    answers(data)
    got = nl.load_data("mine")
    for name in ("x", "y", "lengths"):
        np.testing.assert_array_equal(getattr(got, name), getattr(data, name))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"x": np.ones((4, 6))}, "x has shape (4, 6) and dtype float64"),
        ({"x": np.ones((4, 6, 2), int)}, "dtype int64"),
        ({"x": np.ones((4, 0, 2))}, "x has shape (4, 0, 2)"),
        ({"x": np.ones((0, 6, 2)), "y": np.ones((0, 1)), "lengths": np.ones(0, int)}, "x has shape (0, 6, 2)"),
        ({"y": np.zeros((3, 6, 1))}, "y has shape (3, 6, 1)"),
        ({"y": np.zeros((4, 5, 1))}, "y has shape (4, 5, 1)"),
        ({"y": np.zeros(4)}, "y has shape (4,)"),
        ({"y": np.float64(1)}, "y has shape ()"),
        ({"y": np.array(list("abcd"))}, "y has"),
        ({"x": np.where(np.arange(48).reshape(4, 6, 2) == 15, np.nan, 1.0)}, "x is not finite at (1, 1, 1) (1 values)"),
        ({"y": np.full((4, 1), np.inf)}, "y is not finite at (0, 0) (4 values)"),
        ({"lengths": np.array([6, 5, 4])}, "lengths has shape (3,)"),
        ({"lengths": np.array([6, 5, 4, 7])}, "from 1 to 6"),
        ({"lengths": np.array([6, 5, 4, 0])}, "from 1 to 6"),
        ({"lengths": np.array([5.5, 5, 4, 3])}, "lengths"),
    ],
)
def test_sequences_that_cannot_be_used_are_told_with_shapes_and_places(answers, change, text):
    answers(sequences(**change))
    with pytest.raises(BadDataError) as caught:
        nl.load_data("mine")
    assert str(caught.value).startswith("source 'mine'")
    assert text in str(caught.value)


def test_sequences_that_are_lists_become_arrays(answers):
    answers(SequenceData(x=[[[1.0], [2.0]]], y=[[3.0]]))
    got = nl.load_data("mine")
    assert isinstance(got.x, np.ndarray)
    assert isinstance(got.y, np.ndarray)


# Requests


def test_the_request_reaches_the_source_as_it_was_said(answers):
    load = answers(frame())
    nl.load_data(
        "mine(depth=3, name='x')",
        "GOLD",
        start="2024-01-01",
        end="2024-02-01",
        refresh=True,
        timeout=2.5,
        options={"depth": 4},
    )
    asked = load.request
    assert (asked.source, asked.symbol, str(asked.start), str(asked.end)) == (
        "mine",
        "GOLD",
        "2024-01-01",
        "2024-02-01",
    )
    assert (asked.refresh, asked.timeout, asked.missing) == (True, 2.5, "error")
    assert dict(asked.options) == {"depth": 4, "name": "x"}


def test_a_whole_request_is_taken_alone(answers):
    load = answers(frame())
    request = DataRequest(source="mine", symbol="GOLD", columns=("price",))
    nl.load_data(request)
    assert load.request is request
    with pytest.raises(InputError, match=r"load_data\(DataRequest\(\.\.\.\)\) takes nothing else"):
        nl.load_data(request, "GOLD")


@pytest.mark.parametrize(
    ("asked", "error", "text"),
    [
        ({"source": "minne"}, UnknownNameError, "no source 'minne'; did you mean 'mine'?"),
        ({"source": "mine", "start": "2024-13-01"}, InputError, "'2024-13-01' is no date; write it as YYYY-MM-DD"),
        ({"source": "mine", "end": 20240101}, InputError, "20240101 is no date"),
        ({"source": "mine", "start": "2024-01-02", "end": "2024-01-02"}, InputError, "the window is empty"),
        ({"source": "mine", "missing": "fill"}, InputError, "missing='fill': expected 'error', 'drop' or 'ffill'"),
        ({"source": "mine", "begin": "2024-01-01"}, InputError, "begin"),
        ({"source": 3}, InputError, "3 is no name"),
    ],
)
def test_a_request_that_is_wrong_is_told_before_the_source_is_asked(answers, asked, error, text):
    load = answers(frame())
    with pytest.raises(error) as caught:
        nl.load_data(**asked)
    assert text in str(caught.value)
    assert not hasattr(load, "request")


# Sources that fail


def test_the_errors_that_a_source_raises_on_purpose_arrive_as_they_are(answers):
    error = UnknownSymbolError("no such metal")
    answers(error)
    with pytest.raises(UnknownSymbolError) as caught:
        nl.load_data("mine")
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("GOLD"), "KeyError: 'GOLD'"),
        (ValueError("two\n   lines"), "ValueError: two lines"),
        (ZeroDivisionError(), "ZeroDivisionError: "),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_anything_else_that_a_source_raises_names_source_and_plugin_and_keeps_its_cause(answers, error, text):
    answers(error)
    with pytest.raises(DataError) as caught:
        nl.load_data("mine")
    assert str(caught.value) == f"source 'mine' of plugin 'mine' failed: {text}"
    assert caught.value.__cause__ is error


def test_a_stop_from_the_keyboard_is_no_failure_of_a_source(answers):
    answers(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        nl.load_data("mine")
