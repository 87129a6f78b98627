"""What the fields of a cell declare: names, shapes, order, and what is refused."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import (
    Array,
    Cell,
    Gate,
    State,
    absent,
    blocks,
    diagonal,
    feed,
    gate,
    identity,
    param,
    sigmoid,
    state,
    tied,
)
from nanolstm.cells import ToyLSTM
from nanolstm.errors import CellError


def shapes(cell):
    return {key: value.shape for key, value in cell.parameters.items()}


class Base(Cell):
    one: Gate = gate(sigmoid)
    scale: Array = param("hidden", 1.0)
    two: Gate = gate(np.tanh, bias=False)

    def step(self, x, h):
        h = self.scale * self.one(x, h) + self.two(x, h)
        return h, h


ONE, TWO = ["one.U", "one.W", "one.b"], ["two.U", "two.W"]


# Inheritance: the order of drawing and of the buffer, and what `absent` takes away


def test_parameters_stand_in_the_order_of_their_declaration():
    assert list(Base(inputs=2, hidden=3).parameters) == [*ONE, "scale", *TWO]


def test_an_overridden_gate_keeps_its_place():
    class Other(Base):
        one: Gate = gate(np.tanh, P=diagonal("h"))

        def step(self, x, h):
            h = self.one(x, h, h) + self.two(x, h)
            return h, h

    cell = Other(inputs=2, hidden=3, rng=0)
    assert list(cell.parameters) == ["one.U", "one.W", "one.P", "one.b", "scale", *TWO]


def test_an_overridden_gate_is_drawn_at_its_place():
    class Other(Base):
        one: Gate = gate(np.tanh)

    cell, base = Other(inputs=2, hidden=3, rng=0), Base(inputs=2, hidden=3, rng=0)
    assert np.array_equal(cell.parameters.flat, base.parameters.flat)


def test_what_a_subclass_adds_stands_and_is_drawn_last():
    class More(Base):
        also: Gate = gate(sigmoid)
        scale: Array = param("hidden", 2.0)

    base, more = Base(inputs=2, hidden=3, rng=0), More(inputs=2, hidden=3, rng=0)
    assert list(more.parameters) == [*base.parameters, "also.U", "also.W", "also.b"]
    assert np.array_equal(more.parameters["two.W"], base.parameters["two.W"])
    assert (more.scale == 2).all()


def test_a_fields_place_is_that_of_the_first_class_that_names_it_also_with_two_bases():
    class Left(Base):
        two: Gate = gate(sigmoid)

    class Right(Base):
        one: Gate = gate(np.tanh, bias=False)

    class Both(Left, Right):
        pass

    assert list(Both(inputs=2, hidden=3).parameters) == ["one.U", "one.W", "scale", *TWO, "two.b"]


def test_an_absent_gate_takes_its_parameters_with_it():
    class Less(Base):
        one = absent

        def step(self, x, h):
            return h, self.two(x, h)

    cell = Less(inputs=2, hidden=3)
    assert list(cell.parameters) == ["scale", *TWO]
    assert list(cell.anatomy.gates) == ["two"]


def test_an_absent_parameter_is_gone_for_the_grandchildren_too():
    class Less(Base):
        scale = absent

        def step(self, x, h):
            return h, self.one(x, h) * self.two(x, h)

    class Child(Less):
        two: Gate = gate(np.tanh)

    assert list(Child(inputs=2, hidden=3).parameters) == [*ONE, *TWO, "two.b"]


def test_a_grandchild_takes_an_absent_gate_up_again_at_its_old_place():
    class Less(Base):
        one = absent

        def step(self, x, h):
            return h, self.two(x, h)

    class Again(Less):
        one: Gate = gate(np.tanh, bias=False)
        step = Base.step

    assert list(Again(inputs=2, hidden=3).parameters) == ["one.U", "one.W", "scale", *TWO]


def test_an_absent_state_field_leaves_a_state_that_starts_at_zero():
    class Started(Cell):
        h: State = state(2, start=1.0)

        def step(self, x, h):
            return h, h

    class Plain(Started):
        h = absent

    assert Started(inputs=2, hidden=3).anatomy.states["h"].shape == (2,)
    assert Plain(inputs=2, hidden=3).anatomy.states["h"].shape == (3,)
    assert nl.Sequence(Plain(inputs=2, hidden=3))(np.ones((2, 2))).sum() == 0


def test_a_step_that_calls_an_absent_gate_is_told_to_take_the_call_out():
    class Less(Base):
        one = absent

    with pytest.raises(CellError, match=r"absent.*take its call out of `step`"):
        Less(inputs=2, hidden=3)


def test_absent_is_shown_by_its_name():
    assert repr(absent) == "absent"


# Gates and their weights


def test_a_gate_has_by_default_weights_for_x_and_the_first_state_and_a_bias():
    class C(Cell):
        g: Gate = gate(np.tanh)

        def step(self, x, first, second):
            return first, self.g(x, first), second

    cell = C(inputs=2, hidden=3)
    assert shapes(cell) == {"g.U": (3, 2), "g.W": (3, 3), "g.b": (3,)}
    assert [product.form.reads for product in cell.anatomy.gates["g"].products] == ["x", "first"]


def test_a_gate_of_a_cell_without_states_reads_x_alone():
    class Layer(Cell):
        g: Gate = gate(np.tanh)

        def step(self, x):
            return self.g(x)

    assert shapes(Layer(inputs=2, hidden=3)) == {"g.U": (3, 2), "g.b": (3,)}


def test_weights_left_out_have_no_parameters_and_take_no_value():
    class C(Cell):
        no_u: Gate = gate(np.tanh, U=None)
        no_w: Gate = gate(np.tanh, W=None, bias=False)
        only_b: Gate = gate(np.tanh, U=None, W=None)

        def step(self, x, h):
            return h, self.no_u(h) + self.no_w(x) + self.only_b()

    cell = C(inputs=2, hidden=3)
    assert shapes(cell) == {"no_u.W": (3, 3), "no_u.b": (3,), "no_w.U": (3, 2), "only_b.b": (3,)}
    assert nl.Sequence(cell)(np.ones((4, 5, 2))).shape == (4, 5, 3)


def test_a_gate_that_reads_nothing_is_recorded_for_each_example():
    class C(Cell):
        level: Gate = gate(sigmoid, U=None, W=None, init=1.0)

        def step(self, x, h):
            return h, h * self.level()

    rec = nl.Sequence(C(inputs=2, hidden=3)).record(np.ones((4, 5, 2)))
    assert rec["level"].shape == (4, 5, 3)


@pytest.mark.parametrize(
    ("reads", "width"),
    [
        ("x", 2),
        ("h", 3),
        ("small", 4),
        ("dt", 1),
        ("other", 6),
        ("hidden", 3),
        ("inputs", 2),
        ("heads", 5),
        ("twice", 6),
    ],
)
def test_a_weight_may_read_the_input_a_state_a_feed_another_gate_or_a_size(reads, width):
    class C(Cell):
        heads: int = 5
        small: State = state(4)
        dt: Array = feed(default=1.0)
        g: Gate = gate(np.tanh, V=reads)
        other: Gate = gate(np.tanh, size="twice")

        @property
        def twice(self):
            return 2 * self.hidden

        def step(self, x, h, small, dt):
            return h, self.g(x, h, np.ones((*x.shape[:-1], width))), small

    assert C(inputs=2, hidden=3).parameters["g.V"].shape == (3, width)


@pytest.mark.parametrize(("size", "units"), [(4, 4), ("hidden", 3), ("inputs", 2), ("width", 7), ((5,), 5)])
def test_a_gates_size_is_a_number_or_a_name(size, units):
    class C(Cell):
        width: int = 7
        g: Gate = gate(np.tanh, size=size)

        def step(self, x, h):
            return self.g(x, h), h

    cell = C(inputs=2, hidden=3)
    assert cell.outputs == units
    assert shapes(cell) == {"g.U": (units, 2), "g.W": (units, 3), "g.b": (units,)}


def test_values_are_passed_in_the_order_u_w_and_then_the_others():
    class C(Cell):
        g: Gate = gate(identity, P=diagonal("c"), Q="x", bias=False)

        def step(self, x, h, c):
            return self.g(x, h, c, 2 * x), h, c

    cell = C(inputs=2, hidden=3, rng=0)
    assert list(cell.parameters) == ["g.U", "g.W", "g.P", "g.Q"]
    p, x = cell.parameters, np.array([1.0, -2.0])
    h, c = np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.5, 2.0])
    y = nl.Sequence(cell)(x[None], initial={"h": h, "c": c})[0]
    np.testing.assert_allclose(y, p["g.U"] @ x + p["g.W"] @ h + p["g.P"] * c + p["g.Q"] @ (2 * x), rtol=1e-14)


def test_blocks_multiply_each_head_with_its_own_part():
    class C(Cell):
        g: Gate = gate(identity, U=blocks("x", 2), W=blocks("h", "heads"), size=4, bias=False)
        heads: int = 2

        def step(self, x, h):
            return self.g(x, h), h

    cell = C(inputs=6, hidden=8, rng=0)
    assert shapes(cell) == {"g.U": (2, 2, 3), "g.W": (2, 2, 4)}
    x, h = np.arange(6.0), np.arange(8.0)
    U, W = cell.parameters["g.U"], cell.parameters["g.W"]
    expected = np.concatenate([U[i] @ x[3 * i : 3 * i + 3] + W[i] @ h[4 * i : 4 * i + 4] for i in range(2)])
    np.testing.assert_allclose(nl.Sequence(cell)(x[None], initial={"h": h})[0], expected, rtol=1e-13)


@pytest.mark.parametrize(("hidden", "size"), [(4, 6), (6, 4)])
def test_blocks_that_do_not_divide_are_refused_with_all_three_numbers(hidden, size):
    class C(Cell):
        g: Gate = gate(identity, size=size, W=blocks("h", 3))

        def step(self, x, h):
            return h, h

    with pytest.raises(CellError, match=rf"3 blocks.*divide.*size {size}.*'h', {hidden}"):
        C(inputs=2, hidden=hidden)


def test_a_diagonal_weight_needs_equal_sizes_and_says_which_differ():
    class C(Cell):
        g: Gate = gate(identity, U=diagonal("x"))

        def step(self, x, h):
            h = self.g(x, h)
            return h, h

    assert shapes(C(inputs=3, hidden=3)) == {"g.U": (3,), "g.W": (3, 3), "g.b": (3,)}
    with pytest.raises(CellError, match=r"g\.U is diagonal.*'x'.*3 and 2"):
        C(inputs=2, hidden=3)


def test_a_weight_that_reads_nothing_known_is_answered_with_the_nearest_name():
    class C(Cell):
        g: Gate = gate(identity, P=diagonal("memry"))

        def step(self, x, h, memory):
            return h, h, memory

    with pytest.raises(CellError, match=r"weight P of gate 'g'.*'memry'.*did you mean 'memory'"):
        C(inputs=2, hidden=3)


def test_a_weight_cannot_multiply_a_matrix_state():
    class C(Cell):
        S: State = state(("hidden", "hidden"))
        g: Gate = gate(identity)

        def step(self, x, S):
            return x, S

    with pytest.raises(CellError, match=r"multiplies state 'S', whose shape is \(3, 3\).*Name a size"):
        C(inputs=2, hidden=3)


@pytest.mark.parametrize("weight", [3, 1.0, np.ones(3), ("x", "h"), sigmoid])
def test_a_weight_that_names_nothing_is_refused_where_it_is_written(weight):
    with pytest.raises(CellError, match=r"gate\(V=.*names what it multiplies"):
        gate(sigmoid, V=weight)


@pytest.mark.parametrize("activation", ["tanh", None, 1.0])
def test_an_activation_that_is_no_function_is_refused(activation):
    with pytest.raises(CellError, match="activation must be a function"):
        gate(activation)


@pytest.mark.parametrize("kind", [Cell, "Gate", sigmoid, int])
def test_a_kind_that_is_no_gate_is_refused(kind):
    with pytest.raises(CellError, match="expected a subclass of Gate"):
        gate(sigmoid, kind=kind)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "half", "name"])
def test_a_size_that_is_no_number_from_1_on_is_refused(size):
    class C(Cell):
        half: float = 1.5
        name: str = "a"
        g: Gate = gate(np.tanh, size=size)

        def step(self, x, h):
            return self.g(x, h), h

    with pytest.raises(CellError, match=r"gate 'g' has size .*expected an int from 1 on"):
        C(inputs=2, hidden=3)


def test_an_unknown_size_is_answered_with_the_nearest_name():
    class C(Cell):
        g: Gate = gate(np.tanh, size="hiden")

        def step(self, x, h):
            return self.g(x, h), h

    with pytest.raises(CellError, match=r"'hiden', which is no attribute of the cell: did you mean 'hidden'"):
        C(inputs=2, hidden=3)


def test_a_gate_has_one_axis_and_the_error_says_how_to_have_heads():
    class C(Cell):
        g: Gate = gate(np.tanh, size=(2, "hidden"))

        def step(self, x, h):
            return self.g(x, h), h

    with pytest.raises(CellError, match=r"only states and params may have several axes.*split"):
        C(inputs=2, hidden=3)


# Shared weights


def test_a_tied_weight_is_listed_drawn_and_counted_once():
    class C(Cell):
        one: Gate = gate(sigmoid)
        two: Gate = gate(np.tanh, W=tied("one.W"), bias=tied("one.b"))

        def step(self, x, h):
            h = self.one(x, h) * self.two(x, h)
            return h, h

    cell = C(inputs=2, hidden=3, rng=0)
    assert list(cell.parameters) == ["one.U", "one.W", "one.b", "two.U"]
    assert cell.parameters.count == cell.parameters.flat.size == 6 + 9 + 3 + 6
    assert cell.two.W is cell.one.W
    cell.parameters["one.W"][...] = 7
    assert (cell.two.W == 7).all()


def test_a_weight_may_be_tied_to_a_gate_below_and_through_another_tie():
    class C(Cell):
        one: Gate = gate(sigmoid, W=tied("two.W"))
        two: Gate = gate(sigmoid, W=tied("three.W"))
        three: Gate = gate(sigmoid)

        def step(self, x, h):
            h = self.one(x, h) * self.two(x, h) * self.three(x, h)
            return h, h

    cell = C(inputs=2, hidden=3, rng=0)
    assert [key for key in cell.parameters if key.endswith(".W")] == ["three.W"]
    assert cell.one.W is cell.three.W


def test_a_tied_weight_keeps_its_place_among_the_values():
    class C(Cell):
        one: Gate = gate(identity, bias=False)
        two: Gate = gate(identity, U=tied("one.U"), V="x", bias=False)

        def step(self, x, h):
            return self.two(x, h, 3 * x) + 0 * self.one(x, h), h

    cell = C(inputs=2, hidden=3, rng=0)
    p, x = cell.parameters, np.array([0.5, 2.0])
    y = nl.Sequence(cell)(x[None], initial={"h": np.ones(3)})[0]
    np.testing.assert_allclose(y, p["one.U"] @ x + p["two.W"] @ np.ones(3) + p["two.V"] @ (3 * x), rtol=1e-14)


def test_a_diagonal_and_a_block_weight_can_be_shared_as_what_they_are():
    class C(Cell):
        one: Gate = gate(identity, U=blocks("x", 2), W=diagonal("h"), bias=False)
        two: Gate = gate(identity, U=tied("one.U"), W=tied("one.W"), bias=False)

        def step(self, x, h):
            return self.one(x, h) - self.two(x, h), h

    cell = C(inputs=2, hidden=4, rng=0)
    assert shapes(cell) == {"one.U": (2, 2, 1), "one.W": (4,)}
    assert (nl.Sequence(cell)(np.ones((5, 2)), initial={"h": np.ones(4)}) == 0).all()


def test_a_weight_tied_to_a_frozen_one_is_frozen():
    class C(Cell):
        one: Gate = gate(sigmoid, frozen=True)
        two: Gate = gate(np.tanh, W=tied("one.W"))

        def step(self, x, h):
            h = self.one(x, h) * self.two(x, h)
            return h, h

    cell = C(inputs=2, hidden=3)
    assert list(cell.parameters) == ["two.U", "two.b"]
    assert list(cell.frozen) == ["one.U", "one.W", "one.b"]


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("three.W", r"tied to 'three\.W', which is no weight"),
        ("one.Q", r"tied to 'one\.Q'.*known: .*one\.W"),
        ("one.b", "which is no weight"),
        ("two.W", r"tied to 'two\.W'"),
    ],
)
def test_a_tie_to_nothing_is_refused(to, words):
    class C(Cell):
        one: Gate = gate(sigmoid)
        two: Gate = gate(np.tanh, W=tied(to))

        def step(self, x, h):
            return h, h

    with pytest.raises(CellError, match=words):
        C(inputs=2, hidden=3)


def test_tied_gates_of_different_sizes_are_refused_with_both():
    class C(Cell):
        one: Gate = gate(sigmoid, size=5)
        two: Gate = gate(np.tanh, W=tied("one.W"))

        def step(self, x, h):
            return h, h

    with pytest.raises(CellError, match=r"tied to 'one\.W'.*sizes differ: 3 and 5"):
        C(inputs=2, hidden=3)


@pytest.mark.parametrize("to", ["W", "a.b.c", ""])
def test_a_tie_names_a_gate_and_its_weight(to):
    with pytest.raises(CellError, match=r"name the gate and its weight, for example tied\('update\.W'\)"):
        tied(to)


# Free parameters


def test_a_parameters_shape_is_a_size_or_a_tuple_of_sizes():
    class C(Cell):
        order: int = 4
        number: Array = param((), 2.5)
        vector: Array = param("order", 1.0)
        matrix: Array = param(("order", 2), [[1, 2]] * 4)
        drawn: Array = param(("hidden", "inputs", 5), nl.normal())

        def step(self, x, h):
            return h * self.number, h

    cell = C(inputs=2, hidden=3, rng=0)
    assert shapes(cell) == {"number": (), "vector": (4,), "matrix": (4, 2), "drawn": (3, 2, 5)}
    assert cell.matrix[3].tolist() == [1, 2]
    assert cell.number == 2.5


def test_a_frozen_parameter_stands_apart_and_is_drawn_in_its_place():
    class Trained(Cell):
        a: Array = param("hidden", nl.normal())
        b: Array = param("hidden", nl.normal())

        def step(self, x, h):
            return self.a * self.b, h

    class Frozen(Trained):
        a: Array = param("hidden", nl.normal(), frozen=True)

    trained, frozen = Trained(inputs=2, hidden=3, rng=0), Frozen(inputs=2, hidden=3, rng=0)
    assert (list(frozen.parameters), list(frozen.frozen)) == (["b"], ["a"])
    assert (frozen.parameters.count, frozen.frozen.count) == (3, 3)
    assert np.array_equal(frozen.frozen["a"], trained.parameters["a"])
    assert np.array_equal(frozen.parameters.flat, trained.parameters["b"])


def test_project_brings_only_its_own_parameter_back():
    class C(Cell):
        kept: Array = param("hidden", 5.0, project=lambda a: np.clip(a, 0, 1))
        free: Array = param("hidden", 5.0)
        still: Array = param("hidden", -2.0, frozen=True, project=np.abs)

        def step(self, x, h):
            return h, h

    cell = C(inputs=2, hidden=3, dtype="float32")
    cell.project()
    assert (cell.kept == 1).all()
    assert (cell.free == 5).all()
    assert (cell.still == 2).all()
    assert np.shares_memory(cell.kept, cell.parameters.flat)


def test_a_parameter_that_is_an_argument_of_step_is_refused():
    class C(Cell):
        scale: Array = param("hidden", 1.0)

        def step(self, x, h, scale):
            return h, h, scale

    with pytest.raises(CellError, match=r"argument 'scale' of step is declared as a param; read it as self\.scale"):
        C(inputs=2, hidden=3)


# States


def test_an_argument_that_no_field_declares_is_a_state_of_the_hidden_size_from_zero():
    class C(Cell):
        def step(self, x, h, c):
            return np.concatenate([h, c], axis=-1), h + 1, c + 2

    cell = C(inputs=2, hidden=3)
    assert {name: s.shape for name, s in cell.anatomy.states.items()} == {"h": (3,), "c": (3,)}
    assert nl.Sequence(cell)(np.zeros((2, 2))).tolist() == [[0] * 6, [1] * 3 + [2] * 3]


def test_a_state_may_be_a_matrix_and_start_anywhere():
    class C(Cell):
        S: State = state(("hidden", 2), start=np.arange(6.0).reshape(3, 2))

        def step(self, x, S):
            return S[..., 0], S + 1

    y, last = nl.Sequence(C(inputs=2, hidden=3))(np.zeros((4, 5, 2)), return_state=True)
    assert y.shape == (4, 5, 3)
    assert y[2, 1].tolist() == [1, 3, 5]
    assert last["S"].shape == (4, 3, 2)
    assert last["S"][3].tolist() == [[5, 6], [7, 8], [9, 10]]


def test_a_start_of_another_shape_than_its_state_is_refused_with_both():
    class C(Cell):
        h: State = state("hidden", start=np.zeros(5))

        def step(self, x, h):
            return h, h

    with pytest.raises(CellError, match=r"'h' has shape \(3,\) and starts at array\(\[0., 0., 0., 0., 0.\]\)"):
        C(inputs=2, hidden=3)


def test_a_declared_state_that_step_does_not_take_is_refused():
    class C(Cell):
        m: State = state(start=-np.inf)

        def step(self, x, h):
            return h, h

    with pytest.raises(CellError, match=r"state 'm' is declared, but step\(self, x, h\).*`m = absent`"):
        C(inputs=2, hidden=3)


def test_a_start_at_minus_infinity_survives_resets_lengths_and_the_carrying_of_states():
    class Largest(Cell):
        m: State = state("inputs", start=-np.inf)

        def step(self, x, m):
            m = np.maximum(x, m)
            return m, m

    model = nl.Sequence(Largest(inputs=1, hidden=1))
    x = np.array([[3.0, 1, -2, -5], [1, 2, 3, 4]])[..., None]
    resets = np.array([[False, False, True, True], [False, True, False, False]])
    y, last = model(x, resets=resets, lengths=[4, 3], return_state=True)
    assert y[..., 0].tolist() == [[3, 3, -2, -5], [1, 2, 3, 0]]
    assert last["m"].tolist() == [[-5], [3]]
    assert model(x, initial={"m": [-np.inf]})[0, :, 0].tolist() == [3, 3, 3, 3]


def test_resets_bring_the_declared_start_back_and_not_the_initial_states_that_were_given():
    class Counter(Cell):
        n: State = state(1, start=10.0)

        def step(self, x, n):
            return n, n + 1

    model = nl.Sequence(Counter(inputs=1, hidden=1))
    y = model(np.zeros((4, 1)), initial={"n": [100.0]}, resets=np.array([False, False, True, False]))
    assert y[:, 0].tolist() == [100, 101, 10, 11]


# Names


@pytest.mark.parametrize(
    "name", ["parameters", "frozen", "hidden", "inputs", "rng", "dtype", "step", "x", "anatomy", "fresh"]
)
def test_a_field_cannot_bear_a_name_of_cells_own(name):
    with pytest.raises(CellError, match=f"'{name}' is a name of Cell itself"):
        type(Cell)("C", (Cell,), {"__annotations__": {name: Gate}, name: gate(sigmoid)})


def test_a_gate_without_an_annotation_is_refused():
    with pytest.raises(CellError, match=r"'g' has no annotation; write `g: Gate = gate"):

        class C(Cell):
            g = gate(sigmoid)

            def step(self, x, h):
                return h, h


def test_an_overriding_gate_without_an_annotation_is_refused():
    with pytest.raises(CellError, match=r"'forget' has no annotation"):

        class C(ToyLSTM):
            forget = gate(np.tanh)


def test_a_gate_in_a_mixin_that_is_no_cell_is_refused():
    class Mixin:
        extra: Gate = gate(sigmoid)

    with pytest.raises(CellError, match=r"'extra' is declared in Mixin, which is no Cell.*class Mixin\(Cell\)"):

        class C(Mixin, ToyLSTM):
            pass


def test_a_mixin_that_is_a_cell_brings_its_gates():
    class Extra(Cell):
        extra: Gate = gate(sigmoid, W=None)

    class C(Extra, Base):
        def step(self, x, h):
            return h, self.extra(x) * self.one(x, h)

    assert set(C(inputs=2, hidden=3).anatomy.gates) == {"extra", "one", "two"}


def test_a_mixin_of_plain_methods_is_welcome():
    class Helper:
        def mix(self, a, b):
            return 0.5 * (a + b)

    class C(Helper, Base):
        def step(self, x, h):
            h = self.mix(self.one(x, h), self.two(x, h))
            return h, h

    assert list(C(inputs=2, hidden=3).parameters) == [*ONE, "scale", *TWO]
