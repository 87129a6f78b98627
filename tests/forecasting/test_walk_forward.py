"""Walk-forward evaluation: every forecast computed a second time with loops, scikit-learn and pandas."""

import math

import attrs
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import root_mean_squared_error

import nanolstm as nl
from nanolstm.errors import BadDataError, InputError, UnknownNameError
from nanolstm.forecasting.forecaster import Regressor

ROWS = 160


def series(rows=ROWS, seed=0, noise=0.3):
    """A wave with a trend and noise, which a regression on lags forecasts well."""
    steps = np.arange(rows)
    level = 50 + 0.05 * steps + 5 * np.sin(2 * np.pi * steps / 20) + np.random.default_rng(seed).normal(0, noise, rows)
    return pd.DataFrame({"level": level, "other": np.cos(steps)}, index=pd.date_range("2024-01-01", periods=rows))


WINDOWS = nl.Windows(targets="level", context=6, horizon=3)
SPLITS = nl.Splits(folds=3, test=20)


def run(model=None, data=None, windows=WINDOWS, splits=SPLITS, **more):
    return nl.walk_forward(
        LinearRegression() if model is None else model,
        series() if data is None else data,
        windows,
        splits=splits,
        **more,
    )


def of(result, name="model", step=None):
    table = result.forecasts
    return table[(table["forecaster"] == name) & ((table["step"] == step) if step else True)]


def naive(train, validation):
    """A model that says what persistence says: the last scaled level, at every step."""
    targets, horizon = len(train.targets), train.target.shape[1]
    return lambda context, future: np.repeat(context[:, -1:, :targets], horizon, axis=1)


def test_each_forecast_is_that_of_a_model_fitted_before_its_fold():
    result = run(scaler="none")
    level = series()["level"].to_numpy()
    model = result.forecasts[result.forecasts["forecaster"] == "model"].set_index(["origin", "step"])
    count = 0
    for start in (100, 120, 140):
        rows = [(level[o - 5 : o + 1], level[o + 1 : o + 4]) for o in range(5, start - 3)]
        fitted = LinearRegression().fit(*map(np.array, zip(*rows, strict=True)))
        for origin in range(start - 1, min(start + 19, ROWS - 3)):
            expected = fitted.predict(level[None, origin - 5 : origin + 1])[0]
            got = model.xs(series().index[origin], level="origin")
            np.testing.assert_allclose(got["forecast"], expected, rtol=1e-9)
            np.testing.assert_array_equal(got["actual"], level[origin + 1 : origin + 4])
            assert list(got["time"]) == list(series().index[origin + 1 : origin + 4])
            assert (got["last"] == level[origin]).all()
            count += 3
    assert count == len(model)


def test_scores_are_over_all_forecasts_of_all_folds_at_once():
    result = run()
    assert list(result.scores.index.names) == ["target", "step", "forecaster"]
    for (_, step, name), row in result.scores.iterrows():
        mine = of(result, name, step)
        assert row["rmse"] == pytest.approx(root_mean_squared_error(mine["actual"], mine["forecast"]), rel=1e-12)
        assert row["n"] == len(mine) == 58


@pytest.mark.parametrize("scaler", ["standard", "minmax", "robust", "none"])
def test_a_model_that_repeats_the_last_level_scores_as_persistence_in_own_units(scaler):
    result = run(naive, scaler=scaler, baselines=["persistence"])
    table = result.scores["rmse"].unstack("forecaster")  # noqa: PD010
    np.testing.assert_allclose(table["model"], table["persistence"], rtol=1e-12)
    assert (
        result.verdict()
        == "1 to 3 steps ahead, the model is as good as persistence, and no better: their RMSE is the same."
    )


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("transform", ["difference", "log_return"])
def test_a_model_that_predicts_no_change_is_persistence_to_the_last_bit(transform, recursive):
    def still(train, validation):
        return lambda context, future: np.zeros((len(context), future.shape[1], 1))

    result = run(still, scaler="none", transform=transform, recursive=recursive)
    mine, theirs = of(result), of(result, "persistence")
    np.testing.assert_array_equal(mine["forecast"], theirs["forecast"])


