"""Cells that use several parts of the language at once: tied weights under gates of one's own, and random masks."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, diagonal, gate, noise, param, sigmoid, tied
from nanolstm.cells import LSTM


class ZoneoutLSTM(Cell):
    """Peepholes, with the zoneout of Krueger et al. (2017)."""

    input: Gate = gate(sigmoid, P=diagonal("c"))
    forget: Gate = gate(sigmoid, P=diagonal("c"))
    output: Gate = gate(sigmoid, P=diagonal("c"))
    new: Gate = gate(np.tanh)
    hold_h: Array = noise(0.05)
    hold_c: Array = noise(0.5)

    def step(self, x, h, c, hold_h, hold_c):
        new_c = self.forget(x, h, c) * c + self.input(x, h, c) * self.new(x, h)
        new_h = self.output(x, h, new_c) * np.tanh(new_c)
        h = hold_h * h + (1 - hold_h) * new_h
        c = hold_c * c + (1 - hold_c) * new_c
        return h, h, c


class ScaledGate(Gate):
    """A gate with an activation of its own slope and height."""

    slope: Array = param("size", nl.uniform(0.5, 1.5))
    height: Array = param("size", nl.uniform(0.5, 1.5))

    def __call__(self, *values):
        return self.height * self.activation(self.slope * self.preactivation(*values))


class SemiTiedLSTM(LSTM):
    """Zhang and Woodland (2018), Semi-tied units: one product for all gates, each with its own activation."""

    input: Gate = gate(sigmoid, kind=ScaledGate)
    forget: Gate = gate(sigmoid, kind=ScaledGate, U=tied("input.U"), W=tied("input.W"), bias=tied("input.b"))
    output: Gate = gate(sigmoid, kind=ScaledGate, U=tied("input.U"), W=tied("input.W"), bias=tied("input.b"))
    new: Gate = gate(np.tanh, kind=ScaledGate, U=tied("input.U"), W=tied("input.W"), bias=tied("input.b"))


def s(a):
    return 1 / (1 + np.exp(-a))


def affine(p, name, *columns):
    """The sum of a gate on column vectors, weight by weight."""
    total = p.get(f"{name}.b", 0.0)
    for weight, column in zip("UW", columns, strict=False):
        total = total + p[f"{name}.{weight}"] @ column
    return total


def zoneout_by_hand(p, K, xs):
    h, c = np.zeros(K), np.zeros(K)
    for x in xs:
        i = s(affine(p, "input", x, h) + np.diag(p["input.P"]) @ c)
        f = s(affine(p, "forget", x, h) + np.diag(p["forget.P"]) @ c)
        c_new = f * c + i * np.tanh(affine(p, "new", x, h))
        o = s(affine(p, "output", x, h) + np.diag(p["output.P"]) @ c_new)
        h = 0.05 * h + 0.95 * o * np.tanh(c_new)
        c = 0.5 * c + 0.5 * c_new
        yield h, h, c


def semi_tied_by_hand(p, K, xs):
    h, c = np.zeros(K), np.zeros(K)
    for x in xs:
        a = affine(p, "input", x, h)
        i, f, o = (p[f"{n}.height"] * s(p[f"{n}.slope"] * a) for n in ("input", "forget", "output"))
        c = f * c + i * p["new.height"] * np.tanh(p["new.slope"] * a)
        h = o * np.tanh(c)
        yield h, h, c


CELLS = {ZoneoutLSTM: zoneout_by_hand, SemiTiedLSTM: semi_tied_by_hand}


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
def test_a_cell_keeps_the_laws(kind, law):
    law(lambda **more: kind(inputs=3, hidden=4, rng=1, **more))


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
def test_a_cell_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind(inputs=3, hidden=5, rng=2), CELLS[kind])


def test_semi_tied_gates_train_one_matrix_for_all():
    cell = SemiTiedLSTM(inputs=3, hidden=4, rng=0)
    assert [key for key in cell.parameters if key[-2:] in (".U", ".W", ".b")] == ["input.U", "input.W", "input.b"]
    assert cell.parameters.count == (3 * 4 + 4 * 4 + 4) + 4 * 2 * 4


def test_zoneout_with_drawn_masks_keeps_or_renews_each_unit_whole():
    cell = ZoneoutLSTM(inputs=3, hidden=4, rng=0)
    x = np.random.default_rng(0).normal(size=(50, 3))
    rec = nl.Sequence(cell).record(x, rng=1)
    held = rec["hold_c"][1:] == 1
    assert 0.3 < held.mean() < 0.7
    assert (rec["c"][1:][held] == rec["c"][:-1][held]).all()
    assert (rec["c"][1:][~held] == rec["new_c"][1:][~held]).all()
