"""A stepper gives, step by step, what the model gives on the whole sequence."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

import nanolstm as nl
from nanolstm.errors import InputError

BACKENDS = ["numba", "numpy"]
T = 6


def steps(stepper, d):
    """What a stepper answers to each step."""
    feeds = {name: np.moveaxis(value, len(d.x.shape) - 2, 0) for name, value in d.feeds.items()}
    x = np.moveaxis(d.x, -2, 0)
    return np.stack([stepper(x[t], **{name: v[t] for name, v in feeds.items()}) for t in range(T)], axis=-2)


def equals_the_whole(model, d, agrees, batch):
    """From the start and from given states, to the last ones, and again after a reset."""
    for initial in (None, d.initial):
        y, last = model(d.x, initial=initial, return_state=True, **d.feeds)
        stepper = model.stepper(batch=batch, initial=initial)
        begin = stepper.state
        agrees(steps(stepper, d), y, 1e-12)
        if last:
            agrees(stepper.state, last, 1e-12)
            stepper.reset()
            agrees(stepper.state, begin, 0)
        agrees(steps(stepper, d), y, 1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("kind", ["ToyLSTM", "MatrixMemory", "Timed", "Layer", "HandedOn", "Delayed"])
def test_a_stepper_equals_the_model_on_the_whole_sequence(kind, batch, backend, cell, data, agrees):
    model = nl.Sequence(cell(kind), backend=backend)
    equals_the_whole(model, data(model, *(() if batch is None else (batch,)), T), agrees, batch)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch", [None, 3])
def test_a_stack_with_a_readout_and_learned_starts_goes_step_by_step(batch, backend, cell, data, agrees):
    cells = [cell("Diagonal", rng=1), cell("Timed", inputs=3, rng=2)]
    model = nl.Sequence(cells, readout=2, learn_initial=True, backend=backend)
    for key, value in model.parameters.items():
        if "initial" in key:
            value[...] = np.linspace(-0.5, 0.5, 3)
    equals_the_whole(model, data(model, *(() if batch is None else (batch,)), T), agrees, batch)


@pytest.mark.parametrize("backend", BACKENDS)
def test_float32_goes_step_by_step(backend, cell, data, agrees):
    model = nl.Sequence(cell("LSTM", dtype="float32"), backend=backend)
    d = data(model, T)
    y = steps(model.stepper(), d)
    assert y.dtype == np.float32
    agrees(y, model(d.x), 1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_feeds_are_numbers_or_arrays_and_have_defaults(backend, cell, agrees):
    model = nl.Sequence(cell("Timed"), backend=backend)
    for batch, shape in ((None, ()), (3, (3,))):
        x, wind = np.ones((*shape, 2)), np.full((*shape, 2), 0.1)
        expected = model.stepper(batch=batch)(x, wind=wind, dt=np.full(shape, 0.5))
        for dt in (0.5, np.full(shape, 0.5), np.full((*shape, 1), 0.5)):
            agrees(model.stepper(batch=batch)(x, wind=wind, dt=dt), expected, 0)
        stepper = model.stepper(batch=batch)
        stepper(x, wind=wind, dt=np.full(shape, 0.5))
        stepper.reset()
        agrees(stepper(x, wind=wind), model.stepper(batch=batch)(x, wind=wind, dt=1.0), 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_answers_and_states_are_the_callers_own(backend, cell):
    model = nl.Sequence(cell("ToyLSTM"), backend=backend)
    stepper = model.stepper()
    x = np.ones(2)
    first = stepper(x)
    before, states = np.array(first), stepper.state
    kept = {name: np.array(value) for name, value in states.items()}
    second = stepper(x)
    assert np.array_equal(first, before)
    assert all(np.array_equal(states[name], value) for name, value in kept.items())
    assert not np.array_equal(second, first)
    stepper.reset()
    first[...], states["h"][...] = np.nan, np.nan
    assert np.array_equal(stepper(x), before)
    assert x.tolist() == [1, 1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_states_that_were_given_stay_the_callers(backend, cell):
    initial = {"h": np.ones(3), "c": np.ones(3)}
    stepper = nl.Sequence(cell("ToyLSTM"), backend=backend).stepper(initial=initial)
    first = stepper(np.ones(2))
    assert all((value == 1).all() for value in initial.values())
    initial["h"][...] = 7
    stepper.reset()
    assert np.array_equal(stepper(np.ones(2)), first)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_state_serves_all_sequences_of_a_batch(backend, cell, agrees):
    model = nl.Sequence(cell("ToyLSTM"), backend=backend)
    initial = {"h": np.full(3, 0.5)}
    agrees(
        model.stepper(batch=2, initial=initial)(np.ones((2, 2))),
        np.stack([model.stepper(initial=initial)(np.ones(2))] * 2),
        1e-12,
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_steppers_of_a_model_know_nothing_of_each_other(backend, cell):
    model = nl.Sequence(cell("ToyLSTM"), backend=backend)
    one, other = model.stepper(), model.stepper()
    first = one(np.ones(2))
    one(np.zeros(2))
    assert np.array_equal(other(np.ones(2)), first)


@pytest.mark.parametrize("backend", BACKENDS)
def test_numbers_of_any_type_are_taken(backend, cell):
    stepper = nl.Sequence(cell("ToyLSTM"), backend=backend).stepper()
    expected = stepper(np.array([1.0, 0.0]))
    for x in ([1, 0], np.array([1, 0]), np.array([True, False]), np.array([1, 0], "float32"), (1.0, 0)):
        stepper.reset()
        assert np.array_equal(stepper(x), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_values_are_not_looked_at(backend, cell):
    stepper = nl.Sequence(cell("ToyLSTM"), backend=backend).stepper()
    assert np.isnan(stepper(np.array([np.nan, 0.0]))).all()
    stepper.reset()
    assert np.isfinite(stepper(np.zeros(2))).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("x", [np.ones(3), np.ones((1, 2)), np.ones((2, 2)), 1.0, np.ones((5, 2)), [[1.0, 2.0]]])
def test_a_step_of_another_shape_is_refused_with_both(x, backend, cell):
    stepper = nl.Sequence(cell("ToyLSTM"), backend=backend).stepper()
    with pytest.raises(InputError, match=r"x has shape \(.*this stepper takes \(2,\)"):
        stepper(x)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.array([1 + 2j, 0]), "complex128"),
        (np.array(["a", "b"]), "<U1"),
        (np.array([None, 1.0]), "object"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "masked array"),
    ],
    ids=["complex", "text", "objects", "masked"],
)
def test_what_are_no_real_numbers_is_refused(x, text, backend, cell):
    stepper = nl.Sequence(cell("ToyLSTM"), backend=backend).stepper()
    with pytest.raises(InputError, match=text):
        stepper(x)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("feeds", "text"),
    [
        ({"wind": np.ones(3)}, r"wind has shape \(3,\); this stepper takes \(2,\)"),
        ({"wind": np.ones(2), "dt": np.ones(2)}, r"dt has shape \(2,\); this stepper takes \(1,\)"),
        ({}, r"the feed 'wind' is missing: write stepper\(x, wind=...\)"),
        ({"wind": np.ones(2), "wimd": 1.0}, "no feed 'wimd': did you mean 'wind'"),
        ({"wind": np.ones(2), "lengths": [1]}, "no feed 'lengths'"),
    ],
)
def test_feeds_that_do_not_fit_are_refused(feeds, text, backend, cell):
    stepper = nl.Sequence(cell("Timed"), backend=backend).stepper()
    with pytest.raises(InputError, match=text):
        stepper(np.ones(2), **feeds)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_without_feeds_says_so(backend, cell):
    stepper = nl.Sequence(cell("ToyLSTM"), backend=backend).stepper()
    with pytest.raises(InputError, match="no feed 'dt'"):
        stepper(np.ones(2), dt=1.0)


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "2"])
def test_a_number_of_sequences_is_a_number_from_1_on(batch, cell):
    with pytest.raises(InputError, match=r"stepper\(batch=.*expected a number of sequences from 1 on, or None"):
        nl.Sequence(cell("ToyLSTM")).stepper(batch=batch)


@pytest.mark.parametrize(
    ("initial", "text"),
    [
        ({"h": np.ones(4)}, r"initial\['h'\] has shape \(4,\); expected \(3,\)"),
        ({"k": np.ones(3)}, "initial has a state 'k' that the model does not"),
        ([1], "initial is a list"),
    ],
)
def test_first_states_that_do_not_fit_are_refused(initial, text, cell):
    with pytest.raises(InputError, match=text):
        nl.Sequence(cell("ToyLSTM")).stepper(initial=initial)


def test_a_bidirectional_model_cannot_go_step_by_step(cell):
    with pytest.raises(InputError, match="a bidirectional model reads each sequence from its end"):
        nl.Sequence(cell("ToyLSTM"), bidirectional=True).stepper()


def test_a_stepper_shows_what_it_takes(cell):
    assert repr(nl.Sequence(cell("ToyLSTM")).stepper(batch=4)) == "Stepper(x (4, 2), y (4, 1), states h, c)"
