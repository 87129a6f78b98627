"""No number after a split reaches the fit; and where one does, the score shows it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import MinMaxScaler

import nanolstm as nl

ROWS, SPLIT = 300, 240
WINDOWS = nl.Windows(targets="price", past="sold", calendar="weekday", context=8, horizon=3)


def walk(rows=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"price": 100 * np.exp(rng.normal(0.001, 0.01, rows).cumsum()), "sold": rng.uniform(1, 2, rows)},
        index=pd.date_range("2020-01-01", periods=rows),
    )


def spoilt(frame, first):
    """`frame` with garbage, of another size, in every row from `first` on."""
    later = frame.copy()
    later.iloc[first:] = np.random.default_rng(9).uniform(1e3, 1e6, size=later.iloc[first:].shape)
    return later


class Spy:
    """A model that keeps what it was fitted on, and what it was asked."""

    def __init__(self):
        self.train, self.validation, self.asked = [], [], []

    def __call__(self, train, validation):
        self.train.append(train)
        self.validation.append(validation)
        inner = LinearRegression().fit(train.context.reshape(len(train), -1), train.target.reshape(len(train), -1))

        def predict(context, future):
            self.asked.append(context)
            return inner.predict(context.reshape(len(context), -1)).reshape(len(context), -1, 1)

        return predict


@pytest.mark.parametrize("transform", [None, "difference", "log_return"])
@pytest.mark.parametrize("scaler", ["standard", "minmax", "robust"])
def test_garbage_after_the_split_changes_no_bit_of_what_was_fitted(scaler, transform):
    clean, dirty = Spy(), Spy()
    for spy, data in ((clean, walk()), (dirty, spoilt(walk(), SPLIT))):
        splits = nl.Splits(folds=1, test=ROWS - SPLIT, validation=30)
        nl.walk_forward(spy, data, WINDOWS, splits=splits, scaler=scaler, transform=transform)
    for ours, theirs in ((clean.train, dirty.train), (clean.validation, dirty.validation)):
        for name in ("context", "future", "target"):
            assert getattr(ours[0], name).tobytes() == getattr(theirs[0], name).tobytes()
    assert clean.asked[0][0].tobytes() == dirty.asked[0][0].tobytes()  # the first context ends with the training part
    assert clean.asked[0][-1].tobytes() != dirty.asked[0][-1].tobytes()


@pytest.mark.parametrize("recursive", [False, True])
def test_garbage_after_a_row_changes_no_bit_of_any_forecast_made_up_to_it(recursive):
    windows = nl.Windows(targets="price", context=8, horizon=3)
    results = [
        nl.walk_forward(
            LinearRegression(),
            data,
            windows,
            splits=nl.Splits(folds=3, test=20),
            transform="log_return",
            season=7,
            recursive=recursive,
        ).forecasts
        for data in (walk(), spoilt(walk(), 280))  # from the last fold on
    ]
    before = [table[table["origin"] < walk().index[280]].drop(columns="actual") for table in results]
    assert len(before[0]) == 41 * 3 * 6
    pd.testing.assert_frame_equal(*before, check_exact=True)
    late = results[0]["origin"] >= walk().index[280]
    moves = results[0]["forecaster"].isin(["model", "persistence", "drift", "linear autoregression"])
    after = [table[late & moves] for table in results]
    assert (after[0]["forecast"] != after[1]["forecast"]).all()


def test_garbage_in_what_is_only_known_later_changes_no_forecast():
    """Columns known in the past only are not seen beyond the origin, not even by the first test window."""
    origin = ROWS - 4
    results = [
        nl.walk_forward(Ridge(), data, WINDOWS, splits=nl.Splits(folds=1, test=ROWS - SPLIT)).forecasts
        for data in (walk(), walk().assign(sold=lambda f: f["sold"].where(np.arange(ROWS) <= origin, 1e9)))
    ]
    pd.testing.assert_frame_equal(*results, check_exact=True)


def test_training_and_validation_windows_end_before_the_next_part_begins():
    spy = Spy()
    nl.walk_forward(spy, walk(), WINDOWS, splits=nl.Splits(folds=4, test=20, validation=25, gap=3))
    for fold, (train, validation) in enumerate(zip(spy.train, spy.validation, strict=True)):
        test = walk().index[ROWS - (4 - fold) * 20]
        begin = test - pd.Timedelta(days=25 + 3)
        assert train.times.max() == begin - pd.Timedelta(days=1)
        assert validation.times.min() == begin
        assert validation.times.max() == test - pd.Timedelta(days=4)
        assert (train.known < train.times[:, 0]).all()


# Columns that hold the answer


def notes(horizon=3, **columns):
    frame = walk().assign(**columns)
    windows = nl.Windows(
        targets="price",
        past=[c for c in columns if c != "plan"],
        future=[c for c in columns if c == "plan"],
        context=5,
        horizon=horizon,
    )
    result = nl.walk_forward(Ridge(), frame.iloc[:-9], windows, splits=nl.Splits(folds=1, test=30), baselines=["drift"])
    return [note for note in result.notes if note.startswith("Column")]


def test_a_column_that_is_the_target_of_a_later_row_is_told():
    for later in (1, 3):
        (note,) = notes(tomorrow=lambda f, k=later: f["price"].shift(-k))
        assert note.startswith(f"Column 'tomorrow' is 'price' {later} row{'s' * (later > 1)} later, to the last digit")
    (note,) = notes(cents=lambda f: 7 - 100 * f["price"].shift(-2))  # in other units
    assert "2 rows later" in note
    (note,) = notes(plan=lambda f: f["price"])
    assert "Column 'plan' is 'price' of the same row" in note


def test_what_is_known_in_time_is_no_hindsight():
    assert notes(yesterday=lambda f: f["price"].shift(1, fill_value=0)) == []
    assert notes(today=lambda f: f["price"]) == []
    assert notes(later=lambda f: f["price"].shift(-4), horizon=3) == []
    assert notes(noisy=lambda f: f["price"].shift(-1) + np.random.default_rng(1).normal(0, 0.1, ROWS)) == []
    assert notes(constant=lambda f: 1.0) == []
    line = {"price": lambda f: np.arange(ROWS, dtype=float), "count": lambda f: np.arange(ROWS, dtype=float)}
    frame = walk().assign(**line)
    windows = nl.Windows(targets="price", past="count", context=5)
    assert nl.walk_forward(Ridge(), frame, windows, splits=nl.Splits(folds=1, test=30)).notes[0].startswith("100 %")


# Pipelines that leak, on purpose: each scores better than the honest one, which is how one knows that it does not


def honest_and_leaky(honest, leaky, **more):
    windows = nl.Windows(targets="price", context=8, horizon=1)
    splits = nl.Splits(folds=1, test=ROWS - SPLIT)
    return [
        nl.walk_forward(model, walk(), windows, splits=splits, **more).scores.loc[("price", 1, "model"), "rmse"]
        for model in (honest, leaky)
    ]


def scaled_windows(first, last):
    """Windows of the whole series in the units of the honest scaler (standard, fitted on the training rows)."""
    price = walk()["price"].to_numpy()
    known = price[:SPLIT]
    scaled = (price - known.mean()) / known.std()
    origins = np.arange(first, last)
    return scaled[origins[:, None] + np.arange(-7, 1)], scaled[origins + 1]


def test_a_model_that_was_fitted_on_the_test_too_scores_better():
    def leaky(train, validation):
        fitted = KNeighborsRegressor(2).fit(*scaled_windows(7, ROWS - 1))
        return lambda context, future: fitted.predict(context[..., 0])[:, None, None]

    honest, cheating = honest_and_leaky(KNeighborsRegressor(2), leaky)
    assert cheating < 0.7 * honest


def test_a_context_that_holds_its_own_target_scores_better():
    def leaky(train, validation):
        windows, following = scaled_windows(7, ROWS - 1)
        answer = {window.tobytes(): after for window, after in zip(windows, following, strict=True)}
        return lambda context, future: np.array([answer[c.tobytes()] for c in context[..., 0]])[:, None, None]

    honest, cheating = honest_and_leaky(LinearRegression(), leaky)
    assert cheating < 1e-9 < 0.5 < honest


def test_a_scaler_that_saw_the_test_scores_better_where_the_output_is_bound():
    """A bounded output cannot follow prices that outgrow the training part, unless the scaler knew how far they go."""

    def bounded(train, validation):
        fitted = LinearRegression().fit(train.context[..., 0], train.target[:, 0, 0])
        return lambda context, future: np.clip(fitted.predict(context[..., 0]), 0, 1)[:, None, None]

    class SawItAll(MinMaxScaler):
        def fit(self, known, y=None):
            return super().fit(prices.to_numpy())

    prices = nl.load_data("sample", start="2006-01-01", columns="Adj Close")
    windows, splits = nl.Windows(targets="Adj Close", context=8), nl.Splits(folds=1, test=0.2)
    honest, leaky = (
        nl.walk_forward(bounded, prices, windows, splits=splits, scaler=scaler)
        for scaler in (MinMaxScaler(), SawItAll())
    )
    assert leaky.score().loc["model", "rmse"] < 0.5 * honest.score().loc["model", "rmse"]
    assert "held-out targets lie outside of the range of those that were trained on" in honest.notes[-1]
