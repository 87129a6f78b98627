"""Numbers and letters, which are text in generated source as well: of any class, infinite, of any alphabet."""

import builtins
import enum
import importlib.util

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, gate, param
from nanolstm.errors import UnsupportedError

BACKENDS = ["numpy"] + ["numba"] * (importlib.util.find_spec("numba") is not None)

CALL = "ran_as_code()"

X = np.random.default_rng(0).normal(size=(3, 4, 2))
TARGET = np.random.default_rng(1).normal(size=(3, 4, 3))


@pytest.fixture(autouse=True)
def ran(monkeypatch):
    """A list that stays empty as long as no number is taken for code."""
    calls = []
    monkeypatch.setattr(builtins, "ran_as_code", lambda: calls.append(1) or 2, raising=False)
    yield calls
    assert calls == [], "a number was run as code"


class Size(enum.IntEnum):
    TWO = 2
    THREE = 3


class Loud(float):
    """A number that shows itself as a call."""

    def __repr__(self):
        return CALL

    __str__ = __repr__

    def __format__(self, spec):
        return CALL


class LoudInt(int):
    __repr__, __str__, __format__ = Loud.__repr__, Loud.__str__, Loud.__format__


class Numbers(Cell):
    shift: int = 2
    factor: float = 0.5
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = self.new(x, h) * self.factor + np.roll(h, self.shift, axis=-1)
        wide = np.broadcast_to(np.sum(x, axis=-1, keepdims=True), (*x.shape[:-1], self.inputs * self.hidden))
        pairs = np.reshape(wide, (*wide.shape[:-1], self.hidden, self.inputs))
        h = h + np.clip(np.sum(pairs, axis=-1), -self.factor, self.factor)
        return h, h


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("inputs", "hidden", "shift", "factor"),
    [
        (np.int64(2), np.int32(3), np.int16(2), np.float32(0.5)),
        (Size.TWO, Size.THREE, Size.TWO, Loud(0.5)),
        (LoudInt(2), LoudInt(3), LoudInt(2), np.float64(0.5)),
    ],
)
def test_numbers_of_any_class_are_the_numbers_that_they_are(inputs, hidden, shift, factor, backend):
    models = [
        nl.Sequence(Numbers(inputs=i, hidden=h, shift=s, factor=f, rng=0), backend=backend)
        for i, h, s, f in ((inputs, hidden, shift, factor), (2, 3, 2, 0.5))
    ]
    (value, one), (other_value, other) = (model.value_and_grad(X, TARGET, loss="mse") for model in models)
    assert value == other_value
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    assert type(models[0].cells[0].inputs) is type(models[0].cells[0].hidden) is int


class Infinite(Cell):
    """Vectors of constants that are not finite, with values of each row and with parameters alone."""

    low: Array = param("hidden", 0.3)

    def step(self, x, h):
        floor = np.array([-np.inf, 0.1, -1.0])
        h = np.maximum(0.5 * h + x[..., :1], floor) + np.minimum(np.maximum(self.low, floor), np.inf)
        return h, h


@pytest.mark.parametrize("backend", BACKENDS)
def test_constants_may_be_infinite(backend):
    cell = Infinite(inputs=2, hidden=3, rng=0)
    value, _ = nl.Sequence(cell, backend=backend).value_and_grad(X, TARGET, loss="mse")
    h = np.zeros((3, 3))
    states = [h := cell.step(X[:, t], h)[0] for t in range(X.shape[1])]
    assert value == pytest.approx(np.mean((np.stack(states, axis=1) - TARGET) ** 2), rel=1e-12)


def einsum_of(one, other):
    """A cell that names its axes by these letters."""

    class Named(Cell):
        new: Gate = gate(np.tanh)
        W: Array = param(("hidden", "hidden"), nl.glorot())

        def step(self, x, h):
            a = np.einsum(f"...{one},{other}{one}->...{other}", self.new(x, h), self.W)
            h = np.tanh(np.sum(np.einsum(f"...{one},...{other}->...{other}{one}", a, h), axis=-1) + a)
            return h, h

    return Named


@pytest.mark.parametrize(("one", "other"), [("z", "y"), ("y", "z"), ("R", "Z"), ("A", "a")])
def test_einsum_takes_any_letter_for_an_axis(one, other):
    models = [
        nl.Sequence(einsum_of(*pair)(inputs=2, hidden=3, rng=0), backend="numpy") for pair in ((one, other), "ij")
    ]
    direction = {name: np.ones_like(array) for name, array in models[0].parameters.items()}
    (value, *parts), (wanted, *others) = (
        [model.value_and_grad(X, TARGET)[0], *model.hvp(X, TARGET, direction).values()] for model in models
    )
    assert value == wanted
    for part, expected in zip(parts, others, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_what_is_no_letter_of_einsum_is_refused():
    def loss(prediction, target):
        return np.mean(np.einsum("...',...'->...", prediction, target))

    with pytest.raises(UnsupportedError, match="letters of ASCII"):
        nl.Sequence(nl.cells.Elman(inputs=2, hidden=3), backend="numpy").value_and_grad(X, TARGET, loss=loss)
