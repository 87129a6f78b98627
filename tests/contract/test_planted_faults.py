"""Each check finds a plugin that breaks the promise, and says which."""

import datetime as dt
import itertools
import re

import attrs
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

import nanolstm as nl
from nanolstm import DataRequest, SequenceData
from nanolstm.errors import NoDataError, UnknownSymbolError
from nanolstm.losses import Loss
from nanolstm.testing import check_cell, check_loss, check_scaler, check_source

DAYS = pd.date_range("2024-01-01", periods=40, name="day")
REQUEST = DataRequest(source="planted", symbol="known")


def says(text):
    return pytest.raises(AssertionError, match=re.escape(text))


# Sources


def good(request):
    if request.symbol != "known":
        raise UnknownSymbolError("no such symbol")
    frame = pd.DataFrame({"price": np.arange(40.0), "sold": np.arange(40)}, index=DAYS)
    inside = np.full(40, True)
    if request.start:
        inside &= pd.Timestamp(request.start) <= DAYS
    if request.end:
        inside &= pd.Timestamp(request.end) > DAYS
    if not inside.any():
        raise NoDataError("nothing in the window")
    return frame[inside]


def changed(change):
    """A source whose whole answer is good but for one change."""
    return lambda request: change(good(request))


def test_a_good_source_passes():
    check_source(good, REQUEST, unknown="stranger")
    check_source(good, DataRequest(source="planted", symbol="known", start="2024-01-05", end="2024-01-25"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda f: f[::-1],
            "the time index is not ascending; 2024-02-08 in row 1 comes after 2024-02-09 (39 such rows)",
        ),
        (lambda f: pd.concat([f, f.tail(1)]), "2024-02-09 stands twice in the time index (1 rows too many)"),
        (lambda f: f.set_axis([f"d{i}" for i in range(len(f))]), "expected times"),
        (
            lambda f: f.assign(price=f["price"].where(f["sold"] != 3)),
            "'price' has no value at 2024-01-04 (1 of 40 rows)",
        ),
        (lambda f: f.assign(price=1 / f["price"]), "'price' is infinite at 2024-01-01 (1 of 40 rows)"),
        (lambda f: f.assign(name="x"), "'name' holds 'x', which is no number at 2024-01-01 (40 of 40 rows)"),
        (lambda f: f.assign(price=f["price"].astype(str)), "column 'price' has dtype"),
        (lambda f: f.assign(price=f["price"].astype(object)), "column 'price' has dtype object"),
        (lambda f: f.head(1), "1 rows; at least 2 are needed"),
        (lambda f: f.to_dict(), "answered with dict"),
    ],
)
def test_a_frame_with_a_fault_is_found(change, text):
    with says(text):
        check_source(changed(change), REQUEST)


def test_a_fault_in_columns_that_were_not_asked_for_is_let_be():
    with_text = changed(lambda f: f.assign(name="x"))
    check_source(with_text, DataRequest(source="planted", symbol="known", columns=("sold", "price")))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda f, k: f + k, "two loads of one request differ: 40 of 40 values in 'price'; in row 0"),
        (lambda f, k: f.iloc[k:], "two loads of one request differ: 40 rows"),
        (lambda f, k: f.rename(columns={"sold": f"sold {k}"}), "['price', 'sold 0'], then ['price', 'sold 1']"),
        (lambda f, k: f.astype({"sold": ["int64", "float64"][k % 2]}), "column 'sold' is int64, then float64"),
    ],
)
def test_a_source_that_answers_differently_each_time_is_found(change, text):
    times = itertools.count()
    with says(text):
        check_source(changed(lambda f: change(f, next(times))), REQUEST)


def test_a_source_that_hands_out_its_own_frame_is_found():
    kept = {}

    def load(request):
        key = (request.symbol, request.start, request.end)
        if key not in kept:
            kept[key] = good(request)
        return kept[key]

    with says("what a reader changes in an answer shows in the next one (return a copy): 40 of 40 values in 'price'"):
        check_source(load, REQUEST)


