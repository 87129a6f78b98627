"""The LSTM family, against its equations."""

import numpy as np
import pytest

from nanolstm import cells


def s(a):
    return 1 / (1 + np.exp(-a))


def lstm(cell, p, xs):
    h, c = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x in xs:
        i, f, o, g = (p[f"{n}.U"] @ x + p[f"{n}.W"] @ h + p[f"{n}.b"] for n in ("input", "forget", "output", "new"))
        c = s(f) * c + s(i) * np.tanh(g)
        h = s(o) * np.tanh(c)
        yield h, h, c


EQUATIONS = {
    cells.LSTM: lstm,
}


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_a_cell_of_this_family_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind])
