"""The echo state network beside reservoirpy, with the same matrices, in float64."""

import numpy as np
import pytest

import nanolstm as nl

nodes = pytest.importorskip(
    "reservoirpy.nodes", reason="reservoirpy is the independent implementation: pip install reservoirpy"
)


def theirs(cell):
    """Their node with the cell's own matrices; a matrix that is given is not scaled again."""
    frozen = {name: value.copy() for name, value in cell.frozen.items()}
    return nodes.Reservoir(lr=cell.leak, Win=frozen["new.U"], W=frozen["new.W"], bias=frozen["new.b"])


@pytest.mark.parametrize("leak", [1.0, 0.3])
@pytest.mark.parametrize("hidden", [5, 60])
def test_the_states_equal_those_of_reservoirpys_reservoir(leak, hidden):
    cell = nl.cells.EchoState(inputs=3, hidden=hidden, leak=leak, bias_scaling=0.5, rng=0)
    x = np.random.default_rng(1).normal(size=(100, 3))
    np.testing.assert_allclose(nl.Sequence(cell)(x), theirs(cell).run(x), rtol=0, atol=1e-10)


def test_a_readout_by_ridge_regression_predicts_what_reservoirpys_network_predicts():
    """Their reservoir and their ridge; ours, and scikit-learn's, put into the model's readout."""
    from sklearn.linear_model import Ridge

    cell = nl.cells.EchoState(inputs=1, hidden=30, leak=0.5, bias_scaling=0.5, rng=0)
    rng = np.random.default_rng(1)
    x = np.cumsum(rng.normal(size=(301, 1)), axis=0) / 10
    past, target = x[:-1], x[1:]
    network = theirs(cell) >> nodes.Ridge(ridge=1e-3)
    network.fit(past[:200], target[:200])
    network.reset()
    model = nl.Sequence(cell, readout=1, rng=0)
    ridge = Ridge(alpha=1e-3).fit(nl.Sequence(cell)(past[:200]), target[:200])
    model.parameters["readout.U"] = np.atleast_2d(ridge.coef_)
    model.parameters["readout.b"] = np.atleast_1d(ridge.intercept_)
    np.testing.assert_allclose(model(past), network.run(past), rtol=0, atol=1e-6)
