"""What the tests of kernels share: cells of every kind, data for them, and one folder in which kernels are kept.

A kernel is compiled once in a session, whichever test asks for it first. What a test gives to a model decides how many
there are: the cell, its sizes and dtype, what the gradient is taken by.
"""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, diagonal, feed, gate, identity, layer_norm, noise, param, sigmoid, state

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


@pytest.fixture(scope="session", autouse=True)
def kernels_of_this_session(tmp_path_factory):
    """The cache folder of all tests that do not say otherwise, one for the processes of a session.

    What one of them has compiled the others load: compiling takes seconds, and they share the tests of each cell.
    `NANOLSTM_TEST_CACHE` names a folder that outlives the session, which spares compiling unchanged kernels again.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "cache"
    folder = Path(os.environ.get("NANOLSTM_TEST_CACHE") or folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NANOLSTM_CACHE", str(folder))
        yield folder / "kernels"


@pytest.fixture(autouse=True)
def default_threads():
    """Tests may set the number of threads."""
    yield
    nl.set_num_threads(None)


class LSTM(Cell):
    input: Gate = gate(sigmoid)
    forget: Gate = gate(sigmoid, init=nl.forget_bias(1.0))
    output: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h, c):
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


class GRU(Cell):
    """With the reset gate before the product: two products, one after the other."""

    update: Gate = gate(sigmoid)
    reset: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        z, r = self.update(x, h), self.reset(x, h)
        h = (1 - z) * h + z * self.new(x, r * h)
        return h, h


class Gated(Cell):
    """One product, with an old state in the loop that writes the new one."""

    update: Gate = gate(sigmoid)

    def step(self, x, h):
        h = self.update(x, h) * x[..., :1]
        return h, h


class NormGate(Gate):
    gain: Array = param("size", nl.uniform(0.5, 1.5))

    def preactivation(self, x, h):
        return layer_norm(x @ self.U.T) + layer_norm(h @ self.W.T) * self.gain + self.b


class LayerNorm(Cell):
    update: Gate = gate(sigmoid, W=None)
    new: Gate = gate(np.tanh, kind=NormGate)

    def step(self, x, h):
        z = self.update(x)
        h = layer_norm((1 - z) * h + z * self.new(x, h))
        return h, h


class MatrixMemory(Cell):
    """The delta rule: a matrix for a state, outer products, and a state that starts at infinity."""

    keys: int = 2
    S: State = state(("hidden", "keys"))
    m: State = state(1, start=-np.inf)
    key: Gate = gate(nl.softmax, size="keys", W=None)
    value: Gate = gate(identity, W=None)
    rate: Gate = gate(identity, size=1, W=None)

    def step(self, x, S, m):
        k = self.key(x)
        m, rate = np.maximum(m, self.rate(x)), np.exp(self.rate(x) - np.maximum(m, self.rate(x)))
        change = 0.5 * rate * (self.value(x) - np.matvec(S, k))
        S = S + change[..., :, None] * k[..., None, :]
        return np.matvec(S, k), S, m


class Diagonal(Cell):
    """No product in the loop."""

    new: Gate = gate(np.tanh, W=diagonal("h"))
    forget: Gate = gate(sigmoid, W=None)

    def step(self, x, h):
        f = self.forget(x)
        h = f * h + (1 - f) * self.new(x, h)
        return h, h


class Layer(Cell):
    """Without states."""

    new: Gate = gate(np.tanh)

    def step(self, x):
        return self.new(x)


class HandedOn(Cell):
    """A state that no step changes, beside one that does."""

    label: State = state(2)
    new: Gate = gate(np.tanh)

    def step(self, x, h, label):
        h = self.new(x, h) + label[..., :1]
        return h, h, label


class Swapped(Cell):
    """Two states that change places, in part."""

    new: Gate = gate(np.tanh)

    def step(self, x, h, c):
        h, c = 0.9 * c, h + 0.1 * self.new(x, h)
        return h + c, h, c


class Delayed(Cell):
    """States whose new value is another's old one."""

    earlier: State = state("inputs")
    new: Gate = gate(np.tanh)

    def step(self, x, h, before, earlier):
        new = self.new(x, h) + before * earlier.sum(axis=-1, keepdims=True)
        return new, new, h, x


class Twice(Cell):
    """States that are used again after a reduction over them."""

    new: Gate = gate(np.tanh)

    def step(self, x, h, c):
        total = np.sum(h * c, axis=-1, keepdims=True)
        n = self.new(x, h)
        h, c = h * 0.5 + np.tanh(total) * n, np.sin(c) + 0.3 * h * np.max(n, axis=-1, keepdims=True)
        return h - c, h, c


class Joined(Cell):
    """Old states side by side, in one loop with the new ones."""

    def step(self, x, h, c):
        return np.concatenate([h, c], axis=-1), 0.5 * h + x[..., :1], c + h * x[..., 1:]


class AddedUp(Cell):
    """A sum in a row's own memory, over what is known after a product of all rows only."""

    scale: Array = param((2, "hidden"), nl.normal())
    write: Gate = gate(np.tanh, size=1, C="c")

    def step(self, x, h, c):
        c = 0.5 * c + np.sum(self.write(x, h, c)[..., None] * self.scale + x[..., :1, None], axis=-2)
        return np.tanh(c), np.tanh(c), c


class Timed(Cell):
    """Feeds, masks, a frozen matrix."""

    dt: Array = feed(default=1.0)
    wind: Array = feed(2)
    keep: Array = noise(0.8)
    A: Array = param(("hidden", "hidden"), nl.normal(0.3), frozen=True)
    new: Gate = gate(np.tanh)

    def step(self, x, h, dt, wind, keep):
        h = keep * h + dt * (self.new(x, h) - h @ self.A.T) + wind.sum(axis=-1, keepdims=True)
        return h, h


