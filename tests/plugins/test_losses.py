"""Every shipped loss against scikit-learn, SciPy or a loop written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import log_loss, mean_absolute_error, mean_pinball_loss, mean_squared_error

import nanolstm_losses
from nanolstm.errors import InputError
from nanolstm_losses.classification import bce, cross_entropy
from nanolstm_losses.distribution import gaussian_nll, quantile
from nanolstm_losses.regression import huber, mae, mse, rmse, smape

rng = np.random.default_rng(0)
PREDICTION, TARGET = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
PAIRS = st.tuples(st.integers(1, 8), st.integers(1, 3)).flatmap(
    lambda shape: st.tuples(*[arrays(np.float64, shape, elements=st.floats(-1e3, 1e3))] * 2)
)
DISTANCES = [rmse, mse, mae, huber, smape]


def test_squared_and_absolute_errors_equal_scikit_learns():
    assert mse(PREDICTION, TARGET) == pytest.approx(mean_squared_error(TARGET, PREDICTION), rel=1e-14)
    assert mae(PREDICTION, TARGET) == pytest.approx(mean_absolute_error(TARGET, PREDICTION), rel=1e-14)


def test_rmse_is_over_all_entries_and_not_the_mean_of_the_columns_rmse():
    total = sum((p - t) ** 2 for p, t in zip(PREDICTION.flat, TARGET.flat, strict=True))
    assert rmse(PREDICTION, TARGET) == pytest.approx(math.sqrt(total / PREDICTION.size), rel=1e-14)
    by_column = [rmse(PREDICTION[:, [k]], TARGET[:, [k]]) for k in range(3)]
    assert abs(rmse(PREDICTION, TARGET) - np.mean(by_column)) > 1e-4


@given(PAIRS, st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None)
def test_huber_is_a_parabola_inside_delta_and_a_line_outside(pair, delta):
    prediction, target = pair
    expected = []
    for p, t in zip(prediction.flat, target.flat, strict=True):
        error = abs(p - t)
        expected.append(error**2 / 2 if error <= delta else delta * (error - delta / 2))
    assert huber(prediction, target, delta=delta) == pytest.approx(np.mean(expected), rel=1e-12, abs=1e-12)


def test_huber_with_a_delta_beyond_every_error_is_half_the_mse():
    assert huber(PREDICTION, TARGET, delta=1e6) == pytest.approx(mse(PREDICTION, TARGET) / 2, rel=1e-14)


@pytest.mark.parametrize("delta", [0, -1, math.nan, "1", None])
def test_huber_refuses_a_delta_that_is_no_number_above_0(delta):
    with pytest.raises(InputError, match="delta"):
        huber(PREDICTION, TARGET, delta=delta)


@given(PAIRS)
@settings(max_examples=50, deadline=None)
def test_smape_is_the_m4_competitions_in_percent(pair):
    prediction, target = pair
    terms = []
    for p, t in zip(prediction.flat, target.flat, strict=True):
        terms.append(0.0 if p == t == 0 else 2 * abs(t - p) / (abs(t) + abs(p)) * 100)
    assert smape(prediction, target) == pytest.approx(np.mean(terms), rel=1e-12)
    assert 0 <= smape(prediction, target) <= 200 * (1 + 1e-12)


def test_smape_counts_two_zeros_as_no_error_and_one_as_the_largest():
    assert smape(np.array([[0.0], [0.0]]), np.array([[0.0], [5.0]])) == 100.0


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_one_quantile_equals_scikit_learns_pinball_loss(q):
    expected = mean_pinball_loss(TARGET, PREDICTION, alpha=q)
    assert quantile(PREDICTION, TARGET, q=q) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("q", [(0.1, 0.5, 0.9), [0.25, 0.75], np.array([0.2, 0.3, 0.4, 0.6])])
def test_several_quantiles_stand_beside_each_other_target_by_target(q):
    prediction = rng.normal(size=(50, 3 * len(q)))
    expected = []
    for column in range(3):
        for k, level in enumerate(q):
            predicted = prediction[:, column * len(q) + k]
            expected.append(mean_pinball_loss(TARGET[:, column], predicted, alpha=level))
    assert quantile(prediction, TARGET, q=q) == pytest.approx(np.mean(expected), rel=1e-13)


def test_the_minimum_of_the_quantile_loss_is_the_quantile():
    sample = rng.exponential(size=(2001, 1))
    candidates = np.linspace(0, 4, 401)
    losses = [quantile(np.full_like(sample, c), sample, q=0.9) for c in candidates]
    assert candidates[np.argmin(losses)] == pytest.approx(np.quantile(sample, 0.9), abs=0.01)


@pytest.mark.parametrize("q", [0, 1, 1.5, -0.1, math.nan, "0.9", None, (), (0.1, 1.0), (0.1, "0.9"), 90])
def test_quantile_refuses_what_is_not_between_0_and_1(q):
    with pytest.raises(InputError, match="quantile"):
        quantile(PREDICTION, TARGET, q=q)


def test_gaussian_nll_is_minus_the_mean_log_density_of_scipy():
    mean, log_variance = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    prediction = np.stack([mean, log_variance], axis=2).reshape(50, 6)
    expected = -norm.logpdf(TARGET, mean, np.exp(log_variance / 2)).mean()
    assert gaussian_nll(prediction, TARGET) == pytest.approx(expected, rel=1e-13)


def test_gaussian_nll_of_a_perfect_unit_gaussian_is_its_constant():
    assert gaussian_nll(np.zeros((4, 2)), np.zeros((4, 1))) == pytest.approx(0.5 * math.log(2 * math.pi), rel=1e-15)


def test_bce_equals_scikit_learns_log_loss():
    probability, label = rng.uniform(0.01, 0.99, size=(200, 1)), rng.integers(0, 2, size=(200, 1)).astype(float)
    assert bce(probability, label) == pytest.approx(log_loss(label.ravel(), probability.ravel()), rel=1e-12)


def test_bce_of_soft_targets_is_least_at_the_target():
    target = np.full((1, 1), 0.3)
    candidates = np.linspace(0.01, 0.99, 99)
    assert candidates[np.argmin([bce(np.full((1, 1), p), target) for p in candidates])] == pytest.approx(0.3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_bce_of_certain_predictions_is_0_if_right_and_finite_if_wrong(dtype):
    zero_one = np.array([[0], [1]], dtype=dtype)
    assert bce(zero_one, zero_one) == 0
    assert bce(1 - zero_one, zero_one) == pytest.approx(37 * math.log(10), rel=1e-6)


@pytest.mark.parametrize("outside", [1.2, -0.2, 1 + 1e-12, math.nan])
def test_bce_of_what_is_no_probability_is_nan(outside):
    assert np.isnan(bce(np.array([[outside]]), np.array([[1.0]])))


def test_bce_of_logits_is_bce_of_their_probabilities():
    logit, label = 3 * rng.normal(size=(50, 2)), rng.integers(0, 2, size=(50, 2)).astype(float)
    assert bce(logit, label, logits=True) == pytest.approx(bce(expit(logit), label), rel=1e-12)


def test_bce_of_huge_logits_grows_like_the_logit():
    logit = np.array([[1e4], [-1e4], [1e4], [-1e4]])
    assert bce(logit[:2], np.array([[1.0], [0.0]]), logits=True) == 0
    assert bce(logit[2:], np.array([[0.0], [1.0]]), logits=True) == 1e4


def test_cross_entropy_equals_scikit_learns_log_loss_of_the_softmax():
    logits, label = 3 * rng.normal(size=(60, 4)), rng.integers(0, 4, size=60)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = log_loss(label, softmax, labels=[0, 1, 2, 3])
    assert cross_entropy(logits, np.eye(4)[label]) == pytest.approx(expected, rel=1e-12)


def test_cross_entropy_knows_only_differences_of_logits_however_large():
    logits, target = np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 0.0, 1.0]])
    assert cross_entropy(logits + 1e6, target) == pytest.approx(cross_entropy(logits, target), rel=1e-9)
    assert cross_entropy(np.array([[1e5, -1e5, 0.0]]), np.array([[0.0, 1.0, 0.0]])) == 2e5
    assert cross_entropy(np.zeros((5, 7)), np.eye(7)[:5]) == pytest.approx(math.log(7))


@pytest.mark.parametrize("loss", DISTANCES)
def test_a_perfect_fit_has_no_error_zeros_included(loss):
    target = np.array([[0.0, 1.0], [-2.0, 1e6]])
    assert loss(target, target) == 0


@pytest.mark.parametrize("loss", DISTANCES)
@given(pair=PAIRS)
@settings(max_examples=20, deadline=None)
def test_a_distance_is_symmetric_and_never_negative(loss, pair):
    assert loss(*pair) >= 0
    assert loss(*pair) == pytest.approx(loss(*pair[::-1]), rel=1e-12)


CALLS = {
    "rmse": (rmse, 1, {}),
    "mse": (mse, 1, {}),
    "mae": (mae, 1, {}),
    "huber": (huber, 1, {"delta": np.float64(0.5)}),
    "smape": (smape, 1, {}),
    "quantile": (quantile, 2, {"q": np.array([0.1, 0.9])}),
    "gaussian_nll": (gaussian_nll, 2, {}),
    "bce": (bce, 1, {}),
    "bce of logits": (bce, 1, {"logits": True}),
    "cross_entropy": (cross_entropy, 1, {}),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_loss_is_one_number_of_the_arrays_dtype(name, dtype):
    loss, columns, parameters = CALLS[name]
    target = rng.uniform(0, 1, size=(5, 3)).astype(dtype)
    before = rng.uniform(0, 1, size=(5, 3 * columns)).astype(dtype)
    prediction = before.copy()
    value = loss(prediction, target, **parameters)
    assert value.shape == ()
    assert value.dtype == dtype
    assert np.isfinite(value)
    np.testing.assert_array_equal(prediction, before)


def test_every_loss_is_registered_with_its_columns():
    registered = {}
    nanolstm_losses.nanolstm_register_losses(lambda name, loss, **how: registered.update({name: (loss, how)}))
    assert sorted(registered) == [
        "bce", "cross_entropy", "gaussian_nll", "huber", "mae", "mse", "quantile", "rmse", "smape",
    ]  # fmt: skip
    columns = registered["quantile"][1]["columns"]
    assert (columns(), columns(q=0.9), columns(q=(0.1, 0.5, 0.9))) == (1, 1, 3)
    assert registered["gaussian_nll"][1] == {"columns": 2, "in_target_units": False}
    assert registered["cross_entropy"][1] == {"classes": True}
    assert all(loss.__doc__.splitlines()[0].endswith(".") for loss, _ in registered.values())
