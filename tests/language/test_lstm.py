"""The LSTM of the zoo, beside its equations written out."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.cells.find import find_cell


def squash(z):
    return 1 / (1 + np.exp(-z))


def test_the_lstm_is_its_equations():
    cell = nl.cells.LSTM(inputs=2, hidden=3, rng=0)
    cell.parameters.flat[...] = np.random.default_rng(1).normal(size=cell.parameters.count)
    x, p = np.random.default_rng(2).normal(size=(6, 2)), cell.parameters
    h, c, expected = np.zeros(3), np.zeros(3), []
    for row in x:
        i, f, o, g = (p[f"{n}.U"] @ row + p[f"{n}.W"] @ h + p[f"{n}.b"] for n in ("input", "forget", "output", "new"))
        c = squash(f) * c + squash(i) * np.tanh(g)
        h = squash(o) * np.tanh(c)
        expected.append(h)
    y, state = nl.Sequence(cell)(x, return_state=True)
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    np.testing.assert_allclose(state["c"], c, rtol=1e-12)
    np.testing.assert_allclose(state["h"], h, rtol=1e-12)


def test_its_forget_gate_starts_open_and_its_weights_are_drawn_by_glorots_rule():
    cell = nl.cells.LSTM(inputs=20, hidden=30, rng=0)
    for gate in ("input", "forget", "output", "new"):
        assert (cell.parameters[f"{gate}.b"] == (gate == "forget")).all()
        for weight, fans in (("U", 50), ("W", 60)):
            values = cell.parameters[f"{gate}.{weight}"]
            assert np.abs(values).max() <= np.sqrt(6 / fans)
            assert values.var() == pytest.approx(2 / fans, rel=0.2)


def test_it_is_found_by_its_name():
    kind, fields = find_cell("LSTM")
    assert kind is nl.cells.LSTM
    assert fields == {}