class Learned(Cell):
    """A start that is a parameter, which the step reads as well, and one that is not."""

    first: Array = param("hidden", nl.normal())
    h: State = state(start="first")

    def step(self, x, h, c):
        c = np.tanh(0.5 * c + h)
        h = h * self.first + c * x[..., :1]
        return h, h, c


CELLS = {
    kind.__name__: kind
    for kind in (
        LSTM,
        GRU,
        Gated,
        LayerNorm,
        MatrixMemory,
        Diagonal,
        Layer,
        HandedOn,
        Swapped,
        Delayed,
        Twice,
        Joined,
        AddedUp,
        Timed,
        Learned,
    )
}


@pytest.fixture(scope="session")
def cell():
    """A new cell of a name: `cell("LSTM")`, 2 inputs and 3 units unless told."""

    def make(name, **more):
        kind = nl.cells.ToyLSTM if name == "ToyLSTM" else CELLS[name]
        return kind(**{"inputs": 2, "hidden": 3, "rng": 0} | more)

    return make


@pytest.fixture(scope="session")
def twins():
    """A model twice, in kernels and in NumPy: of a maker of cells, or of a list of cells."""

    def make(cells, **options):
        return [nl.Sequence(cells(), backend=backend, **options) for backend in ("numba", "numpy")]

    return make


def drawn(model, *leading, seed=0):
    """Numbers for `model`: x, a target, feeds, first states, a direction of everything; `leading` is (B, T) or (T,).

    Feeds that have a default are intervals, and others clocks. (A cell that is stepped through minutes instead grows
    without bound, and its units are so saturated that 1 - tanh(x)**2 has no digit left.)
    """
    rng = np.random.default_rng(seed)
    feeds = {}
    for name, part in model.feeds().items():
        passed = rng.exponential(0.5, (*leading, part.size)) + 0.01
        value = np.cumsum(passed, axis=-2) if part.default is None else passed
        feeds[name] = value[..., 0] if part.size == 1 else value
    x = rng.normal(size=(*leading, model.inputs))
    wrt = ("parameters", "frozen", "x", "initial", *feeds)
    states = {name: rng.normal(size=(*leading[:-1], *s.shape)) for name, s in model.states().items()}
    infinite = {name for name, s in model.states().items() if not isinstance(s.start, str) and np.isinf(s.start).any()}
    known = {"x": x, "initial": states, "parameters": model.parameters, "frozen": model.frozen} | feeds
    return SimpleNamespace(
        x=x,
        target=rng.normal(size=(*leading, model.outputs)),
        feeds=feeds,
        wrt=wrt,
        initial={name: value for name, value in states.items() if name not in infinite},
        resets=rng.random(leading) < 0.3,
        direction={
            name: {key: rng.normal(size=v.shape) for key, v in known[name].items() if key not in infinite}
            if name in ("parameters", "frozen", "initial")
            else rng.normal(size=np.shape(known[name]))
            for name in wrt
        },
    )


@pytest.fixture(scope="session")
def data():
    """A function of a model and the leading axes of its input; see `drawn`."""
    return drawn


def agree(one, other, tolerance=None, name=""):
    """Whether two results are the same: names and their order, types, shapes, and numbers by the largest of them."""
    if tolerance is None:
        tolerance = max((TOLERANCE[found.dtype.name] for found in arrays(other)), default=1e-12)
    if isinstance(other, tuple | list):
        assert len(one) == len(other), name
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            agree(a, b, tolerance, f"{name}[{i}]")
    elif hasattr(other, "keys"):
        assert list(one) == list(other), name
        for key in other:
            agree(one[key], other[key], tolerance, f"{name}[{key!r}]")
    else:
        assert type(one) is type(other), name
        one, other = np.asarray(one), np.asarray(other)
        assert (one.dtype, one.shape) == (other.dtype, other.shape), name
        if other.dtype.kind != "f":
            np.testing.assert_array_equal(one, other, name)
            return
        largest = max(1e-2, np.abs(other[np.isfinite(other)]).max(initial=0))  # sums that are 0 but for rounding
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * largest, err_msg=name)


def arrays(result):
    """The arrays of a result, whatever holds them."""
    for value in result.values() if hasattr(result, "keys") else result if isinstance(result, tuple | list) else ():
        yield from arrays(value)
    if isinstance(result, np.ndarray):
        yield result


@pytest.fixture(scope="session")
def agrees():
    """A function of two results; see `agree`."""
    return agree


@pytest.fixture
def cut_into_slices(monkeypatch):
    """A function after which batches are cut into slices of so many sequences, however little there is to do."""

    def cut(sequences):
        monkeypatch.setattr("nanolstm.compile.kernel.WORTH_A_THREAD", 1)
        monkeypatch.setattr("nanolstm.gradient.rows.WORTH_A_SLICE", 1)
        monkeypatch.setattr("nanolstm.gradient.rows.SLICE", sequences)

    return cut


@pytest.fixture
def python(tmp_path):
    """Run a script in a process of its own, with the cache in a folder of this test, and give what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NANOLSTM_", "NUMBA_"))}
    environment["NANOLSTM_CACHE"] = str(tmp_path / "cache")

    def start(script, **more):
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script],
            env=environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(process):
        printed, complaints = process.communicate(timeout=120)
        assert process.returncode == 0, complaints
        assert complaints == ""
        return printed

    def run(script, **more):
        return finish(start(script, **more))

    run.start, run.finish = start, finish
    return run
