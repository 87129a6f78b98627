"""Windows: every number compared with a loop over rows."""

import attrs
import numpy as np
import pandas as pd
import pytest

import nanolstm as nl
from nanolstm.data.calendar import calendar_features
from nanolstm.data.preparation import Preparation, check_transforms
from nanolstm.data.series import check_series, timeline
from nanolstm.data.spacing import spacing
from nanolstm.data.transforms import transform
from nanolstm.errors import BadDataError, InputError, UnknownNameError

ROWS = 60


def frame(rows=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "price": 100 * np.exp(rng.normal(0, 0.02, rows).cumsum()),
            "sold": rng.uniform(1, 5, rows),
            "open": rng.integers(0, 2, rows).astype(float),
            "ignored": ["x"] * rows,
        },
        index=pd.date_range("2024-01-01", periods=rows),
    )


WINDOWS = nl.Windows(targets="price", past="sold", future="open", calendar="weekday", context=5, horizon=3)


def prepared(data=None, windows=WINDOWS, train=None, scaler="standard", **changes):
    series = check_series(frame() if data is None else data, windows)
    rows = {name: train or range(len(one)) for name, one in series.items()}
    made = Preparation.fit(
        series,
        rows,
        windows=windows,
        transforms=check_transforms(changes.get("transform"), windows, series),
        scaler=nl.scaler(scaler),
    )
    return made, series


def test_the_arrays_are_context_future_and_target_at_their_places_in_time():
    made, series = prepared(scaler="none")
    origins = made.origins(range(ROWS), range(ROWS))
    data = made.cut(series, {"series": origins})
    assert data.inputs == ("price", "sold", "open", "weekday sine", "weekday cosine")
    assert len(data) == ROWS - 5 - 3 + 1
    assert (data.context.shape, data.future.shape, data.target.shape) == ((53, 5, 5), (53, 3, 3), (53, 3, 1))
    rows = frame()
    for n, origin in enumerate(origins):
        seen, coming = rows.iloc[origin - 4 : origin + 1], rows.iloc[origin + 1 : origin + 4]
        np.testing.assert_array_equal(data.context[n, :, :3], seen[["price", "sold", "open"]])
        np.testing.assert_array_equal(data.future[n, :, 0], coming["open"])
        np.testing.assert_array_equal(data.target[n, :, 0], coming["price"])
        angle = 2 * np.pi * coming.index.day_of_week.to_numpy() / 7
        np.testing.assert_allclose(data.future[n, :, 1:], np.stack([np.sin(angle), np.cos(angle)], axis=1))
        assert data.known[n] == seen.index[-1]
        assert list(data.times[n]) == list(coming.index)
    assert repr(data) == "WindowData(context (53, 5, 5), future (53, 3, 3), target (53, 3, 1))"


def test_scalers_are_fitted_on_the_training_rows_of_each_column():
    train = range(10, 40)
    made, series = prepared(train=train)
    data = made.cut(series, {"series": made.origins(range(ROWS), range(ROWS))})
    rows = frame()
    for k, column in enumerate(("price", "sold", "open")):
        known = rows[column].iloc[10:40].to_numpy()
        np.testing.assert_allclose(
            data.context[:, -1, k], (rows[column].to_numpy()[4:-3] - known.mean()) / known.std(), rtol=1e-12
        )


@pytest.mark.parametrize("name", ["difference", "log_return", "difference(lag=4)"])
def test_the_target_is_the_change_from_the_last_known_level_scaled_as_its_step(name):
    train = range(40)
    made, series = prepared(transform=name, train=train)
    origins = made.origins(range(ROWS), range(ROWS))
    data = made.cut(series, {"series": origins})
    kind = transform(name)
    price = frame()["price"].to_numpy()
    assert origins[0] == 4 + kind.lag
    for step in (1, 2, 3):
        span = kind.span(step)
        known = kind.forward(price[: 40 - span], price[span:40])
        change = kind.forward(price[origins + step - span], price[origins + step])
        expected = (change - known.mean()) / known.std()
        np.testing.assert_allclose(data.target[:, step - 1, 0], expected, rtol=1e-9, atol=1e-12)
    one = kind.changes(price)
    known = one[kind.lag : 40]
    np.testing.assert_allclose(data.context[:, -1, 0], (one[origins] - known.mean()) / known.std(), rtol=1e-9)


@pytest.mark.parametrize("name", ["none", "difference", "log_return", "log_return(lag=2)"])
def test_targets_in_scaled_units_come_back_in_the_datas_own(name):
    made, series = prepared(transform=name, train=range(40))
    data = made.cut(series, {"series": made.origins(range(ROWS), range(ROWS))})
    levels = made.own_units(series, data, data.target)
    price = frame()["price"].to_numpy()
    np.testing.assert_allclose(levels[..., 0], price[data.origin[:, None] + np.arange(1, 4)], rtol=1e-14)


