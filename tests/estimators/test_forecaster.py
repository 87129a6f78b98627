"""The forecaster: windows of frames, and the way back to their own units."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

import nanolstm as nl
from nanolstm.errors import InputError, UnknownNameError
from nanolstm.estimators import RecurrentForecaster, RecurrentRegressor

RNG = np.random.default_rng(3)
TIMES = pd.date_range("2024-01-01", periods=120)
SHOP = pd.DataFrame(
    {
        "sold": 100 + np.cumsum(RNG.normal(size=120)),
        "visits": 1000 + RNG.normal(size=120) * 50,
        "holiday": TIMES.day_of_week >= 5,
    },
    index=TIMES,
)
QUICK = RecurrentRegressor(hidden=3, epochs=3, random_state=0, backend="numpy")
PLAIN = {"targets": "sold", "past": "visits", "context": 6, "horizon": 3}


def test_a_forecast_is_that_of_nl_forecast_with_the_same_regressor():
    options = {"scaler": "robust", "validation": 20}
    model = RecurrentForecaster(
        QUICK, **PLAIN, future="holiday", calendar="weekday", transforms="difference", **options
    ).fit(SHOP)
    windows = nl.Windows(**PLAIN, future="holiday", calendar="weekday")
    coming = pd.DataFrame({"holiday": [True, False, False]}, index=pd.date_range("2024-04-30", periods=3))
    expected = nl.forecast(QUICK, SHOP, windows, future=coming, transform="difference", **options)
    pd.testing.assert_frame_equal(model.predict(future=coming), expected)
    assert list(expected["step"]) == [1, 2, 3]
    assert model.regressor_.n_features_in_ == 5 + 3 * 3  # the context's, and three rows of what is known ahead


def test_a_forecast_from_rows_that_go_on_sees_the_end_of_those_that_were_fitted_on():
    model = RecurrentForecaster(QUICK, **PLAIN, transforms="difference").fit(SHOP[:100])
    later = model.predict(SHOP[100:103])
    pd.testing.assert_frame_equal(later, model.predict(SHOP[:103]))
    assert (later["origin"] == TIMES[102]).all()
    assert list(later["time"]) == list(TIMES[103:106])
    pd.testing.assert_frame_equal(model.predict(), model.predict(SHOP[:100]))


def test_the_score_is_the_share_of_persistences_squared_error_that_is_saved():
    model = RecurrentForecaster(QUICK, **PLAIN).fit(SHOP[:90])
    mine, theirs = 0.0, 0.0
    for origin in range(89, 117):  # the first step of the first forecast is the first row of the test
        said = model.predict(SHOP[: origin + 1])["forecast"].to_numpy()
        actual = SHOP["sold"].to_numpy()[origin + 1 : origin + 4]
        mine += ((said - actual) ** 2).sum()
        theirs += ((SHOP["sold"].iloc[origin] - actual) ** 2).sum()
    assert model.score(SHOP[90:]) == pytest.approx(1 - mine / theirs, rel=1e-9)


def test_no_number_after_the_end_reaches_a_forecast():
    garbage = SHOP.copy()
    garbage.iloc[80:, :2] = 1e9
    one, other = (RecurrentForecaster(QUICK, **PLAIN).fit(frame[:80]) for frame in (SHOP, garbage))
    pd.testing.assert_frame_equal(one.predict(), other.predict())
    held = RecurrentForecaster(clone(QUICK), **PLAIN, validation=40).fit(garbage)
    assert held.preparation_.fitted["series"].rows.transformers["sold"].mean_ == pytest.approx(SHOP["sold"][:80].mean())


def test_quantiles_do_not_cross_and_the_loss_follows_from_the_output():
    model = RecurrentForecaster(QUICK, **PLAIN, output=nl.Quantiles((0.1, 0.5, 0.9))).fit(SHOP)
    said = model.predict()
    assert (said["q0.1"] <= said["q0.5"]).all()
    assert (said["q0.5"] <= said["q0.9"]).all()
    assert model.regressor_.loss == "quantile(q=(0.1, 0.5, 0.9))"
    assert RecurrentForecaster(QUICK, **PLAIN, output=nl.Gaussian()).fit(SHOP).regressor_.loss == "gaussian_nll"
    assert QUICK.loss is None


def test_a_search_over_time_goes_over_windows_and_regressors():
    model = RecurrentForecaster(QUICK, targets="sold", context=4)
    grid = {"context": [3, 6], "regressor__hidden": [2, 4], "transforms": ["difference"]}
    search = GridSearchCV(model, grid, cv=TimeSeriesSplit(2)).fit(SHOP)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    again = clone(model).set_params(**search.best_params_).fit(SHOP)
    pd.testing.assert_frame_equal(search.predict(None), again.predict())
    scores = cross_val_score(again, SHOP, cv=TimeSeriesSplit(3))
    by_hand = [clone(again).fit(SHOP.iloc[a]).score(SHOP.iloc[b]) for a, b in TimeSeriesSplit(3).split(SHOP)]
    np.testing.assert_array_equal(scores, by_hand)


def test_several_series_are_learned_together_and_forecast_each():
    other = SHOP * [2, 1, 1] + [5, 0, 0]
    model = RecurrentForecaster(QUICK, targets="sold", context=5).fit({"one": SHOP, "two": other})
    said = model.predict().set_index("series")["forecast"]
    assert said["two"] == pytest.approx(2 * said["one"] + 5, rel=1e-9)  # each is scaled by itself
    with pytest.raises(InputError, match="X has a series 'three'"):
        model.predict({"three": SHOP})


def test_a_pickled_forecaster_says_the_same():
    model = RecurrentForecaster(QUICK, **PLAIN, transforms="log_return").fit(SHOP)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(model)).predict(), model.predict())


def test_all_columns_are_targets_unless_some_are_named():
    model = RecurrentForecaster(QUICK, past="visits", future="holiday", context=4).fit(SHOP)
    assert model.preparation_.windows.targets == ("sold",)


def test_walk_forward_gives_a_recurrent_regressor_sequences_and_not_rows():
    windows = nl.Windows(targets="sold", past="visits", context=6, horizon=2)
    seen = []
    watched = clone(QUICK).set_params(callbacks=lambda training: seen.append(training.plan.examples.x.shape[1:]))
    splits = nl.Splits(folds=2, test=15, validation=10)
    result = nl.walk_forward(watched, SHOP, windows, splits=splits, baselines=["persistence"])
    assert set(seen) == {(6, 2)}
    assert np.isfinite(result.scores["rmse"]).all()


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"regressor": "LSTM"}, InputError, "regressor='LSTM': expected a RecurrentRegressor"),
        ({"regressor": RecurrentRegressor(steps="all")}, InputError, "a window has its targets after its last step"),
        ({"targets": "solt"}, UnknownNameError, "did you mean 'sold'"),
        ({"context": 200}, InputError, "need at least 203"),
    ],
)
def test_what_cannot_be_fitted_is_told(options, error, says):
    with pytest.raises(error, match=says):
        RecurrentForecaster(**{"regressor": QUICK} | PLAIN | options).fit(SHOP)


def test_a_target_beside_the_frame_is_told():
    with pytest.raises(InputError, match="the targets of a forecaster are columns of X"):
        RecurrentForecaster(QUICK, **PLAIN).fit(SHOP, SHOP["sold"])
