"""A cell over time: shapes, lengths, resets, states, stacks, directions, readouts, and what is refused."""

import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm import Cell, Gate, gate, sigmoid
from nanolstm.errors import CellError, InputError

ToyLSTM = nl.cells.ToyLSTM


class Timed(Cell):
    """A leaky integrator with an irregular time step."""

    inner: Gate = gate(np.tanh)
    dt: nl.Array = nl.feed(default=1.0)

    def step(self, x, h, dt):
        h = h * np.exp(-dt) + self.inner(x, h)
        return h, h


@pytest.fixture
def model():
    return nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=0))


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(4, 9, 2))


def test_one_sequence_and_a_batch_have_the_documented_shapes(model, x):
    assert model(x[0]).shape == (9, 1)
    assert model(x).shape == (4, 9, 1)
    assert model(x[:1]).shape == (1, 9, 1)


@settings(deadline=None, max_examples=40)
@given(B=st.integers(1, 7), T=st.integers(1, 9), M=st.integers(1, 4), K=st.integers(1, 7), data=st.data())
def test_a_batch_is_its_sequences_one_by_one(B, T, M, K, data):
    lengths = data.draw(st.lists(st.integers(1, T), min_size=B, max_size=B))
    rng = np.random.default_rng(0)
    model = nl.Sequence(
        [ToyLSTM(inputs=M, hidden=K, rng=0), ToyLSTM(inputs=2, hidden=K, outputs=K, rng=1)],
        bidirectional=True,
        readout=2,
    )
    x, resets = rng.normal(size=(B, T, M)), rng.uniform(size=(B, T)) < 0.3
    y, state = model(x, lengths=lengths, resets=resets, return_state=True)
    for b, n in enumerate(lengths):
        alone, its_state = model(x[b, :n], resets=resets[b, :n], return_state=True)
        assert np.allclose(y[b, :n], alone, atol=1e-12)
        assert not y[b, n:].any()
        for name, value in its_state.items():
            assert np.allclose(state[name][b], value, atol=1e-12), name


def test_padding_may_hold_anything(model, x):
    padded = x.copy()
    padded[1, 5:] = np.nan
    padded[2, 7:] = np.inf
    lengths = [9, 5, 7, 9]
    assert np.array_equal(model(padded, lengths=lengths), model(x, lengths=lengths))


def test_a_reset_starts_the_rest_anew(model, x):
    resets = np.zeros((4, 9), bool)
    resets[:, 4] = True
    y = model(x, resets=resets)
    assert np.array_equal(y[:, 4:], model(x[:, 4:]))
    assert np.array_equal(y[:, :4], model(x[:, :4]))


def test_a_reset_restores_the_start_and_not_what_was_carried_over(model, x):
    carried = {"h": np.full((4, 3), 0.5), "c": np.full((4, 3), -0.5)}
    resets = np.zeros((4, 9), bool)
    resets[0, 0] = True
    y = model(x, initial=carried, resets=resets)
    assert np.array_equal(y[0], model(x[0]))
    assert not np.allclose(y[1], model(x[1]))


def test_a_run_in_two_halves_is_the_whole_run(model, x):
    whole, last = model(x, return_state=True)
    first, state = model(x[:, :5], return_state=True)
    second, end = model(x[:, 5:], initial=state, return_state=True)
    assert np.array_equal(np.concatenate([first, second], axis=1), whole)
    assert all(np.array_equal(end[name], last[name]) for name in ("h", "c"))


def test_an_initial_state_of_one_example_serves_all(model, x):
    one = {"c": np.array([0.1, 0.2, 0.3])}
    assert np.array_equal(model(x, initial=one), model(x, initial={"c": np.tile(one["c"], (4, 1))}))
    assert not np.array_equal(model(x, initial=one), model(x))


def test_the_last_state_is_the_one_at_the_length(model, x):
    _, state = model(x, lengths=[3, 9, 1, 5], return_state=True)
    rec = model.record(x, lengths=[3, 9, 1, 5])
    for b, n in enumerate([3, 9, 1, 5]):
        assert np.array_equal(state["c"][b], rec["c"][b, n - 1])
        assert not rec["c"][b, n:].any()


