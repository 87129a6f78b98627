"""A new state that is computed from other elements of the old one: none is overwritten before it is read."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Cell, Gate, State, gate, state

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

B, T = 3, 6


class Flipped(Cell):
    """The first part of the new state reads the old one backward."""

    def step(self, x, h):
        return h, np.concatenate([h[..., :0:-1], np.tanh(x[..., :1])], axis=-1)


class Shifted(Cell):
    """A line of delays, filled from its beginning."""

    def step(self, x, h):
        return h, np.concatenate([x[..., :1], 0.9 * h[..., :-1]], axis=-1)


class Turned(Cell):
    """A matrix that is its own transpose in the next step, with something added."""

    S: State = state(("hidden", "hidden"))
    new: Gate = gate(np.tanh, W=None)

    def step(self, x, S):
        S = 0.5 * np.swapaxes(S, -1, -2) + self.new(x)[..., None]
        return S.sum(axis=-1), S


class Normed(Cell):
    """Every new element depends on all old ones."""

    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = (h + self.new(x, h)) / (1.0 + np.sum(h * h, axis=-1, keepdims=True))
        return h, h


@pytest.mark.parametrize("kind", [Flipped, Shifted, Turned, Normed], ids=lambda kind: kind.__name__)
def test_a_state_made_of_other_elements_of_itself_is_as_in_numpy(kind, twins, data, agrees):
    models = twins(lambda: kind(inputs=2, hidden=5, rng=0))
    d = data(models[0], B, T)
    for more in ({}, {"resets": d.resets, "lengths": [6, 2, 4]}):
        agrees(*(model(d.x, initial=d.initial, return_state=True, **more) for model in models))
        agrees(*(model.value_and_grad(d.x, d.target, initial=d.initial, wrt=d.wrt, **more) for model in models))


def test_a_flipped_state_holds_what_its_definition_says():
    model = nl.Sequence(Flipped(inputs=2, hidden=5), backend="numba")
    x = np.arange(12.0).reshape(6, 2) / 10
    expected = np.zeros(5)
    for row in x:
        expected = np.append(expected[:0:-1], np.tanh(row[0]))
    np.testing.assert_allclose(model(x, return_state=True)[1]["h"], expected, rtol=0, atol=1e-15)