@pytest.mark.parametrize(
    ("ignored", "text"),
    [
        (
            {"end": None},
            "4 rows are outside the window, the first at 2024-02-06 00:00:00; end is 2024-02-06, and exclusive",
        ),
        ({"start": None}, "10 rows are outside the window, the first at 2024-01-01 00:00:00; start is 2024-01-11"),
    ],
)
def test_a_source_that_overlooks_the_window_is_found(ignored, text):
    window = {"start": "2024-01-11", "end": "2024-02-06"}
    with says(text):
        check_source(
            lambda r: good(attrs.evolve(r, **ignored)), DataRequest(source="planted", symbol="known", **window)
        )


def test_a_source_that_takes_the_end_for_inclusive_is_found_without_being_given_a_window():
    def inclusive(request):
        return good(attrs.evolve(request, end=request.end and request.end + dt.timedelta(days=1)))

    with says("the window from 2024-01-11 to 2024-01-31 (exclusive) is another part of the whole: 20 rows"):
        check_source(inclusive, REQUEST)


def test_an_empty_answer_where_there_is_nothing_is_found():
    def load(request):
        if request.start and request.start.year < 2024:
            return good(REQUEST).head(0)
        return good(request)

    with says("a window without data (in 1700) must raise a DataError of nanolstm.errors; it answers with 0 rows"):
        check_source(load, REQUEST)


def test_a_source_that_raises_is_found_with_what_it_raises():
    def load(request):
        raise ZeroDivisionError("by zero")

    with says("source 'planted': a request that it should answer raises ZeroDivisionError: by zero"):
        check_source(load, REQUEST)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            lambda r: {}[r.symbol],
            "the unknown symbol 'stranger' must raise a DataError of nanolstm.errors; it raises KeyError",
        ),
        (
            lambda r: good(REQUEST),
            "the unknown symbol 'stranger' must raise a DataError of nanolstm.errors; it answers with 40",
        ),
    ],
)
def test_an_unknown_symbol_that_raises_something_else_or_nothing_is_found(answer, text):
    def load(request):
        return good(request) if request.symbol == "known" else answer(request)

    with says(text):
        check_source(load, REQUEST, unknown="stranger")


def sequences(**change):
    arrays = {"x": np.ones((4, 6, 2)), "y": np.zeros((4, 6, 1)), "lengths": np.array([6, 5, 4, 3])} | change
    return lambda request: SequenceData(**{k: None if v is None else v.copy() for k, v in arrays.items()})


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"lengths": None},
        {"y": np.zeros((4, 3))},
        {"y": np.zeros(4, int)},
        {"y": np.zeros((4, 6), int)},
        {"x": np.ones((4, 6, 2), np.float32)},
    ],
)
def test_good_sequences_pass(change):
    check_source(sequences(**change), REQUEST)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"x": np.ones((4, 6))}, "x has shape (4, 6) and dtype float64; expected (B, T, M) of floats"),
        ({"x": np.ones((4, 6, 2), int)}, "x has shape (4, 6, 2) and dtype int64"),
        ({"x": np.ones((4, 0, 2))}, "x has shape (4, 0, 2)"),
        (
            {"y": np.zeros((3, 6, 1))},
            "y has shape (3, 6, 1) and dtype float64, and x (4, 6, 2); expected (4, 6, N) or (4, N) floats",
        ),
        ({"y": np.zeros((4, 5, 1))}, "y has shape (4, 5, 1)"),
        ({"y": np.zeros(4)}, "y has shape (4,) and dtype float64"),
        ({"y": np.full((4, 6, 1), np.nan)}, "y is not finite at (0, 0, 0) (24 values)"),
        ({"lengths": np.array([6, 5, 4])}, "lengths has shape (3,) and dtype int64, [6, 5, 4]; expected 4 integers"),
        ({"lengths": np.array([6.0, 5, 4, 3])}, "lengths has shape (4,) and dtype float64"),
        ({"lengths": np.array([6, 7, 0, 3])}, "[6, 7, 0, 3]; expected 4 integers from 1 to 6"),
    ],
)
def test_sequences_with_a_fault_are_found(change, text):
    with says(text):
        check_source(sequences(**change), REQUEST)


