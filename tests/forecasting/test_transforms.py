"""Changes and the way back: by their definitions, to the last bits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm.data.transforms import TRANSFORMS, transform
from nanolstm.errors import BadDataError, InputError, UnknownNameError

PRICES = nl.load_data("sample")["Adj Close"].to_numpy()


@pytest.mark.parametrize("lag", [1, 5])
@pytest.mark.parametrize("name", ["difference", "log_return"])
def test_a_transform_is_what_its_name_says(name, lag):
    got = transform(f"{name}(lag={lag})").changes(PRICES)
    function = np.log if name == "log_return" else np.asarray
    assert np.isnan(got[:lag]).all()
    np.testing.assert_allclose(got[lag:], function(PRICES[lag:]) - function(PRICES[:-lag]), rtol=1e-9, atol=1e-15)


def test_difference_and_log_return_are_those_of_pandas():
    series = pd.Series(PRICES)
    np.testing.assert_array_equal(transform("difference").changes(PRICES), series.diff())
    np.testing.assert_allclose(
        transform("log_return").changes(PRICES), np.log1p(series.pct_change()), rtol=1e-9, atol=1e-15
    )


@pytest.mark.parametrize("name", ["none", "difference", "log_return", "difference(lag=5)", "log_return(lag=5)"])
def test_thirteen_years_of_prices_come_back_to_the_last_bit(name):
    made = transform(name)
    back = made.restore(PRICES[: made.lag], made.changes(PRICES)[made.lag :])
    np.testing.assert_array_equal(back, PRICES)


@pytest.mark.parametrize("horizon", [1, 3, 20, 1000])
@pytest.mark.parametrize("name", ["difference", "log_return"])
def test_a_change_over_many_rows_leads_back_from_the_last_known_level_to_the_last_bits(name, horizon):
    made = transform(name)
    base, level = PRICES[:-horizon], PRICES[horizon:]
    back = made.backward(base, made.forward(base, level))
    assert np.abs(back / level - 1).max() <= 3 * np.finfo(float).eps


positive = st.floats(1e-3, 1e6)


@settings(max_examples=50, deadline=None)
@given(st.lists(positive, min_size=2, max_size=30), st.sampled_from(["difference", "log_return"]))
def test_any_levels_come_back_within_rounding_of_the_largest_step(levels, name):
    made = transform(name)
    known = np.array(levels)
    back = made.restore(known[:1], made.changes(known)[1:])
    # A row rounds by half a last bit of the largest number in it; a log return by one of its own, at most 21 here.
    bits = len(levels) * np.finfo(float).eps
    assert (np.abs(back - known) <= (known.max() * bits if name == "difference" else 2 * 21 * known * bits)).all()


def test_several_columns_are_transformed_at_once():
    both = np.stack([PRICES, 2 * PRICES], axis=1)
    made = transform("log_return")
    np.testing.assert_array_equal(made.changes(both)[:, 1], made.changes(both[:, 1]))
    np.testing.assert_array_equal(made.restore(both[:1], made.changes(both)[1:]), both)


def test_the_base_of_a_season_is_its_last_known_row():
    made = transform("difference(lag=7)")
    assert [made.span(step) for step in (1, 6, 7, 8, 14, 15)] == [7, 7, 7, 14, 14, 21]
    assert [transform("difference").span(step) for step in (1, 2, 9)] == [1, 2, 9]
    assert transform("none").span(5) == 0


@pytest.mark.parametrize(("value", "said"), [(0.0, "0"), (-2.5, "-2.5")])
def test_log_returns_of_what_is_not_above_zero_are_refused_with_place_and_remedy(value, said):
    column = pd.Series([1.0, 2.0, value, 0.0], index=pd.date_range("2024-01-01", periods=4), name="price")
    with pytest.raises(BadDataError) as error:
        transform("log_return").check(column, "series 'a'")
    assert f"series 'a': column 'price' is {said} at 2024-01-03" in str(error.value)
    assert "2 of 4 rows are not above 0" in str(error.value)
    assert "write 'difference' or 'none'" in str(error.value)
    transform("difference").check(column, "series 'a'")


@pytest.mark.parametrize("text", ["difference(lag=0)", "difference(lag=1.5)", "log_return(n=2)", "none(lag=2)", 5])
def test_a_transform_that_makes_no_sense_is_refused(text):
    with pytest.raises(InputError):
        transform(text)


def test_a_misspelt_transform_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'log_return'"):
        transform("log_returns")
    assert set(TRANSFORMS) == {"none", "difference", "log_return"}
