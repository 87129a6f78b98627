"""Published cells of the LSTM and GRU families, against their equations."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import (
    Array,
    Cell,
    Gate,
    State,
    absent,
    diagonal,
    gate,
    identity,
    layer_norm,
    noise,
    param,
    sigmoid,
    state,
    tied,
)


class LSTM(Cell):
    """Gers, Schmidhuber and Cummins (2000): Learning to forget."""

    input: Gate = gate(sigmoid)
    forget: Gate = gate(sigmoid, init=nl.forget_bias(1.0))
    output: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h, c):
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


class CoupledLSTM(LSTM):
    """Greff et al. (2017), LSTM: a search space odyssey, variant CIFG: input and forget gate coupled."""

    forget = absent

    def step(self, x, h, c):
        i = self.input(x, h)
        c = (1 - i) * c + i * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


class PeepholeLSTM(Cell):
    """Gers and Schmidhuber (2000): Recurrent nets that time and count; with the zoneout of Krueger et al. (2017)."""

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


class NormGate(Gate):
    """A gate whose two sums are normalised apart."""

    gain_x: Array = param("size", nl.uniform(0.5, 1.5))
    gain_h: Array = param("size", nl.uniform(0.5, 1.5))

    def preactivation(self, x, h):
        return layer_norm(x @ self.U.T) * self.gain_x + layer_norm(h @ self.W.T) * self.gain_h + self.b


class LayerNormLSTM(LSTM):
    """Ba, Kiros and Hinton (2016): Layer normalization, equations 20 to 22."""

    input: Gate = gate(sigmoid, kind=NormGate)
    forget: Gate = gate(sigmoid, kind=NormGate)
    output: Gate = gate(sigmoid, kind=NormGate)
    new: Gate = gate(np.tanh, kind=NormGate)
    gain: Array = param("hidden", nl.uniform(0.5, 1.5))
    shift: Array = param("hidden", nl.normal(0.1))

    def step(self, x, h, c):
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(layer_norm(c) * self.gain + self.shift)
        return h, h, c


class ProjectedLSTM(Cell):
    """Sak, Senior and Beaufays (2014): LSTM with a recurrent projection layer (LSTMP)."""

    projection: int = 2
    h: State = state("projection")
    input: Gate = gate(sigmoid, P=diagonal("c"))
    forget: Gate = gate(sigmoid, P=diagonal("c"))
    output: Gate = gate(sigmoid, P=diagonal("c"))
    new: Gate = gate(np.tanh)
    down: Gate = gate(identity, size="projection", U=None, W="c", bias=False)

    def step(self, x, h, c):
        i, f = self.input(x, h, c), self.forget(x, h, c)
        c = f * c + i * self.new(x, h)
        h = self.down(self.output(x, h, c) * np.tanh(c))
        return h, h, c


class MultiplicativeLSTM(Cell):
    """Krause et al. (2016): Multiplicative LSTM for sequence modelling. The gates read another gate, not h."""

    from_x: Gate = gate(identity, W=None, bias=False)
    from_h: Gate = gate(identity, U=None, bias=False)
    input: Gate = gate(sigmoid, W="from_h")
    forget: Gate = gate(sigmoid, W="from_h")
    output: Gate = gate(sigmoid, W="from_h")
    new: Gate = gate(identity, W="from_h")

    def step(self, x, h, c):
        m = self.from_x(x) * self.from_h(h)
        c = self.forget(x, m) * c + self.input(x, m) * self.new(x, m)
        h = np.tanh(c * self.output(x, m))
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


class GRUv1(Cell):
    """Cho et al. (2014), first version of the paper: the reset gate after the product."""

    update: Gate = gate(sigmoid, bias=False)
    reset: Gate = gate(sigmoid, bias=False)
    new: Gate = gate(identity, W=None, bias=False)
    again: Gate = gate(identity, U=None, bias=False)

    def step(self, x, h):
        z, r = self.update(x, h), self.reset(x, h)
        h = z * h + (1 - z) * np.tanh(self.new(x) + r * self.again(h))
        return h, h


class GRUv3(Cell):
    """Cho et al. (2014), third version of the paper: the reset gate before the product."""

    update: Gate = gate(sigmoid, bias=False)
    reset: Gate = gate(sigmoid, bias=False)
    new: Gate = gate(np.tanh, bias=False)

    def step(self, x, h):
        z, r = self.update(x, h), self.reset(x, h)
        h = z * h + (1 - z) * self.new(x, r * h)
        return h, h


def s(a):
    return 1 / (1 + np.exp(-a))


def affine(p, name, *columns):
    """The sum of a gate on column vectors, weight by weight."""
    total = p.get(f"{name}.b", 0.0)
    for weight, column in zip("UW", columns, strict=False):
        total = total + p[f"{name}.{weight}"] @ column
    return total


def lstm_by_hand(p, K, xs):
    h, c = np.zeros(K), np.zeros(K)
    for x in xs:
        i, f, o = (s(affine(p, name, x, h)) for name in ("input", "forget", "output"))
        c = f * c + i * np.tanh(affine(p, "new", x, h))
        h = o * np.tanh(c)
        yield h, h, c


def coupled_by_hand(p, K, xs):
    h, c = np.zeros(K), np.zeros(K)
    for x in xs:
        i, o = s(affine(p, "input", x, h)), s(affine(p, "output", x, h))
        c = c + i * (np.tanh(affine(p, "new", x, h)) - c)
        h = o * np.tanh(c)
        yield h, h, c


def peephole_by_hand(p, K, xs):
    h, c = np.zeros(K), np.zeros(K)
    for x in xs:
        i = s(affine(p, "input", x, h) + np.diag(p["input.P"]) @ c)
        f = s(affine(p, "forget", x, h) + np.diag(p["forget.P"]) @ c)
        c_new = f * c + i * np.tanh(affine(p, "new", x, h))
        o = s(affine(p, "output", x, h) + np.diag(p["output.P"]) @ c_new)
        h = 0.05 * h + 0.95 * o * np.tanh(c_new)
        c = 0.5 * c + 0.5 * c_new
        yield h, h, c


def layer_norm_by_hand(p, K, xs):
    def normed(a):
        return (a - a.mean()) / np.sqrt(a.var() + 1e-5)

    def total(name, x, h):
        by_x, by_h = normed(p[f"{name}.U"] @ x), normed(p[f"{name}.W"] @ h)
        return by_x * p[f"{name}.gain_x"] + by_h * p[f"{name}.gain_h"] + p[f"{name}.b"]

    h, c = np.zeros(K), np.zeros(K)
    for x in xs:
        i, f, o = (s(total(name, x, h)) for name in ("input", "forget", "output"))
        c = f * c + i * np.tanh(total("new", x, h))
        h = o * np.tanh(normed(c) * p["gain"] + p["shift"])
        yield h, h, c


def projected_by_hand(p, K, xs):
    r, c = np.zeros(2), np.zeros(K)
    for x in xs:
        i = s(affine(p, "input", x, r) + p["input.P"] * c)
        f = s(affine(p, "forget", x, r) + p["forget.P"] * c)
        c = f * c + i * np.tanh(affine(p, "new", x, r))
        o = s(affine(p, "output", x, r) + p["output.P"] * c)
        r = p["down.W"] @ (o * np.tanh(c))
        yield r, r, c


def multiplicative_by_hand(p, K, xs):
    h, c = np.zeros(K), np.zeros(K)
    for x in xs:
        m = np.diag(p["from_x.U"] @ x) @ p["from_h.W"] @ h
        i, f, o = (s(affine(p, name, x, m)) for name in ("input", "forget", "output"))
        c = f * c + i * affine(p, "new", x, m)
        h = np.tanh(o * c)
        yield h, h, c


def semi_tied_by_hand(p, K, xs):
    h, c = np.zeros(K), np.zeros(K)
    for x in xs:
        a = affine(p, "input", x, h)
        i, f, o = (p[f"{n}.height"] * s(p[f"{n}.slope"] * a) for n in ("input", "forget", "output"))
        c = f * c + i * p["new.height"] * np.tanh(p["new.slope"] * a)
        h = o * np.tanh(c)
        yield h, h, c


def gru_v1_by_hand(p, K, xs):
    h = np.zeros(K)
    for x in xs:
        z, r = s(affine(p, "update", x, h)), s(affine(p, "reset", x, h))
        h = z * h + (1 - z) * np.tanh(p["new.U"] @ x + r * (p["again.W"] @ h))
        yield h, h


def gru_v3_by_hand(p, K, xs):
    h = np.zeros(K)
    for x in xs:
        z, r = s(affine(p, "update", x, h)), s(affine(p, "reset", x, h))
        h = z * h + (1 - z) * np.tanh(p["new.U"] @ x + p["new.W"] @ (r * h))
        yield h, h


CELLS = {
    LSTM: lstm_by_hand,
    CoupledLSTM: coupled_by_hand,
    PeepholeLSTM: peephole_by_hand,
    LayerNormLSTM: layer_norm_by_hand,
    ProjectedLSTM: projected_by_hand,
    MultiplicativeLSTM: multiplicative_by_hand,
    SemiTiedLSTM: semi_tied_by_hand,
    GRUv1: gru_v1_by_hand,
    GRUv3: gru_v3_by_hand,
}


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
def test_a_published_cell(kind, law):
    law(lambda **more: kind(inputs=3, hidden=4, rng=1, **more))


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
def test_a_published_cell_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind(inputs=3, hidden=5, rng=2), CELLS[kind])


def test_the_coupled_lstm_has_no_parameter_of_the_forget_gate():
    full, coupled = LSTM(inputs=3, hidden=4, rng=0), CoupledLSTM(inputs=3, hidden=4, rng=0)
    assert [key for key in full.parameters if not key.startswith("forget.")] == list(coupled.parameters)


def test_semi_tied_gates_train_one_matrix_for_all():
    cell = SemiTiedLSTM(inputs=3, hidden=4, rng=0)
    assert [key for key in cell.parameters if key[-2:] in (".U", ".W", ".b")] == ["input.U", "input.W", "input.b"]
    assert cell.parameters.count == (3 * 4 + 4 * 4 + 4) + 4 * 2 * 4


def test_zoneout_with_drawn_masks_keeps_or_renews_each_unit_whole():
    cell = PeepholeLSTM(inputs=3, hidden=4, rng=0)
    x = np.random.default_rng(0).normal(size=(50, 3))
    rec = nl.Sequence(cell).record(x, rng=1)
    held = rec["hold_c"][1:] == 1
    assert 0.3 < held.mean() < 0.7
    assert (rec["c"][1:][held] == rec["c"][:-1][held]).all()
    assert (rec["c"][1:][~held] == rec["new_c"][1:][~held]).all()
