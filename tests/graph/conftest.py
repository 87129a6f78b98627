"""What several files of tests about graphs need: a graph that is run, and derivatives by differences."""

import numpy as np
import pytest

from nanolstm.compile.numpy_target import program
from nanolstm.compile.steps import one_step
from nanolstm.graph.node import Graph, in_order

ROWS = 3


@pytest.fixture(scope="session")
def compiled():
    """From outputs by name to a function of the inputs by name that computes them."""

    def compile_(outputs, rows=ROWS, dtype="float64"):
        inputs = {node.name: node for node in in_order(outputs.values()) if node.op.name == "input"}
        run = program(Graph("test", inputs, outputs), {})
        return lambda values: run(one_step(rows), np.dtype(dtype), values)

    return compile_


@pytest.fixture(scope="session")
def differences():
    """The derivative at 0 of a function of a number that answers with a dict of arrays.

    Central differences over five points, whose error is of the fourth order in their distance.
    """

    def differentiate(function, distance=1e-3):
        at = {k: function(k * distance) for k in (-2, -1, 1, 2)}
        weights = {-2: 1.0, -1: -8.0, 1: 8.0, 2: -1.0}
        return {name: sum(w * at[k][name] for k, w in weights.items()) / (12 * distance) for name in at[1]}

    return differentiate
