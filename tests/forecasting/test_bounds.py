"""The range of a model's output: exact where it can be seen, never too narrow."""

import math

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.graph.intervals import FIXED, INCREASING, RULES, UNCHANGED, ranges
from nanolstm.graph.node import OPS

INF = math.inf


def cell_of(function, act=nl.identity, size="hidden"):
    """A cell whose output is `function` of one gate and the state."""

    class Made(nl.Cell):
        new: nl.Gate = nl.gate(act, size=size)

        def step(self, x, h):
            value = self.new(x, h)
            return function(value, h), h

    return Made(inputs=2, hidden=3, rng=0)


@pytest.mark.parametrize(
    ("function", "act", "expected"),
    [
        (lambda v, h: v, nl.sigmoid, (0, 1)),
        (lambda v, h: v, np.tanh, (-1, 1)),
        (lambda v, h: v, nl.identity, (-INF, INF)),
        (lambda v, h: 2 * v - 1, nl.sigmoid, (-1, 1)),
        (lambda v, h: 1 - v, nl.sigmoid, (0, 1)),
        (lambda v, h: v * np.tanh(h), nl.sigmoid, (-1, 1)),
        (lambda v, h: v * h, nl.sigmoid, (-INF, INF)),
        (lambda v, h: np.maximum(v, 0.0), nl.identity, (0, INF)),
        (lambda v, h: np.clip(v, -2.0, 3.0), nl.identity, (-2, 3)),
        (lambda v, h: np.exp(v), np.tanh, (math.exp(-1), math.e)),
        (lambda v, h: nl.softplus(v), nl.identity, (0, INF)),
        (lambda v, h: 1 / (2 + np.tanh(v)), nl.identity, (1 / 3, 1)),
        (lambda v, h: 1 / np.tanh(v), nl.identity, (-INF, INF)),
        (lambda v, h: np.abs(np.tanh(v)), nl.identity, (0, 1)),
        (lambda v, h: np.abs(v + 3), nl.sigmoid, (3, 4)),
        (lambda v, h: np.sqrt(v), nl.sigmoid, (0, 1)),
        (lambda v, h: np.sum(v, axis=-1, keepdims=True), nl.sigmoid, (0, 3)),
        (lambda v, h: np.max(v, axis=-1, keepdims=True), nl.sigmoid, (0, 1)),
        (lambda v, h: np.concatenate([v, np.tanh(h)], axis=-1), nl.sigmoid, (-1, 1)),
        (lambda v, h: np.where(h > 0, v, -v), nl.sigmoid, (-1, 1)),
        (lambda v, h: np.sin(h), nl.identity, (-1, 1)),
        (lambda v, h: np.log(v), nl.sigmoid, (-INF, 0)),
        (lambda v, h: nl.sigmoid(v)[..., :2] - 1.5, nl.identity, (-1.5, -0.5)),
        (lambda v, h: np.vecdot(v, np.tanh(h))[..., None], nl.sigmoid, (-3, 3)),
    ],
)
def test_the_range_of_an_output_is_read_off_its_step(function, act, expected):
    model = nl.Sequence(cell_of(function, act), backend="numpy")
    assert nl.output_range(model) == pytest.approx(expected)
    y = model(100 * np.random.default_rng(0).normal(size=(200, 2)))
    assert expected[0] <= np.nanmin(y)
    assert np.nanmax(y) <= expected[1]


def test_a_readout_has_no_bounds_and_of_a_stack_the_last_cell_counts():
    bound, free = cell_of(lambda v, h: v, np.tanh), cell_of(lambda v, h: v)
    assert nl.output_range(nl.Sequence(bound, readout=1)) == (-INF, INF)
    wide = nl.cells.ToyLSTM(inputs=3, hidden=2)
    assert nl.output_range(nl.Sequence([free, wide])) == (0, 1)
    assert nl.output_range(nl.Sequence(bound, bidirectional=True)) == (-1, 1)


def test_every_operation_has_a_range_or_is_known_to_have_none():
    without = OPS.keys() - INCREASING.keys() - FIXED.keys() - RULES.keys() - {*UNCHANGED, "constant"}
    of_masks = {name for name in without if OPS[name].boolean}
    assert of_masks == {"less", "less_equal", "equal"}
    assert {name for name in without - of_masks if OPS[name].numpy} == {"count", "power", "mod", "logaddexp"}


BINARY = (np.add, np.subtract, np.multiply, np.maximum, np.minimum, lambda a, b: a * np.abs(b))


@pytest.mark.parametrize("seed", range(12))
def test_no_output_is_ever_outside_of_its_range(seed):
    rng = np.random.default_rng(seed)
    plan = [(int(rng.integers(6)), int(rng.integers(4 + n)), int(rng.integers(4 + n))) for n in range(6)]

    def grown(v, h):
        """Six random operations, each on what is there."""
        pool = [np.tanh(v), nl.sigmoid(h + v), np.tanh(h) - 0.3, 0.5 * nl.sigmoid(v) + 0.1]
        for which, a, b in plan:
            pool.append(BINARY[which](pool[a], pool[b]))
        return pool[-1]

    model = nl.Sequence(cell_of(grown), backend="numpy")
    low, high = nl.output_range(model)
    assert math.isfinite(low)
    assert math.isfinite(high)
    y = model(5 * np.random.default_rng(1).normal(size=(300, 2)))
    assert low - 1e-12 <= y.min() <= y.max() <= high + 1e-12


def test_ranges_of_inputs_are_everything():
    graph = nl.trace(nl.cells.ToyLSTM(inputs=2, hidden=3))
    found = ranges(graph.outputs.values())
    assert found[graph.inputs["x"]] == (-INF, INF)
    assert found[graph.outputs["h"]] == (-1, 1)
    assert found[graph.outputs["c"]] == (-1, 1)
