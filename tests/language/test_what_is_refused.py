"""What would pass unseen or fail in somebody else's words if the language did not refuse it."""

import contextlib
import copy

import attrs
import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, absent, feed, gate, noise, param, sigmoid, state
from nanolstm.cells import ToyLSTM
from nanolstm.errors import CellError, InputError, NanolstmError
from nanolstm.language.probing import unread_parameters
from nanolstm.testing import check_cell


class InPlace(Cell):
    h: State = state(start=5.0)

    def step(self, x, h):
        h += x
        return h, h


class Mixing(Cell):
    A: Array = param(("hidden", "hidden"), nl.normal())

    def step(self, x, h):
        h = np.tanh(self.A @ h + x)
        return h, h


X = np.random.default_rng(0).normal(size=(3, 4, 3))


# A step that writes into what it was given: refused, or without harm


def test_a_step_that_writes_into_x_does_not_change_the_callers_array():
    class C(Cell):
        def step(self, x, h):
            x *= 2
            return x, h

    x = np.ones((4, 1))
    with contextlib.suppress(NanolstmError, ValueError):
        nl.Sequence(C(inputs=1, hidden=1))(x)
    assert (x == 1).all()


def test_a_state_that_is_written_in_place_is_recorded_at_each_step_or_refused():
    try:
        rec = nl.Sequence(InPlace(inputs=1, hidden=1)).record(np.ones((4, 1)))
    except (NanolstmError, ValueError):
        return
    assert rec["h"][:, 0].tolist() == [6, 7, 8, 9]


def test_a_state_that_is_written_in_place_does_not_move_the_start_that_resets_restore_or_is_refused():
    try:
        y = nl.Sequence(InPlace(inputs=1, hidden=1))(np.ones((4, 1)), resets=np.array([False, False, True, False]))
    except (NanolstmError, ValueError):
        return
    assert y[:, 0].tolist() == [6, 7, 6, 7]


# A step that mixes the batch


def test_a_first_batch_of_equal_examples_does_not_let_a_mixing_step_through_for_good():
    model = nl.Sequence(Mixing(inputs=3, hidden=3, rng=0))
    with contextlib.suppress(CellError):
        model(np.zeros((3, 4, 3)))
    with pytest.raises(CellError, match="mixes the examples"):
        model(X)


def test_a_mixing_step_is_refused_in_batches_of_one_time_step_too():
    model = nl.Sequence(Mixing(inputs=3, hidden=3, rng=0))
    with pytest.raises(CellError, match="mixes the examples"):
        model(X[:, :1], initial={"h": X[:, 1]})


def test_an_output_of_another_width_in_a_batch_is_refused():
    class C(Cell):
        def step(self, x, h):
            return (h if h.ndim == 1 else h[..., :1]), h

    with pytest.raises(CellError, match="output"):
        nl.Sequence(C(inputs=3, hidden=3))(X)


def test_three_states_that_are_returned_turned_round_are_refused():
    class C(Cell):
        def step(self, x, h, c, n):
            h, c, n = h + 1, c + 2, n + 3
            return h, c, n, h

    with pytest.raises(CellError, match="another order"):
        C(inputs=2, hidden=3)


# Names that collide


@pytest.mark.parametrize("name", ["b", "name", "activation", "products", "owner"])
def test_a_weight_cannot_bear_the_name_of_a_gates_own_attribute(name):
    def make():
        class C(Cell):
            g: Gate = gate(np.tanh, **{name: "x"})

            def step(self, x, h):
                h = self.g(x, h, x)
                return h, h

        return C(inputs=3, hidden=3)

    with pytest.raises(CellError, match=name):
        make()


def test_a_kinds_parameter_cannot_bear_the_name_of_a_gates_own_attribute():
    def make():
        class Kind(Gate):
            size: Array = param("size", 1.0)

        return names_of(Kind)

    with pytest.raises(CellError, match="'size'"):
        make()


