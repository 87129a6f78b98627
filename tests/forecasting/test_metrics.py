"""Metrics and baselines: numbers by hand, by scikit-learn, or by a loop."""

import math

import numpy as np
import pytest
from sklearn import metrics as theirs

from nanolstm.errors import InputError
from nanolstm.forecasting.baselines import BASELINES, Past
from nanolstm.forecasting.metrics import LOSSES, METRICS, Scored, seasonal_scale

RNG = np.random.default_rng(5)
ACTUAL, FORECAST = 10 + RNG.normal(size=40), 10 + RNG.normal(size=40)
LEVELS = (0.1, 0.5, 0.9)
QUANTILES = np.sort(10 + RNG.normal(size=(40, 3)), axis=1)


def scored(**more):
    return Scored(
        **{
            "actual": ACTUAL,
            "forecast": FORECAST,
            "last": np.full(40, 10.0),
            "scale": np.full(40, 0.5),
            "quantiles": QUANTILES,
            "levels": LEVELS,
        }
        | more
    )


def test_errors_are_those_of_scikit_learn():
    assert METRICS["rmse"](scored()) == pytest.approx(theirs.root_mean_squared_error(ACTUAL, FORECAST), rel=1e-14)
    assert METRICS["mae"](scored()) == pytest.approx(theirs.mean_absolute_error(ACTUAL, FORECAST), rel=1e-14)


def test_the_pinball_loss_is_that_of_scikit_learn_averaged_over_the_quantiles():
    each = [theirs.mean_pinball_loss(ACTUAL, QUANTILES[:, k], alpha=q) for k, q in enumerate(LEVELS)]
    assert METRICS["pinball"](scored()) == pytest.approx(np.mean(each), rel=1e-14)


def test_mase_divides_each_error_by_the_seasonal_change_of_its_own_training_part():
    levels = np.array([1.0, 5.0, 2.0, 7.0, 100.0])
    assert seasonal_scale(levels, range(4), 1) == pytest.approx((4 + 3 + 5) / 3)
    assert seasonal_scale(levels, range(4), 2) == pytest.approx((1 + 2) / 2)
    scale = np.where(np.arange(40) < 20, 0.5, 2.0)
    expected = np.mean(np.abs(ACTUAL - FORECAST)[:20] / 0.5) / 2 + np.mean(np.abs(ACTUAL - FORECAST)[20:] / 2.0) / 2
    assert METRICS["mase"](scored(scale=scale)) == pytest.approx(expected)


def test_mase_of_a_naive_forecast_on_its_own_training_part_is_one():
    levels = RNG.normal(size=100).cumsum()
    scale = np.full(99, seasonal_scale(levels, range(100), 1))
    assert METRICS["mase"](scored(actual=levels[1:], forecast=levels[:-1], scale=scale)) == pytest.approx(1.0)


def test_a_season_that_training_does_not_hold_is_refused():
    with pytest.raises(InputError, match="season=5: 4 training rows hold no season; MASE needs at least 6"):
        seasonal_scale(np.arange(9.0), range(2, 6), 5)


@pytest.mark.parametrize(
    ("actual", "forecast", "percent"),
    [([1.0, 3.0], [3.0, 1.0], 100.0), ([0.0], [0.0], 0.0), ([0.0, 2.0], [5.0, 2.0], 100.0), ([10.0], [11.0], 200 / 21)],
)
def test_smape_is_that_of_the_m4_competition(actual, forecast, percent):
    got = METRICS["smape"](scored(actual=np.array(actual), forecast=np.array(forecast)))
    assert got == pytest.approx(percent)


def test_direction_counts_what_told_one_where_there_was_one():
    last = np.full(6, 10.0)
    actual = np.array([11.0, 9.0, 11.0, 10.0, 12.0, 8.0])
    said = np.array([12.0, 9.5, 9.0, 11.0, 10.0, 7.0])
    assert METRICS["direction"](scored(actual=actual, forecast=said, last=last)) == 3 / 4
    assert math.isnan(METRICS["direction"](scored(actual=actual, forecast=last, last=last)))


def test_coverage_is_the_share_within_the_outer_quantiles():
    inside = [low <= a <= high for a, (low, _, high) in zip(ACTUAL, QUANTILES, strict=True)]
    assert METRICS["coverage"](scored()) == sum(inside) / 40


def test_a_metric_is_the_mean_of_its_losses():
    for name, losses in LOSSES.items():
        mean = losses(scored()).mean()
        assert METRICS[name](scored()) == pytest.approx(math.sqrt(mean) if name == "rmse" else mean, rel=1e-14)


# Baselines

LEVEL = 50 + RNG.normal(size=60).cumsum()
ORIGINS = np.array([30, 31, 44, 50])


def said(name, season=7, horizon=9):
    return BASELINES[name](Past(levels=LEVEL, train=range(5, 30), origin=ORIGINS, horizon=horizon, season=season))


def test_each_baseline_is_its_definition():
    seasonal, drift = said("seasonal naive"), said("drift")
    for n, origin in enumerate(ORIGINS):
        for step in range(1, 10):
            before = origin + step - 7
            while before > origin:
                before -= 7
            assert said("persistence")[n, step - 1] == LEVEL[origin]
            assert seasonal[n, step - 1] == LEVEL[before]
            assert drift[n, step - 1] == pytest.approx(LEVEL[origin] + step * (LEVEL[29] - LEVEL[5]) / 24, rel=1e-14)
            assert said("mean")[n, step - 1] == pytest.approx(sum(LEVEL[5:30]) / 25, rel=1e-14)


def test_with_a_season_of_one_row_seasonal_naive_is_persistence():
    np.testing.assert_array_equal(said("seasonal naive", season=1), said("persistence"))


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_reads_nothing_after_an_origin(name):
    later = np.where(np.arange(60) > 50, np.nan, LEVEL)
    past = {"train": range(5, 30), "origin": ORIGINS, "horizon": 9, "season": 7}
    np.testing.assert_array_equal(
        BASELINES[name](Past(levels=later, **past)), BASELINES[name](Past(levels=LEVEL, **past))
    )


def test_a_season_longer_than_what_is_known_is_refused():
    with pytest.raises(InputError, match="season=40: there is no level of a season before the first origin, row 30"):
        said("seasonal naive", season=40)
