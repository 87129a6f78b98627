"""The GRU family, against its equations."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cells


def s(a):
    return 1 / (1 + np.exp(-a))


def sums(p, x, h, *names):
    return (p[f"{name}.U"] @ x + p[f"{name}.W"] @ h + p[f"{name}.b"] for name in names)


def gru(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        r, z = map(s, sums(p, x, h, "reset", "update"))
        n = np.tanh(p["new.U"] @ x + p["new.b"] + np.diag(r) @ (p["new.W"] @ h + p["new.d"]))
        h = n + z * (h - n)
        yield h, h


def gru_v3(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        r, z = map(s, sums(p, x, h, "reset", "update"))
        n = np.tanh(p["new.U"] @ x + p["new.b"] + p["new.W"] @ np.diag(r) @ h)
        h = n + z * (h - n)
        yield h, h


def li_gru(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        z, n = sums(p, x, h, "update", "new")
        h = s(z) * h + s(-z) * np.where(n > 0, n, 0)
        yield h, h


def layer_norm_li_gru(cell, p, xs):
    def normalised(name, x, h):
        a = p[f"{name}.U"] @ x
        return (a - a.mean()) / np.sqrt(a.var() + 1e-5) * p[f"{name}.gain"] + p[f"{name}.W"] @ h + p[f"{name}.b"]

    h = np.zeros(cell.hidden)
    for x in xs:
        z, n = normalised("update", x, h), normalised("new", x, h)
        h = s(z) * h + s(-z) * np.where(n > 0, n, 0)
        yield h, h


def ugrnn(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        n, g = sums(p, x, h, "new", "update")
        h = s(g) * h + s(-g) * np.tanh(n)
        yield h, h


EQUATIONS = {
    cells.GRU: gru,
    cells.GRUv3: gru_v3,
    cells.LiGRU: li_gru,
    cells.LayerNormLiGRU: layer_norm_li_gru,
    cells.UGRNN: ugrnn,
}


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_a_cell_of_this_family_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind])


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_recurrent_weights_start_orthogonal_and_biases_at_0_but_for_an_update_gate_that_holds_on(kind):
    cell = kind(inputs=3, hidden=5, rng=0)
    for key, value in cell.parameters.items():
        if key.endswith(".W"):
            np.testing.assert_allclose(value @ value.T, np.eye(5), atol=1e-12)
        if key.endswith((".b", ".d")):
            assert (value == (1.0 if (kind, key) == (cells.UGRNN, "update.b") else 0.0)).all(), key


def test_the_record_of_a_gru_shows_the_candidate_that_its_reset_gate_went_into():
    rec = nl.Sequence(cells.GRU(inputs=2, hidden=3, rng=0)).record(np.random.default_rng(0).normal(size=(6, 2)))
    before = np.concatenate([np.zeros((1, 3)), rec["h"][:-1]])
    np.testing.assert_allclose(rec["h"], (1 - rec["update"]) * rec["new"] + rec["update"] * before, atol=1e-14)


def test_a_light_gru_with_layer_normalisation_does_not_care_for_the_scale_of_its_input():
    x = np.random.default_rng(0).normal(size=(2, 9, 3))
    for kind, cares in ((cells.LiGRU, True), (cells.LayerNormLiGRU, False)):
        model = nl.Sequence(kind(inputs=3, hidden=4, rng=0))
        assert np.allclose(model(x), model(1000 * x), rtol=1e-2) != cares