@pytest.mark.parametrize("name", ["none", "difference", "log_return", "log_return(lag=2)"])
def test_changes_from_row_to_row_come_back_as_a_path_of_levels(name):
    made, series = prepared(transform=name, train=range(40))
    data = made.cut(series, {"series": made.origins(range(ROWS), range(ROWS))})
    column = made.fitted["series"].rows.transformers["price"]
    scaled = (transform(name).changes(frame()["price"].to_numpy()) - column.mean_) / column.scale_
    steps = scaled[data.origin[:, None] + np.arange(1, 4), None]
    levels = made.chained(series, data, steps)
    price = frame()["price"].to_numpy()
    np.testing.assert_allclose(levels[..., 0], price[data.origin[:, None] + np.arange(1, 4)], rtol=1e-14)


def test_a_column_that_is_no_target_may_be_transformed_too():
    made, series = prepared(transform={"price": "log_return", "sold": "difference"}, scaler="none")
    data = made.cut(series, {"series": np.array([10])})
    np.testing.assert_array_equal(data.context[0, :, 1], frame()["sold"].diff().to_numpy()[6:11])
    np.testing.assert_array_equal(data.context[0, :, 2], frame()["open"].to_numpy()[6:11])


def test_several_series_and_targets_each_have_their_own_scale():
    windows = nl.Windows(targets=("price", "sold"), context=4, horizon=2)
    both = {"a": frame(), "b": 1000 * frame(40, seed=1)[["price", "sold"]]}
    made, series = prepared(both, windows=windows, train=range(30))
    data = made.cut(series, {name: made.origins(range(len(one)), range(len(one))) for name, one in both.items()})
    assert (data.series == "a").sum() == 60 - 5
    assert (data.series == "b").sum() == 40 - 5
    assert data.target.shape == (90, 2, 2)
    levels = made.own_units(series, data, data.target)
    rows = both["b"].to_numpy()[data.origin[data.series == "b"][:, None] + np.arange(1, 3)]
    np.testing.assert_allclose(levels[data.series == "b"], rows, rtol=1e-12)
    assert np.abs(data.context).max() < 20


def test_windows_of_a_part_lie_in_it_with_their_horizon():
    made, _ = prepared()
    assert list(made.origins(range(10, 30), range(10, 30))) == list(range(14, 27))  # the last target is row 29
    assert list(made.origins(range(30), range(20, 30))) == list(range(19, 27))  # validation: the context is older
    assert list(made.origins(range(60), range(30, 40))) == list(range(29, 39))  # test: the first step is in it
    assert list(made.origins(range(60), range(50, 60))) == list(range(49, 57))  # as long as there is a whole horizon


def test_the_timeline_is_every_time_that_a_series_has():
    early, late = frame(20), frame(20)
    late.index = late.index + pd.Timedelta(days=10)
    series = check_series({"early": early, "late": late}, WINDOWS)
    assert list(timeline(series)) == list(pd.date_range("2024-01-01", periods=30))


# The calendar


def test_a_cycle_ends_where_it_begins():
    year = pd.date_range("2024-01-01", "2024-12-31 23:45", freq="15min")
    for name, per_cycle in (("hour", 96), ("weekday", 7), ("month", 12), ("quarter", 4), ("minute", 4)):
        points = np.unique(calendar_features(year, (name,)).round(9), axis=0)
        assert len(points) == per_cycle
        np.testing.assert_allclose(np.hypot(*points.T), 1.0)
        np.testing.assert_allclose(points.sum(axis=0), 0.0, atol=1e-7)
    assert calendar_features(year, ()).shape == (len(year), 0)


def test_the_days_of_short_and_long_months_and_years_fill_the_circle():
    year = pd.date_range("2024-01-01", "2024-12-31")
    for name in ("day", "day_of_year"):
        sine, cosine = calendar_features(year, (name,)).T
        assert (sine[0], cosine[0]) == (0, 1)
        assert -0.22 < sine[-1] < 0


def test_a_calendar_of_periods_is_that_of_their_beginnings():
    months = pd.period_range("2024-01", periods=12, freq="M")
    np.testing.assert_array_equal(
        calendar_features(months, ("month",)), calendar_features(months.to_timestamp(), ("month",))
    )


# How regular times are


def test_regular_times_are_told():
    assert str(spacing(pd.date_range("2024-01-01", periods=4, freq="h"))) == "4 rows, 01:00:00 apart"
    assert str(spacing(pd.RangeIndex(5))) == "5 rows, 1 apart"
    assert spacing(pd.period_range("2024-01", periods=12, freq="M")).regular


def test_irregular_times_are_told_with_how_many_and_the_longest_gap():
    days = pd.bdate_range("2024-01-01", periods=10).delete([3])
    found = spacing(days)
    assert (found.usual, found.others, found.rows) == ("1 day", 2, 9)
    assert str(found) == (
        "9 rows, 1 day apart except for 2 (25%); the longest step, 3 days, follows 2024-01-05. Lags, horizons and "
        "seasons count rows, not time"
    )


