"""Where rows are narrow, what needs no state is computed for a block of steps, ahead of their loop or behind it."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

import nanolstm as nl
from nanolstm import Cell, Gate, gate, sigmoid, state
from nanolstm.language.functions import identity


class Leaving(Cell):
    """A gate of x ahead of the loop; behind it another gate of x, and a function of the state."""

    update: Gate = gate(sigmoid, W=None)
    new: Gate = gate(np.tanh, W=None)
    output: Gate = gate(sigmoid, W=None)

    def step(self, x, h):
        z = self.update(x)
        h = (1 - z) * h + z * self.new(x)
        return self.output(x) * np.exp(-np.square(h)), h


class Handing(Cell):
    """Its states are an input that is handed on, a function of x, and a sum of both with what was."""

    before: nl.State = state("inputs")
    mean: nl.State = state("hidden")
    new: Gate = gate(np.tanh, W=None)
    late: Gate = gate(identity, W=None)

    def step(self, x, h, before, mean):
        n = self.new(x)
        h = 0.5 * h + mean * n + before.sum(axis=-1, keepdims=True)
        return h * self.late(before), h, x, n


class Normed(Cell):
    """What is taken out of the loop adds up over features, and multiplies matrices one after the other."""

    inner: Gate = gate(np.tanh, W=None)
    outer: Gate = gate(nl.softmax, W=None, size="hidden")

    def step(self, x, h):
        u = self.inner(x)
        u = u / np.sqrt(1 + np.square(u).sum(axis=-1, keepdims=True))
        h = 0.9 * h * self.outer(x) + u
        return h / (1 + np.abs(h).max(axis=-1, keepdims=True)), h


class OneHead(Cell):
    """A product with one head of a value ahead of the loop, and one of the state behind it."""

    heads: int = 1
    inner: Gate = gate(np.tanh, W=None)
    outer: Gate = gate(sigmoid, W=nl.blocks("h", "heads"))
    last: Gate = gate(sigmoid, W=nl.blocks("h", "heads"))

    def step(self, x, h):
        u = self.inner(x)
        h = 0.5 * h + self.outer(x, u) * u
        return self.last(x, h), h


KINDS = [
    Leaving,
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in (Handing, Normed, OneHead, nl.cells.LRU, nl.cells.QRNN)),
]


def loops(cell, function):
    """The lines of a kernel's function from each place where a loop over time steps begins or ends."""
    text = nl.kernel_source(cell)
    text = text[text.index(f"def {function}_steps(") :]
    text = text[: text.index(f"def {function}(")]
    ahead, _, rest = text.partition("for t in range(")
    lines = rest.splitlines()
    depth = len(ahead) - len(ahead.rstrip(" "))
    ends = (i for i, line in enumerate(lines[1:], 1) if line.strip() and len(line) - len(line.lstrip()) <= depth)
    inside = next(ends, len(lines))
    return ahead, "\n".join(lines[:inside]), "\n".join(lines[inside:])


def test_what_needs_no_state_stands_ahead_of_the_loop_and_what_no_state_needs_behind_it():
    ahead, inside, behind = loops(Leaving(inputs=2, hidden=3), "forward")
    assert "tanh(" in ahead
    assert "sigmoid(" not in inside
    assert "exp(" in behind


def test_wide_rows_fill_vectors_by_themselves_and_stay_in_the_loop():
    ahead, inside, behind = loops(Leaving(inputs=2, hidden=32), "forward")
    assert "tanh(" not in ahead
    assert "tanh(" in inside
    assert "exp(" not in behind


def test_what_hardly_pays_stays_in_the_loop(cell):
    ahead, inside, _ = loops(cell("GRU"), "forward")
    assert "product(x" not in ahead
    assert "sigmoid(" in inside


@pytest.mark.parametrize("leading", [(1100,), (3, 600), (40, 3)], ids=["one sequence", "three", "forty"])
@pytest.mark.parametrize("kind", KINDS, ids=["Leaving", "Handing", "Normed", "OneHead", "LRU", "QRNN"])
def test_several_blocks_are_numpys(kind, leading, twins, data, agrees):
    models = twins(lambda: kind(inputs=2, hidden=3, rng=0))
    d = data(models[0], *leading)
    more = {"initial": d.initial, "resets": d.resets}
    if len(leading) == 2:
        more["lengths"] = np.random.default_rng(1).integers(1, leading[1] + 1, leading[0])
    for given in ({}, more):
        one, other = (model.value_and_grad(d.x, d.target, loss="mse", wrt=d.wrt, **given) for model in models)
        agrees(one, other, 1e-11)
        one, other = (model.record(d.x, **given) for model in models)
        agrees(one, other, 1e-11)
        agrees((one.y, one.state), (other.y, other.state), 1e-11)
    one, other = (model.value_and_grad(d.x, d.target, loss="mse", truncate=7) for model in models)
    agrees(one, other, 1e-11)


@pytest.mark.slow
def test_a_matrix_that_is_not_small_may_be_multiplied_outside_of_the_loop(twins, data, agrees):
    models = twins(lambda: Leaving(inputs=40, hidden=3, rng=0))
    d = data(models[0], 3, 600)
    given = {"lengths": np.array([600, 7, 311]), "wrt": ("parameters", "x"), "loss": "mse"}
    one, other = (model.value_and_grad(d.x, d.target, **given) for model in models)
    agrees(one, other, 1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Leaving, Handing, Normed], ids=lambda kind: kind.__name__)
def test_directions_through_several_blocks_are_numpys(kind, twins, data, agrees):
    models = twins(lambda: kind(inputs=2, hidden=3, rng=0))
    d = data(models[0], 2, 600)
    one, other = (model.jvp(d.x, d.direction, d.target, wrt=d.wrt) for model in models)
    agrees(one, other, 1e-10)
    one, other = (model.hvp(d.x, d.target, d.direction, wrt=d.wrt) for model in models)
    agrees(one, other, 1e-10)


def test_the_largest_is_found_again_among_the_numbers_that_it_was_taken_of(twins):
    """Computed again in other vectors they differ by rounding, none is the largest any more, and 0 is divided by 0."""
    models = twins(lambda: Normed(inputs=2, hidden=3, rng=0))
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(1100, 2)), rng.normal(size=(1100, 3))
    (value, found), (true_value, wanted) = (model.value_and_grad(x, target) for model in models)
    assert value == pytest.approx(true_value, rel=1e-12)
    for name, grad in wanted.items():
        np.testing.assert_allclose(found[name], grad, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.slow
def test_the_gradient_by_first_states_is_there_though_training_does_without_it(twins, data, agrees):
    models = twins(lambda: nl.cells.QRNN(inputs=2, hidden=3, rng=0))
    d = data(models[0], 3, 5)
    for wrt in ("parameters", "initial", ("parameters", "x"), "parameters"):
        one, other = (model.value_and_grad(d.x, d.target, wrt=wrt) for model in models)
        agrees(one, other)


def test_a_state_that_only_hands_on_an_input_goes_back_no_further_in_training():
    text = nl.kernel_source(nl.cells.QRNN(inputs=2, hidden=3))
    assert "d_before" not in text[text.index("def backward_steps(") :]