def test_the_linear_autoregression_is_least_squares_on_the_last_ten_rows_of_the_targets():
    windows = nl.Windows(targets="level", past="other", context=15, horizon=2)
    result = run(Regressor(LinearRegression(), lags=10, features=1), windows=windows)
    table = result.scores.drop(columns=["n", "direction"]).unstack("forecaster")  # noqa: PD010
    for metric in ("rmse", "mae", "mase", "smape"):
        np.testing.assert_allclose(table[metric, "model"], table[metric, "linear autoregression"], rtol=1e-12)


def test_a_model_that_knows_the_series_beats_every_baseline_and_the_sentence_says_so():
    result = run(windows=attrs.evolve(WINDOWS, context=25), baselines=["persistence", "drift", "mean"])
    tests = result.tests.xs("persistence", level="baseline")
    assert (tests["p_holm"] < 0.001).all()
    assert (tests["statistic"] < 0).all()
    low, high = tests["difference"].min(), tests["difference"].max()
    assert f"its RMSE is {100 * low:.1f} % to {100 * high:.1f} % lower (p < 0.001)" in result.verdict()
    assert result.verdict().startswith("1 to 3 steps ahead, the model beats ")


def test_the_tests_are_of_the_losses_in_order_of_time_and_as_far_as_forecasts_overlap():
    result = run()
    wide = result.forecasts.query("step == 3").pivot_table(index="origin", columns="forecaster", values="forecast")
    actual = of(result, "model", 3).set_index("origin")["actual"]
    expected = nl.diebold_mariano((wide["model"] - actual) ** 2, (wide["drift"] - actual) ** 2, step=3)
    got = result.tests.loc["level", 3, "drift"]
    assert (got["statistic"], got["p"], got["n"]) == (expected.statistic, expected.p, 58)
    by_mae = run(criterion="mae").tests.loc["level", 3, "drift"]
    expected = nl.diebold_mariano(abs(wide["model"] - actual), abs(wide["drift"] - actual), step=3)
    assert by_mae["statistic"] == pytest.approx(expected.statistic, rel=1e-12)


def test_forecasts_every_few_rows_overlap_less():
    result = run(splits=nl.Splits(folds=3, test=20, every=3))
    assert result.tests["n"].iloc[0] == 20
    assert result.forecasts["origin"].nunique() == 20
    wide = result.forecasts.query("step == 3").pivot_table(index="origin", columns="forecaster", values="forecast")
    actual = of(result, "model", 3).set_index("origin")["actual"]
    expected = nl.diebold_mariano((wide["model"] - actual) ** 2, (wide["mean"] - actual) ** 2, step=1)
    assert result.tests.loc["level", 3, "mean"]["statistic"] == pytest.approx(expected.statistic, rel=1e-12)


def test_of_random_walks_it_hardly_ever_says_that_a_model_beats_the_baselines():
    wins = 0
    for seed in range(30):
        steps = np.random.default_rng(seed).normal(size=300)
        walk = pd.DataFrame({"level": 100 + steps.cumsum()}, index=pd.date_range("2024-01-01", periods=300))
        splits = nl.Splits(folds=2, test=50)
        result = run(Ridge(), walk, splits=splits, transform="difference", baselines=["persistence", "drift"])
        wins += "the model beats" in result.verdict()
    assert wins <= 1


# Splits


def test_expanding_sliding_and_gap_train_on_the_rows_that_they_say():
    seen = []

    def fit(train, validation):
        seen.append((train.known[0], train.times[-1, -1], len(train), None if validation is None else len(validation)))
        return naive(train, validation)

    day = series().index
    run(fit, splits=nl.Splits(folds=2, test=20))
    run(fit, splits=nl.Splits(folds=2, test=20, train=50, gap=5, validation=10))
    assert seen == [
        (day[5], day[119], 112, None),
        (day[5], day[139], 132, None),
        (day[70], day[104], 32, 8),
        (day[90], day[124], 32, 8),
    ]


def test_without_refitting_the_first_fit_forecasts_every_fold():
    fits = []

    def fit(train, validation):
        fits.append(len(train))
        return naive(train, validation)

    result = run(fit, splits=nl.Splits(folds=3, test=20, refit=False))
    assert len(fits) == 1
    assert list(result.folds["windows"]) == [fits[0]] * 3
    assert list(result.folds["train to"]) == [series().index[99]] * 3
    assert list(result.folds["seconds"] > 0) == [True, False, False]
    drift = of(result, "drift", 2)
    level = series()["level"].to_numpy()
    np.testing.assert_allclose(drift["forecast"], drift["last"] + 2 * (level[99] - level[0]) / 99, rtol=1e-12)
    run(fit, splits=nl.Splits(folds=3, test=20, refit=2))
    assert len(fits) == 3