def test_a_kinds_parameter_cannot_bear_the_name_of_a_weight():
    class Kind(Gate):
        U: Array = param("size", 1.0)

    class C(Cell):
        g: Gate = gate(np.tanh, kind=Kind)

        def step(self, x, h):
            return self.g(x, h), h

    with pytest.raises(CellError, match="U"):
        C(inputs=3, hidden=3)


@pytest.mark.parametrize("name", ["lengths", "resets", "initial", "return_state"])
def test_a_feed_cannot_bear_the_name_of_an_argument_of_a_call(name):
    body = {"__annotations__": {name: Array}, name: feed(default=1.0)}
    exec(f"def step(self, x, h, {name}): return h, h", body)
    with pytest.raises(CellError, match=name):
        type(Cell)("C", (Cell,), body)(inputs=2, hidden=3)


# Words that are ignored


def test_a_setting_that_is_overridden_without_its_annotation_is_taken_or_refused():
    class Base(Cell):
        depth: int = 2

        def step(self, x, h):
            return h, h

    try:

        class Deep(Base):
            depth = 5

        made = Deep(inputs=2, hidden=3)
    except CellError:
        return
    assert made.depth == 5


def test_absent_for_what_was_never_there_is_refused():
    with pytest.raises(CellError, match="forgte"):
        type(Cell)("C", (ToyLSTM,), {"forgte": absent})(inputs=2, hidden=3)


def test_a_method_in_the_place_of_an_inherited_gate_is_refused():
    with pytest.raises(CellError, match="forget"):
        type(Cell)("C", (ToyLSTM,), {"forget": lambda self, x, h: 1.0})(inputs=2, hidden=3)


def test_two_cells_whose_feed_of_one_name_has_two_sizes_are_refused():
    class One(Cell):
        dt: Array = feed()

        def step(self, x, h, dt):
            return h + dt, h

    class Two(Cell):
        dt: Array = feed(2)

        def step(self, x, h, dt):
            return h + dt[..., :1], h

    with pytest.raises(InputError, match="dt"):
        nl.Sequence([One(inputs=2, hidden=2), Two(inputs=2, hidden=2)])(np.ones((5, 2)), dt=np.ones((5, 2)))


# Kinds of gates, which ought to be declared as cells are


class Gained(Gate):
    gain: Array = param("size", nl.normal())
    shift: Array = param("size", nl.normal())


def names_of(kind):
    class C(Cell):
        g: Gate = gate(np.tanh, kind=kind, bias=False)

        def step(self, x, h):
            return self.g(x, h), h

    return list(C(inputs=2, hidden=3).parameters)


def test_a_kinds_overridden_parameter_keeps_its_place():
    class Kind(Gained):
        gain: Array = param("size", 1.0)

    assert names_of(Kind) == ["g.U", "g.W", "g.gain", "g.shift"]


def test_absent_takes_a_parameter_from_a_kind():
    class Kind(Gained):
        gain = absent

    assert names_of(Kind) == ["g.U", "g.W", "g.shift"]


def test_a_decorator_of_attrs_on_a_kind_is_refused():
    with pytest.raises(CellError, match="attrs"):
        names_of(attrs.define(type(Gate)("Kind", (Gate,), {"__annotations__": {"a": Array}, "a": param("size", 1.0)})))


def test_a_kinds_parameter_without_an_annotation_is_refused_in_our_words():
    with pytest.raises(CellError, match="annotation"):

        class Kind(Gate):
            gain = param("size", 1.0)


def test_a_state_in_a_kind_is_refused():
    def make():
        class Kind(Gate):
            m: State = state()

        return names_of(Kind)

    with pytest.raises(CellError, match="'m'"):
        make()


# Raw errors, and values that pass


@pytest.mark.parametrize("value", ["dropp", None])
def test_a_probability_that_names_nothing_is_refused_in_our_words(value):
    class C(Cell):
        drop: float = 0.1
        mask: Array = noise(value)

        def step(self, x, h, mask):
            return h, h

    with pytest.raises(CellError, match="mask"):
        C(inputs=2, hidden=3)


