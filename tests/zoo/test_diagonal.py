"""Cells whose recurrent weights are diagonal or absent, against their equations."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cells
from nanolstm.errors import CellError


def s(a):
    return 1 / (1 + np.exp(-a))


def ind_rnn(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        h = np.array([max(0.0, p["new.U"][k] @ x + p["u"][k] * h[k] + p["new.b"][k]) for k in range(cell.hidden)])
        yield h, h


def sru(cell, p, xs):
    c = np.zeros(cell.hidden)
    skip = p["skip.U"] if "skip.U" in p else np.eye(cell.hidden)
    for x in xs:
        f = s(p["forget.U"] @ x + np.diag(p["forget.W"]) @ c + p["forget.b"])
        r = s(p["reset.U"] @ x + np.diag(p["reset.W"]) @ c + p["reset.b"])
        c = f * c + (1 - f) * (p["new.U"] @ x)
        yield r * c + (1 - r) * (skip @ x) * np.sqrt(1 + 2 * np.exp(cell.highway_bias)), c


def qrnn(cell, p, xs):
    c = np.zeros(cell.hidden)
    padded = np.concatenate([np.zeros((1, cell.inputs)), xs])
    for t in range(len(xs)):
        n, f, o = (p[f"{name}.W"] @ padded[t] + p[f"{name}.U"] @ padded[t + 1] for name in ("new", "forget", "output"))
        c = s(f) * c + s(-f) * np.tanh(n)
        yield s(o) * c, c, xs[t]


def positive(a):
    return np.array([v + 0.5 if v >= 0 else 1 / (1 + np.exp(-v)) for v in a])


def min_gru(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        z, n = s(p["update.U"] @ x + p["update.b"]), p["new.U"] @ x + p["new.b"]
        h = h + z * ((positive(n) if cell.log_space else n) - h)
        yield h, h


def min_lstm(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        f, i = (s(p[f"{name}.U"] @ x + p[f"{name}.b"]) for name in ("forget", "input"))
        n = p["new.U"] @ x + p["new.b"]
        h = (f * h + i * (positive(n) if cell.log_space else n)) / (f + i)
        yield h, h


EQUATIONS = {
    cells.IndRNN: ind_rnn,
    cells.SRU: sru,
    cells.ProjectedSRU: sru,
    cells.QRNN: qrnn,
    cells.MinGRU: min_gru,
    cells.MinLSTM: min_lstm,
}


def any_size(rng, **more):
    return {"inputs": int(rng.integers(1, 6)), "hidden": int(rng.integers(1, 8)), **more}


def as_wide_as_the_input(rng, **more):
    width = int(rng.integers(1, 8))
    return {"inputs": width, "hidden": width, **more}


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_a_cell_of_this_family_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind], sizes=as_wide_as_the_input if kind is cells.SRU else any_size)


@pytest.mark.parametrize("kind", [cells.MinGRU, cells.MinLSTM], ids=lambda kind: kind.__name__)
def test_a_minimal_unit_without_log_space_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind], sizes=lambda rng: any_size(rng, log_space=False))


def test_an_sru_of_another_highway_bias_equals_its_equations_and_starts_there(equals_by_hand):
    equals_by_hand(cells.SRU, sru, sizes=lambda rng: as_wide_as_the_input(rng, highway_bias=-2.0))
    assert cells.SRU(inputs=3, hidden=3, highway_bias=-2.0).parameters["reset.b"].tolist() == [-2.0] * 3


def test_an_sru_of_another_width_than_its_input_is_refused_with_the_cell_that_takes_it():
    with pytest.raises(CellError, match=r"SRU\(inputs=3, hidden=4\).*ProjectedSRU takes any"):
        cells.SRU(inputs=3, hidden=4)


@pytest.mark.parametrize("highway_bias", [0.0, -2.0])
def test_the_output_of_an_sru_varies_at_first_as_much_as_its_input(highway_bias):
    cell = cells.SRU(inputs=200, hidden=200, highway_bias=highway_bias, rng=0)
    y = nl.Sequence(cell)(np.random.default_rng(0).normal(size=(20, 200)))
    assert y.var() == pytest.approx(1, abs=0.25)


def test_recurrent_weights_of_an_indrnn_stay_where_no_gradient_more_than_doubles_over_1000_steps():
    cell = cells.IndRNN(inputs=2, hidden=4, rng=0)
    assert ((cell.parameters["u"] >= 0) & (cell.parameters["u"] <= 1)).all()
    cell.parameters["u"] = [-3.0, 0.5, 1.0, 7.0]
    cell.project()
    np.testing.assert_allclose(np.abs(cell.parameters["u"]) ** 1000, [2.0, 0.5**1000, 1.0, 2.0], rtol=1e-10)


@pytest.mark.parametrize("kind", [cells.MinGRU, cells.MinLSTM], ids=lambda kind: kind.__name__)
def test_the_memory_of_a_minimal_unit_in_log_space_is_positive(kind):
    x = np.random.default_rng(0).normal(size=(50, 3), scale=5)
    assert (nl.Sequence(kind(inputs=3, hidden=4, rng=0))(x) > 0).all()
    assert (nl.Sequence(kind(inputs=3, hidden=4, rng=0, log_space=False))(x) < 0).any()


def test_a_minimal_lstm_weighs_old_and_new_to_one_whatever_its_gates():
    """So that a constant that is written at every step is what is remembered."""
    cell = cells.MinLSTM(inputs=3, hidden=4, log_space=False, rng=0)
    cell.parameters["new.U"] = np.zeros((4, 3))
    cell.parameters["new.b"] = np.arange(4.0)
    y, _ = nl.Sequence(cell)(
        np.random.default_rng(0).normal(size=(30, 3)), initial={"h": np.arange(4.0)}, return_state=True
    )
    np.testing.assert_allclose(y, np.tile(np.arange(4.0), (30, 1)), atol=1e-12)
