"""The Diebold-Mariano test against the t test, the formula written out, and its promise; Holm against an example."""

import math

import numpy as np
import pytest
from scipy import stats

import nanolstm as nl
from nanolstm.errors import InputError
from nanolstm.forecasting.comparison import holm

RNG = np.random.default_rng(11)
MODEL, OTHER = RNG.normal(size=60) ** 2, 1.3 * RNG.normal(size=60) ** 2


def written_out(one, other, step):
    """The statistic of Harvey, Leybourne & Newbold (1997), sum by sum."""
    d = [a - b for a, b in zip(one, other, strict=True)]
    n = len(d)
    mean = sum(d) / n

    def gamma(k):
        return sum((d[t] - mean) * (d[t - k] - mean) for t in range(k, n)) / n

    variance = (gamma(0) + 2 * sum(gamma(k) for k in range(1, step))) / n
    corrected = math.sqrt((n + 1 - 2 * step + step * (step - 1) / n) / n) * mean / math.sqrt(variance)
    return corrected, 2 * stats.t.cdf(-abs(corrected), n - 1)


@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_it_is_the_formula_written_out(step):
    got = nl.diebold_mariano(MODEL, OTHER, step=step)
    statistic, p = written_out(MODEL, OTHER, step)
    assert got.kernel == "rectangular"
    assert got.statistic == pytest.approx(statistic, rel=1e-12)
    assert got.p == pytest.approx(p, rel=1e-10)
    assert got.n == 60


def test_it_is_what_the_package_dieboldmariano_gives():
    """Version 1.1.0, of the same errors; it is no dependency."""
    theirs = {
        (20, 1): (0.14756177794467834, 0.8842432756586629),
        (50, 2): (-1.2790163937103138, 0.2069154193188958),
        (100, 4): (-1.1261772490958442, 0.2628130475798417),
        (200, 7): (-2.1996706032743503, 0.028981843181238476),
    }
    rng = np.random.default_rng(3)
    for (n, step), expected in theirs.items():
        actual = rng.normal(size=n)
        one, other = actual + rng.normal(size=n), actual + 1.2 * rng.normal(size=n)
        got = nl.diebold_mariano((actual - one) ** 2, (actual - other) ** 2, step=step)
        assert (got.statistic, got.p) == pytest.approx(expected, rel=1e-8)


def test_one_step_ahead_it_is_the_t_test_of_the_differences():
    got = nl.diebold_mariano(MODEL, OTHER)
    t = stats.ttest_1samp(MODEL - OTHER, 0.0)
    assert got.statistic == pytest.approx(t.statistic, rel=1e-12)
    assert got.p == pytest.approx(t.pvalue, rel=1e-10)


def test_the_sign_says_which_is_better():
    assert nl.diebold_mariano(MODEL, MODEL + 1 + RNG.normal(size=60)).statistic < 0
    one, other = (nl.diebold_mariano(*pair, step=3) for pair in ((MODEL, OTHER), (OTHER, MODEL)))
    assert (one.statistic, one.p) == (-other.statistic, other.p)


def test_where_equal_weights_give_no_variance_bartletts_do():
    swing = np.array([1.0, -1.0] * 20) + 0.1
    got = nl.diebold_mariano(swing, np.zeros(40), step=2)
    assert got.kernel == "bartlett"
    d = swing - swing.mean()
    variance = (d @ d + (d[1:] @ d[:-1])) / 40 / 40
    assert got.statistic == pytest.approx(0.1 / math.sqrt(variance) * math.sqrt((41 - 4 + 2 / 40) / 40), rel=1e-9)


def test_of_equal_forecasts_nothing_can_be_said():
    assert math.isnan(nl.diebold_mariano(MODEL, MODEL).p)
    assert math.isnan(nl.diebold_mariano(MODEL, MODEL + 0.1).statistic)  # a constant difference has no variance


@pytest.mark.parametrize("step", [1, 4])
def test_equally_good_forecasts_are_told_apart_in_a_twentieth_of_all_cases(step):
    rng = np.random.default_rng(step)
    false = 0
    for _ in range(1000):
        shocks = rng.normal(size=(2, 100 + step - 1))
        errors = np.stack([np.convolve(row, np.ones(step), "valid") for row in shocks])  # as `step` rows ahead overlap
        false += nl.diebold_mariano(*errors**2, step=step).p < 0.05
    assert 0.03 < false / 1000 < 0.08


@pytest.mark.parametrize(
    ("one", "other", "step", "text"),
    [
        (np.zeros(5), np.zeros(6), 1, r"losses of shape \(5,\) and \(6,\)"),
        (np.zeros((5, 1)), np.zeros((5, 1)), 1, r"expected \(n,\)"),
        (np.zeros(3), np.zeros(3), 3, "3 losses of forecasts 3 steps ahead; expected at least 4"),
        (np.zeros(3), np.zeros(3), 0, "expected at least"),
    ],
)
def test_what_cannot_be_compared_is_refused(one, other, step, text):
    with pytest.raises(InputError, match=text):
        nl.diebold_mariano(one, other, step=step)


def test_holms_correction_is_that_of_the_textbook():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_array_equal(holm([0.9, 0.8]), [1.0, 1.0])
    np.testing.assert_array_equal(holm([np.nan, 0.02, 0.03]), [np.nan, 0.04, 0.04])
    assert holm([]).shape == (0,)
