"""How a cell of the zoo is compared with its equations, written out on column vectors, one sequence at a time."""

import itertools

import numpy as np
import pytest

import nanolstm as nl

BACKENDS = ["numpy", pytest.param("numba", marks=pytest.mark.slow)]
SHAPES = 4


def drawn(cell, batch, time, seed):
    """Random x and feeds; feeds grow along time, so that they serve as clocks and as positive intervals."""
    rng = np.random.default_rng(seed)
    feeds = {}
    for name, part in cell.anatomy.feeds.items():
        grown = np.cumsum(rng.exponential(0.5, (batch, time, part.size)) + 0.01, axis=-2)
        feeds[name] = grown[..., 0] if part.size == 1 else grown
    return rng.normal(size=(batch, time, cell.inputs)), feeds


def spread(cell, seed):
    """Move every parameter, so that a bias or a gain that starts at 0 or 1 counts in the comparison."""
    rng = np.random.default_rng(seed)
    for value in cell.parameters.values():
        value += 0.1 * rng.normal(size=value.shape)


def expected(cell, by_hand, x, feeds, length, resets):
    """What the equations give for one sequence, (y, *states) over time: anew at a reset, and nothing after `length`."""
    parameters = {name: value.copy() for name, value in (*cell.parameters.items(), *cell.frozen.items())}
    borders = [0, *(t for t in range(1, length) if resets[t]), length]
    steps = []
    for begin, end in itertools.pairwise(borders):
        part = slice(begin, end)
        steps += by_hand(cell, parameters, x[part], **{name: value[part] for name, value in feeds.items()})
    assert len(steps) == length, "the equations must yield once for each step"
    return [np.stack([np.asarray(step[i], float) for step in steps]) for i in range(len(steps[0]))]


def agree(one, other, what, tolerance=1e-10):
    """Whether `one` equals `other` to `tolerance` of its largest number."""
    assert one.shape == other.shape, what
    largest = max(1.0, np.abs(other[np.isfinite(other)]).max(initial=0))
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * largest, err_msg=what)


def any_size(rng):
    """Inputs, hidden size: what a cell is drawn with unless its family says otherwise."""
    return {"inputs": int(rng.integers(1, 6)), "hidden": int(rng.integers(1, 8))}


@pytest.fixture(params=BACKENDS)
def equals_by_hand(request):
    """Compare a cell's outputs and states with its equations, over random shapes, with lengths and resets.

    The equations are a generator: `by_hand(cell, p, xs, **feeds)` is given the cell (for its sizes), its parameters by
    name, x (T, M) of one sequence and its feeds, and yields (output, *states) for each step, arrays of one example.
    `sizes(rng)` answers with the arguments of the cell, where any inputs and any hidden size will not do.
    """

    def check(kind, by_hand, sizes=any_size):
        rng = np.random.default_rng(sum(map(ord, kind.__name__)))
        for shape in range(SHAPES if request.param == "numpy" else 1):
            cell = kind(rng=shape, **sizes(rng))
            spread(cell, shape)
            batch, time = int(rng.integers(1, 5)), int(rng.integers(2, 12))
            x, feeds = drawn(cell, batch, time, shape)
            lengths = rng.integers(1, time + 1, batch)
            resets = rng.random((batch, time)) < 0.2
            model = nl.Sequence(cell, backend=request.param)
            rec = model.record(x, lengths=lengths, resets=resets, **feeds)
            for b, length in enumerate(lengths):
                what = f"{cell.inputs} inputs, {cell.hidden} units, sequence {b} of {batch}, {length} steps of {time}"
                one = {name: value[b] for name, value in feeds.items()}
                y, *states = expected(cell, by_hand, x[b], one, length, resets[b])
                agree(rec.y[b, :length], y.reshape(length, -1), f"output: {what}")
                for name, state in zip(cell.anatomy.states, states, strict=True):
                    agree(rec[name][b, :length], state, f"{name}: {what}")

    return check
