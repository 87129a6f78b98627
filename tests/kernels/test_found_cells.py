"""Cells that random search found: each once ran on wrong numbers, or did not run at all."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, gate, param, state, uniform

pytest.importorskip("numba", reason="the kernels are compiled by Numba")


class EmptyPart(Cell):
    """A concatenation with a part of no elements."""

    def step(self, x, h):
        t = h[..., :, None] * x[..., None, :]
        u = np.concatenate([t[..., 2:], t[..., :2]], axis=-1)
        return h + 1, np.tanh(0.3 + u[..., 1])


class NamedReal(Cell):
    """A local variable with the name of what generated constants begin with."""

    m: State = state("inputs")

    def step(self, x, m):
        real = -x
        return 2.0 * np.tanh(x + 0.5 * m), real


class MaskOfParameters(Cell):
    """A mask without an axis for the batch is recorded as a mask."""

    p: Array = param((), 0.7)

    def step(self, x):
        mask = np.less(0.5, self.p)
        wide = mask[..., None]
        return x * wide * self.p


class RepeatedElement(Cell):
    """The gradient of one element is a long sum of parts of one value."""

    p: Array = param((1, 1), 0.5)

    def step(self, x):
        return np.take(np.mean(self.p, axis=-1), [0] * 9, axis=-1) * x[..., :1]


class RepeatedParameter(Cell):
    """A parameter is repeated for each example, and then multiplied by a matrix."""

    p: Array = param(2, uniform(-1.0, 1.0))
    U: Array = param((1, 2), uniform(-1.0, 1.0))
    W: Array = param((1, 2), uniform(-1.0, 1.0))

    def step(self, x):
        wide = np.broadcast_to(self.p, (*x.shape[:-1], 2))
        return x @ self.U.T + wide @ self.W.T


class SumOfRepeated(Cell):
    """The rows of what is one for all rows are added up."""

    one: int = 1
    h: State = state((1, 2))
    p: Array = param((1, 2), uniform(-1.0, 1.0))
    second: Gate = gate(np.tanh, U=None, W="one")

    def step(self, x, h):
        part = ((h <= 0.5) - self.p)[..., 1]
        mixed = np.tanh(self.second(x[..., :1])) - 0.4 * np.tanh(self.second(part))
        return np.max(mixed[..., None], axis=-1), h


KINDS = [EmptyPart, NamedReal, MaskOfParameters, RepeatedElement, RepeatedParameter, SumOfRepeated]


def eager(cell, x):
    """The step, one time step after the other."""
    states = [np.full((len(x), *s.shape), s.start) for s in cell.anatomy.states.values()]
    outputs = []
    for t in range(x.shape[1]):
        answer = cell.step(x[:, t], *states)
        y, *states = answer if states else (answer,)
        outputs.append(y)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("batch", [1, 4])
def test_outputs_recordings_and_gradients_are_those_of_the_step(kind, batch):
    cell = kind(inputs=2, hidden=1 if kind is EmptyPart else 2, rng=0)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (batch, 3, 2))
    expected = eager(cell, x)
    target = rng.uniform(-1, 1, expected.shape)
    direction = {name: rng.normal(size=value.shape) for name, value in cell.parameters.items()}
    losses = []
    for step in (1e-5, -1e-5):
        for name, value in cell.parameters.items():
            value[...] += step * direction[name]
        losses.append(np.mean((eager(cell, x) - target) ** 2))
        for name, value in cell.parameters.items():
            value[...] -= step * direction[name]
    slope = (losses[0] - losses[1]) / 2e-5
    for backend in ("numpy", "numba"):
        model = nl.Sequence(cell, backend=backend)
        np.testing.assert_allclose(model(x), expected, rtol=1e-12, atol=1e-12)
        loss, gradient = model.value_and_grad(x, target, loss="mse")
        assert loss == pytest.approx(np.mean((expected - target) ** 2), rel=1e-12)
        assert sum(np.sum(gradient[n] * v) for n, v in direction.items()) == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_a_mask_of_parameters_is_recorded_as_a_mask_by_kernels():
    x = np.ones((3, 2))
    one, other = (nl.Sequence(MaskOfParameters(inputs=2, hidden=1), backend=b).record(x) for b in ("numpy", "numba"))
    assert {k: (v.dtype, v.shape) for k, v in other.items()} == {k: (v.dtype, v.shape) for k, v in one.items()}
    assert other["wide"].dtype == bool


def test_kernels_of_second_derivatives_add_up_what_is_one_for_all_rows():
    rng = np.random.default_rng(0)
    x, target = rng.uniform(-1, 1, (3, 2)), np.zeros((3, 2))
    direction = {"parameters": {"p": np.ones((1, 2))}, "x": np.ones((3, 2))}
    one, other = (
        nl.Sequence(SumOfRepeated(inputs=2, hidden=2, rng=0), backend=b).hvp(
            x, target, direction, wrt=("parameters", "x"), loss="mse"
        )
        for b in ("numpy", "numba")
    )
    np.testing.assert_allclose(other["x"], one["x"], rtol=1e-10, atol=1e-14)
    for name, value in one["parameters"].items():
        np.testing.assert_allclose(other["parameters"][name], value, rtol=1e-10, atol=1e-14)


class PowerOfTwo(Cell):
    """The derivative multiplies by a constant, which is one for all members of an ensemble."""

    one: int = 1
    mixed: Gate = gate(np.tanh, size=2, U="one")

    def step(self, x, h):
        mixed = self.mixed.preactivation(2.0**h, h)
        return x, np.tanh(mixed[..., -1:])


def test_members_of_an_ensemble_share_what_is_computed_of_constants_alone():
    rng = np.random.default_rng(0)
    x, target = rng.uniform(-1, 1, (4, 3, 2)), rng.uniform(-1, 1, (4, 3, 2))
    runs = [
        nl.Ensemble(PowerOfTwo(inputs=2, hidden=1, rng=0), members=2, rng=0, backend=backend).fit(
            (x, target), epochs=2, rng=0, progress=False, optimizer="sgd(lr=0.1)"
        )
        for backend in ("numpy", "numba")
    ]
    one, other = (run.scores for run in runs)
    np.testing.assert_allclose(other, one, rtol=1e-10)


class Ignoring(Cell):
    """It reads no input, so that no gradient goes on to what is below it."""

    p: Array = param((1, 1), 0.5, frozen=True)

    def step(self, x):
        return self.p[..., 0]


class Handing(Cell):
    def step(self, x):
        return x


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("wrt", ["x", "frozen", "parameters"])
def test_a_gradient_by_what_nothing_depends_on_is_zero_or_empty(backend, wrt):
    model = nl.Sequence([Handing(inputs=1, hidden=1), Ignoring(inputs=1, hidden=1)], backend=backend)
    loss, gradient = model.value_and_grad(np.ones((3, 1)), np.zeros((3, 1)), loss="mse", wrt=wrt)
    assert loss == 0.25
    expected = {"x": np.zeros((3, 1)), "frozen": {"1.p": np.ones((1, 1))}, "parameters": {}}[wrt]
    np.testing.assert_equal(gradient, expected)


class Modulus(Cell):
    """A square would overflow, or vanish."""

    def step(self, x):
        return np.hypot(x[..., :1], x[..., 1:])


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize(("dtype", "small", "large"), [("float32", 1e-23, 1e20), ("float64", 1e-170, 1e160)])
def test_hypot_of_tiny_and_huge_numbers_is_numpys(backend, dtype, small, large):
    model = nl.Sequence(Modulus(inputs=2, hidden=1, dtype=dtype), backend=backend)
    x = np.array([[3 * small, 4 * small], [3 * large, -4 * large], [0.0, 0.0], [0.0, -2.0], [3.0, 4.0]], dtype)
    _, gradient = model.value_and_grad(x, np.zeros((5, 1)), loss=lambda p, t: np.sum(p), wrt="x")
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    expected = np.array([[0.6, 0.8], [0.6, -0.8], [0, 0], [0, -1], [0.6, 0.8]])
    np.testing.assert_allclose(gradient, expected, rtol=tolerance)
    np.testing.assert_allclose(model.record(x).y[:, 0], np.hypot(x[:, 0], x[:, 1]), rtol=tolerance)


class SmallProduct(Cell):
    p: Array = param((8, 8), uniform(-1.0, 1.0))

    def step(self, x, h):
        return np.tanh(x) @ self.p.T, h


def test_a_small_product_of_few_rows_has_the_memory_that_it_needs(monkeypatch):
    monkeypatch.setattr("nanolstm.compile.kernel.DEPTH", 2)
    monkeypatch.setattr("nanolstm.compile.kernel.BLOCK", 1)
    x = np.random.default_rng(0).normal(size=(3, 8))
    found = [
        nl.Sequence(SmallProduct(inputs=8, hidden=5, rng=0), backend=backend).value_and_grad(
            x, np.zeros((3, 8)), loss="mse"
        )[1]["p"]
        for backend in ("numba", "numpy")
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


class Remainder(Cell):
    def step(self, x):
        return 3.0 % x


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_derivative_of_a_remainder_is_the_whole_quotient(backend):
    x = np.array([[-0.3], [1e-5], [0.1], [0.7]])
    _, tangent = nl.Sequence(Remainder(inputs=1, hidden=1), backend=backend).jvp(x, np.ones_like(x), wrt="x")
    np.testing.assert_array_equal(tangent, -(3.0 // x))


# Each operation rounds as it is written.


class CompensatedSum(Cell):
    """Kahan's: `lost` is what the sum could not hold."""

    def step(self, x, total, lost):
        y = x - lost
        t = total + y
        return t, t, (t - total) - y