@pytest.mark.parametrize("init", [["a", "b", "c"], lambda rng, shape: 1j * np.ones(shape)])
def test_first_values_that_are_no_real_numbers_are_refused_under_their_name(init):
    class C(Cell):
        a: Array = param("hidden", init)

        def step(self, x, h):
            return h, h

    with pytest.raises(InputError, match="a: "):
        C(inputs=2, hidden=3)


@pytest.mark.parametrize("value", [[None, None, None], ["1", "2", "3"]])
def test_lists_of_what_is_no_number_are_not_assigned(value):
    with pytest.raises(InputError, match="no array of numbers"):
        ToyLSTM(inputs=2, hidden=3).parameters["input.b"] = value


def test_a_field_that_is_computed_from_others_survives_copying():
    class C(Cell):
        heads: int = 2
        width: int = attrs.field(init=False)
        A: Array = param("width", 1.0)
        g: Gate = gate(sigmoid, size="width")

        @width.default
        def _width(self):
            return self.hidden // self.heads

        def step(self, x, h):
            return self.g(x, h), h

    assert copy.deepcopy(C(inputs=2, hidden=6)).width == 3


# What is declared and not used


def test_a_parameter_that_nothing_reads_is_reported_and_absent_suggested():
    class Forgetful(ToyLSTM):
        def step(self, x, h, c):
            i, o = self.input(x, h), self.output(x, h)
            c = np.tanh((1 - i) * c + i * self.new(x, h))
            return o, o * c, c

    assert unread_parameters(Forgetful(inputs=2, hidden=3)) == ["forget.U", "forget.W", "forget.b"]
    assert unread_parameters(ToyLSTM(inputs=2, hidden=3)) == []
    with pytest.raises(AssertionError, match=r"nothing reads forget\.U, .*`forget = absent`"):
        check_cell(Forgetful)


# What only a first reading of the code found


def test_a_pickle_knows_its_names_and_not_only_its_size():
    class One(Cell):
        a: Array = param("hidden", 1.0)
        b: Array = param("hidden", 2.0)

        def step(self, x, h):
            return h + self.a, h + self.b

    class Other(Cell):
        b: Array = param("hidden", 2.0)
        a: Array = param("hidden", 1.0)

        def step(self, x, h):
            return h + self.a, h + self.b

    state = One(inputs=1, hidden=3).__getstate__()
    with pytest.raises(CellError, match=r"were a \(3,\), b \(3,\), and are b \(3,\), a \(3,\)"):
        Other.__new__(Other).__setstate__(state)


@pytest.mark.parametrize("first", [0.0, lambda rng, shape: np.eye(*shape)])
def test_a_mixing_step_is_found_whatever_its_first_values_are(first):
    class C(Cell):
        A: Array = param(("hidden", "hidden"), first)

        def step(self, x, h):
            h = np.tanh(self.A @ h + x)
            return h, h

    with pytest.raises(CellError, match="mixes the examples"):
        nl.Sequence(C(inputs=3, hidden=3))(X)


def test_a_branch_that_mixes_is_found_when_it_is_switched_on():
    class C(Cell):
        centred: bool = False

        def step(self, x, h):
            h = h + x
            return (h - h.mean(axis=0) if self.centred else h), h

    cell = C(inputs=3, hidden=3)
    model = nl.Sequence(cell)
    model(X)
    cell.centred = True
    with pytest.raises(CellError, match="mixes the examples"):
        model(X)


def test_a_step_that_counts_is_not_accused_of_mixing():
    class C(Cell):
        def step(self, x, h):
            if np.min(h) < 0:
                raise ValueError("a count is never negative")
            return h, h + 1

    assert nl.Sequence(C(inputs=3, hidden=3))(X)[0, :, 0].tolist() == [0, 1, 2, 3]


def test_a_step_that_draws_random_numbers_is_told_of_noise():
    class C(Cell):
        def step(self, x, h):
            return h + np.random.default_rng().normal(), h

    with pytest.raises(CellError, match=r"other numbers each time.*noise\(p\)"):
        nl.Sequence(C(inputs=3, hidden=3))(X)


