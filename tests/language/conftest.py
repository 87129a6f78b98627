"""What every cell owes to the language, whatever it computes: each law is a function of a cell's maker."""

import copy
import pickle

import numpy as np
import pytest

import nanolstm as nl

B, T = 4, 9


def drawn(cell, *leading, seed=5):
    """Random x and feeds for `cell`; feeds grow along time, so that they serve as clocks and as positive intervals."""
    rng = np.random.default_rng(seed)
    feeds = {}
    for name, part in cell.anatomy.feeds.items():
        grown = np.cumsum(rng.exponential(0.5, (*leading, part.size)) + 0.01, axis=-2)
        feeds[name] = grown[..., 0] if part.size == 1 else grown
    return rng.normal(size=(*leading, cell.inputs)), feeds


def cut(feeds, index):
    return {name: value[index] for name, value in feeds.items()}


def agree(one, other, tolerance=1e-9):
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def runs_and_stays_finite(make):
    cell = make()
    x, feeds = drawn(cell, B, T)
    y, state = nl.Sequence(cell)(x, return_state=True, **feeds)
    assert y.shape == (B, T, cell.outputs)
    assert np.isfinite(y).all()
    assert all(np.isfinite(value).all() for value in state.values())
    assert len(np.unique(np.round(y, 12))) > T, "the output hardly depends on the input"


def equals_each_example_alone_in_a_batch(make):
    cell = make()
    model = nl.Sequence(cell)
    x, feeds = drawn(cell, B, T)
    together = model.record(x, **feeds)
    names = [n for n in together if n.split("[")[0] in cell.anatomy.gates or n in cell.anatomy.states]
    for b in range(B):
        alone = model.record(x[b], **cut(feeds, b))
        agree(together.y[b], alone.y)
        for name in names:
            agree(together[name][b], alone[name])
        for name, value in alone.state.items():
            agree(together.state[name][b], value)


def ends_each_example_at_its_own_length(make):
    cell = make()
    model = nl.Sequence(cell)
    x, feeds = drawn(cell, B, T)
    lengths = [T, 1, 4, T - 1]
    y, state = model(x, lengths=lengths, return_state=True, **feeds)
    for b, length in enumerate(lengths):
        valid = (b, slice(0, length))
        alone, last = model(x[valid], return_state=True, **cut(feeds, valid))
        agree(y[valid], alone)
        assert (y[b, length:] == 0).all()
        for name, value in last.items():
            agree(state[name][b], value)


def starts_anew_at_a_reset(make):
    cell = make()
    model = nl.Sequence(cell)
    x, feeds = drawn(cell, B, T)
    resets = np.zeros((B, T), bool)
    resets[0, 3] = resets[2, 5] = resets[3, 0] = True
    y = model(x, resets=resets, **feeds)
    for b, border in enumerate([3, T, 5, T]):
        before, after = (b, slice(0, border)), (b, slice(border, T))
        agree(y[before], model(x[before], **cut(feeds, before)))
        if border < T:
            agree(y[after], model(x[after], **cut(feeds, after)))
            agree(y[b], model(x[b], resets=resets[b], **cut(feeds, b)))


def runs_in_two_halves_as_in_one(make):
    cell = make()
    model = nl.Sequence(cell)
    for index in [(slice(None),), ()]:
        x, feeds = drawn(cell, *([B, T] if index else [T]))
        first, second = (*index, slice(0, 4)), (*index, slice(4, T))
        whole, end = model(x, return_state=True, **feeds)
        y1, carried = model(x[first], return_state=True, **cut(feeds, first))
        y2, last = model(x[second], initial=carried, return_state=True, **cut(feeds, second))
        agree(np.concatenate([y1, y2], axis=-2), whole)
        for name, value in end.items():
            agree(last[name], value)


def stays_in_float32(make):
    cell, wide = make(dtype="float32"), make()
    assert {value.dtype for value in (*cell.parameters.values(), *cell.frozen.values())} == {np.dtype("float32")}
    x, feeds = drawn(cell, B, 4)
    rec = nl.Sequence(cell).record(x, **feeds)
    assert rec.y.dtype == np.float32
    assert {value.dtype for value in rec.state.values()} == {np.dtype("float32")}
    assert {rec[name].dtype for name in rec if name.split("[")[0] in cell.anatomy.gates} <= {np.dtype("float32")}
    agree(rec.y, nl.Sequence(wide)(x, **feeds), tolerance=2e-3)


def survives_copying_and_pickling(make):
    cell = make()
    x, feeds = drawn(cell, T)
    expected = nl.Sequence(cell)(x, **feeds)
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert (nl.Sequence(twin)(x, **feeds) == expected).all()
        twin.parameters.flat[...] = 0.25
        assert not np.array_equal(nl.Sequence(twin)(x, **feeds), expected), "the twin does not read its own buffer"
    assert (nl.Sequence(cell)(x, **feeds) == expected).all()


LAWS = [
    runs_and_stays_finite,
    equals_each_example_alone_in_a_batch,
    ends_each_example_at_its_own_length,
    starts_anew_at_a_reset,
    runs_in_two_halves_as_in_one,
    stays_in_float32,
    survives_copying_and_pickling,
]


@pytest.fixture(params=LAWS, ids=lambda law: law.__name__)
def law(request):
    """One of the laws, a function of a maker of cells."""
    return request.param


@pytest.fixture
def equals_by_hand():
    """Compare a cell with a generator of (output, *states) that is given its parameters, x and the feeds."""

    def check(cell, by_hand):
        x, feeds = drawn(cell, T)
        parameters = {**cell.parameters, **cell.frozen}
        expected = list(by_hand(parameters, cell.hidden, x, **feeds))
        rec = nl.Sequence(cell).record(x, **feeds)
        assert len(expected) == T
        agree(rec.y, np.stack([np.ravel(step[0]) for step in expected]))
        for i, name in enumerate(cell.anatomy.states, start=1):
            agree(rec[name], np.stack([step[i] for step in expected]))

    return check