def test_a_change_of_the_clock_is_no_irregularity():
    assert spacing(pd.date_range("2024-03-30", periods=72, freq="h", tz="Europe/Berlin")).regular


# What is refused


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"context": 0}, r"Windows\(context=0\): expected a number of rows"),
        ({"horizon": 1.5}, r"Windows\(horizon=1.5\)"),
        ({"stride": True}, r"Windows\(stride=True\)"),
        ({"targets": ()}, "name at least one column to forecast"),
        ({"past": [3]}, "3 is no name of a column"),
        ({"targets": 0}, "0 is no name of a column"),
        ({"past": "price"}, "column 'price' stands twice among targets, past and future"),
    ],
)
def test_windows_that_make_no_sense_are_refused(changes, text):
    with pytest.raises(InputError, match=text):
        nl.Windows(**{"targets": "price", "context": 5} | changes)


def test_an_unknown_cycle_column_or_transform_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="no calendar feature 'weekdays'; did you mean 'weekday'"):
        nl.Windows(targets="price", context=5, calendar="weekdays")
    with pytest.raises(UnknownNameError, match="the series has no column 'prize'; did you mean 'price'"):
        check_series(frame(), nl.Windows(targets="prize", context=5))
    with pytest.raises(UnknownNameError, match="series 'a' has no column"):
        check_series({"a": frame()}, nl.Windows(targets="prize", context=5))
    with pytest.raises(UnknownNameError, match="transform of column 'prize', which is not used"):
        check_transforms({"prize": "log_return"}, WINDOWS, {})


def test_calendar_features_of_step_numbers_are_refused():
    with pytest.raises(InputError, match="give the frame a DatetimeIndex, or leave calendar out"):
        prepared(frame().reset_index(drop=True))[0].cut(
            check_series(frame().reset_index(drop=True), WINDOWS), {"series": np.array([10])}
        )


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda f: f.iloc[[0, 2, 1, *range(3, 60)]], "the time index is not ascending; 2024-01-02 in row 2"),
        (lambda f: pd.concat([f, f.iloc[-1:]]), "2024-02-29 stands twice in the time index"),
        (lambda f: f.assign(sold=f["sold"].where(f.index != "2024-01-09")), "has no value at 2024-01-09"),
        (lambda f: f.assign(sold=f["sold"].where(f.index != "2024-01-09")), r"frame.ffill\(\), which uses no later"),
        (lambda f: f.assign(price=np.inf), "column 'price' is infinite"),
        (lambda f: f.assign(price="much"), "holds 'much', which is no number"),
        (lambda f: f.set_axis([str(t) for t in f.index]), "expected times"),
        (lambda f: f.iloc[:1], "1 rows; at least 2 are needed"),
    ],
)
def test_a_series_that_cannot_be_used_is_refused_with_the_place(spoil, text):
    with pytest.raises(BadDataError, match=text):
        check_series(spoil(frame()), WINDOWS)


def test_what_is_no_series_is_refused():
    with pytest.raises(InputError, match=r"ndarray is no series; expected a pandas\.DataFrame"):
        check_series(np.zeros((10, 2)), WINDOWS)
    with pytest.raises(InputError, match=r"a series is named \('a', 1\); expected text or a number"):
        check_series({("a", 1): frame()}, WINDOWS)
    with pytest.raises(InputError, match="holds no series"):
        check_series({}, WINDOWS)
    with pytest.raises(BadDataError, match="time indices are of different kinds"):
        check_series({"a": frame(), "b": frame().reset_index(drop=True)}, attrs.evolve(WINDOWS, calendar=()))


def test_too_few_training_rows_are_told_with_what_is_needed():
    with pytest.raises(InputError, match=r"series 'series' has 8 training rows; .* need at least 9"):
        prepared(train=range(8), transform="difference")


def test_a_target_that_stays_a_level_is_scaled_alike_at_every_step_beside_one_that_changes():
    windows = nl.Windows(targets=("price", "sold"), context=4, horizon=3)
    made, _ = prepared(windows=windows, transform={"price": "log_return"}, train=range(40))
    fitted = made.fitted["series"]
    assert all(step.transformers["sold"] is fitted.rows.transformers["sold"] for step in fitted.steps)
    assert fitted.steps[0].transformers["price"] is fitted.rows.transformers["price"]
    assert fitted.steps[1].transformers["price"].scale_ > 1.1 * fitted.steps[0].transformers["price"].scale_


@pytest.mark.parametrize("lag", [1, 3, 5])
@pytest.mark.parametrize("horizon", [1, 4, 6])
def test_the_fewest_training_rows_that_are_taken_are_enough(lag, horizon):
    windows = nl.Windows(targets="price", context=1, horizon=horizon)
    made, series = prepared(windows=windows, transform=f"difference(lag={lag})", train=range(lag + 1 + horizon))
    data = made.cut(series, {"series": made.origins(range(ROWS), range(ROWS))})
    assert np.isfinite(data.target).all()
