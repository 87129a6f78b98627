"""Cells as classes and as objects: what a subclass may say, what is refused, copies, pickles, settings, steps."""

import copy
import pickle
from typing import ClassVar

import attrs
import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, feed, gate, noise, param, sigmoid, state
from nanolstm.cells import ToyLSTM
from nanolstm.errors import CellError, InputError


class GRU(Cell):
    """The example of `Cell`'s own documentation, with settings."""

    update: Gate = gate(sigmoid)
    reset: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)
    fixed: Array = param("hidden", nl.normal(), frozen=True)
    heads: int = 1
    proj: Array = param("heads", 1.0)
    linear: bool = False

    def step(self, x, h):
        z, r = self.update(x, h), self.reset(x, h)
        new = self.new(x, r * h)
        h = (1 - z) * h + z * (h + new if self.linear else new)
        return h, h


X = np.random.default_rng(0).normal(size=(6, 2))


def cell():
    return GRU(inputs=2, hidden=3, rng=0)


# Making a class


def test_a_subclass_is_an_attrs_class_without_a_decorator():
    assert attrs.has(GRU)
    assert (cell().heads, GRU(inputs=2, hidden=3, heads=3).heads) == (1, 3)


def test_a_cell_takes_its_settings_by_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        GRU(2, 3)
    with pytest.raises(TypeError, match="depth"):
        GRU(inputs=2, hidden=3, depth=1)
    with pytest.raises(TypeError, match="update"):
        GRU(inputs=2, hidden=3, update=sigmoid)


@pytest.mark.parametrize("decorate", [attrs.define, attrs.define(slots=False), attrs.define(slots=False, kw_only=True)])
def test_a_decorator_of_attrs_on_top_is_refused(decorate):
    class C(Cell):
        g: Gate = gate(sigmoid)

        def step(self, x, h):
            return self.g(x, h), h

    with pytest.raises(CellError, match=r"C: take @attrs\.define off; nanolstm applies it"):
        decorate(C)(inputs=2, hidden=3)


def test_a_decorator_of_attrs_that_makes_slots_is_refused_at_the_class():
    with pytest.raises(CellError, match=r"take @attrs\.define off"):

        @attrs.define
        class C(Cell):
            g: Gate = gate(sigmoid)  # noqa: RUF009

            def step(self, x, h):
                return self.g(x, h), h


@pytest.mark.parametrize("name", ["__init__", "__attrs_post_init__"])
def test_a_constructor_of_ones_own_is_refused_and_initialise_named(name):
    with pytest.raises(CellError, match=rf"{name} is written by nanolstm; override `initialise\(self, rng\)`"):
        type(Cell)("C", (ToyLSTM,), {name: lambda self: None})


def test_a_class_variable_is_no_setting():
    class C(GRU):
        papers: ClassVar[int] = 3

    assert C(inputs=2, hidden=3).papers == 3
    with pytest.raises(TypeError, match="papers"):
        C(inputs=2, hidden=3, papers=4)


def test_an_empty_body_demands_nothing_until_a_cell_is_made():
    class Empty(Cell):
        pass

    with pytest.raises(CellError, match=r"Empty has no method step; write `def step\(self, x, h\)`"):
        Empty(inputs=2, hidden=3)


def test_cell_itself_cannot_be_made():
    with pytest.raises(CellError, match="subclass it"):
        Cell(inputs=2, hidden=3)


def test_two_cells_of_equal_numbers_are_still_two():
    one, other = cell(), cell()
    assert one != other
    assert len({one, other}) == 2


# Making a cell


@pytest.mark.parametrize("name", ["inputs", "hidden"])
@pytest.mark.parametrize("value", [0, -2, 2.0, "3", None, True])
def test_a_size_that_is_no_int_from_1_on_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=rf"GRU\({name}={value!r}\): expected an int from 1 on"):
        GRU(**{"inputs": 2, "hidden": 3, name: value})


