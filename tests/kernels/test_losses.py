"""A loss in kernels gives what it gives in NumPy: its value, and through it the gradient of a model."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.gradient.bound_loss import halves_of

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

B, T, N = 5, 7, 4
LENGTHS = np.array([7, 1, 4, 6, 2])


def slow(loss):
    return pytest.param(loss, marks=pytest.mark.slow)


def explained(y, target):
    """The share of the variance that is left: a mean of all rows goes into each, and they are added up again."""
    return np.mean((target - y) ** 2) / np.mean((target - np.mean(target)) ** 2 + 0.1 * (y - np.mean(y)) ** 2)


def without_the_target(y, target):
    return np.mean(y * y)


def drawn(function, dtype, batch=B, time=T):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(batch, time, 2)).astype(dtype)
    if function.classes:
        return x, rng.integers(0, N, (batch, time))
    return x, rng.uniform(0.1, 1.0, (batch, time, N // function.columns)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float64", slow("float32")])
@pytest.mark.parametrize(
    "loss",
    ["rmse", "cross_entropy", "quantile(q=[0.1, 0.9])", without_the_target]
    + [slow(name) for name in ("mse", "mae", "huber(delta=0.3)", "smape", "gaussian_nll")],
    ids=lambda loss: getattr(loss, "__name__", loss),
)
def test_a_loss_and_its_gradient_are_those_of_numpy(loss, dtype, cell, twins, agrees, cut_into_slices):
    models = twins(lambda: cell("LSTM", dtype=dtype), readout=N, rng=1)
    function = nl.loss(loss)
    assert halves_of(models[0], function) is not None, "it does not run in kernels"
    x, target = drawn(function, dtype)
    for sequences in (B, 1):
        cut_into_slices(sequences)
        for more in ({}, {"lengths": LENGTHS}):
            found = [model.value_and_grad(x, target, loss=loss, **more) for model in models]
            agrees(*found, name=f"{loss} {more}")
    one = [model.value_and_grad(x[0], target[0], loss=loss) for model in models]
    agrees(*one, name=f"{loss} of one sequence")


def of_products(y, target):
    return np.mean((y @ np.einsum("ni,nj->ij", y, target)) ** 2)


@pytest.mark.parametrize("loss", [explained, of_products])
def test_a_loss_that_adds_up_twice_or_multiplies_matrices_is_left_to_numpy(loss, cell, twins, agrees):
    models = twins(lambda: cell("LSTM"), readout=N, rng=1)
    function = nl.loss(loss)
    assert halves_of(models[0], function) is None
    x, target = drawn(function, "float64")
    agrees(*(model.value_and_grad(x, target, loss=loss) for model in models))


def test_two_losses_of_one_model_do_not_disturb_each_other(cell, twins, agrees):
    models = twins(lambda: cell("LSTM"), readout=N, rng=1)
    x, target = drawn(nl.loss("rmse"), "float64")
    for loss in ("rmse", without_the_target, "rmse"):
        agrees(*(model.value_and_grad(x, target, loss=loss) for model in models), name=str(loss))


def test_a_sum_of_many_rows_keeps_its_digits_in_float32(cell, twins):
    kernel, _ = twins(lambda: cell("LSTM", dtype="float32"), readout=N, rng=1)
    x, target = drawn(nl.loss("rmse"), "float32", 40, 2500)
    value, _ = kernel.value_and_grad(x, target, loss="rmse")
    exact = np.sqrt(np.mean(np.square(kernel(x).astype(float) - target)))
    assert value == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_infinite_and_an_exact_fit_come_out_as_they_do_in_numpy(dtype, cell, twins):
    models = twins(lambda: cell("LSTM", dtype=dtype), readout=N, rng=1)
    x, target = drawn(nl.loss("rmse"), dtype)
    target[1, 2, 0] = np.inf
    kernel, numpy = (model.value_and_grad(x, target, loss="rmse")[0] for model in models)
    assert kernel == numpy == np.inf
    value, gradient = models[0].value_and_grad(x, models[0](x), loss="rmse")
    assert value == 0
    assert all((g == 0).all() for g in gradient.values())
