"""The networks without gates, against their equations."""

import numpy as np
import pytest

from nanolstm import cells


def elman(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        h = np.tanh(p["new.U"] @ x + p["new.W"] @ h + p["new.b"])
        yield h, h


def rectified(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        h = np.array([max(a, 0.0) for a in p["new.U"] @ x + p["new.W"] @ h + p["new.b"]])
        yield h, h


def jordan(cell, p, xs):
    outputs = []
    for x in xs:
        context = sum((cell.memory**age * y for age, y in enumerate(reversed(outputs))), np.zeros(cell.outputs))
        hidden = np.tanh(p["new.U"] @ x + p["new.W"] @ context + p["new.b"])
        outputs.append(p["output.U"] @ hidden + p["output.b"])
        yield outputs[-1], cell.memory * context + outputs[-1]


EQUATIONS = {
    cells.Elman: elman,
    cells.ElmanReLU: rectified,
    cells.IRNN: rectified,
    cells.Jordan: jordan,
}


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_a_cell_of_this_family_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind])


def several_outputs_and_a_memory(rng):
    return {"inputs": 3, "hidden": 4, "outputs": int(rng.integers(2, 6)), "memory": rng.uniform(0.1, 0.9)}


def test_a_jordan_network_of_several_outputs_remembers_all_of_them_less_with_age(equals_by_hand):
    equals_by_hand(cells.Jordan, jordan, several_outputs_and_a_memory)


def test_an_irnn_starts_by_adding_up_what_comes_in():
    cell = cells.IRNN(inputs=2, hidden=3, rng=0)
    assert (cell.parameters["new.W"] == np.eye(3)).all()
    assert (cell.parameters["new.b"] == 0).all()
    assert 0 < np.abs(cell.parameters["new.U"]).max() < 0.01
    assert (cells.IRNN(inputs=2, hidden=3, scale=0.01, rng=0).parameters["new.W"] == 0.01 * np.eye(3)).all()


def test_the_recurrent_weights_of_a_simple_network_start_orthogonal():
    W = cells.Elman(inputs=2, hidden=5, rng=0).parameters["new.W"]
    np.testing.assert_allclose(W @ W.T, np.eye(5), atol=1e-12)