def test_sequences_that_differ_or_are_handed_out_uncopied_are_found():
    times = itertools.count(1)
    with says("two loads of one request differ: 48 of 48 values in x"):
        check_source(lambda r: SequenceData(x=np.full((4, 6, 2), float(next(times))), y=np.zeros((4, 1))), REQUEST)
    mine = SequenceData(x=np.ones((4, 6, 2)), y=np.zeros((4, 1)))
    with says("shows in the next one (return a copy): 48 of 48 values in x"):
        check_source(lambda r: mine, REQUEST)


# Losses


def mse(prediction, target):
    return np.mean((prediction - target) ** 2)


def test_a_good_loss_passes_as_a_function_and_as_a_loss():
    check_loss(mse)
    check_loss(Loss(name="mse", function=mse))


def spoils(prediction, target):
    prediction -= target
    return np.mean(prediction**2)


def in_order(prediction, target):
    return np.mean(np.arange(len(target))[:, None] * (prediction - target) ** 2)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda p, t: (p - t) ** 2, "it returns an array of shape (64, 3); expected one number"),
        (lambda p, t: np.mean((p - t) ** 2, axis=0), "it returns an array of shape (3,); expected one number"),
        (lambda p, t: np.log(np.mean(p - t) * 0 - 1), "raises RuntimeWarning: invalid value"),
        (lambda p, t: np.nan, "it returns nan; expected a finite number"),
        (lambda p, t: np.inf, "it returns inf; expected a finite number"),
        (lambda p, t: mse(p, t) + 0j, "expected one real number"),
        (lambda p, t: None, "it returns None; expected one real number"),
        (lambda p, t: -mse(p, t), "it is -0.0 where the prediction is the target, and lower, "),
        (
            lambda p, t: np.mean((p - t - 0.01) ** 2),
            "0.001 away from it; where that is meant, say minimum_at_target=False",
        ),
        (spoils, "it changes 192 of 192 entries of the prediction that it is given"),
        (in_order, "when the rows change their order"),
        (lambda p, t: mse(p, t) + np.random.default_rng().uniform(), "when asked the same again"),
        (lambda p, t: 1 // 0, "for prediction (64, 3) and target (64, 3), float64, it raises ZeroDivisionError: "),
        (lambda p, t: mse(p, t) * (p.dtype == np.float64), "in float64 and 0.0 in float32"),
        (lambda p, t: mse(p, t) + np.var(t, axis=0, ddof=1).mean(), "for prediction (1, 1) and target (1, 1), float64"),
    ],
)
def test_a_loss_with_a_fault_is_found(function, text):
    with says(text):
        check_loss(function)


def test_a_loss_without_a_minimum_at_the_target_passes_when_it_says_so():
    check_loss(lambda p, t: np.mean((p - t - 1) ** 2), minimum_at_target=False)


# Scalers


class Shifts(BaseEstimator):
    """Takes the mean of what it was fitted on away; each fault below is one change of it."""

    def fit(self, x):
        self.mean_ = x.mean()
        return self

    def transform(self, x):
        return x - self.mean_

    def inverse_transform(self, x):
        return x + self.mean_


class Batch(Shifts):
    def transform(self, x):
        return x - x.mean()

    def inverse_transform(self, x):
        return x + later_mean()


class Clips(Shifts):
    def transform(self, x):
        return np.clip(x - self.mean_, -3, 3)


class TurnsRound(Shifts):
    def transform(self, x):
        return self.mean_ - x

    def inverse_transform(self, x):
        return self.mean_ - x


class Spoils(Shifts):
    def transform(self, x):
        x -= self.mean_
        return x.copy()


class Logs(Shifts):
    def transform(self, x):
        with np.errstate(invalid="ignore"):
            return np.log(x)


class Fails(Shifts):
    def fit(self, x):
        raise KeyError("nothing here")


def later_mean():
    rng = np.random.default_rng(0)
    rng.normal(size=(200, 1))
    return rng.uniform(-10.0, 20.0, size=(64, 1)).mean()


