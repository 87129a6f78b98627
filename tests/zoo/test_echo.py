"""The echo state network: its equation, what is drawn, and that a readout alone learns."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cells
from nanolstm.errors import CellError, InputError


def echo(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        h = (1 - cell.leak) * h + cell.leak * np.tanh(p["new.U"] @ x + p["new.W"] @ h + p["new.b"])
        yield h, h


def any_reservoir(rng):
    return {
        "inputs": int(rng.integers(1, 6)),
        "hidden": int(rng.integers(1, 20)),
        "leak": float(rng.uniform(0.1, 1)),
        "bias_scaling": 1.0,
    }


def radius(cell):
    return np.abs(np.linalg.eigvals(cell.frozen["new.W"])).max()


def test_the_echo_state_network_equals_its_equation(equals_by_hand):
    equals_by_hand(cells.EchoState, echo, sizes=any_reservoir)


@pytest.mark.parametrize("hidden", [1, 3, 40])
@pytest.mark.parametrize("connections", [1, 10])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_reservoir_has_the_spectral_radius_and_the_connections_it_is_told(hidden, connections, dtype):
    for seed in range(5):
        cell = cells.EchoState(inputs=2, hidden=hidden, radius=0.7, connections=connections, dtype=dtype, rng=seed)
        assert radius(cell) == pytest.approx(0.7, rel=1e-10 if dtype == "float64" else 1e-3)
        assert ((cell.new.W != 0).sum(axis=1) == min(connections, hidden)).all()


def test_inputs_and_biases_are_scaled():
    cell = cells.EchoState(inputs=50, hidden=100, input_scaling=3.0, bias_scaling=0.5, rng=0)
    assert 2.9 < np.abs(cell.new.U).max() <= 3
    assert 0.4 < np.abs(cell.new.b).max() <= 0.5
    assert not cells.EchoState(inputs=2, hidden=3, rng=0).new.b.any()


def test_a_reservoir_forgets_where_it_began():
    cell = cells.EchoState(inputs=1, hidden=30, radius=0.8, leak=0.5, rng=0)
    x = np.random.default_rng(0).normal(size=(2, 200, 1))
    x[1] = x[0]
    y = nl.Sequence(cell)(x, initial={"h": np.random.default_rng(1).normal(size=(2, 30))})
    assert np.abs(y[0, 0] - y[1, 0]).max() > 0.1
    np.testing.assert_allclose(y[0, -1], y[1, -1], atol=1e-8)


def reservoir_model(hidden=40):
    reservoir = cells.EchoState(inputs=1, hidden=hidden, radius=0.9, leak=0.7, bias_scaling=0.5, rng=0)
    return nl.Sequence(reservoir, readout=1, rng=0)


def test_a_readout_alone_is_trained_and_reaches_the_least_squares():
    """The target is the input of the step before, which only the state still holds."""
    x = np.random.default_rng(0).uniform(-1, 1, size=(10, 12, 1))
    target = np.concatenate([np.zeros((10, 1, 1)), x[:, :-1]], axis=1)
    model = reservoir_model(hidden=6)
    assert list(model.parameters) == ["readout.U", "readout.b"]
    frozen = {name: value.copy() for name, value in model.frozen.items()}
    run = nl.fit(model, (x, target), loss="mse", optimizer="lbfgs", epochs=80)
    states = np.concatenate([nl.Sequence(model.cells[0])(x), np.ones((10, 12, 1))], axis=2).reshape(120, 7)
    weights, *_ = np.linalg.lstsq(states, target.ravel(), rcond=None)
    least = np.mean((states @ weights - target.ravel()) ** 2)
    assert least * (1 - 1e-9) <= run.best_score < 1.001 * least
    assert least < target.var() / 5
    for name, value in frozen.items():
        assert np.array_equal(model.frozen[name], value), name


def test_the_gradient_is_that_of_the_readout_alone():
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(3, 7, 1)), rng.normal(size=(3, 7, 1))
    model = reservoir_model(hidden=5)
    _, gradients = model.value_and_grad(x, target, loss="mse")
    assert list(gradients) == ["readout.U", "readout.b"]
    error = 2 * (model(x) - target) / target.size
    h = nl.Sequence(model.cells[0])(x)
    np.testing.assert_allclose(gradients["readout.U"], np.einsum("btn,btk->nk", error, h), atol=1e-12)
    np.testing.assert_allclose(gradients["readout.b"], error.sum(axis=(0, 1)), atol=1e-12)


def test_without_a_readout_there_is_nothing_to_train_and_fit_says_what_to_add():
    model = nl.Sequence(cells.EchoState(inputs=1, hidden=3, rng=0))
    x, target = np.ones((2, 5, 1)), np.zeros((2, 5, 3))
    loss, gradients = model.value_and_grad(x, target, loss="mse")
    assert loss == pytest.approx(np.mean(model(x) ** 2))
    assert gradients == {}
    with pytest.raises(InputError, match=r"all are frozen.*a readout has some: nl\.Sequence\(cell, readout=N\)"):
        nl.fit(model, (x, target))


@pytest.mark.parametrize(
    ("field", "value"), [("leak", 0.0), ("leak", 1.5), ("radius", -0.5), ("radius", "0.9"), ("connections", 0)]
)
def test_a_setting_that_makes_no_reservoir_is_refused(field, value):
    with pytest.raises(CellError, match=rf"EchoState\({field}={value!r}.*expected a number above 0"):
        cells.EchoState(inputs=1, hidden=3, **{field: value})
