"""Dropout and zoneout in a kernel: NumPy's masks, and the same bits on any number of threads."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

import nanolstm as nl

B, T, M, K = 6, 9, 3, 5
X = np.random.default_rng(0).normal(size=(B, T, M))
TARGET = np.random.default_rng(1).normal(size=(B, T, K))
EVERYTHING = {"input_dropout": 0.2, "output_dropout": 0.3, "recurrent_dropout": 0.4, "zoneout": 0.1}


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
def test_kernels_draw_the_masks_of_numpy_and_give_the_same_bits_on_any_number_of_threads(dtype, cut_into_slices):
    cut_into_slices(2)
    cell = nl.cells.LSTM(inputs=M, hidden=K, rng=0, dtype=dtype, **EVERYTHING)
    kernels, numpy = (nl.Sequence(cell, backend=backend) for backend in ("numba", "numpy"))
    found = []
    for threads in (1, 2, 3):
        nl.set_num_threads(threads)
        found.append(kernels.value_and_grad(X, TARGET, loss="mse", rng=3))
    assert np.array_equal(kernels.record(X, rng=3)["keep_h"], numpy.record(X, rng=3)["keep_h"])
    loss, gradient = numpy.value_and_grad(X, TARGET, loss="mse", rng=3)
    for value, own in found:
        assert value == found[0][0]
        assert all(np.array_equal(own[name], found[0][1][name]) for name in own)
        assert value == pytest.approx(loss, rel=1e-5 if dtype == "float32" else 1e-12)
        for name in own:
            np.testing.assert_allclose(own[name], gradient[name], rtol=0, atol=1e-6 if dtype == "float32" else 1e-13)