def test_backward_cells_read_each_sequence_from_its_own_end(x):
    ahead, back = ToyLSTM(inputs=2, hidden=3, rng=0), ToyLSTM(inputs=2, hidden=3, rng=1)
    both = nl.Sequence(ahead, backward=[back])
    y = both(x, lengths=[9, 4, 6, 1])
    assert np.allclose(y[1, :4, :1], nl.Sequence(ahead)(x[1, :4]))
    assert np.allclose(y[1, :4, 1:], nl.Sequence(back)(x[1, :4][::-1])[::-1])
    assert both.outputs == 2


def test_a_border_between_episodes_is_one_for_both_directions(x):
    model = nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=0), bidirectional=True)
    resets = np.zeros(9, bool)
    resets[4] = True
    y = model(x[0], resets=resets)
    assert np.allclose(y, np.concatenate([model(x[0, :4]), model(x[0, 4:])]))


def test_a_stack_feeds_each_cell_with_the_one_below(x):
    below, above = ToyLSTM(inputs=2, hidden=3, outputs=3, rng=0), ToyLSTM(inputs=3, hidden=5, rng=1)
    stack = nl.Sequence([below, above])
    assert np.array_equal(stack(x), nl.Sequence(above)(nl.Sequence(below)(x)))
    assert stack.parameters["1.forget.W"] is above.parameters["forget.W"]
    assert set(stack.record(x)) >= {"0.forget", "1.output", "0.h", "1.c"}


def test_a_readout_is_a_linear_layer_on_top(x):
    cell = ToyLSTM(inputs=2, hidden=3, outputs=3, rng=0)
    model = nl.Sequence(cell, readout=4)
    expected = nl.Sequence(cell)(x) @ model.parameters["readout.U"].T + model.parameters["readout.b"]
    assert np.allclose(model(x), expected, atol=1e-14)
    assert model.parameters["readout.U"].shape == (4, 3)
    assert model.outputs == 4


def test_seeded_cells_make_the_same_model_each_time():
    def build():
        return nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=3), bidirectional=True, readout=2)

    assert np.array_equal(build().parameters.flat, build().parameters.flat)
    forward, backward = build().parameters["forward.input.U"], build().parameters["backward.input.U"]
    assert not np.array_equal(forward, backward)


def test_names_say_direction_and_level():
    cells = [ToyLSTM(inputs=2, hidden=3, rng=0), ToyLSTM(inputs=2, hidden=3, rng=1)]
    names = set(nl.Sequence(cells, bidirectional=True, readout=1).parameters)
    assert {"0.forward.input.U", "1.backward.new.W", "readout.U", "readout.b"} <= names
    assert "forward.input.U" in nl.Sequence(cells[0], bidirectional=True).parameters
    assert "input.U" in nl.Sequence(cells[0]).parameters


def test_what_is_written_to_the_models_parameters_is_the_cells(model):
    model.parameters["forget.b"] = [1.0, 2.0, 3.0]
    assert list(model.cells[0].forget.b) == [1.0, 2.0, 3.0]
    model.parameters.flat[:] = 0
    assert not model.cells[0].parameters["input.U"].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_stays_in_its_dtype(dtype, x):
    model = nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=0, dtype=dtype), bidirectional=True, readout=2)
    y, state = model(x, return_state=True)
    assert y.dtype == dtype
    assert {value.dtype for value in state.values()} == {np.dtype(dtype)}
    assert model.parameters["readout.U"].dtype == dtype
    assert {value.dtype for value in model.record(x).values()} == {np.dtype(dtype)}


def test_float32_agrees_with_float64(x):
    single = nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=0, dtype="float32"))(x)
    assert np.abs(single - nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=0))(x)).max() < 1e-5


