"""The LSTM family, against its equations."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cells
from nanolstm.errors import CellError


def s(a):
    return 1 / (1 + np.exp(-a))


def sums(p, x, h, names=("input", "forget", "output", "new")):
    """The weighted sums of the gates on column vectors."""
    return (p[f"{name}.U"] @ x + p[f"{name}.W"] @ h + p[f"{name}.b"] for name in names)


def lstm(cell, p, xs):
    h, c = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x in xs:
        i, f, o, g = sums(p, x, h)
        c = s(f) * c + s(i) * np.tanh(g)
        h = s(o) * np.tanh(c)
        yield h, h, c


def without_forgetting(cell, p, xs):
    """In the paper's own words: squashing functions from -2 to 2 and from -1 to 1, and a memory half as large."""
    h, c = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x in xs:
        i, o, g = sums(p, x, h, ("input", "output", "new"))
        c = c + s(i) * (4 * s(2 * g) - 2)
        h = s(o) * (2 * s(c) - 1)
        yield h, h, c / 2


def peepholes(cell, p, xs):
    h, c = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x in xs:
        i, f, o, g = sums(p, x, h)
        before = c
        c = s(f + np.diag(p["forget.P"]) @ before) * before + s(i + np.diag(p["input.P"]) @ before) * np.tanh(g)
        h = s(o + np.diag(p["output.P"]) @ c) * np.tanh(c)
        yield h, h, c


def projected(cell, p, xs):
    r, c = np.zeros(cell.outputs), np.zeros(cell.hidden)
    for x in xs:
        i, f, o, g = sums(p, x, r)
        c = s(f) * c + s(i) * np.tanh(g)
        r = p["projection.W"] @ (s(o) * np.tanh(c))
        yield r, r, c


def projected_with_peepholes(cell, p, xs):
    r, c = np.zeros(cell.outputs), np.zeros(cell.hidden)
    for x in xs:
        i, f, o, g = sums(p, x, r)
        c = s(f + p["forget.P"] * c) * c + s(i + p["input.P"] * c) * np.tanh(g)
        r = p["projection.W"] @ (s(o + p["output.P"] * c) * np.tanh(c))
        yield r, r, c


def coupled(cell, p, xs):
    h, c = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x in xs:
        i, o, g = sums(p, x, h, ("input", "output", "new"))
        c = c + s(i) * (np.tanh(g) - c)
        h = s(o) * np.tanh(c)
        yield h, h, c


def layer_norm(cell, p, xs):
    def normal(a):
        return (a - a.mean()) / np.sqrt(a.var() + 1e-5)

    names = ("input", "forget", "output", "new")
    bias, gain_x, gain_h = (
        np.concatenate([p[f"{name}.{part}"] for name in names]) for part in ("b", "gain_x", "gain_h")
    )
    h, c = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x in xs:
        together = gain_h * normal(p["from_h.W"] @ h) + gain_x * normal(p["from_x.U"] @ x) + bias
        i, f, o, g = np.split(together, 4)
        c = s(f) * c + s(i) * np.tanh(g)
        h = s(o) * np.tanh(p["gain"] * normal(c) + p["shift"])
        yield h, h, c


def multiplicative(cell, p, xs):
    h, c = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x in xs:
        m = np.diag(p["from_x.U"] @ x) @ p["from_h.W"] @ h
        i, f, o, g = sums(p, x, m)
        c = s(f) * c + s(i) * np.tanh(g)
        h = s(o) * np.tanh(c)
        yield h, h, c


def openness(cell, p, now):
    """How far the clock of each unit is open."""
    for k in range(cell.hidden):
        period, ratio = np.exp(p["log_period"][k]), p["ratio"][k]
        phase = ((now - p["shift"][k]) % period) / period
        if phase < ratio / 2:
            yield 2 * phase / ratio
        elif phase < ratio:
            yield 2 - 2 * phase / ratio
        else:
            yield cell.leak * phase


def phased(cell, p, xs, time):
    h, c = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x, now in zip(xs, time, strict=True):
        i, f, o, g = sums(p, x, h)
        new_c = s(f + p["forget.P"] * c) * c + s(i + p["input.P"] * c) * np.tanh(g)
        new_h = s(o + p["output.P"] * new_c) * np.tanh(new_c)
        k = np.array(list(openness(cell, p, now)))
        c, h = k * new_c + (1 - k) * c, k * new_h + (1 - k) * h
        yield h, h, c


