"""What a run says of its model, against sums written out, finite differences and a cell whose gradient is known."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, feed, gate, identity, param, sigmoid, state
from nanolstm.diagnosis import gate_names, gradient_by_lag, saturation
from nanolstm.errors import InputError


class Decay(Cell):
    """h = a h + U x: its derivative by the input k steps before is a ** k U."""

    a: float = 0.5
    U: Array = param(("hidden", "inputs"), nl.normal())

    def step(self, x, h):
        h = self.a * h + x @ self.U.T
        return h, h


class Timed(Decay):
    dt: Array = feed()

    def step(self, x, h, dt):
        h = self.a * h + dt * (x @ self.U.T)
        return h, h


class Twice(Cell):
    """A gate that is called twice, one without bounds, and a state that is called like none of them."""

    v: Gate = gate(sigmoid)
    free: Gate = gate(identity)
    m: State = state(start=1.0)

    def step(self, x, h, m):
        h = self.v(x, h) * self.v(x, m) + 0.1 * self.free(x, h)
        return h, h, m


def norms(values):
    return np.sqrt((values**2).sum(axis=(-2, -1)))


@pytest.mark.parametrize("hidden", [1, 3])
def test_a_decaying_memory_has_a_gradient_that_decays_like_it(hidden):
    cell = Decay(inputs=2, hidden=hidden, rng=0, a=0.8)
    found = gradient_by_lag(nl.Sequence(cell), np.random.default_rng(0).normal(size=(3, 40, 2)), lags=15)
    expected = 0.8 ** np.arange(16) * np.linalg.norm(cell.U)
    for line in (found.norm, found.lower, found.upper):
        np.testing.assert_allclose(line, expected, rtol=1e-12)
    np.testing.assert_array_equal(found.lag, np.arange(16))
    total = np.cumsum(expected) / expected.sum()
    assert found.within(0.5) == np.flatnonzero(total >= 0.5)[0]
    assert found.within(0.9) == np.flatnonzero(total >= 0.9)[0]


def test_a_wide_output_is_seen_in_random_directions():
    cell = Decay(inputs=2, hidden=40, rng=0, a=0.9)
    found = gradient_by_lag(nl.Sequence(cell), np.zeros((20, 2)), lags=10)
    np.testing.assert_allclose(found.norm / found.norm[0], 0.9 ** np.arange(11), rtol=1e-12)
    assert 0.5 < found.norm[0] / np.linalg.norm(cell.U) < 2.0


def test_the_gradient_of_a_gated_cell_is_that_of_finite_differences():
    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0), readout=2)
    x, lags, small = np.random.default_rng(1).normal(size=(12, 2)), 6, 1e-6
    found = gradient_by_lag(model, x, lags=lags)
    ends = np.unique(np.linspace(6, 11, 8).astype(int))
    expected = np.zeros((len(ends), lags + 1))
    for i, end in enumerate(ends):
        for lag in range(lags + 1):
            columns = []
            for m in range(2):
                step = np.zeros_like(x)
                step[end - lag, m] = small
                columns.append((model(x + step)[end] - model(x - step)[end]) / (2 * small))
            expected[i, lag] = norms(np.array(columns))
    np.testing.assert_allclose(found.norm, np.median(expected, axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.upper, np.quantile(expected, 0.9, axis=0), rtol=1e-5)


@pytest.mark.parametrize("batch", [(), (5,)])
def test_a_feed_goes_with_its_sequence(batch):
    model = nl.Sequence(Timed(inputs=2, hidden=3, rng=0, a=0.5))
    dt = np.full((*batch, 30), 2.0)
    found = gradient_by_lag(model, np.zeros((*batch, 30, 2)), lags=4, dt=dt)
    np.testing.assert_allclose(found.norm, 2 * 0.5 ** np.arange(5) * np.linalg.norm(model.cells[0].U))


@pytest.mark.parametrize(
    ("make", "x", "lags", "reason"),
    [
        (lambda cell: nl.Sequence(cell, bidirectional=True), np.zeros((9, 2)), None, "both directions"),
        (nl.Sequence, np.zeros((9, 2)), 9, "1 <= lags < T"),
        (nl.Sequence, np.zeros((9, 2)), 0, "1 <= lags < T"),
        (nl.Sequence, np.zeros((1, 2)), None, "1 <= lags < T"),
        (nl.Sequence, np.zeros(9), None, "1 <= lags < T"),
        (nl.Sequence, np.zeros((9, 3)), None, "3"),
    ],
)
def test_what_has_no_lag_is_refused(make, x, lags, reason):
    with pytest.raises(InputError, match=reason):
        gradient_by_lag(make(Decay(inputs=2, hidden=3)), x, lags=lags)


def test_saturation_is_the_share_of_steps_beyond_a_tenth_of_the_range():
    model = nl.Sequence([nl.cells.ToyLSTM(inputs=2, hidden=4, outputs=4, rng=0), nl.cells.ToyLSTM(inputs=4, hidden=3)])
    lengths = np.array([30, 12, 1])
    recording = model.record(np.random.default_rng(0).normal(size=(3, 30, 2), scale=3.0), lengths=lengths)
    found = saturation(model, recording, lengths)
    assert list(found) == [f"{i}.{name}" for i in (0, 1) for name in ("input", "forget", "output", "new")]
    for name, gate_ in found.items():
        low, high = (-0.9, 0.9) if name.endswith("new") else (0.1, 0.9)
        valid = np.concatenate([recording[name][b, :length] for b, length in enumerate(lengths)])
        assert len(valid) == 43
        np.testing.assert_allclose(gate_.shut, [np.sum(unit < low) / 43 for unit in valid.T])
        np.testing.assert_allclose(gate_.open, [np.sum(unit > high) / 43 for unit in valid.T])
    assert found["0.new"].open.max() > 0.1, "nothing is saturated: the test tests nothing"


def test_a_gate_that_is_called_twice_counts_twice_and_one_without_bounds_is_left_out():
    model = nl.Sequence(Twice(inputs=2, hidden=3, rng=0))
    recording = model.record(np.random.default_rng(0).normal(size=(9, 2)))
    assert gate_names(model, recording) == ["v[0]", "v[1]", "free"]
    assert list(saturation(model, recording)) == ["v[0]", "v[1]"]


@pytest.mark.parametrize(("shape", "lengths"), [((9, 2), [9]), ((3, 9, 2), [9, 9])])
def test_lengths_that_do_not_fit_are_refused(shape, lengths):
    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3))
    with pytest.raises(InputError, match="lengths of shape"):
        saturation(model, model.record(np.zeros(shape)), lengths)
