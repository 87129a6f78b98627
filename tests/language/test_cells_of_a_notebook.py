"""Classes that exist in `__main__` alone, as in a notebook: another process gets them from cloudpickle."""

import subprocess
import sys
import textwrap

import numpy as np

WRITER = """
import sys
import cloudpickle, numpy as np
import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, absent, diagonal, gate, layer_norm, noise, param, sigmoid, state
from nanolstm.cells import ToyLSTM

class Norm(Gate):
    gain: Array = param("size", 1.0)

    def __call__(self, *values):
        return self.activation(layer_norm(self.preactivation(*values)) * self.gain)

class Base(Cell):
    factor: float = 0.5
    old: Gate = gate(np.tanh)
    forget: Gate = gate(sigmoid, kind=Norm, P=diagonal("h"), init=nl.forget_bias(1.0))
    fixed: Array = param("hidden", nl.normal(), frozen=True)
    m: State = state(start=-np.inf)
    hold: Array = noise(0.1)

    def step(self, x, h, m, hold):
        f = self.forget(x, h, h)
        h = hold * h + (1 - hold) * f * self.factor
        return h + self.fixed, h, np.maximum(h, m)

class Mine(Base):
    old = absent

    def step(self, x, h, m, hold):
        y, h, m = super().step(x, h, m, hold)
        return 2 * y, h, m

cell = Mine(inputs=2, hidden=3, factor=0.75, rng=0)
x = np.random.default_rng(1).normal(size=(6, 2))
with open(sys.argv[1], "wb") as file:
    cloudpickle.dump((cell, Mine, nl.Sequence([cell, ToyLSTM(inputs=3, hidden=2, rng=1)]), x), file)
np.save(sys.argv[2], nl.Sequence(cell)(x))
"""

READER = """
import pickle, sys
import numpy as np
import nanolstm as nl

with open(sys.argv[1], "rb") as file:
    cell, Loaded, model, x = pickle.load(file)
assert not hasattr(sys.modules["__main__"], "Mine")
assert type(cell).__module__ == "__main__"
assert type(cell) is Loaded
assert cell.factor == 0.75
assert list(cell.parameters) == ["forget.U", "forget.W", "forget.P", "forget.b", "forget.gain"], cell.parameters
assert list(cell.frozen) == ["fixed"]
assert np.shares_memory(cell.forget.W, cell.parameters.flat)
assert np.array_equal(Loaded(inputs=2, hidden=3, rng=0).parameters.flat, cell.parameters.flat)
assert model(x).shape == (6, 1)


class Child(Loaded):
    pass


assert list(Child(inputs=2, hidden=3).parameters) == list(cell.parameters), "what was absent is back"
np.save(sys.argv[2], nl.Sequence(cell)(x))
"""


def run(source, *args):
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, args)], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def test_a_cell_of_main_runs_in_a_process_that_does_not_have_its_class(tmp_path):
    run(WRITER, tmp_path / "cell.pickle", tmp_path / "there.npy")
    run(READER, tmp_path / "cell.pickle", tmp_path / "here.npy")
    here, there = np.load(tmp_path / "here.npy"), np.load(tmp_path / "there.npy")
    assert here.shape == (6, 3)
    assert np.array_equal(here, there)
