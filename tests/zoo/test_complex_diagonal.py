"""Cells with a complex memory, against their equations in complex numbers."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cells
from nanolstm.errors import CellError


def s(a):
    return 1 / (1 + np.exp(-a))


def lru(cell, p, xs):
    eigenvalues = np.exp(-np.exp(p["nu"]) + 1j * np.exp(p["theta"]))
    B = p["in_re.U"] + 1j * p["in_im.U"]
    C = p["out_re.W"] + 1j * p["out_im.W"]
    h = np.zeros(cell.hidden, complex)
    for x in xs:
        h = np.diag(eigenvalues) @ h + np.diag(np.exp(p["gamma"])) @ B @ x
        yield (C @ h).real + np.diag(p["D"]) @ x, h.real, h.imag


def hgrn(cell, p, xs):
    def silu(name, x):
        a = p[f"{name}.U"] @ x + p[f"{name}.b"]
        return a * s(a)

    h = np.zeros(cell.hidden, complex)
    for x in xs:
        keep = cell.lower_bound + (1 - cell.lower_bound) * s(p["forget.U"] @ x + p["forget.b"])
        h = keep * np.exp(1j * p["theta"]) * h + (1 - keep) * (silu("in_re", x) + 1j * silu("in_im", x))
        a = silu("output", x) * np.r_[h.real, h.imag]
        yield p["read.W"] @ ((a - a.mean()) / np.sqrt(a.var() + 1e-5)) + p["read.b"], h.real, h.imag


EQUATIONS = {
    cells.LRU: lru,
    cells.HGRN: hgrn,
}


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_a_cell_of_this_family_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind])


def test_an_hgrn_with_a_lower_bound_equals_its_equations(equals_by_hand):
    def sizes(rng):
        return {"inputs": int(rng.integers(1, 6)), "hidden": int(rng.integers(1, 8)), "lower_bound": 0.7}

    equals_by_hand(cells.HGRN, hgrn, sizes=sizes)


def test_the_eigenvalues_of_an_lru_start_uniform_on_their_ring():
    cell = cells.LRU(inputs=1, hidden=4000, r_min=0.5, r_max=0.9, max_phase=1.0, rng=0)
    eigenvalues = np.exp(-np.exp(cell.nu) + 1j * np.exp(cell.theta))
    assert 0.5 <= np.abs(eigenvalues).min() < 0.51
    assert 0.899 < np.abs(eigenvalues).max() <= 0.9
    assert 0 <= np.angle(eigenvalues).min() < 0.01
    assert 0.99 < np.angle(eigenvalues).max() <= 1.0
    # Half of the area of the ring, and so half of them, lies within this radius.
    assert np.mean(np.abs(eigenvalues) < np.sqrt((0.5**2 + 0.9**2) / 2)) == pytest.approx(0.5, abs=0.03)


def test_an_lru_starts_with_a_memory_of_the_size_of_its_input_however_long_it_is():
    cell = cells.LRU(inputs=20, hidden=500, r_min=0.9, r_max=0.99, rng=0)
    eigenvalues = np.exp(-np.exp(cell.nu) + 1j * np.exp(cell.theta))
    np.testing.assert_allclose(np.exp(2 * cell.gamma) + np.abs(eigenvalues) ** 2, 1, rtol=1e-12)
    rec = nl.Sequence(cell).record(np.random.default_rng(0).normal(size=(600, 20)))
    # B has 2 parts of variance 1 / (2 M) each: |B x| is 1 in the mean square, and so is |h|.
    assert np.mean(rec["re"][300:] ** 2 + rec["im"][300:] ** 2) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("wrong", [{"r_min": -0.1}, {"r_max": 1.5}, {"r_min": 0.9, "r_max": 0.8}, {"max_phase": 0.0}])
def test_an_lru_refuses_what_is_no_ring(wrong):
    with pytest.raises(CellError, match=r"LRU.*0 <= r_min < r_max <= 1"):
        cells.LRU(inputs=2, hidden=3, **wrong)


def test_no_forget_gate_of_an_hgrn_falls_below_its_bound():
    cell = cells.HGRN(inputs=3, hidden=4, lower_bound=0.8, rng=0)
    x = np.random.default_rng(0).normal(size=(200, 3), scale=5)
    keep = nl.Sequence(cell).record(x)["keep"]
    assert 0.8 <= keep.min() < 0.81
    assert 0.99 < keep.max() <= 1


def test_the_memory_of_an_hgrn_turns_by_its_angle_where_nothing_is_forgotten():
    cell = cells.HGRN(inputs=1, hidden=3, rng=0)
    cell.parameters["forget.b"] = np.full(3, 40.0)
    _, end = nl.Sequence(cell)(np.zeros((5, 1)), initial={"re": np.ones(3), "im": np.zeros(3)}, return_state=True)
    turned = np.exp(5j * 10000.0 ** (-2 * np.arange(3) / 3))
    np.testing.assert_allclose(end["re"] + 1j * end["im"], turned, atol=1e-12)


@pytest.mark.parametrize("bound", [1.0, -0.1, 3])
def test_an_hgrn_refuses_a_bound_outside_of_0_to_1(bound):
    with pytest.raises(CellError, match=r"HGRN\(lower_bound=.*from 0 to below 1"):
        cells.HGRN(inputs=2, hidden=3, lower_bound=bound)