def test_every_origin_belongs_to_one_fold():
    result = run()
    mine = of(result, "model", 1)
    assert list(mine["time"]) == list(series().index[100:158])
    assert list(mine["fold"].value_counts(sort=False)) == [20, 20, 18]


def test_training_windows_begin_every_so_many_rows():
    assert list(run(windows=attrs.evolve(WINDOWS, stride=4)).folds["windows"]) == [23, 28, 33]


# Several steps, recursively


@pytest.mark.parametrize("transform", [None, "difference", "log_return"])
def test_a_recursive_forecast_feeds_each_prediction_to_the_next(transform):
    windows = nl.Windows(targets="level", context=6, horizon=4, calendar="weekday")
    result = run(Ridge(), windows=windows, splits=nl.Splits(folds=1, test=30), recursive=True, transform=transform)
    change = {None: lambda x: x, "difference": np.diff, "log_return": lambda x: np.diff(np.log(x))}[transform]
    level = series()["level"].to_numpy()
    lag = 0 if transform is None else 1
    known = change(level[:130])
    mean, deviation = known.mean(), known.std()
    day = 2 * np.pi * series().index.day_of_week.to_numpy() / 7
    calendar = np.stack([np.sin(day), np.cos(day)], axis=1)

    def features(scaled, end):
        window = np.concatenate([scaled[-6:, None], calendar[end - 5 : end + 1]], axis=1)
        return np.concatenate([window.ravel(), calendar[end + 1]])

    scaled = (change(level) - mean) / deviation
    train = range(5 + lag, 130 - 4)
    x = np.array([features(scaled[: o + 1 - lag], o) for o in train])
    fitted = Ridge().fit(x, [scaled[o + 1 - lag] for o in train])
    for origin in (129, 140, 150):
        path, last = list(scaled[: origin + 1 - lag]), level[origin]
        for step in range(1, 5):
            path.append(fitted.predict(features(np.array(path), origin + step - 1)[None])[0])
            moved = path[-1] * deviation + mean
            last = {None: moved, "difference": last + moved, "log_return": last * math.exp(moved)}[transform]
            got = of(result, "model", step)
            got = got.set_index("origin").loc[series().index[origin], "forecast"]
            assert got == pytest.approx(last, rel=1e-9)


def test_one_step_ahead_recursive_and_direct_are_the_same():
    windows = attrs.evolve(WINDOWS, horizon=1)
    direct, recursive = run(windows=windows), run(windows=windows, recursive=True)
    np.testing.assert_allclose(direct.forecasts["forecast"], recursive.forecasts["forecast"], rtol=1e-12)


# Several series and targets


def test_each_series_is_split_at_the_same_time_and_scaled_by_itself():
    late = 1000 + 100 * series(100, seed=1)
    late.index = late.index + pd.Timedelta(days=60)
    result = run(data={"early": series(), "late": late}, splits=nl.Splits(folds=2, test=20))
    assert result.criterion == "mase"
    tests = of(result, "model", 1)
    for _, fold in tests.groupby("fold"):
        early, later = (fold[fold["series"] == name] for name in ("early", "late"))
        assert list(early["time"]) == list(later["time"])
    by_series = result.score(["series", "forecaster"])
    alone = run(data=late, splits=nl.Splits(folds=2, test=20), model=naive).scores["mae"]
    assert by_series.loc[("late", "persistence"), "mae"] == pytest.approx(
        alone.xs("persistence", level="forecaster").mean()
    )
    assert by_series.loc[("late", "model"), "mase"] < 1
    assert result.tests["n"].iloc[0] == 38  # origins: the losses of both series are averaged at each


def test_several_targets_are_scored_apart():
    windows = nl.Windows(targets=("level", "other"), context=25, horizon=2)
    result = run(windows=windows, transform={"level": "difference"})
    assert list(result.scores.index.get_level_values("target").unique()) == ["level", "other"]
    other = of(result, "persistence", 1).query("target == 'other'")
    np.testing.assert_array_equal(other["actual"], series()["other"].reindex(other["time"]))
    assert result.verdict().splitlines()[0].startswith("level: ")
    assert result.verdict().splitlines()[1].startswith("other: ")