def test_a_matrix_state_is_not_filled_with_a_vector():
    class C(Cell):
        m: State = state(("hidden", "hidden"))

        def step(self, x, m):
            return x, m[..., 0] + x

    with pytest.raises(CellError, match=r"state 'm' with shape \(3,\); expected \(3, 3\)"):
        C(inputs=3, hidden=3)


def test_a_step_cannot_keep_anything_outside_of_its_states():
    class Halves(Cell):
        leak: float = 1.0

        def step(self, x, h):
            self.leak = self.leak / 2
            return h + self.leak, h

    class Writes(Cell):
        a: Array = param("hidden", 0.0)

        def step(self, x, h):
            self.parameters["a"][...] += 1
            return h + self.a, h

    with pytest.raises(CellError, match=r"step sets self\.leak; what a step keeps is a state"):
        Halves(inputs=1, hidden=1)
    with pytest.raises(CellError, match="writes into an array that it was given"):
        Writes(inputs=1, hidden=1)


def test_a_start_can_be_a_parameter_that_is_learned():
    class C(Cell):
        first: Array = param("hidden", [1.0, 2.0, 3.0])
        h: State = state(start="first")

        def step(self, x, h):
            return h, h + 1

    cell = C(inputs=3, hidden=3)
    model = nl.Sequence(cell)
    resets = np.array([[False, False, True, False]] * 3)
    assert model(X, resets=resets)[0, :, 1].tolist() == [2, 3, 2, 3]
    cell.first = [5.0, 5.0, 5.0]
    assert model(X, resets=resets)[0, :, 1].tolist() == [5, 6, 5, 6]

    class Wrong(Cell):
        h: State = state(start="frist")

        def step(self, x, h):
            return h, h

    with pytest.raises(CellError, match="starts at 'frist', which is no param of its shape"):
        Wrong(inputs=3, hidden=3)


@pytest.mark.parametrize("bias", [1.0, 0.0, "x", None])
def test_a_bias_is_there_or_not_and_its_value_is_init(bias):
    with pytest.raises(CellError, match=r"init=nl\.forget_bias\(1\.0\)"):
        gate(sigmoid, bias=bias)


def test_a_gates_value_is_recorded_as_it_was_when_the_gate_gave_it():
    class C(Cell):
        g: Gate = gate(sigmoid)

        def step(self, x, h):
            z = self.g(x, h)
            z *= -1
            return z, h

    rec = nl.Sequence(C(inputs=3, hidden=3, rng=0)).record(X)
    assert (rec["g"] > 0).all()
    assert np.array_equal(rec["z"], -rec["g"])


@pytest.mark.parametrize("B", [1, 2, 3])
def test_a_local_variable_of_all_examples_is_recorded_for_each_whatever_the_batch(B):
    class C(Cell):
        d: Array = param("hidden", nl.normal())

        def step(self, x, h):
            decay = np.exp(-self.d)
            h = decay * h + x
            return h, h

    cell = C(inputs=3, hidden=3, rng=0)
    rec = nl.Sequence(cell).record(X[:B])
    assert rec["decay"].shape == (B, 4, 3)
    assert np.allclose(rec["decay"], np.exp(-cell.d))


def test_what_is_fixed_in_a_made_gate_or_model_says_so():
    cell = ToyLSTM(inputs=2, hidden=3)
    with pytest.raises(CellError, match=r"output\.activation is fixed"):
        cell.output.activation = np.tanh
    with pytest.raises(attrs.exceptions.FrozenAttributeError):
        nl.Sequence(cell).readout = 5


def test_the_numbers_of_a_model_of_several_parts_are_written_by_name_only():
    flat = nl.Sequence(ToyLSTM(inputs=2, hidden=3), readout=1).parameters.flat
    with pytest.raises(ValueError, match="read-only"):
        flat[...] = 0
    for twin in (copy.deepcopy(ToyLSTM(inputs=2, hidden=3).parameters), copy.deepcopy(nl.Parameters({}))):
        twin.flat[...] = 7
        assert all((view == 7).all() for view in twin.values())
