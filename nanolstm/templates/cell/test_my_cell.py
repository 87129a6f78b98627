"""What MyCell promises; in this folder: python -m pytest."""

import nanolstm as nl
import numpy as np
from nanolstm.testing import check_cell

from my_cell import MyCell


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def test_it_keeps_the_promises_of_a_cell():
    check_cell(MyCell)


def test_its_derivatives_are_those_of_finite_differences():
    report = nl.check(MyCell)
    assert report.ok, report


def test_it_computes_its_equations():
    """Written out once more, on column vectors: change them first, then the cell."""
    cell = MyCell(inputs=2, hidden=3, rng=0)
    x = np.random.default_rng(1).normal(size=(6, 2))
    p, h, expected = cell.parameters, np.zeros(3), []
    for x_t in x:
        z = sigmoid(p["update.U"] @ x_t + p["update.W"] @ h + p["update.b"])
        g = np.tanh(p["new.U"] @ x_t + p["new.W"] @ h + p["new.b"])
        h = (1 - z) * h + z * g
        expected.append(h)
    # NumPy runs at once; without backend= a kernel is compiled first.
    model = nl.Sequence(cell, backend="numpy")
    np.testing.assert_allclose(model(x), expected, rtol=0, atol=1e-10)
