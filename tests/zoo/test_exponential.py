"""The exponential family, against its equations without a stabiliser, and what the stabiliser is for."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Gate, blocks, cells, gate, identity


class ExponentialSLSTM(cells.SLSTM):
    """The paper's other forget gate."""

    forget: Gate = gate(identity, W=blocks("h", "heads"))


class ExponentialMLSTM(cells.MLSTM):
    forget: Gate = gate(identity, size="heads", W=None)


def s(a):
    return 1 / (1 + np.exp(-a))


def block_diagonal(parts):
    whole = np.zeros((sum(len(part) for part in parts),) * 2)
    for i, part in enumerate(parts):
        whole[i * len(part) : (i + 1) * len(part), i * len(part) : (i + 1) * len(part)] = part
    return whole


def slstm(forget):
    def by_hand(cell, p, xs):
        """c and n are the stabilised ones times exp(m), and h does not know of it."""
        gates = ("input", "forget", "new", "output")
        R = {name: block_diagonal(p[f"{name}.W"]) for name in gates}
        h, c, n = np.zeros((3, cell.hidden))
        m = np.full(cell.hidden, -np.inf)
        for x in xs:
            i, f, z, o = (p[f"{name}.U"] @ x + R[name] @ h + p[f"{name}.b"] for name in gates)
            c = forget(f) * c + np.exp(i) * np.tanh(z)
            n = forget(f) * n + np.exp(i)
            h = s(o) * c / n
            m = np.array([max(np.log(forget(f[k])) + m[k], i[k]) for k in range(cell.hidden)])
            yield h, h, c * np.exp(-m), n * np.exp(-m), m

    return by_hand


def mlstm(forget):
    def by_hand(cell, p, xs):
        """As above; then the least that the normaliser can be is 1. Each head by itself."""
        H, D = cell.heads, cell.hidden // cell.heads
        C, n, m = np.zeros((H, D, D)), np.zeros((H, D)), np.full(H, -np.inf)
        for x in xs:
            q, k, v, o = (p[f"{name}.U"] @ x + p[f"{name}.b"] for name in ("query", "key", "value", "output"))
            i, f = (p[f"{name}.U"] @ x + p[f"{name}.b"] for name in ("input", "forget"))
            y = []
            for j in range(H):
                own = slice(j * D, (j + 1) * D)
                key = k[own] / np.sqrt(D)
                C[j] = forget(f[j]) * C[j] + np.exp(i[j]) * np.outer(v[own], key)
                n[j] = forget(f[j]) * n[j] + np.exp(i[j]) * key
                m[j] = max(np.log(forget(f[j])) + m[j], i[j])
                y.append(s(o[own]) * (C[j] @ q[own]) / max(abs(n[j] @ q[own]), 1.0))
            yield np.concatenate(y), C * np.exp(-m)[:, None, None], n * np.exp(-m)[:, None], m.copy()

    return by_hand


EQUATIONS = {
    cells.SLSTM: slstm(s),
    ExponentialSLSTM: slstm(np.exp),
    cells.MLSTM: mlstm(s),
    ExponentialMLSTM: mlstm(np.exp),
}


def with_heads(rng):
    heads = int(rng.integers(1, 4))
    return {"inputs": int(rng.integers(1, 6)), "hidden": heads * int(rng.integers(1, 4)), "heads": heads}


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_a_cell_of_this_family_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind], sizes=with_heads)


@pytest.mark.parametrize("kind", [ExponentialSLSTM, ExponentialMLSTM])
def test_the_stabiliser_keeps_gates_finite_whose_exponential_overflows(kind):
    cell = kind(inputs=1, hidden=2, rng=0)
    cell.parameters["input.b"][...] = 2000.0
    cell.parameters["forget.b"][...] = 1500.0
    y, last = nl.Sequence(cell)(np.ones((5, 1)), return_state=True)
    assert np.isfinite(y).all()
    assert (last["m"] > 2000).all()


@pytest.mark.parametrize("kind", [cells.SLSTM, cells.MLSTM])
def test_an_input_gate_that_opens_exponentially_revises_what_was_stored(kind):
    """The paper's reason for such gates: a later input can outweigh all earlier ones, whatever the forget gate."""
    cell = kind(inputs=2, hidden=2, rng=0)
    cell.parameters["input.U"][...] = [40.0, 0.0]
    cell.parameters["input.b"][...] = 0.0
    x = np.random.default_rng(0).normal(size=(2, 6, 2))
    x[:, :-1, 0] = 0.0
    x[:, -1] = [1.0, 0.5]  # the same at last, and then the gate is e^40
    memory = nl.Sequence(cell).record(x)["c" if kind is cells.SLSTM else "C"]
    assert np.abs(memory[0, -2] - memory[1, -2]).max() > 1e-3
    np.testing.assert_allclose(memory[0, -1], memory[1, -1], atol=1e-12)


@pytest.mark.parametrize("kind", [cells.SLSTM, cells.MLSTM])
def test_heads_do_not_see_each_other(kind):
    cell = kind(inputs=1, hidden=6, heads=3, rng=0)
    rng = np.random.default_rng(0)
    for view in cell.parameters.values():
        view += 0.1 * rng.normal(size=view.shape)
    x = rng.normal(size=(10, 1))
    before = nl.Sequence(cell)(x)
    if kind is cells.SLSTM:
        cell.parameters["new.W"][0] *= 2
    else:
        cell.parameters["key.U"][:2] *= 2
    changed = (nl.Sequence(cell)(x) != before).any(axis=0)
    assert changed.tolist() == [True, True, False, False, False, False]


def test_forget_biases_are_spread_over_the_units_of_each_head_of_an_slstm():
    cell = cells.SLSTM(inputs=2, hidden=6, heads=2, rng=0, dtype="float32")
    np.testing.assert_allclose(cell.forget.b, [5, 5 - 12 * 0.5**0.3, -7] * 2, rtol=1e-6)
    assert cells.SLSTM(inputs=2, hidden=2, heads=2, rng=0).forget.b.tolist() == [5, 5]
    for name in ("input", "forget", "new", "output"):
        assert not cell.parameters[f"{name}.W"].any()


def test_forget_biases_are_spread_over_the_heads_of_an_mlstm():
    cell = cells.MLSTM(inputs=2, hidden=8, heads=4, rng=0)
    assert cell.forget.b.tolist() == [3, 4, 5, 6]
    assert not cell.forget.U.any()
    assert not cell.input.U.any()
    assert cell.query.U.std() == pytest.approx(np.sqrt(2 / 5 / 2), rel=0.4)


@pytest.mark.parametrize("kind", [cells.SLSTM, cells.MLSTM])
def test_heads_that_do_not_divide_the_units_are_refused(kind):
    with pytest.raises(nl.NanolstmError, match=r"heads|blocks"):
        kind(inputs=2, hidden=5, heads=2)