def test_a_numpy_int_is_a_size():
    assert GRU(inputs=np.int64(2), hidden=np.int32(3)).parameters["new.W"].shape == (3, 3)


@pytest.mark.parametrize("dtype", ["float16", "int64", int, "complex128", "wide", None.__class__])
def test_a_dtype_other_than_two_is_refused(dtype):
    with pytest.raises(InputError, match="expected 'float32' or 'float64'"):
        GRU(inputs=2, hidden=3, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32")])
def test_a_dtype_may_be_written_in_numpys_ways(dtype):
    made = GRU(inputs=2, hidden=3, dtype=dtype)
    assert made.dtype == np.float32
    assert {v.dtype for v in (*made.parameters.values(), *made.frozen.values())} == {np.dtype("float32")}


def test_float32_numbers_are_the_float64_ones_rounded():
    narrow = GRU(inputs=2, hidden=3, rng=0, dtype="float32")
    assert np.array_equal(narrow.parameters.flat, cell().parameters.flat.astype("float32"))


def test_the_width_of_the_output_is_found_by_one_step():
    class C(Cell):
        def step(self, x, h):
            return np.concatenate([x, h, h], axis=-1), h

    assert C(inputs=2, hidden=3).outputs == 8


def test_a_step_that_divides_by_zero_at_zero_can_still_be_tried():
    class C(Cell):
        def step(self, x, h):
            return np.log(np.abs(x)) / np.sum(x, axis=-1, keepdims=True), h

    assert C(inputs=2, hidden=3).outputs == 2


def test_declared_outputs_must_be_what_step_returns():
    class C(Cell):
        outputs: int = 4

        def step(self, x, h):
            return h, h

    assert C(inputs=2, hidden=4).outputs == 4
    with pytest.raises(CellError, match=r"shape \(3,\); expected \(4,\)"):
        C(inputs=2, hidden=3)


def test_repr_shows_the_settings():
    assert repr(cell()) == "GRU(inputs=2, hidden=3, heads=1, linear=False, dtype='float64')"


def test_initialise_runs_after_all_draws_and_with_the_same_numbers_to_draw_from():
    class C(GRU):
        def initialise(self, rng):
            self.seen = None if not hasattr(self, "parameters") else 1

    class Scaled(GRU):
        def initialise(self, rng):
            self.parameters["new.W"][...] *= 2
            self.update.b = rng.standard_normal(3)
            self.frozen["fixed"] = [1, 2, 3]

    plain, scaled = cell(), Scaled(inputs=2, hidden=3, rng=0)
    assert np.array_equal(scaled.new.W, 2 * plain.new.W)
    assert scaled.fixed.tolist() == [1, 2, 3]
    stream = np.random.default_rng(0)
    stream.standard_normal(sum(v.size for k, v in plain.parameters.items() if k[-1] in "UW") + 3)
    assert np.array_equal(scaled.parameters["update.b"], stream.standard_normal(3))
    with pytest.raises(CellError, match="no field 'seen'"):
        C(inputs=2, hidden=3)


def test_fresh_draws_a_cell_of_the_same_settings_anew():
    one = GRU(inputs=2, hidden=3, linear=True, dtype="float32", rng=0)
    one.parameters.flat[...] = 9
    other = one.fresh(rng=1)
    assert (other.hidden, other.linear, other.dtype) == (3, True, np.float32)
    assert np.array_equal(other.parameters.flat, GRU(inputs=2, hidden=3, dtype="float32", rng=1).parameters.flat)
    assert (one.parameters.flat == 9).all()
    assert not np.array_equal(one.fresh().parameters.flat, one.fresh().parameters.flat)


def test_evolve_makes_a_new_cell_of_another_size():
    wide = attrs.evolve(cell(), hidden=7)
    assert wide.parameters["new.W"].shape == (7, 7)


# Copies and pickles

COPIES = [
    copy.deepcopy,
    lambda c: pickle.loads(pickle.dumps(c)),
    lambda c: pickle.loads(pickle.dumps(c, protocol=2)),
    lambda c: copy.deepcopy(nl.Sequence(c)).cells[0],
]


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_has_the_same_numbers_in_a_buffer_of_its_own(copied):
    one = cell()
    one.parameters["new.b"] = [1, 2, 3]
    other = copied(one)
    assert np.array_equal(one.parameters.flat, other.parameters.flat)
    assert np.array_equal(one.fixed, other.fixed)
    assert np.array_equal(nl.Sequence(one)(X), nl.Sequence(other)(X))
    other.parameters.flat[...] = 0
    other.frozen["fixed"] = [0, 0, 0]
    assert one.parameters["new.b"].tolist() == [1, 2, 3]
    assert one.fixed.any()


@pytest.mark.parametrize("copied", COPIES)
def test_a_copys_gates_read_the_copys_buffer(copied):
    other = copied(cell())
    for name, gate_ in (("update", other.update), ("new", other.new)):
        for weight in "UWb":
            view = other.parameters[f"{name}.{weight}"]
            assert np.shares_memory(view, other.parameters.flat)
            assert getattr(gate_, weight) is view
    other.parameters.flat[...] = 0
    assert (other.update(np.ones(2), np.ones(3)) == 0.5).all()


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_keeps_its_settings_dtype_and_outputs(copied):
    one = GRU(inputs=2, hidden=3, linear=True, dtype="float32", rng=3)
    other = copied(one)
    assert repr(other) == repr(one)
    assert (other.outputs, other.dtype, other.linear) == (3, np.float32, True)
    other.linear = False
    assert one.linear


def test_copying_is_the_same_with_a_generator_as_rng():
    one = GRU(inputs=2, hidden=3, rng=np.random.RandomState(0))
    other = copy.deepcopy(one)
    assert np.array_equal(one.parameters.flat, other.parameters.flat)
    assert other.rng is not one.rng


def test_a_shallow_copy_is_refused_and_deepcopy_named():
    with pytest.raises(CellError, match=r"one buffer; use copy\.deepcopy"):
        copy.copy(cell())


def test_a_pickle_of_a_class_that_has_changed_since_is_refused(monkeypatch):
    saved = pickle.dumps(cell())

    class Changed(GRU):
        also: Gate = gate(sigmoid)

    Changed.__qualname__ = "GRU"
    monkeypatch.setitem(globals(), "GRU", Changed)
    with pytest.raises(CellError, match=r"has changed since this was pickled: its parameters were"):
        pickle.loads(saved)


# Changing settings of a cell that is made


def test_a_flag_may_be_changed_and_the_step_sees_it():
    one = cell()
    before = nl.Sequence(one)(X)
    one.linear = True
    assert not np.array_equal(nl.Sequence(one)(X), before)


def test_a_setting_that_a_size_hangs_on_is_refused_and_keeps_its_value():
    one = cell()
    with pytest.raises(CellError, match=r"GRU\.heads = 2 would change the shapes.*attrs\.evolve\(cell, heads=2\)"):
        one.heads = 2
    assert one.heads == 1
    assert one.parameters["proj"].shape == (1,)


@pytest.mark.parametrize("name", ["inputs", "hidden", "dtype", "outputs", "rng", "parameters", "frozen", "update"])
def test_what_a_cell_is_made_of_cannot_be_exchanged(name):
    with pytest.raises(CellError, match=rf"GRU\.{name} is fixed once a cell is made"):
        setattr(cell(), name, 5)


def test_a_validator_of_a_setting_watches_changes_too():
    class C(GRU):
        share: float = attrs.field(default=0.5, validator=attrs.validators.le(1.0))

    one = C(inputs=2, hidden=3)
    one.share = 0.75
    with pytest.raises(ValueError, match="share"):
        one.share = 2.0
    assert one.share == 0.75
    with pytest.raises(ValueError, match="share"):
        C(inputs=2, hidden=3, share=2.0)


def test_a_probability_that_is_changed_is_the_one_that_is_used():
    class C(Cell):
        keep: float = 0.25
        mask: Array = noise("keep")

        def step(self, x, h, mask):
            return mask, h

    one = C(inputs=2, hidden=3)
    one.keep = 0.75
    assert (nl.Sequence(one)(X) == 0.75).all()
    with pytest.raises(CellError, match=r"probability 1\.5"):
        one.keep = 1.5
    assert (nl.Sequence(one)(X) == 0.75).all()


def test_a_misspelt_attribute_is_refused_with_the_nearest():
    with pytest.raises(CellError, match="no field 'liner': did you mean 'linear'"):
        cell().liner = True


# The step


@pytest.mark.parametrize(
    "step",
    [
        lambda self: 0,
        lambda self, *states: 0,
        lambda self, x, *states: 0,
        lambda self, x, *, h: 0,
        lambda self, x, **states: 0,
        lambda self, x, /, h: 0,
    ],
)
def test_a_step_whose_arguments_are_no_states_is_refused(step):
    C = type(Cell)("C", (Cell,), {"step": step})
    with pytest.raises(CellError, match=r"must read `def step\(self, x, h, \.\.\.\)`"):
        C(inputs=2, hidden=3)


def test_a_default_of_a_steps_argument_is_refused_and_state_named():
    class C(Cell):
        def step(self, x, h, m=-1.0):
            return h, h, m

    with pytest.raises(CellError, match=r"m=-1\.0 has a default.*`m: State = state\(start=-1\.0\)`"):
        C(inputs=2, hidden=3)


@pytest.mark.parametrize(
    ("result", "came"),
    [
        (lambda h, c: h, "one ndarray"),
        (lambda h, c: (h, h), "2 values"),
        (lambda h, c: (h, h, c, c), "4 values"),
        (lambda h, c: [h, h, c], "one list"),
        (lambda h, c: None, "one NoneType"),
    ],
)
def test_another_number_of_returned_values_is_refused_with_what_is_expected(result, came):
    class C(Cell):
        def step(self, x, h, c):
            return result(h, c)

    with pytest.raises(CellError, match=rf"C\.step returned {came}; expected `return output, h, c`"):
        C(inputs=2, hidden=3)


@pytest.mark.parametrize(
    "wrong", [lambda x, h: x, lambda x, h: h[..., :1], lambda x, h: h[..., None], lambda x, h: 0.0]
)
def test_a_state_that_comes_back_in_another_shape_is_refused_with_both(wrong):
    class C(Cell):
        def step(self, x, h):
            return h, wrong(x, h)

    with pytest.raises(CellError, match=r"returned state 'h' with shape \(.*; expected \(3,\)"):
        C(inputs=2, hidden=3)


@pytest.mark.parametrize("wrong", [lambda h: h.sum(), lambda h: 1.0, lambda h: h[..., None]])
def test_an_output_that_is_no_row_of_features_is_refused(wrong):
    class C(Cell):
        def step(self, x, h):
            return wrong(h), h

    with pytest.raises(CellError, match=r"returned (an|the) output (of|with) shape \("):
        C(inputs=2, hidden=3)


def test_states_returned_in_another_order_are_refused():
    class C(ToyLSTM):
        def step(self, x, h, c):
            o, h, c = super().step(x, h, c)
            return o, c, h

    with pytest.raises(CellError, match=r"another order.*expected `return output, h, c`"):
        C(inputs=2, hidden=3)


def test_states_swapped_unchanged_are_refused_too():
    class C(Cell):
        def step(self, x, h, c):
            return h, c, h

    with pytest.raises(CellError, match="another order"):
        C(inputs=2, hidden=3)


def test_a_state_that_takes_anothers_old_value_is_a_delay_and_allowed():
    class C(Cell):
        def step(self, x, h, before, earlier):
            return h, h + x, h, before

    rec = nl.Sequence(C(inputs=1, hidden=1)).record(np.arange(1.0, 6.0)[:, None])
    assert rec["h"][:, 0].tolist() == [1, 3, 6, 10, 15]
    assert rec["before"][:, 0].tolist() == [0, 1, 3, 6, 10]
    assert rec["earlier"][:, 0].tolist() == [0, 0, 1, 3, 6]


def test_one_value_for_two_states_is_no_permutation():
    class C(Cell):
        def step(self, x, h, c):
            h = h + x
            return h, h, h

    assert nl.Sequence(C(inputs=3, hidden=3))(np.ones((2, 3))).tolist() == [[1] * 3, [2] * 3]


def test_a_float64_constant_does_not_widen_a_float32_run():
    class C(Cell):
        def step(self, x, h):
            h = h * np.sqrt(np.float64(2)) + x
            return h, h

    y, last = nl.Sequence(C(inputs=3, hidden=3, dtype="float32"))(np.ones((4, 3)), return_state=True)
    assert (y.dtype, last["h"].dtype) == (np.float32, np.float32)


def test_a_step_without_states_is_a_layer():
    class Layer(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x):
            return self.new(x)

    layer = Layer(inputs=2, hidden=3, rng=0)
    np.testing.assert_allclose(nl.Sequence(layer)(X), np.tanh(X @ layer.new.U.T), rtol=1e-12)
    assert nl.Sequence(layer)(X, return_state=True)[1] == {}


def test_helper_methods_and_super_serve_a_step():
    class Base(Cell):
        new: Gate = gate(np.tanh)

        def mix(self, a, b):
            return 0.25 * a + 0.75 * b

        def step(self, x, h):
            h = self.mix(h, self.new(x, h))
            return h, h

    class Doubled(Base):
        def step(self, x, h):
            y, h = super().step(x, h)
            return 2 * y, h

    base, doubled = Base(inputs=2, hidden=3, rng=0), Doubled(inputs=2, hidden=3, rng=0)
    assert np.array_equal(nl.Sequence(doubled)(X), 2 * nl.Sequence(base)(X))


def test_a_python_loop_over_heads_equals_the_heads_at_once():
    class Loop(Cell):
        heads: int = 3
        M: State = state(("heads", 2))
        key: Gate = gate(np.tanh, size=6, W=None)

        def step(self, x, M):
            k = nl.split(self.key(x), self.heads)
            parts = [M[..., i, :] * 0.5 + k[..., i, :] for i in range(self.heads)]
            M = np.stack(parts, axis=-2)
            return nl.merge(M), M

    class AtOnce(Loop):
        def step(self, x, M):
            M = M * 0.5 + nl.split(self.key(x), self.heads)
            return nl.merge(M), M

    x = np.random.default_rng(0).normal(size=(4, 5, 2))
    loop, at_once = Loop(inputs=2, hidden=6, rng=0), AtOnce(inputs=2, hidden=6, rng=0)
    assert np.array_equal(nl.Sequence(loop)(x), nl.Sequence(at_once)(x))


def test_a_setting_steers_the_step_by_a_python_if():
    class C(Cell):
        squash: bool = True

        def step(self, x, h):
            h = np.tanh(h + x) if self.squash else h + x
            return h, h

    assert nl.Sequence(C(inputs=1, hidden=1, squash=False))(np.ones((3, 1)))[:, 0].tolist() == [1, 2, 3]
    assert nl.Sequence(C(inputs=1, hidden=1))(np.ones((3, 1))).max() < 1


# A step that mixes the examples of a batch


def product_from_the_left(self, x, h):
    h = np.tanh(self.A @ h + x)
    return h, h


def mean_over_the_batch(self, x, h):
    h = h + x - x.mean(axis=0)
    return h, h


def outer_product(self, x, h):
    h = np.tanh(np.outer(x[..., 0], h).ravel()[: h.size].reshape(h.shape) + x)
    return h, h


def first_example_for_all(self, x, h):
    h = h + x + (x[0] if x.ndim > 1 else 0)
    return h, h


def turned_round(self, x, h):
    h = 0.5 * h + x[::-1]
    return h, h


MIXERS = [product_from_the_left, mean_over_the_batch, outer_product, first_example_for_all, turned_round]


@pytest.mark.parametrize("step", MIXERS, ids=lambda step: step.__name__)
@pytest.mark.parametrize("how", ["call", "record"])
def test_a_step_that_mixes_the_batch_is_refused_on_the_first_batch(step, how):
    C = type(Cell)(
        "C", (Cell,), {"__annotations__": {"A": Array}, "A": param(("hidden", "hidden"), nl.normal()), "step": step}
    )
    model = nl.Sequence(C(inputs=3, hidden=3, rng=0))
    x = np.random.default_rng(0).normal(size=(3, 4, 3))
    model(x[0])  # a single sequence has nothing to mix
    for _ in range(2):  # and again: the cell is not let through the second time
        with pytest.raises(CellError, match=r"mixes the examples of a batch.*h @ self\.W\.T"):
            model.record(x) if how == "record" else model(x)


def test_the_same_steps_written_for_the_last_axis_pass():
    class C(Cell):
        A: Array = param(("hidden", "hidden"), nl.normal())
        S: State = state(("hidden", "hidden"))

        def step(self, x, h, S):
            S = 0.5 * S + x[..., :, None] * h[..., None, :]
            h = np.tanh(h @ self.A.T + x - x.mean(axis=-1, keepdims=True) + np.matvec(S, x))
            return h, h, S

    model = nl.Sequence(C(inputs=3, hidden=3, rng=0))
    x = np.random.default_rng(0).normal(size=(3, 4, 3))
    np.testing.assert_allclose(model(x)[1], model(x[1]), rtol=1e-9)


def test_a_float32_cell_is_not_taken_for_one_that_mixes():
    model = nl.Sequence(GRU(inputs=2, hidden=64, rng=0, dtype="float32"))
    assert np.isfinite(model(np.random.default_rng(0).normal(size=(64, 5, 2)))).all()


# Recording


def test_a_gate_that_is_called_twice_is_recorded_call_by_call():
    class C(Cell):
        v: Gate = gate(np.tanh)
        once: Gate = gate(sigmoid)

        def step(self, x, h):
            o = self.once(x, h)
            a = self.v(x, h)
            b = self.v(x, a)
            return o * b, b

    one = C(inputs=2, hidden=3, rng=0)
    rec = nl.Sequence(one).record(X)
    assert "v" not in rec
    np.testing.assert_allclose(rec["v[0]"][1], one.v(X[1], rec["h"][0]), rtol=1e-12)
    np.testing.assert_allclose(rec["v[1]"][1], one.v(X[1], rec["v[0]"][1]), rtol=1e-12)
    assert list(rec)[:4] == ["once", "v[0]", "v[1]", "h"]


def test_a_recording_has_the_local_variables_of_the_outermost_step():
    class Base(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            inner = self.new(x, h)
            shared = inner + 1
            return inner, shared

    class Outer(Base):
        def step(self, x, h):
            shared, h = super().step(x, h)
            twice = 2 * shared
            text, count = "a", 3  # noqa: F841
            return twice, h

    rec = nl.Sequence(Outer(inputs=2, hidden=3, rng=0)).record(X)
    assert "inner" not in rec
    assert np.array_equal(rec["twice"], 2 * rec["new"])
    assert np.array_equal(rec["shared"], rec["new"])
    assert np.array_equal(rec["x"], X)
    assert not {"text", "count", "self"} & set(rec)


def test_a_state_is_recorded_as_step_returned_it_and_not_as_the_local_variable_of_its_name():
    class C(Cell):
        def step(self, x, h):
            new = h + 1
            h = -7 * h
            return new, new

    rec = nl.Sequence(C(inputs=2, hidden=1)).record(X)
    assert rec["h"][:, 0].tolist() == [1, 2, 3, 4, 5, 6]


def test_the_gate_comes_before_the_local_variable_of_its_name():
    class C(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            new = 5 * self.new(x, h)
            return new, h

    rec = nl.Sequence(C(inputs=2, hidden=3, rng=0)).record(X)
    np.testing.assert_allclose(5 * rec["new"], rec.y, rtol=1e-14)


def test_recording_changes_neither_the_cell_nor_its_output():
    one = cell()
    before = one.parameters.flat.copy()
    model = nl.Sequence(one)
    assert np.array_equal(model.record(X).y, model(X))
    assert np.array_equal(before, one.parameters.flat)
    assert type(one.update) is Gate


def test_a_step_that_calls_other_gates_at_other_times_cannot_be_recorded():
    class C(Cell):
        one: Gate = gate(np.tanh)
        two: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.one(x, h) if x[0] > 0 else self.two(x, h)
            return h, h

    with pytest.raises(CellError, match="different gates at different times"):
        nl.Sequence(C(inputs=1, hidden=3)).record(np.array([[1.0], [-1.0]]))


# Feeds


class Timed(Cell):
    dt: Array = feed(default=1.0)
    wind: Array = feed(2)

    def step(self, x, h, dt, wind):
        h = h + dt * x + wind.sum(axis=-1, keepdims=True)
        return h, h


def test_a_feed_has_its_default_or_what_is_given_by_name():
    model = nl.Sequence(Timed(inputs=1, hidden=1))
    ones = np.ones((3, 1))
    assert model(ones, wind=np.zeros((3, 2)))[:, 0].tolist() == [1, 2, 3]
    assert model(ones, wind=np.ones((3, 2)))[:, 0].tolist() == [3, 6, 9]
    assert model(ones, wind=np.zeros((3, 2)), dt=[1.0, 10.0, 100.0])[:, 0].tolist() == [1, 11, 111]
    assert model(ones, wind=np.zeros((3, 2)), dt=np.full((3, 1), 2.0))[:, 0].tolist() == [2, 4, 6]
    assert model(ones, wind=np.zeros((3, 2)), dt=0.5)[:, 0].tolist() == [0.5, 1, 1.5]


def test_a_feed_of_a_batch_is_each_examples_own():
    model = nl.Sequence(Timed(inputs=1, hidden=1))
    dt = np.array([[1.0, 2.0], [10.0, 20.0], [0.0, 5.0]])
    y = model(np.ones((3, 2, 1)), dt=dt, wind=np.zeros((3, 2, 2)))
    assert y[..., 0].tolist() == [[1, 3], [10, 30], [0, 5]]


def test_a_feed_without_default_that_is_missing_is_asked_for_with_its_shape():
    with pytest.raises(InputError, match=r"needs the feed 'wind'.*shape \(3, 2\)"):
        nl.Sequence(Timed(inputs=1, hidden=1))(np.ones((3, 1)))


@pytest.mark.parametrize(
    ("name", "shape"), [("dt", (4,)), ("dt", (3, 2)), ("dt", (1, 3)), ("wind", (3,)), ("wind", (2,))]
)
def test_a_feed_of_another_shape_is_refused_with_both_shapes(name, shape):
    given = {"wind": np.zeros((3, 2)), name: np.zeros(shape)}
    with pytest.raises(InputError, match=rf"{name} has shape \({shape[0]},.*expected \(3, "):
        nl.Sequence(Timed(inputs=1, hidden=1))(np.ones((3, 1)), **given)


def test_a_feed_that_the_model_does_not_have_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="no feed 'dtt': did you mean 'dt'"):
        nl.Sequence(Timed(inputs=1, hidden=1))(np.ones((3, 1)), wind=np.zeros((3, 2)), dtt=1.0)


def test_a_feed_with_nan_is_refused_with_its_place_unless_it_is_padding():
    model = nl.Sequence(Timed(inputs=1, hidden=1))
    dt = np.array([[1.0, 1.0, 1.0], [1.0, np.nan, np.nan]])
    with pytest.raises(InputError, match="dt has NaN at example 1, time step 1"):
        model(np.ones((2, 3, 1)), dt=dt, wind=np.zeros((2, 3, 2)))
    y = model(np.ones((2, 3, 1)), dt=dt, wind=np.zeros((2, 3, 2)), lengths=[3, 1])
    assert y[..., 0].tolist() == [[1, 2, 3], [1, 0, 0]]


def test_a_feed_that_step_does_not_take_is_refused():
    class C(Cell):
        dt: Array = feed()

        def step(self, x, h):
            return h, h

    with pytest.raises(CellError, match=r"feed 'dt' is declared, but step\(self, x, h\)"):
        C(inputs=2, hidden=3)


# Noise


class Zoneout(Cell):
    each: Array = noise(0.25, size=20)
    whole: Array = noise(0.5, size=20, per="sequence")

    def step(self, x, h, each, whole):
        return np.concatenate([each, whole], axis=-1), h


Z = np.zeros((8, 40, 1))


def test_a_mask_is_its_mean_unless_numbers_are_drawn():
    y = nl.Sequence(Zoneout(inputs=1, hidden=1))(Z)
    assert (y[..., :20] == 0.25).all()
    assert (y[..., 20:] == 0.5).all()


def test_a_drawn_mask_is_1_with_its_probability_and_0_otherwise():
    y = nl.Sequence(Zoneout(inputs=1, hidden=1))(Z, rng=0)
    assert set(np.unique(y)) == {0.0, 1.0}
    assert y[..., :20].mean() == pytest.approx(0.25, abs=0.03)  # 6,400 draws
    assert y[..., 20:].mean() == pytest.approx(0.5, abs=0.15)  # 160 draws


def test_a_mask_is_drawn_for_each_step_or_for_the_sequence_and_for_each_example():
    y = nl.Sequence(Zoneout(inputs=1, hidden=1))(Z, rng=0)
    each, whole = y[..., :20], y[..., 20:]
    assert (each[:, 1:] != each[:, :-1]).any()
    assert (whole == whole[:, :1]).all()
    assert (whole[0] != whole[1]).any()
    assert (each[0] != each[1]).any()


def test_masks_are_the_same_for_the_same_seed_and_others_for_another():
    model = nl.Sequence(Zoneout(inputs=1, hidden=1))
    assert np.array_equal(model(Z, rng=3), model(Z, rng=np.random.default_rng(3)))
    assert not np.array_equal(model(Z, rng=3), model(Z, rng=4))
    assert set(np.unique(model(Z[0], rng=np.random.RandomState(3)))) == {0.0, 1.0}


@pytest.mark.parametrize(("p", "drawn"), [(0.0, 0.0), (1.0, 1.0)])
def test_probabilities_0_and_1_are_certain(p, drawn):
    class C(Cell):
        mask: Array = noise(p, size=5)

        def step(self, x, h, mask):
            return mask, h

    assert (nl.Sequence(C(inputs=1, hidden=1))(Z, rng=0) == drawn).all()


def test_a_mask_has_the_cells_dtype():
    class C(Cell):
        mask: Array = noise(0.5)

        def step(self, x, h, mask):
            return mask, h

    model = nl.Sequence(C(inputs=1, hidden=3, dtype="float32"))
    assert model.record(Z, rng=0)["mask"].dtype == np.float32
    assert model.record(Z)["mask"].dtype == np.float32


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_probability_outside_0_to_1_is_refused(p):
    class C(Cell):
        mask: Array = noise(p)

        def step(self, x, h, mask):
            return mask, h

    with pytest.raises(CellError, match=r"noise 'mask' has probability .*expected a number from 0 to 1"):
        C(inputs=1, hidden=3)


def test_a_mask_is_drawn_per_step_or_per_sequence_and_nothing_else():
    with pytest.raises(CellError, match=r"noise\(per='batch'\): expected 'step' or 'sequence'"):
        noise(0.1, per="batch")