def test_a_recording_has_gates_states_and_local_variables(model, x):
    rec = model.record(x)
    assert list(rec)[:6] == ["input", "forget", "output", "new", "h", "c"]
    assert np.array_equal(rec["i"], rec["input"])
    assert np.array_equal(rec.y, rec["output"])
    assert np.array_equal(rec.y, model(x))
    assert {rec[name].shape for name in ("input", "forget", "new", "h", "c")} == {(4, 9, 3)}
    with pytest.raises(KeyError, match="did you mean 'forget'"):
        rec["forgot"]


def test_nothing_returned_is_the_models_own_memory(model, x):
    y, state = model(x, return_state=True)
    rec = model.record(x)
    before = model(x).copy()
    for array in (y, *state.values(), *rec.values()):
        assert array.flags.writeable
        array[...] = 7
    assert np.array_equal(model(x), before)


def test_inputs_are_not_changed(model, x):
    before = x.copy()
    initial = {"h": np.ones((4, 3))}
    model(x, lengths=[1, 2, 3, 4], initial=initial, resets=np.ones((4, 9), bool))
    assert np.array_equal(x, before)
    assert (initial["h"] == 1).all()


def test_models_copy_and_pickle(model, x):
    model = nl.Sequence([model.cells[0]], bidirectional=True, readout=1)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(twin(x), model(x))
        before = model(x).copy()
        twin.parameters["forward.input.U"][...] = 0
        assert np.array_equal(model(x), before)
        assert not np.array_equal(twin(x), before)


