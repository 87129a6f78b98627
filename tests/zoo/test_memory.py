"""Cells with matrix memories, against their equations, and what such a memory holds."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cells


def s(a):
    return 1 / (1 + np.exp(-a))


def fast_weights(cell, p, xs):
    """The fast weights as the sum over all earlier states that they stand for."""
    C, W, h, past = p["slow.U"], p["slow.W"], np.zeros(cell.hidden), []
    for x in xs:
        sustained = W @ h + C @ x
        h = np.maximum(sustained, 0)
        for _ in range(cell.inner):
            attended = sum(0.5 * 0.95 ** (len(past) - 1 - t) * old * (old @ h) for t, old in enumerate(past))
            a = sustained + attended
            a = (a - a.mean()) / np.sqrt(a.var() + 1e-5)
            h = np.array([max(0.0, p["gain"][k] * a[k] + p["shift"][k]) for k in range(cell.hidden)])
        past.append(h)
        A = sum(0.5 * 0.95 ** (len(past) - 1 - t) * np.outer(old, old) for t, old in enumerate(past))
        yield h, h, A


def delta(cell, p, xs):
    """Each head by itself, its memory turned by a matrix of rank one less than full where beta is 1."""

    def phi(a):
        a = a / (1 + np.exp(-a))
        return a / np.sqrt(a @ a + 1e-6)

    H, D = cell.heads, cell.hidden // cell.heads
    S = np.zeros((H, D, D))
    for x in xs:
        y = []
        for j in range(H):
            q, k, v = (p[f"{n}.U"][j * D : (j + 1) * D] @ x for n in ("query", "key", "value"))
            beta = s(p["rate.U"][j] @ x)
            S[j] = S[j] @ (np.eye(D) - beta * np.outer(phi(k), phi(k))) + beta * np.outer(v, phi(k))
            y.append(S[j] @ phi(q))
        yield np.concatenate(y), S.copy()


def with_heads(rng):
    heads = int(rng.integers(1, 4))
    return {"inputs": int(rng.integers(1, 6)), "hidden": heads * int(rng.integers(1, 4)), "heads": heads}


def with_inner_steps(rng):
    return {"inputs": int(rng.integers(1, 6)), "hidden": int(rng.integers(2, 8)), "inner": int(rng.integers(1, 4))}


@pytest.mark.parametrize(
    ("kind", "by_hand", "sizes"),
    [(cells.FastWeights, fast_weights, with_inner_steps), (cells.DeltaNet, delta, with_heads)],
    ids=["FastWeights", "DeltaNet"],
)
def test_a_cell_of_this_family_equals_its_equations(kind, by_hand, sizes, equals_by_hand):
    equals_by_hand(kind, by_hand, sizes=sizes)


def test_fast_weights_start_from_a_twentieth_of_the_identity():
    cell = cells.FastWeights(inputs=3, hidden=16, rng=0)
    assert np.array_equal(cell.slow.W, 0.05 * np.eye(16))
    assert 0.2 < np.abs(cell.slow.U).max() <= 0.25


def test_without_inner_steps_and_fast_weights_what_is_left_is_a_rectified_network():
    class Plain(cells.FastWeights):
        inner: int = 0

    cell = Plain(inputs=2, hidden=3, rate=0.0, rng=0)
    x, h = np.random.default_rng(0).normal(size=(5, 2)), np.zeros(3)
    for y, step in zip(nl.Sequence(cell)(x), x, strict=True):
        h = np.maximum(cell.slow.U @ step + cell.slow.W @ h, 0)
        np.testing.assert_allclose(y, h, atol=1e-12)


def one_of(units, *which):
    return np.eye(units)[list(which)]


def taught(beta=20.0):
    """A DeltaNet that takes keys from the first four inputs (one of which is 1), and values from the others."""
    cell = cells.DeltaNet(inputs=9, hidden=4, rng=0)
    for view in cell.parameters.values():
        view[...] = 0
    cell.parameters["key.U"][:, :4] = cell.parameters["query.U"][:, :4] = 1000 * np.eye(4)
    cell.parameters["value.U"][:, 4:8] = np.eye(4)
    cell.parameters["rate.U"][0, 8] = beta
    return cell


def test_the_delta_rule_replaces_what_a_key_stood_for_and_leaves_other_keys():
    first, second, third = np.random.default_rng(0).normal(size=(3, 4))
    keys, values = one_of(4, 0, 1, 0), np.stack([first, second, third])
    x = np.concatenate([keys, values, np.ones((3, 1))], axis=1)
    _, last = nl.Sequence(taught())(x, return_state=True)
    memory = last["S"][0]
    np.testing.assert_allclose(memory[:, 0], third, atol=1e-6)
    np.testing.assert_allclose(memory[:, 1], second, atol=1e-6)
    assert not memory[:, 2:].any()


def test_a_rate_of_a_half_moves_an_answer_half_of_the_way():
    value = np.array([1.0, 2.0, 3.0, 4.0])
    x = np.concatenate([one_of(4, 0, 0), [value, value], np.ones((2, 1))], axis=1)
    y = nl.Sequence(taught(beta=0.0))(x)
    np.testing.assert_allclose(y, [value / 2, value * 3 / 4], atol=1e-6)
