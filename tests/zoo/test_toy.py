"""The toy family, against the notebook's loop."""

import numpy as np
import pytest

from nanolstm import cells


def s(a):
    return 1 / (1 + np.exp(-a))


def toy(cell, p, xs):
    h, c = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x in xs:
        i, f, o = (s(p[f"{n}.U"] @ x + p[f"{n}.W"] @ h + p[f"{n}.b"]) for n in ("input", "forget", "output"))
        c = np.tanh(f * c + i * np.tanh(p["new.U"] @ x + p["new.W"] @ h))
        h = o * c
        yield o, h, c


def as_many_outputs_as_units(rng):
    hidden = int(rng.integers(1, 8))
    return {"inputs": int(rng.integers(1, 6)), "hidden": hidden, "outputs": hidden}


@pytest.mark.parametrize("sizes", [None, as_many_outputs_as_units], ids=["one output", "an output for each unit"])
def test_the_toy_lstm_equals_the_loop_of_the_notebook(sizes, equals_by_hand):
    equals_by_hand(cells.ToyLSTM, toy, **({} if sizes is None else {"sizes": sizes}))
