"""Forecasts of what comes after the data: the same as those that an evaluation makes from that origin."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import nanolstm as nl
from nanolstm.data.ahead import next_times
from nanolstm.errors import BadDataError, InputError

ROWS = 120


def series(rows=ROWS):
    steps = np.arange(rows)
    return pd.DataFrame(
        {"level": 50 + 5 * np.sin(steps / 3) + np.random.default_rng(0).normal(0, 0.1, rows), "open": steps % 5 / 4},
        index=pd.date_range("2024-01-01", periods=rows),
    )


WINDOWS = nl.Windows(targets="level", future="open", calendar="weekday", context=6, horizon=3)


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("transform", [None, "log_return"])
def test_it_is_what_an_evaluation_forecasts_from_that_origin_before_it_knows(transform, recursive):
    options = {"transform": transform, "recursive": recursive}
    known, coming = series().iloc[:-3], series().iloc[-3:]
    got = nl.forecast(LinearRegression(), known, WINDOWS, future=coming[["open"]], **options)
    result = nl.walk_forward(LinearRegression(), series(), WINDOWS, splits=nl.Splits(folds=1, test=3), **options)
    expected = result.forecasts[result.forecasts["forecaster"] == "model"].reset_index(drop=True)
    columns = ["series", "target", "step", "origin", "time", "forecast"]
    assert list(got) == columns
    pd.testing.assert_frame_equal(got, expected[columns], rtol=1e-12)


def test_quantiles_and_several_series_and_targets_each_have_a_row_or_column():
    def fit(train, validation):
        assert len(validation) > 0
        spread = np.quantile(train.target, (0.1, 0.5, 0.9), axis=0)
        constant = np.moveaxis(spread, 0, -1).reshape(2, -1)
        return lambda context, future: np.tile(constant, (len(context), 1, 1))

    windows = nl.Windows(targets=("level", "open"), context=4, horizon=2)
    both = {"a": series(), "b": 10 * series(60)}
    got = nl.forecast(fit, both, windows, output=nl.Quantiles((0.1, 0.5, 0.9)), validation=0.2)
    assert got.groupby(["series", "target"]).size().to_dict() == dict.fromkeys(
        [(s, t) for s in "ab" for t in ("level", "open")], 2
    )
    assert list(got["time"][got["series"] == "b"].unique()) == list(pd.date_range("2024-03-01", periods=2))
    assert (np.diff(got[["q0.1", "q0.5", "q0.9"]], axis=1) >= 0).all()
    np.testing.assert_array_equal(got["forecast"], got["q0.5"])


def test_times_go_on_as_they_were():
    for index in (
        pd.date_range("2024-01-30", periods=9, freq="ME"),
        pd.bdate_range("2024-01-01", periods=9),
        pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Berlin"),
        pd.period_range("2024-01", periods=9, freq="Q"),
        pd.RangeIndex(4, 40, 4),
    ):
        pd.testing.assert_index_equal(next_times(index[:-3], 3), index[-3:], exact="equiv", check_names=False)


def test_of_irregular_times_the_next_are_unknown_unless_given():
    windows = nl.Windows(targets="level", context=4, horizon=2)
    irregular = series().drop(series().index[[50, 51, 90]])
    assert nl.forecast(LinearRegression(), irregular, windows)["time"].isna().all()
    days = pd.DatetimeIndex(["2024-05-06", "2024-05-09"])
    assert list(nl.forecast(LinearRegression(), irregular, windows, future=days)["time"]) == list(days)


@pytest.mark.parametrize(
    ("more", "error", "text"),
    [
        ({}, InputError, "series 'series': open must be given for the 3 rows to come; write future=frame"),
        (
            {"future": series()[["open"]]},
            InputError,
            "120 rows from 2024-01-01 00:00:00 on; expected 3, after 2024-04-29",
        ),
        ({"future": series(122)[["open"]].iloc[-2:]}, InputError, "future has 2 rows"),
        (
            {"future": series(123)[["open"]].iloc[-3:] * np.nan},
            BadDataError,
            "the future of series 'series': column 'open'",
        ),
        (
            {
                "data": series().drop(series().index[[50, 51]]),
                "windows": nl.Windows(targets="level", context=4, calendar="weekday"),
            },
            InputError,
            r"its times are irregular, .*; write future=index, such as pandas.bdate_range",
        ),
    ],
)
def test_what_is_missing_of_the_future_is_told(more, error, text):
    with pytest.raises(error, match=text):
        nl.forecast(LinearRegression(), **{"data": series(), "windows": WINDOWS} | more)
