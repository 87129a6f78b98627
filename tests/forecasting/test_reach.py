"""What share of the targets an output cannot hold."""

import numpy as np

import nanolstm as nl
from nanolstm.forecasting.reach import outgrown, together


def test_a_sigmoid_on_the_shipped_prices_cannot_hold_94_percent_of_the_held_out_end():
    prices = nl.load_data("sample")["Adj Close"].to_numpy()
    known, held_out = prices[: int(len(prices) * 0.8)], prices[int(len(prices) * 0.8) :]
    scaled = (held_out - known.min()) / (known.max() - known.min())
    reach = nl.out_of_reach(scaled, 0.0, 1.0, what="a sigmoid")
    assert reach.share == np.mean(held_out >= known.max()) == 618 / 654
    assert f"{reach.share:.1%}" == "94.5%"
    assert str(reach).startswith(
        "94 % of the 654 held-out targets lie outside of the range of a sigmoid, 0 to 1 in scaled"
    )
    assert "transform='log_return'" in str(reach)
    assert "linear readout" in str(reach)


def test_log_returns_of_the_same_prices_stay_where_they_were():
    returns = np.diff(np.log(nl.load_data("sample")["Adj Close"].to_numpy()))
    known, held_out = returns[:2615], returns[2615:]
    scaled = (held_out - known.min()) / (known.max() - known.min())
    reach = nl.out_of_reach(scaled, 0.0, 1.0)
    assert reach.outside == 0
    assert not reach.matters
    assert str(reach) == "All 654 held-out targets lie within the range of the output, 0 to 1 in scaled units."


def test_the_ends_of_a_range_are_out_of_reach_and_no_end_holds_all():
    assert nl.out_of_reach([0.0, 0.5, 1.0, 2.0], 0, 1).outside == 3
    assert nl.out_of_reach([[0.0, 2.0]], -np.inf, np.inf).outside == 0
    assert nl.out_of_reach([], 0, 1).share == 0.0


def test_a_small_share_is_not_rounded_to_nothing():
    assert str(nl.out_of_reach([2.0] + [0.5] * 999, 0, 1)).startswith("0.10 % of the 1,000")


def test_outgrown_compares_each_fold_with_its_own_training_part():
    folds = [(np.array([0.0, 1.0]), np.array([0.5, 1.0, 2.0])), (np.array([0.0, 2.0]), np.array([2.0, -1.0]))]
    reach = together([outgrown(*fold) for fold in folds])
    assert (reach.outside, reach.n) == (2, 5)