class Rounded(Cell):
    """Rounds to a whole number by adding a large one."""

    def step(self, x):
        return (x + 6755399441055744.0) - 6755399441055744.0


class Scaled(Cell):
    def step(self, x):
        return x * 1e300 * 1e300


class QuotientOfQuotients(Cell):
    def step(self, x):
        return x / 1e-200 / 1e-150


class Counted(Cell):
    """Changes where a clock has gone round."""

    def step(self, x, h):
        turns = h / 49.0
        return np.where(turns == np.floor(turns), 1.0, 0.0) + 0.0 * x[..., :1], h + 1.0


class DifferenceOfSquares(Cell):
    def step(self, x):
        a, b = x[..., :1], np.abs(-x[..., :1])
        return x[..., 1:] + np.sqrt(a * a - b * b)


ROUNDING = [CompensatedSum, Rounded, Scaled, QuotientOfQuotients, Counted, DifferenceOfSquares]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", ROUNDING, ids=lambda kind: kind.__name__)
def test_each_operation_of_a_kernel_rounds_as_in_numpy(kind, dtype):
    inputs = 2 if kind is DifferenceOfSquares else 1
    cell = kind(inputs=inputs, hidden=1, dtype=dtype, rng=0)
    x = np.random.default_rng(0).uniform(-3, 3, (5, 300, inputs)).astype(dtype)
    x[0, 0] = 0.0
    with np.errstate(all="ignore"):
        expected, found = (nl.Sequence(cell, backend=backend)(x) for backend in ("numpy", "numba"))
    np.testing.assert_array_equal(found, expected)
