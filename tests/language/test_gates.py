"""Gates: what they compute, how they are called, and kinds of one's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm import Array, Cell, Gate, diagonal, gate, identity, layer_norm, param, sigmoid
from nanolstm.cells import ToyLSTM
from nanolstm.errors import CellError, InputError


class One(Cell):
    g: Gate = gate(np.tanh, P=diagonal("c"))

    def step(self, x, h, c):
        return self.g(x, h, c), h, c


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_gate_is_the_activation_of_its_weighted_sums(M, K, seed):
    rng = np.random.default_rng(seed)
    cell = One(inputs=M, hidden=K, rng=rng)
    cell.parameters["g.b"] = rng.normal(size=K)
    x, h, c = rng.normal(size=M), rng.normal(size=K), rng.normal(size=K)
    p = cell.parameters
    expected = [
        np.tanh(
            sum(p["g.U"][k, j] * x[j] for j in range(M))
            + sum(p["g.W"][k, j] * h[j] for j in range(K))
            + p["g.P"][k] * c[k]
            + p["g.b"][k]
        )
        for k in range(K)
    ]
    np.testing.assert_allclose(cell.g(x, h, c), expected, rtol=1e-10, atol=1e-12)
    assert np.array_equal(np.tanh(cell.g.preactivation(x, h, c)), cell.g(x, h, c))


@pytest.mark.parametrize("leading", [(), (4,), (4, 7)])
def test_any_leading_axes_pass_through_a_gate(leading):
    cell = One(inputs=2, hidden=3, rng=0)
    rng = np.random.default_rng(0)
    x, h, c = (rng.normal(size=(*leading, n)) for n in (2, 3, 3))
    value = cell.g(x, h, c)
    assert value.shape == (*leading, 3)
    for index in np.ndindex(*leading):
        np.testing.assert_allclose(value[index], cell.g(x[index], h[index], c[index]), rtol=1e-12)


@pytest.mark.parametrize("values", [0, 1, 2, 4])
def test_another_number_of_values_than_weights_is_refused_with_the_right_call(values):
    cell = One(inputs=3, hidden=3)
    with pytest.raises(CellError, match=rf"'g' of One was called with {values} values?\b.*U, W, P.*self\.g\(x, h, c\)"):
        cell.g(*[np.zeros(3)] * values)


def test_a_wrong_call_in_a_step_is_found_when_the_cell_is_made():
    class C(ToyLSTM):
        def step(self, x, h, c):
            return self.output(x), h, c

    with pytest.raises(CellError, match=r"self\.output\(x, h\)") as caught:
        C(inputs=2, hidden=3)
    assert "step from zeros" in caught.value.__notes__[0]


@pytest.mark.parametrize("shape", [(2,), (4, 2), ()])
def test_a_value_of_another_width_is_refused_with_both_widths(shape):
    cell = One(inputs=4, hidden=3)
    with pytest.raises(CellError, match=r"'g' of One: weight W multiplies 'h', which has width 3;.*shape \("):
        cell.g(np.zeros(4), np.zeros(shape), np.zeros(3))


def test_only_the_width_of_what_a_weight_names_matters():
    class C(Cell):
        g: Gate = gate(identity, U=None, W="x", bias=False)

        def step(self, x, h):
            return self.g(h[..., :2]), h

    cell = C(inputs=2, hidden=3, rng=0)
    h = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(
        nl.Sequence(cell)(np.zeros((1, 2)), initial={"h": h})[0], cell.parameters["g.W"] @ h[:2], rtol=1e-14
    )


def test_a_gate_says_in_its_repr_what_it_is():
    assert repr(ToyLSTM(inputs=2, hidden=3).output) == "Gate(output: sigmoid, size 1)"


# Kinds of one's own


class LayerNormGate(Gate):
    """The example of `Gate`'s own documentation."""

    gain: Array = param("size", 1.0)

    def __call__(self, *values):
        return self.activation(layer_norm(self.preactivation(*values)) * self.gain)


def test_a_kind_swapped_in_for_one_gate_adds_its_parameters_to_that_gate():
    class C(ToyLSTM):
        forget: Gate = gate(sigmoid, kind=LayerNormGate)

    cell = C(inputs=2, hidden=3, rng=0)
    assert [key for key in cell.parameters if key.startswith("forget")] == [
        "forget.U",
        "forget.W",
        "forget.b",
        "forget.gain",
    ]
    assert type(cell.forget) is LayerNormGate
    assert type(cell.input) is Gate
    value = cell.forget(np.ones(2), np.ones(3))
    a = cell.parameters["forget.U"] @ np.ones(2) + cell.parameters["forget.W"] @ np.ones(3)
    np.testing.assert_allclose(value, 1 / (1 + np.exp(-(a - a.mean()) / np.sqrt(a.var() + 1e-5))), rtol=1e-12)


def test_a_kinds_parameter_takes_the_size_of_its_gate_or_of_the_cell():
    class Wide(Gate):
        own: Array = param("size", 1.0)
        matrix: Array = param(("size", "inputs"), 2.0)
        cells: Array = param("hidden", 3.0, frozen=True)

    class C(Cell):
        g: Gate = gate(sigmoid, kind=Wide, size=5)

        def step(self, x, h):
            return self.g(x, h), h

    cell = C(inputs=2, hidden=3)
    assert cell.parameters["g.own"].shape == (5,)
    assert cell.parameters["g.matrix"].shape == (5, 2)
    assert cell.frozen["g.cells"].shape == (3,)


