"""What the tests of training share: a task that a small model learns in no time, and such models."""

import numpy as np
import pytest

import nanolstm as nl


class Leaky(nl.Cell):
    """A cell that is quick to run and to trace: a leaky sum."""

    rate: nl.Array = nl.param("hidden", 0.5)
    U: nl.Array = nl.param(("hidden", "inputs"), nl.glorot())

    def step(self, x, h):
        h = nl.sigmoid(self.rate) * h + x @ self.U.T
        return h, h


@pytest.fixture
def make():
    """A model of the class above, the same each time unless told otherwise."""

    def make(cells=1, readout=1, rng=0, kind=Leaky, dtype="float64", **options):
        sizes = [2, 3, 3][: cells + 1]
        stack = [kind(inputs=m, hidden=3, rng=rng + i, dtype=dtype) for i, m in enumerate(sizes[:-1])]
        return nl.Sequence(stack, readout=readout, rng=rng, **options)

    return make


@pytest.fixture
def leaky():
    return Leaky


@pytest.fixture
def sums():
    """Sequences (24, 10, 2), and the mean of what was seen of the first column so far (24, 10, 1)."""
    x = np.random.default_rng(0).standard_normal((24, 10, 2))
    return x, np.cumsum(x[..., :1], axis=1) / np.arange(1, 11)[:, None]


@pytest.fixture
def flat():
    """All parameters of a model as one vector of its own."""
    return lambda model: np.concatenate([view.ravel() for view in model.parameters.values()])
