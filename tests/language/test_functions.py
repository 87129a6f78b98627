"""The functions for use in a step, against formulas written out in higher precision or by SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import special

from nanolstm import identity, layer_norm, merge, relu, sigmoid, softmax, softplus, split
from nanolstm.errors import CellError

NUMBERS = arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=st.floats(-50, 50))
TAILS = np.array([-1e4, -750.0, -40.0, -1e-9, 0.0, 1e-9, 40.0, 750.0, 1e4, -np.inf, np.inf])


@given(NUMBERS)
def test_sigmoid_softplus_and_softmax_are_scipys(x):
    np.testing.assert_allclose(sigmoid(x), special.expit(x), rtol=1e-14)
    np.testing.assert_allclose(softplus(x), np.log1p(np.exp(x)), rtol=1e-12)
    np.testing.assert_allclose(softmax(x), special.softmax(x, axis=-1), rtol=1e-12)


def test_the_tails_neither_overflow_nor_warn():
    np.testing.assert_allclose(sigmoid(TAILS), special.expit(TAILS), rtol=1e-13, atol=1e-300)
    assert softplus(TAILS)[[0, -2]].tolist() == [0, 0]
    assert softplus(TAILS)[[8, -1]].tolist() == [1e4, np.inf]
    assert softmax(np.array([1e4, 0.0, -1e4])).tolist() == [1, 0, 0]
    assert relu(TAILS).tolist() == [0, 0, 0, 0, 0, 1e-9, 40, 750, 1e4, 0, np.inf]


@pytest.mark.parametrize("function", [sigmoid, relu, softplus, softmax, layer_norm, identity])
def test_float32_stays_float32(function):
    assert function(np.linspace(-100, 100, 7, dtype="float32")).dtype == np.float32


@pytest.mark.parametrize("function", [softmax, layer_norm])
def test_the_last_axis_alone_is_reduced(function):
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    assert np.array_equal(function(x)[1, 2], function(x[1, 2]))


def test_layer_norm_is_centred_and_of_variance_one():
    x = np.random.default_rng(0).normal(3, 10, size=(6, 50))
    y = layer_norm(x, epsilon=0.0)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-12)
    np.testing.assert_allclose(layer_norm(x, epsilon=4.0), (x.T - x.mean(-1)).T / np.sqrt(x.var(-1) + 4)[:, None])
    assert (layer_norm(np.full(4, 7.0)) == 0).all()


def test_identity_is_the_array_itself():
    x = np.ones(3)
    assert identity(x) is x


@given(st.integers(1, 4), st.integers(1, 4), st.lists(st.integers(1, 3), max_size=2))
def test_merge_undoes_split(heads, width, leading):
    x = np.arange(np.prod([*leading, heads * width]), dtype=float).reshape(*leading, heads * width)
    parts = split(x, heads)
    assert parts.shape == (*leading, heads, width)
    assert np.array_equal(parts[..., 0, :], x[..., :width])
    assert np.array_equal(merge(parts), x)


def test_features_that_cannot_be_shared_out_are_refused_with_both_numbers():
    with pytest.raises(CellError, match=r"7 features cannot be shared out to 3 heads; shape \(2, 7\)"):
        split(np.zeros((2, 7)), 3)