# Quantiles


def residual_quantiles(levels):
    def fit(train, validation):
        spread = np.quantile(train.target, levels, axis=0)  # (Q, horizon, N)
        constant = np.moveaxis(spread, 0, -1).reshape(*train.target.shape[1:2], -1)
        return lambda context, future: np.broadcast_to(constant[:, ::-1], (len(context), *constant.shape))

    return fit


def test_quantiles_are_ascending_in_own_units_even_where_the_model_crosses_them():
    levels = (0.1, 0.5, 0.9)
    for transform in (None, "log_return"):
        result = run(residual_quantiles(levels), output=nl.Quantiles(levels), transform=transform)
        assert result.criterion == "pinball"
        quantiles = result.forecasts[["q0.1", "q0.5", "q0.9"]].to_numpy()
        assert (np.diff(quantiles, axis=1) >= 0).all()
        mine = result.forecasts["forecaster"] == "model"
        np.testing.assert_array_equal(result.forecasts["forecast"][mine], result.forecasts["q0.5"][mine])
        assert {"pinball", "coverage"} < set(result.scores)
        assert " lay in its 80 % interval." in result.verdict()


def test_a_quantile_of_the_change_is_the_same_quantile_of_the_level_however_far_ahead():
    levels = (0.25, 0.5, 0.75)
    result = run(
        residual_quantiles(levels),
        output=nl.Quantiles(levels),
        transform="log_return",
        splits=nl.Splits(folds=1, test=40),
    )
    level = series()["level"].to_numpy()
    for step in (1, 2, 3):
        origins = np.arange(6, 117)  # of the training windows
        expected = np.quantile(np.log(level[origins + step] / level[origins]), levels)
        got = of(result, "model", step)
        for k, q in enumerate(("q0.25", "q0.5", "q0.75")):
            np.testing.assert_allclose(np.log(got[q] / got["last"]), expected[k], rtol=1e-9)


def test_the_intervals_of_a_baseline_are_those_of_its_errors_in_training():
    levels = (0.1, 0.5, 0.9)
    result = run(residual_quantiles(levels), output=nl.Quantiles(levels), splits=nl.Splits(folds=1, test=40))
    level, origins = series()["level"].to_numpy(), np.arange(5, 117)
    for step in (1, 3):
        spread = np.quantile(level[origins + step] - level[origins], levels)
        got = of(result, "persistence", step)
        for k, q in enumerate(("q0.1", "q0.5", "q0.9")):
            np.testing.assert_allclose(got[q], got["forecast"] + spread[k], rtol=1e-12)


def test_intervals_of_a_seasonal_baseline_come_from_windows_that_have_a_season_before_them():
    levels = (0.1, 0.5, 0.9)
    options = {"output": nl.Quantiles(levels), "baselines": ["seasonal naive"], "season": 20}
    result = run(residual_quantiles(levels), splits=nl.Splits(folds=1, test=40), **options)
    level, origins = series()["level"].to_numpy(), np.arange(19, 117)
    spread = np.quantile(level[origins + 2] - level[origins + 2 - 20], levels)
    got = of(result, "seasonal naive", 2)
    np.testing.assert_allclose(got["q0.9"], got["forecast"] + spread[2], rtol=1e-12)
    with pytest.raises(InputError, match="no training window with a season before it"):
        run(residual_quantiles(levels), splits=nl.Splits(folds=1, test=40), **options | {"season": 119})


def test_a_gaussian_output_gives_intervals_that_hold_what_they_should():
    noise = pd.DataFrame(
        {"level": np.random.default_rng(2).normal(5.0, 2.0, 1200)}, index=pd.date_range("2020-01-01", periods=1200)
    )

    def fit(train, validation):
        mean, variance = train.target.mean(), train.target.var()
        return lambda context, future: np.tile([mean, math.log(variance)], (len(context), 1, 1))

    windows = nl.Windows(targets="level", context=3)
    result = run(fit, noise, windows, nl.Splits(folds=1, test=600), output=nl.Gaussian((0.05, 0.5, 0.95)))
    assert result.scores.loc[("level", 1, "model"), "coverage"] == pytest.approx(0.9, abs=0.03)
    wide = of(result)
    known = noise["level"].iloc[:600]
    np.testing.assert_allclose(wide["q0.95"], known.iloc[3:].mean() + 1.6449 * known.iloc[3:].std(ddof=0), rtol=1e-3)