def test_a_good_scaler_passes():
    check_scaler(Shifts())


@pytest.mark.parametrize(
    ("scaler", "text"),
    [
        (Batch(), "a row scaled by itself differs from the same row among others by up to"),
        (Clips(), "what is scaled and scaled back differs from what it was by up to"),
        (TurnsRound(), "it does not keep the order of numbers"),
        (Spoils(), "it changes the numbers that it is given"),
        (Logs(), "scaled numbers are not finite"),
        (Fails(), "it raises KeyError: 'nothing here'"),
    ],
)
def test_a_scaler_with_a_fault_is_found(scaler, text):
    with says(text):
        check_scaler(scaler)


# Cells


class Good(nl.Cell):
    new: nl.Gate = nl.gate(np.tanh)

    def step(self, x, h):
        h = self.new(x, h)
        return h, h


class Timed(nl.Cell):
    """A cell with a feed, a wider feed, a random mask, a state of its own and a frozen parameter."""

    dt: nl.Array = nl.feed()
    wind: nl.Array = nl.feed(size=2)
    keep: nl.Array = nl.noise(0.5)
    c: nl.State = nl.state(size=2)
    rate: nl.Array = nl.param("hidden", nl.uniform(0.1, 0.2), frozen=True)
    new: nl.Gate = nl.gate(np.tanh)

    def step(self, x, h, c, dt, wind, keep):
        h = h + self.rate * dt * keep * self.new(x, h)
        c = 0.5 * c + wind
        return h, h, c


class Overflows(Good):
    def step(self, x, h):
        h = self.new(x, h)
        return np.where(h < 9, np.inf, h), h


class Drawn(Good):
    def initialise(self, rng):
        self.parameters["new.b"] = np.random.default_rng().normal(size=self.hidden)


class Counts(Good):
    """Counts its steps outside of its states, and begins again where they are 0."""

    _count = 0

    def step(self, x, h):
        self._count = self._count + 1 if h.any() else 0
        h = self.new(x, h)
        return h + 0.01 * self._count, h


class Mixes(Good):
    def step(self, x, h):
        h = self.new(x, h)
        return h - h.mean(axis=0), h


class Coarse(Good):
    def step(self, x, h):
        h = self.new(x, h)
        return h + (h.dtype == np.float32), h


class Rough(Good):
    def step(self, x, h):
        x += 1.0
        h = self.new(x, h)
        return h, h


class Shares(Good):
    def __deepcopy__(self, memo):
        twin = nl.Sequence(self).cells[0].fresh(0)
        twin.parameters._views["new.U"] = self.parameters["new.U"]
        return twin


class Refuses(Good):
    def step(self, x, h):
        raise KeyError("nothing here")


@pytest.mark.parametrize("cell", [Good, Timed])
def test_a_good_cell_passes(cell):
    check_cell(cell)
    check_cell(cell, hidden=1, inputs=1, rng=5)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Drawn, "cell Drawn: two cells of one seed differ by up to"),
        (Counts, "Counts.step sets self._count; what a step keeps is a state"),
        (Overflows, "cell Overflows: 96 of 96 outputs are not finite"),
        (Mixes, "cell Mixes: a run over x (3, 8, 3) raises BatchError: Mixes.step mixes the examples of a batch"),
        (Rough, "cell Rough: "),
        (Shares, "cell Shares: a deep copy shares 1 parameters with the original: new.U"),
        (Coarse, "cell Coarse: float32 differs from float64 by up to"),
        (Refuses, "raises KeyError: 'nothing here'"),
    ],
)
def test_a_cell_with_a_fault_is_found(cell, text):
    with says(text):
        check_cell(cell)


def test_a_cell_that_cannot_be_pickled_is_found():
    class Local(Good):
        pass

    with says("cell Local: a pickled copy of it raises AttributeError: "):
        check_cell(Local)


def test_a_cell_that_cannot_be_made_is_found_with_what_it_was_given():
    with says("cell ToyLSTM: ToyLSTM(inputs=3, hidden=4, rng=0, outputs=2) raises CellError: "):
        check_cell("ToyLSTM", outputs=2)
