"""Quantiles never cross, and are those of the distribution that they are of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.metrics import mean_pinball_loss

import nanolstm as nl
from nanolstm.errors import InputError
from nanolstm.forecasting.outputs import Point, gaussian_quantiles, uncross


@settings(max_examples=30, deadline=None)
@given(arrays(float, (3, 2, 6), elements=st.floats(-1e6, 1e6)))
def test_quantiles_never_cross_in_what_is_read(prediction):
    output = nl.Quantiles((0.1, 0.5, 0.9))
    read = output.read(prediction)
    assert read.shape == (3, 2, 2, 4)
    assert (np.diff(read[..., 1:], axis=-1) >= 0).all()
    np.testing.assert_array_equal(read[..., 0], read[..., 2])  # the forecast itself is the median
    np.testing.assert_array_equal(np.sort(prediction[..., :3], axis=-1), read[..., 0, 1:])  # columns stand by target


def test_sorting_never_raises_the_pinball_loss():
    rng = np.random.default_rng(3)
    levels, actual = (0.1, 0.25, 0.5, 0.75, 0.9), rng.normal(size=400)
    crossing = np.quantile(actual, levels) + rng.normal(0, 0.5, size=(400, 5))

    def total(quantiles):
        return sum(mean_pinball_loss(actual, quantiles[:, k], alpha=q) for k, q in enumerate(levels))

    assert (np.diff(crossing, axis=1) < 0).any()
    assert total(uncross(crossing)) < total(crossing)


def test_a_gaussian_is_read_as_the_quantiles_of_its_distribution():
    mean, log_variance = np.array([1.0, -2.0]), np.array([0.3, -1.2])
    levels = (0.05, 0.5, 0.8)
    got = gaussian_quantiles(np.stack([mean, log_variance], axis=-1), levels)
    for k, level in enumerate(levels):
        np.testing.assert_allclose(got[:, 0, k], stats.norm.ppf(level, mean, np.exp(log_variance / 2)), rtol=1e-12)
    output = nl.Gaussian(levels)
    read = output.read(np.array([[1.0, 0.3, -2.0, -1.2]]))
    np.testing.assert_allclose(read[0, :, 1:], got[:, 0], rtol=1e-15)
    np.testing.assert_array_equal(read[0, :, 0], mean)
    assert (output.columns, nl.Quantiles(levels).columns, Point().columns) == (2, 3, 1)


@pytest.mark.parametrize("levels", [(), (0.0, 0.5), (0.5, 1.0), (0.5, 0.1), (0.5, 0.5), (10, 50, 90)])
def test_levels_that_are_none_are_refused(levels):
    with pytest.raises(InputError, match="expected ascending numbers between 0 and 1"):
        nl.Gaussian(levels)


def test_quantiles_without_a_median_are_refused():
    with pytest.raises(InputError, match=r"0.5 is not among them, which is taken as the forecast itself; add it"):
        nl.Quantiles((0.1, 0.9))
