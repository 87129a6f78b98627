"""Published cells with heads, matrix memories and irregular time, against their equations."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, blocks, feed, gate, identity, param, sigmoid, softmax, softplus, state


class SLSTM(Cell):
    """Beck et al. (2024), xLSTM, equations 8 to 17: scalar memory, exponential gates, a stabiliser, heads."""

    heads: int = 2
    m: State = state(start=-np.inf)
    input: Gate = gate(identity, W=blocks("h", "heads"))
    forget: Gate = gate(identity, W=blocks("h", "heads"))
    output: Gate = gate(sigmoid, W=blocks("h", "heads"))
    new: Gate = gate(np.tanh, W=blocks("h", "heads"))

    def step(self, x, h, c, n, m):
        i, f = self.input(x, h), self.forget(x, h)
        new_m = np.maximum(f + m, i)
        i, f = np.exp(i - new_m), np.exp(f + m - new_m)
        c = f * c + i * self.new(x, h)
        n = f * n + i
        h = self.output(x, h) * c / n
        return h, h, c, n, new_m


class MLSTM(Cell):
    """Beck et al. (2024), xLSTM, equations 19 to 27: matrix memory with a stabiliser of its own."""

    C: State = state(("hidden", "hidden"))
    m: State = state(1, start=-np.inf)
    query: Gate = gate(identity, W=None)
    key: Gate = gate(identity, W=None)
    value: Gate = gate(identity, W=None)
    input: Gate = gate(identity, size=1, W=None)
    forget: Gate = gate(identity, size=1, W=None)
    output: Gate = gate(sigmoid, W=None)

    def step(self, x, C, n, m):
        q, k, v = self.query(x), self.key(x) / np.sqrt(self.hidden), self.value(x)
        i, f = self.input(x), self.forget(x)
        new_m = np.maximum(f + m, i)
        i, f = np.exp(i - new_m), np.exp(f + m - new_m)
        C = f[..., None] * C + i[..., None] * v[..., :, None] * k[..., None, :]
        n = f * n + i * k
        scale = np.maximum(np.abs(np.sum(n * q, axis=-1, keepdims=True)), np.exp(-new_m))
        return self.output(x) * np.matvec(C, q) / scale, C, n, new_m


class DeltaNet(Cell):
    """Schlag, Irie and Schmidhuber (2021): linear transformers are fast weight programmers; the delta rule."""

    keys: int = 3
    S: State = state(("hidden", "keys"))
    query: Gate = gate(softmax, size="keys", W=None, bias=False)
    key: Gate = gate(softmax, size="keys", W=None, bias=False)
    value: Gate = gate(identity, W=None, bias=False)
    rate: Gate = gate(sigmoid, size=1, W=None, bias=False)

    def step(self, x, S):
        k = self.key(x)
        change = self.rate(x) * (self.value(x) - np.matvec(S, k))
        S = S + change[..., :, None] * k[..., None, :]
        return np.matvec(S, self.query(x)), S


class LTC(Cell):
    """Hasani et al. (2021): Liquid time-constant networks, algorithm 1 (the fused solver), at irregular times."""

    unfoldings: int = 4
    dt: Array = feed(default=1.0)
    tau: Array = param("hidden", nl.normal())
    A: Array = param("hidden", nl.normal())
    f: Gate = gate(sigmoid)

    def step(self, x, h, dt):
        part = dt / self.unfoldings
        for _ in range(self.unfoldings):
            f = self.f(x, h)
            h = (h + part * f * self.A) / (1 + part * (1 / softplus(self.tau) + f))
        return h, h


class PhasedLSTM(Cell):
    """Neil, Pfeiffer and Liu (2016): Phased LSTM, equations 6 to 10; `time` is the time stamp of each step."""

    leak: float = 0.001
    time: Array = feed()
    period: Array = param("hidden", nl.uniform(0, 2))
    shift: Array = param("hidden", nl.uniform(0, 1))
    ratio: Array = param("hidden", 0.3)
    input: Gate = gate(sigmoid)
    forget: Gate = gate(sigmoid)
    output: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h, c, time):
        phase = np.mod(time - self.shift, np.exp(self.period)) / np.exp(self.period)
        rise, fall = 2 * phase / self.ratio, 2 - 2 * phase / self.ratio
        k = np.where(phase < self.ratio / 2, rise, np.where(phase < self.ratio, fall, self.leak * phase))
        new_c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        new_h = self.output(x, h) * np.tanh(new_c)
        h, c = k * new_h + (1 - k) * h, k * new_c + (1 - k) * c
        return h, h, c


def s(a):
    return 1 / (1 + np.exp(-a))


def block_diagonal(parts):
    whole = np.zeros((sum(len(part) for part in parts),) * 2)
    for i, part in enumerate(parts):
        whole[i * len(part) : (i + 1) * len(part), i * len(part) : (i + 1) * len(part)] = part
    return whole


def slstm_by_hand(p, K, xs):
    """Without a stabiliser: c and n are the stabilised ones times exp(m), and h does not know of it."""
    R = {name: block_diagonal(p[f"{name}.W"]) for name in ("input", "forget", "output", "new")}
    h, c, n, m = np.zeros(K), np.zeros(K), np.zeros(K), np.full(K, -np.inf)
    for x in xs:
        i, f, o, z = (p[f"{name}.U"] @ x + R[name] @ h + p[f"{name}.b"] for name in R)
        c = np.exp(f) * c + np.exp(i) * np.tanh(z)
        n = np.exp(f) * n + np.exp(i)
        h = s(o) * c / n
        m = np.array([max(f[k] + m[k], i[k]) for k in range(K)])
        yield h, h, c * np.exp(-m), n * np.exp(-m), m


def mlstm_by_hand(p, K, xs):
    """Without a stabiliser, as above; then the lower bound of the normaliser is 1."""
    C, n, m = np.zeros((K, K)), np.zeros((K, 1)), -np.inf
    for x in xs[:, :, None]:
        q, k, v, i, f, o = (
            p[f"{name}.U"] @ x + p[f"{name}.b"][:, None]
            for name in ["query", "key", "value", "input", "forget", "output"]
        )
        k = k / K**0.5
        C = np.exp(f) * C + np.exp(i) * v @ k.T
        n = np.exp(f) * n + np.exp(i) * k
        y = s(o) * (C @ q) / max(abs((n.T @ q).item()), 1.0)
        m = max(f.item() + m, i.item())
        yield y, C * np.exp(-m), n[:, 0] * np.exp(-m), [m]


def delta_by_hand(p, K, xs):
    def phi(a):
        return np.exp(a) / np.exp(a).sum()

    S = np.zeros((K, 3))
    for x in xs[:, :, None]:
        k, q, v = phi(p["key.U"] @ x), phi(p["query.U"] @ x), p["value.U"] @ x
        beta = s(p["rate.U"] @ x).item()
        S = S @ (np.eye(3) - beta * k @ k.T) + beta * v @ k.T
        yield S @ q, S


def ltc_by_hand(p, K, xs, dt):
    v = np.zeros(K)
    tau = np.log(1 + np.exp(p["tau"]))
    for x, elapsed in zip(xs, dt, strict=True):
        for _ in range(4):
            f = s(p["f.U"] @ x + p["f.W"] @ v + p["f.b"])
            v = (v + elapsed / 4 * f * p["A"]) / (1 + elapsed / 4 * (1 / tau + f))
        yield v, v


def phased_by_hand(p, K, xs, time):
    h, c = np.zeros(K), np.zeros(K)
    for x, now in zip(xs, time, strict=True):
        i, f, o, g = (p[f"{n}.U"] @ x + p[f"{n}.W"] @ h + p[f"{n}.b"] for n in ("input", "forget", "output", "new"))
        c_new = s(f) * c + s(i) * np.tanh(g)
        h_new = s(o) * np.tanh(c_new)
        for k in range(K):
            tau, r = np.exp(p["period"][k]), p["ratio"][k]
            phi = ((now - p["shift"][k]) % tau) / tau
            is_open = 2 * phi / r if phi < r / 2 else 2 - 2 * phi / r if phi < r else 0.001 * phi
            c[k] = is_open * c_new[k] + (1 - is_open) * c[k]
            h[k] = is_open * h_new[k] + (1 - is_open) * h[k]
        yield h.copy(), h.copy(), c.copy()


CELLS = {
    SLSTM: slstm_by_hand,
    MLSTM: mlstm_by_hand,
    DeltaNet: delta_by_hand,
    LTC: ltc_by_hand,
    PhasedLSTM: phased_by_hand,
}


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
def test_a_published_cell(kind, law):
    law(lambda **more: kind(inputs=3, hidden=4, rng=1, **more))


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
def test_a_published_cell_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind(inputs=3, hidden=6, rng=2), CELLS[kind])


def test_the_stabiliser_keeps_gates_finite_whose_exponential_overflows():
    cell = SLSTM(inputs=1, hidden=2, rng=0)
    cell.parameters["input.b"][...] = 2000.0
    cell.parameters["forget.b"][...] = 1500.0
    y, last = nl.Sequence(cell)(np.ones((5, 1)), return_state=True)
    assert np.isfinite(y).all()
    assert (last["m"] > 2000).all()


def test_a_block_diagonal_weight_keeps_the_heads_apart():
    cell = SLSTM(inputs=1, hidden=6, heads=3, rng=0)
    x = np.random.default_rng(0).normal(size=(10, 1))
    before = nl.Sequence(cell)(x)
    for key in ("input", "forget", "output", "new"):
        cell.parameters[f"{key}.W"][0] *= 2
    changed = (nl.Sequence(cell)(x) != before).any(axis=0)
    assert changed.tolist() == [True, True, False, False, False, False]


def test_a_solver_that_is_unfolded_in_the_step_records_its_gate_once_for_each_turn():
    cell = LTC(inputs=3, hidden=2, unfoldings=3, rng=0)
    rec = nl.Sequence(cell).record(np.ones((5, 3)))
    assert [name for name in rec if name.startswith("f[")] == ["f[0]", "f[1]", "f[2]"]
    assert np.array_equal(rec["f"], rec["f[2]"])  # the local variable of that name, as it was at the end


def test_time_that_stands_still_does_not_move_a_liquid_cell():
    cell = LTC(inputs=3, hidden=2, rng=0)
    y = nl.Sequence(cell)(np.ones((5, 3)), dt=[1.0, 1.0, 0.0, 0.0, 1.0])
    assert (y[1] == y[2]).all()
    assert (y[2] == y[3]).all()
    assert (y[3] != y[4]).all()