# What is said of the data


def test_irregular_times_and_outgrown_targets_are_told():
    data = series().drop(series().index[[40, 41, 90]])
    data["level"] += np.linspace(0, 300, len(data))
    result = run(naive, data)
    assert "157 rows, 1 day apart except for 2 (1%); the longest step, 3 days, follows 2024-02-09" in result.notes[0]
    assert "lie outside of the range of those that were trained on" in result.notes[1]
    assert run(naive, data, transform="log_return").notes == result.notes[:1]
    assert run(naive, transform="difference").notes == ()
    assert all(note in str(result) for note in result.notes)


def test_times_with_a_zone_and_step_numbers_come_back_as_they_were():
    zoned = series().tz_localize("America/New_York")
    assert run(naive, zoned).forecasts["time"].dtype == zoned.index.dtype
    numbered = series().reset_index(drop=True)
    assert run(naive, numbered).forecasts["time"].iloc[0] == 100
    monthly = series().set_axis(pd.period_range("2000-01", periods=ROWS, freq="M"))
    assert run(naive, monthly).forecasts["origin"].iloc[0] == pd.Period("2008-04", "M")


def test_a_result_prints_its_scores_and_its_verdict():
    result = run(metrics={"worst": lambda s: float(np.abs(s.forecast - s.actual).max())})
    assert str(result).count("persistence") >= 3
    assert result.verdict() in str(result)
    assert repr(result).startswith("Backtest(3 folds, 870 forecasts; ")
    mine = of(result, "model", 2)
    assert result.scores.loc[("level", 2, "model"), "worst"] == (mine["forecast"] - mine["actual"]).abs().max()
    with pytest.raises(UnknownNameError, match="no column 'stepp'; did you mean 'step'"):
        result.score("stepp")
    assert run(baselines=[]).verdict() == "There is no baseline to compare the model with."


# What is refused


@pytest.mark.parametrize(
    ("more", "error", "text"),
    [
        ({"model": "lstm"}, InputError, "'lstm' does not fit; expected a function fit"),
        ({"model": Ridge}, InputError, "does not fit"),
        ({"model": lambda train, validation: 3}, InputError, "answered with int; expected a function predict"),
        (
            {"model": lambda train, validation: lambda c, f: np.zeros((len(c), 1))},
            InputError,
            r"the model predicts \(20, 1\) for a context \(20, 6, 1\); expected \(20, 3, 1\)",
        ),
        (
            {"model": lambda train, validation: lambda c, f: np.full((len(c), 3, 1), np.nan)},
            InputError,
            "the model predicts 60 of 60 numbers not finite",
        ),
        ({"baselines": ["persistance"]}, UnknownNameError, "did you mean 'persistence'"),
        ({"criterion": "rsme"}, UnknownNameError, "did you mean 'rmse'"),
        ({"criterion": "pinball"}, InputError, "criterion='pinball' is of quantiles"),
        ({"season": 0}, InputError, "season=0"),
        ({"scaler": "standart"}, UnknownNameError, "did you mean 'standard'"),
        ({"transform": "log"}, UnknownNameError, "no transform 'log'"),
        ({"recursive": True, "output": nl.Quantiles()}, InputError, "quantiles of one step give none of the next"),
        (
            {"recursive": True, "windows": nl.Windows(targets="level", past="other", context=3, horizon=2)},
            InputError,
            "other will not be known in them",
        ),
        ({"data": series().iloc[::-1]}, BadDataError, "not ascending"),
        ({"data": series() - 60, "transform": "log_return"}, BadDataError, "not above 0"),
        ({"data": series(20), "splits": nl.Splits(folds=1, test=12)}, InputError, "8 training rows"),
        ({"splits": nl.Splits(folds=1, test=2)}, InputError, "no row of 1 tests has a horizon of 3 rows after it"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(more, error, text):
    with pytest.raises(error, match=text):
        run(**more)