EQUATIONS = {
    cells.LSTM: lstm,
    cells.LSTM1997: without_forgetting,
    cells.PeepholeLSTM: peepholes,
    cells.ProjectedLSTM: projected,
    cells.LSTMP: projected_with_peepholes,
    cells.CoupledLSTM: coupled,
    cells.LayerNormLSTM: layer_norm,
    cells.MultiplicativeLSTM: multiplicative,
    cells.PhasedLSTM: phased,
}


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_a_cell_of_this_family_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind])


def as_many_outputs_as_units(rng):
    hidden = int(rng.integers(1, 6))
    return {"inputs": 2, "hidden": hidden, "outputs": hidden}


@pytest.mark.parametrize("kind", [cells.ProjectedLSTM, cells.LSTMP], ids=lambda kind: kind.__name__)
def test_a_projection_may_be_as_wide_as_the_memory(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind], as_many_outputs_as_units)


def clocks_that_open_often(rng):
    return {"inputs": 2, "hidden": int(rng.integers(1, 6)), "shortest": 0.2, "longest": 3.0, "leak": 0.01}


def test_a_phased_lstm_equals_its_equations_in_all_phases_of_its_clocks(equals_by_hand):
    equals_by_hand(cells.PhasedLSTM, phased, clocks_that_open_often)


def test_the_forget_gate_starts_open_and_no_other():
    for kind in (cells.LSTM, cells.PeepholeLSTM, cells.LSTMP, cells.LayerNormLSTM, cells.MultiplicativeLSTM):
        p = kind(inputs=2, hidden=4, rng=0).parameters
        biases = {key: set(value) for key, value in p.items() if key.endswith(".b")}
        assert biases == {"input.b": {0.0}, "forget.b": {1.0}, "output.b": {0.0}, "new.b": {0.0}}


def test_a_coupled_lstm_starts_by_keeping_as_much_as_the_lstm():
    x = np.zeros((1, 2))
    coupled = nl.Sequence(cells.CoupledLSTM(inputs=2, hidden=3, rng=0)).record(x)
    lstm = nl.Sequence(cells.LSTM(inputs=2, hidden=3, rng=0)).record(x)
    np.testing.assert_allclose(1 - coupled["input"], lstm["forget"], rtol=1e-14)


def test_what_an_lstm_does_without_is_no_parameter():
    gates = {key.partition(".")[0] for key in cells.LSTM1997(inputs=2, hidden=3).parameters}
    assert gates == {"input", "output", "new"}
    assert {key.partition(".")[0] for key in cells.CoupledLSTM(inputs=2, hidden=3).parameters} == gates


def test_a_projection_is_half_as_wide_as_the_memory_unless_told():
    assert [cells.LSTMP(inputs=2, hidden=hidden).outputs for hidden in (1, 2, 5, 8)] == [1, 1, 3, 4]


def test_a_closed_unit_without_a_leak_stands_still():
    cell = cells.PhasedLSTM(inputs=2, hidden=3, shortest=10.0, longest=20.0, leak=0.0, rng=0)
    cell.parameters["shift"][...] = 0.0
    cell.parameters["ratio"][...] = 0.5
    cell.parameters["log_period"][...] = np.log([10.0, 10.0, 20.0])  # open until 5, 5 and 10
    x = np.random.default_rng(0).normal(size=(4, 2))
    rec = nl.Sequence(cell).record(x, time=[1.0, 6.0, 7.5, 9.0])
    moved = np.diff(rec["h"], axis=0) != 0
    assert not moved[:, :2].any()
    assert moved[:, 2].all()


def test_the_clocks_start_within_their_limits_and_are_kept_within_them():
    cell = cells.PhasedLSTM(inputs=2, hidden=500, shortest=2.0, longest=50.0, rng=0)
    period, shift = np.exp(cell.parameters["log_period"]), cell.parameters["shift"]
    assert 2 <= period.min() < 2.2
    assert 45 < period.max() <= 50
    assert (shift >= 0).all()
    assert (shift <= period).all()
    cell.parameters["ratio"][:2] = -0.5, 1.5
    cell.project()
    assert cell.parameters["ratio"][:3].tolist() == [0.001, 1.0, 0.05]


@pytest.mark.parametrize(("shortest", "longest"), [(0.0, 10.0), (-1.0, 10.0), (20.0, 10.0), (1.0, np.inf)])
def test_periods_that_cannot_be_are_refused(shortest, longest):
    with pytest.raises(CellError, match=r"expected two periods above 0 in the unit of `time`, the shortest first"):
        cells.PhasedLSTM(inputs=1, hidden=2, shortest=shortest, longest=longest)