def test_two_threads_may_call_one_model(model, x):
    expected, results = model.record(x)["c"], []
    threads = [threading.Thread(target=lambda: results.append(model.record(x)["c"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(result, expected) for result in results)


def test_a_feed_is_given_by_name():
    model = nl.Sequence(Timed(inputs=2, hidden=3, rng=0))
    x, dt = np.ones((2, 5, 2)), np.full((2, 5), 0.5)
    assert np.array_equal(model(x, dt=dt), model(x, dt=dt[..., None]))
    assert np.array_equal(model(x), model(x, dt=np.ones((2, 5))))
    assert not np.array_equal(model(x, dt=dt), model(x))
    with pytest.raises(InputError, match=r"dt has shape \(2, 4\); expected \(2, 5, 1\)"):
        model(x, dt=dt[:, :4])
    with pytest.raises(InputError, match="no feed 'td': did you mean 'dt'"):
        model(x, td=dt)


BAD_INPUTS = [
    (np.zeros(9), {}, r"x has shape \(9,\); expected \(T, M\).* x\[:, None\]"),
    (np.zeros((1, 2, 3, 2)), {}, r"x has shape \(1, 2, 3, 2\)"),
    (np.zeros((9, 3)), {}, "x has 3 features .*expected 2"),
    (np.zeros((0, 2)), {}, "empty sequence"),
    (np.zeros((3, 0, 2)), {}, "empty sequence"),
    (np.zeros((0, 3, 2)), {}, "empty sequence"),
    (np.array([[1.0, 2.0], [np.nan, 1.0]]), {}, r"x has NaN at time step 1, feature 0 \(1 of 4"),
    (np.array([[[1.0, 2.0], [1.0, -np.inf]]]), {}, "x has infinity at example 0, time step 1, feature 1"),
    (np.zeros((9, 2), complex), {}, "complex128; expected numbers"),
    ([["a", "b"]], {}, "expected numbers"),
    ([np.zeros((3, 2)), np.zeros((4, 2))], {}, "padded to one array and given with lengths="),
    (None, {}, "x has dtype object"),
    (np.zeros((4, 9, 2)), {"lengths": [1, 2]}, r"lengths has shape \(2,\)"),
    (np.zeros((4, 9, 2)), {"lengths": [1, 2, 3, 10]}, r"lengths\[3\] is 10; expected 1 to 9"),
    (np.zeros((4, 9, 2)), {"lengths": [1, 0, 3, 9]}, r"lengths\[1\] is 0"),
    (np.zeros((4, 9, 2)), {"lengths": [1.0, 2, 3, 4]}, "expected .* integers"),
    (np.zeros((9, 2)), {"lengths": [9]}, "lengths= goes with a batch"),
    (np.zeros((4, 9, 2)), {"resets": np.zeros((4, 9))}, "of bool"),
    (np.zeros((4, 9, 2)), {"resets": np.zeros((9, 4), bool)}, r"expected \(4, 9\) of bool"),
    (np.zeros((4, 9, 2)), {"initial": np.zeros((4, 3))}, "expected a mapping of states by name"),
    (np.zeros((4, 9, 2)), {"initial": {"s": np.zeros((4, 3))}}, "a state 's' that the model does not"),
    (
        np.zeros((4, 9, 2)),
        {"initial": {"h": np.zeros((3, 4))}},
        r"initial\['h'\] has shape \(3, 4\); expected \(4, 3\)",
    ),
    (np.zeros((4, 9, 2)), {"initial": {"h": np.full((4, 3), np.nan)}}, "12 NaN"),
    (np.zeros((4, 9, 2)), {"rng": "seed"}, "rng='seed'"),
    (np.zeros((4, 9, 2)), {"dt": 1.0}, "no feed 'dt'"),
]


@pytest.mark.parametrize(("x", "arguments", "text"), BAD_INPUTS)
def test_bad_input_is_refused_in_words(model, x, arguments, text):
    with pytest.raises(InputError, match=text):
        model(x, **arguments)


def test_whole_numbers_and_frames_are_numbers(model):
    import pandas as pd

    whole = np.arange(18).reshape(9, 2)
    assert np.array_equal(model(whole), model(whole.astype(float)))
    assert np.array_equal(model(pd.DataFrame(whole)), model(whole))
    assert np.array_equal(model(whole.tolist()), model(whole))


def test_models_that_cannot_be_are_refused():
    cell = ToyLSTM(inputs=2, hidden=3, rng=0)
    with pytest.raises(InputError, match=r"cell 1 \(ToyLSTM\) has inputs=2, and cell 0 .* has 1 outputs"):
        nl.Sequence([cell, cell.fresh(1)])
    with pytest.raises(InputError, match="2 together; they must be equal"):
        nl.Sequence([cell, ToyLSTM(inputs=1, hidden=3)], bidirectional=True)
    with pytest.raises(InputError, match="stands twice"):
        nl.Sequence([cell, cell])
    with pytest.raises(InputError, match="the class ToyLSTM"):
        nl.Sequence(ToyLSTM)
    with pytest.raises(InputError, match="expected a cell"):
        nl.Sequence([])
    with pytest.raises(InputError, match="differ in dtype: float64, float32"):
        nl.Sequence([cell, ToyLSTM(inputs=1, hidden=3, dtype="float32")])
    with pytest.raises(InputError, match="backend='tpu'"):
        nl.Sequence(cell, backend="tpu")
    with pytest.raises(InputError, match="backward cells differ"):
        nl.Sequence(cell, backward=[ToyLSTM(inputs=3, hidden=3)])
    with pytest.raises(InputError, match=r"Readout\(hidden=0\)"):
        nl.Sequence(cell, readout=0)


class Mixing(Cell):
    """Its product is right for one example, and by accident has a valid shape where B = K."""

    inner: Gate = gate(sigmoid, W=None)
    A: nl.Array = nl.param(("hidden", "hidden"), nl.normal())

    def step(self, x, h):
        h = self.inner(x) + self.A @ h
        return h, h


def test_a_step_that_mixes_the_batch_is_refused(x):
    model = nl.Sequence(Mixing(inputs=2, hidden=4, rng=0))
    assert model(x[0]).shape == (9, 4)
    with pytest.raises(CellError, match=r"mixes the examples of a batch.*write `h @ self.W.T`"):
        model(x)
    with pytest.raises(CellError, match="mixes"):
        model(x)


def test_a_gate_may_not_bear_the_name_of_the_readout():
    class Named(Cell):
        readout: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.readout(x, h)
            return h, h

    cell = Named(inputs=2, hidden=3, rng=0)
    assert list(nl.Sequence(cell).parameters) == ["readout.U", "readout.W", "readout.b"]
    with pytest.raises(InputError, match=r"two parameters would be 'readout.U'.* rename the gate"):
        nl.Sequence(cell, readout=1)
