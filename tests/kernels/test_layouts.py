"""Each product reads its operands where they stand: at their own strides, in the layout that they are packed in."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, blocks, gate, identity, normal, param, sigmoid, state
from nanolstm.compile.poison import poisoned

pytest.importorskip("numba", reason="the kernels are compiled by Numba")


class MeanOfAProduct(Cell):
    """The cotangent of the product is one number, repeated: its elements are a stride of 0 apart."""

    new: Gate = gate(np.tanh)
    score: Gate = gate(identity, U=None)

    def step(self, x, h):
        h = self.new(x, h)
        return h * np.mean(self.score(h), axis=-1, keepdims=True), h


class SumOfAProduct(Cell):
    W: Array = param(("hidden", "hidden"), normal(0.5))
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = self.new(x, h)
        return h * np.sum(h @ self.W.T, axis=-1, keepdims=True), h


class SumOfProductsOfHeads(Cell):
    """The cotangent is the same for all heads, and within each."""

    A: Array = param((2, "hidden", "hidden"), normal(0.5))
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = self.new(x, h)
        both = np.stack([h, np.sin(h)], axis=-2)
        products = np.einsum("...hk,hjk->...hj", both, self.A)
        return h * np.sum(products, axis=(-1, -2))[..., None], h


class SameForAllHeads(Cell):
    """A vector that is repeated for each head before it is multiplied."""

    A: Array = param((2, "hidden", "hidden"), normal(0.5))
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = self.new(x, h)
        h = np.tanh(np.sum(np.einsum("...hk,hjk->...hj", np.stack([h, h], axis=-2), self.A), axis=-2))
        return h, h


class Reversed(Cell):
    """Neighbours in the vector lie backward in memory."""

    W: Array = param(("hidden", "hidden"), normal(0.5))
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = np.tanh(self.new(x, h)[..., ::-1] @ self.W.T)
        return h, h


class TurnedProduct(Cell):
    """The loop that writes the new matrix reads the old one transposed."""

    S: State = state(("hidden", "hidden"))
    new: Gate = gate(np.tanh, W="hidden")

    def step(self, x, S):
        v = self.new(x, S[..., 0])
        S = np.einsum("...jk,...j->...kj", S, np.cos(v)) + 0.1 * v[..., None]
        return np.sum(S, axis=-1), S


class OneHead(Cell):
    input: Gate = gate(sigmoid, W=blocks("h", 1))
    new: Gate = gate(np.tanh, W=blocks("h", 1))

    def step(self, x, h):
        h = h + self.input(x, h) * self.new(x, h)
        return h, h


KINDS = [
    MeanOfAProduct,
    SumOfAProduct,
    SumOfProductsOfHeads,
    SameForAllHeads,
    Reversed,
    TurnedProduct,
    OneHead,
    nl.cells.SLSTM,
]


def data(cell, batch):
    rng = np.random.default_rng(1)
    return rng.normal(size=(batch, 4, cell.inputs)), rng.normal(size=(batch, 4, cell.outputs))


SIZES = [(kind, 3) for kind in KINDS] + [(MeanOfAProduct, 17), (OneHead, 17)]
SLOW = [pytest.param(kind, hidden, marks=pytest.mark.slow) for kind in KINDS for hidden in (8, 33)]


@pytest.mark.parametrize(("kind", "hidden"), SIZES + SLOW)
def test_gradients_of_kernels_are_differences_of_eager_runs(kind, hidden):
    cell = kind(inputs=2, hidden=hidden, rng=0)
    compiled = nl.Sequence(cell, backend="numba")
    eager = nl.Sequence(cell, backend="numpy")
    rng = np.random.default_rng(2)
    for batch in (1, 2, 9):
        x, target = data(cell, batch)
        _, gradient = compiled.value_and_grad(x, target, loss="mse")
        for name, value in cell.parameters.items():
            direction = rng.normal(size=value.shape)
            kept, losses = value.copy(), []
            for step in (1e-5, -1e-5):
                value[...] = kept + step * direction
                losses.append(float(np.mean((eager(x) - target) ** 2)))
            value[...] = kept
            slope = (losses[0] - losses[1]) / 2e-5
            assert np.sum(gradient[name] * direction) == pytest.approx(slope, rel=1e-6, abs=1e-9), (name, batch)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_last_minibatch_of_one_sequence_has_the_gradient_that_numpy_gives(dtype):
    cell = nl.cells.SLSTM(inputs=2, hidden=4, rng=0, dtype=dtype)
    compiled, numpy = (nl.Sequence(cell, backend=backend) for backend in ("numba", "numpy"))
    x, target = data(cell, 3)
    for part in (slice(0, 2), slice(2, 3)):
        one, other = (m.value_and_grad(x[part], target[part], loss="mse")[1] for m in (compiled, numpy))
        for name, value in other.items():
            np.testing.assert_allclose(one[name], value, rtol=1e-4 if dtype == "float32" else 1e-10, atol=1e-7)


def test_a_planted_read_of_unwritten_memory_spoils_the_result(monkeypatch):
    monkeypatch.setattr("nanolstm.compile.kernel_steps.is_contiguous", lambda *_: True)
    monkeypatch.setattr("nanolstm.compile.kernel_steps.check_strides", lambda *_: None)
    cell = MeanOfAProduct(inputs=2, hidden=19, rng=0)  # which no other test has traced
    x, target = data(cell, 2)
    with poisoned():
        _, gradient = nl.Sequence(cell, backend="numba").value_and_grad(x, target, loss="mse")
    assert np.isnan(gradient["new.W"]).any()


class Doubled(Cell):
    """A value of the time loop stands twice in what the loop keeps."""

    W: Array = param(("hidden", 6), normal(0.5))
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        a = 0.5 * self.new(x, h)
        b = np.concatenate([a, a], axis=-1)
        return b, np.tanh(b @ self.W.T)


class Tripled(Cell):
    W: Array = param(("hidden", 10), normal(0.5))
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        a = 0.5 * self.new(x, h)
        b = np.concatenate([a, h[..., :1], np.sin(a), a], axis=-1)
        return b, np.tanh(b @ self.W.T)


@pytest.mark.parametrize("kind", [Doubled, Tripled], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_an_operand_that_is_concatenated_twice_stands_in_both_places(kind, backend):
    cell = kind(inputs=2, hidden=3, rng=0)
    x, target = data(cell, 3)
    h, outputs = np.zeros((3, 3)), []
    for t in range(x.shape[1]):
        y, h = cell.step(x[:, t], h)
        outputs.append(y)
    value, _ = nl.Sequence(cell, backend=backend).value_and_grad(x, target, loss="mse")
    assert value == pytest.approx(np.mean((np.stack(outputs, axis=1) - target) ** 2), rel=1e-12)