def test_a_frozen_gate_freezes_the_parameters_of_its_kind_too():
    class C(ToyLSTM):
        forget: Gate = gate(sigmoid, kind=LayerNormGate, frozen=True)

    cell = C(inputs=2, hidden=3)
    assert list(cell.frozen) == ["forget.U", "forget.W", "forget.b", "forget.gain"]
    assert not any(key.startswith("forget") for key in cell.parameters)


def test_a_keyword_that_is_a_field_of_the_kind_sets_it_and_is_no_weight():
    class Sharp(Gate):
        slope: float = 1.0

        def __call__(self, *values):
            return self.activation(self.slope * self.preactivation(*values))

    class C(Cell):
        plain: Gate = gate(identity, kind=Sharp)
        sharp: Gate = gate(identity, kind=Sharp, slope=10.0, V="x")

        def step(self, x, h):
            return self.plain(x, h) + self.sharp(x, h, x), h

    cell = C(inputs=2, hidden=3, rng=0)
    assert (cell.plain.slope, cell.sharp.slope) == (1.0, 10.0)
    assert [key for key in cell.parameters if key.startswith("sharp")] == ["sharp.U", "sharp.W", "sharp.V", "sharp.b"]


def test_a_kind_may_be_derived_from_a_kind():
    class Shifted(LayerNormGate):
        shift: Array = param("size", 0.5)

        def __call__(self, *values):
            return super().__call__(*values) + self.shift

    class C(ToyLSTM):
        forget: Gate = gate(np.tanh, kind=Shifted)

    cell = C(inputs=2, hidden=3, rng=0)
    assert [key for key in cell.parameters if key.startswith("forget.")][-2:] == ["forget.gain", "forget.shift"]
    np.testing.assert_allclose(cell.forget(np.zeros(2), np.zeros(3)), 0.5)


def test_a_kind_that_is_not_the_annotation_is_chosen_by_its_keyword_alone():
    class C(ToyLSTM):
        forget: LayerNormGate = gate(sigmoid)

    assert type(C(inputs=2, hidden=3).forget) is Gate


def test_a_gate_of_a_kind_is_recorded_under_its_name():
    class C(ToyLSTM):
        forget: Gate = gate(sigmoid, kind=LayerNormGate)

    cell = C(inputs=2, hidden=3, rng=0)
    rec = nl.Sequence(cell).record(np.ones((4, 2)))
    np.testing.assert_allclose(rec["forget"][0], cell.forget(np.ones(2), np.zeros(3)))


# First values of a gate's weights


def test_an_initialiser_for_all_weights_leaves_the_bias_at_zero():
    class C(Cell):
        g: Gate = gate(sigmoid, init=0.5)

        def step(self, x, h):
            return self.g(x, h), h

    cell = C(inputs=2, hidden=3)
    assert (cell.g.U == 0.5).all()
    assert (cell.g.W == 0.5).all()
    assert (cell.g.b == 0).all()


def test_a_mapping_names_the_initialiser_of_each_weight():
    class C(Cell):
        g: Gate = gate(sigmoid, V="x", init={"W": nl.orthogonal(), "b": 1.0, "*": 0.25})

        def step(self, x, h):
            return self.g(x, h, x), h

    cell = C(inputs=2, hidden=3, rng=0)
    np.testing.assert_allclose(cell.g.W @ cell.g.W.T, np.eye(3), atol=1e-12)
    assert (cell.g.b == 1).all()
    assert (cell.g.U == 0.25).all()
    assert (cell.g.V == 0.25).all()


def test_weights_that_a_mapping_leaves_out_are_standard_normal():
    class Named(Cell):
        g: Gate = gate(sigmoid, init={"b": 1.0})

        def step(self, x, h):
            return self.g(x, h), h

    class Plain(Named):
        g: Gate = gate(sigmoid)

    named, plain = Named(inputs=2, hidden=3, rng=0), Plain(inputs=2, hidden=3, rng=0)
    assert np.array_equal(named.g.U, plain.g.U)
    assert np.array_equal(named.g.W, plain.g.W)
    assert np.array_equal(plain.g.U, np.random.default_rng(0).standard_normal((3, 2)))


def test_a_mapping_that_names_no_weight_is_answered_with_the_nearest():
    class C(Cell):
        g: Gate = gate(sigmoid, init={"w": 1.0})

        def step(self, x, h):
            return self.g(x, h), h

    with pytest.raises(CellError, match=r"gate 'g' has init for 'w': did you mean 'W'"):
        C(inputs=2, hidden=3)


def test_forget_bias_opens_the_gate_it_is_given_to():
    class C(ToyLSTM):
        forget: Gate = gate(sigmoid, init=nl.forget_bias(2.0))
        input: Gate = gate(sigmoid, init=nl.forget_bias(weights=nl.zeros()))

    cell, plain = C(inputs=2, hidden=3, rng=0), ToyLSTM(inputs=2, hidden=3, rng=0)
    assert (cell.forget.b == 2).all()
    assert (cell.input.b == 1).all()
    assert (cell.input.U == 0).all()
    assert cell.forget.U.std() > 0
    assert (plain.forget.b == 0).all()


@pytest.mark.parametrize("init", ["glorot", None])
def test_what_is_no_initialiser_is_refused_under_the_parameters_name(init):
    class C(Cell):
        g: Gate = gate(sigmoid, init={"W": init})

        def step(self, x, h):
            return self.g(x, h), h

    with pytest.raises(InputError, match=r"g\.W.*no initialiser.*nl\.glorot\(\)"):
        C(inputs=2, hidden=3)
