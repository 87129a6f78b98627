"""Parameters by name: one buffer, views of it, and what may be assigned."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm import Array, Cell, Gate, Parameters, gate, param, sigmoid
from nanolstm.cells import ToyLSTM
from nanolstm.errors import InputError, UnknownNameError


class C(Cell):
    g: Gate = gate(sigmoid)
    scale: Array = param((), 2.0)
    held: Array = param("hidden", nl.normal(), frozen=True)
    more: Array = param(("hidden", "inputs"), nl.normal())

    def step(self, x, h):
        h = self.g(x, h) * self.scale + self.more @ np.ones(self.inputs) + self.held
        return h, h


@pytest.fixture
def cell():
    return C(inputs=2, hidden=3, rng=0)


def test_all_trained_numbers_stand_in_one_contiguous_buffer_in_the_order_of_their_names(cell):
    flat = cell.parameters.flat
    assert flat.flags.c_contiguous
    assert flat.ndim == 1
    assert list(cell.parameters) == ["g.U", "g.W", "g.b", "scale", "more"]
    assert np.array_equal(flat, np.concatenate([v.ravel() for v in cell.parameters.values()]))
    assert cell.parameters.count == flat.size == 6 + 9 + 3 + 1 + 6


def test_every_parameter_is_a_view_of_the_buffer(cell):
    cell.parameters.flat[...] = np.arange(25)
    assert cell.parameters["g.U"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert cell.g.W[2].tolist() == [12, 13, 14]
    assert cell.scale == 18
    assert cell.more[2].tolist() == [23, 24]


def test_frozen_numbers_are_no_part_of_what_is_trained(cell):
    assert list(cell.frozen) == ["held"]
    before = cell.held.copy()
    cell.parameters.flat[...] = 0
    assert np.array_equal(cell.held, before)
    assert cell.frozen.flat.tolist() == before.tolist()


@pytest.mark.parametrize(
    "write",
    [
        lambda cell, a: cell.parameters.__setitem__("g.U", a),
        lambda cell, a: cell.parameters["g.U"].__setitem__(..., a),
        lambda cell, a: setattr(cell.g, "U", a),
        lambda cell, a: cell.parameters.flat.__setitem__(slice(0, 6), a.ravel()),
        lambda cell, a: nl.Sequence(cell).parameters.__setitem__("g.U", a),
        lambda cell, a: nl.Sequence([cell, C(inputs=3, hidden=3)]).parameters.__setitem__("0.g.U", a),
    ],
)
def test_however_a_parameter_is_written_the_cell_and_its_buffer_have_it(cell, write):
    before = nl.Sequence(cell)(np.ones((3, 2)))
    array = np.arange(6.0).reshape(3, 2)
    write(cell, array)
    assert np.array_equal(cell.parameters["g.U"], array)
    assert np.array_equal(cell.g.U, array)
    assert cell.parameters.flat[:6].tolist() == [0, 1, 2, 3, 4, 5]
    assert not np.array_equal(nl.Sequence(cell)(np.ones((3, 2))), before)
    array[...] = -1  # numbers were copied in
    assert cell.parameters.flat[:6].tolist() == [0, 1, 2, 3, 4, 5]


def test_assigning_to_a_free_parameter_of_the_cell_copies_into_the_buffer(cell):
    cell.more = np.full((3, 2), 4.0)
    cell.scale *= 3
    cell.held = [1, 2, 3]
    assert (cell.parameters["more"] == 4).all()
    assert cell.parameters["scale"] == 6
    assert cell.frozen["held"].tolist() == [1, 2, 3]
    assert np.shares_memory(cell.more, cell.parameters.flat)
    assert np.shares_memory(cell.scale, cell.parameters.flat)


@pytest.mark.parametrize("shape", [(2, 3), (3,), (1, 2), (3, 2, 1), ()])
def test_an_array_of_another_shape_is_refused_with_both_shapes_and_changes_nothing(cell, shape):
    before = cell.parameters.flat.copy()
    wrong = rf"g\.U: an array of shape \({', '.join(map(str, shape))},?\).*parameter of shape \(3, 2\)"
    with pytest.raises(InputError, match=wrong):
        cell.parameters["g.U"] = np.zeros(shape)
    with pytest.raises(InputError, match=r"^g\.U: .*\(3, 2\)"):
        cell.g.U = np.zeros(shape)
    assert np.array_equal(before, cell.parameters.flat)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex128", "object"])
def test_an_array_of_another_dtype_is_refused_with_both_dtypes_and_shapes(cell, dtype):
    with pytest.raises(
        InputError, match=rf"g\.b: an array of {dtype} .* parameter of float64 \(shapes \(3,\) and \(3,\)\)"
    ):
        cell.parameters["g.b"] = np.zeros(3, dtype)


def test_a_float64_array_is_not_rounded_into_a_float32_cell_silently():
    cell = C(inputs=2, hidden=3, dtype="float32")
    with pytest.raises(InputError, match=r"array of float64 .* parameter of float32.*astype\('float32'\)"):
        cell.parameters["g.b"] = np.zeros(3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lists_and_numbers_take_the_parameters_dtype(dtype):
    cell = C(inputs=2, hidden=3, dtype=dtype)
    cell.parameters["g.b"] = [1, 2.5, True]
    cell.parameters["scale"] = 7
    assert cell.parameters["g.b"].tolist() == [1, 2.5, 1]
    assert cell.parameters["g.b"].dtype == dtype
    assert cell.scale == 7


@pytest.mark.parametrize("value", [1.5, 0])
def test_one_number_for_a_whole_array_is_refused_and_the_way_to_write_it_is_said(cell, value):
    with pytest.raises(InputError, match=rf"g\.b.*write parameters\['g\.b'\]\[\.\.\.\] = {value}"):
        cell.parameters["g.b"] = value


@pytest.mark.parametrize("value", ["abc", [[1], [1, 2]], {"a": 1}, object(), [1j, 2, 3]])
def test_what_is_no_array_of_numbers_is_refused(cell, value):
    with pytest.raises(InputError, match=r"g\.b: .* is no array of numbers of shape \(3,\)"):
        cell.parameters["g.b"] = value


def test_parameters_are_a_mapping(cell):
    assert isinstance(cell.parameters, Parameters)
    assert isinstance(cell.parameters, Mapping)
    assert len(cell.parameters) == 5
    assert "g.U" in cell.parameters
    assert "held" not in cell.parameters
    assert 3 not in cell.parameters
    assert dict(cell.parameters).keys() == cell.parameters.keys()
    assert repr(cell.frozen) == "Parameters(held (3,))"


def test_an_unknown_name_is_a_key_error_that_suggests_the_nearest(cell):
    with pytest.raises(KeyError) as caught:
        cell.parameters["g.u"]
    assert isinstance(caught.value, UnknownNameError)
    assert "no parameter 'g.u': did you mean 'g.U'?" in str(caught.value)
    with pytest.raises(UnknownNameError, match=r"no parameter 'g\.V'"):
        cell.parameters["g.V"] = np.zeros(3)


def test_a_frozen_name_is_found_by_who_looks_among_the_trained_and_the_other_way_round(cell):
    with pytest.raises(UnknownNameError, match=r"it is frozen, and stands in \.frozen\['held'\]"):
        cell.parameters["held"]
    with pytest.raises(UnknownNameError, match=r"it is trained, and stands in \.parameters\['g\.U'\]"):
        cell.frozen["g.U"]


def test_parameters_cannot_be_removed(cell):
    with pytest.raises((TypeError, AttributeError), match="del"):
        del cell.parameters["g.U"]


def test_a_cell_without_parameters_has_an_empty_buffer():
    class Sum(Cell):
        def step(self, x, h):
            return h, h + x

    cell = Sum(inputs=3, hidden=3)
    assert len(cell.parameters) == cell.parameters.count == cell.parameters.flat.size == 0
    assert nl.Sequence([cell, Sum(inputs=3, hidden=3)]).parameters.flat.shape == (0,)


def test_the_flat_vector_of_one_cell_is_the_buffer_and_of_several_a_copy():
    one, other = ToyLSTM(inputs=2, hidden=3, rng=0), ToyLSTM(inputs=1, hidden=3, rng=1)
    assert np.shares_memory(nl.Sequence(one).parameters.flat, one.parameters.flat)
    both = nl.Sequence([one, other]).parameters
    assert np.array_equal(both.flat, np.concatenate([one.parameters.flat, other.parameters.flat]))
    assert not np.shares_memory(both.flat, one.parameters.flat)
    assert both["0.input.U"] is one.parameters["input.U"]
    assert both["1.input.U"] is other.parameters["input.U"]


@given(st.integers(1, 6), st.integers(1, 6))
def test_a_toy_lstm_has_as_many_numbers_as_its_shapes_say(M, K):
    parameters = ToyLSTM(inputs=M, hidden=K).parameters
    assert parameters.count == parameters.flat.size == 3 * (K * M + K * K) + 2 * K + (M + K + 1)
