"""States of every shape, without axes too: alone and in batches, in kernels and in NumPy, forward and derived."""

import copy

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, gate, param, state
from nanolstm.errors import CellError

B, T = 4, 5
LENGTHS = np.array([5, 2, 5, 1])


def shaped(size, start=0.5):
    """A cell with a state `s` of that size, which h both reads and changes, and one that is `s` one step before."""

    class Shaped(Cell):
        heads: int = 1
        first: Array = param(size, nl.normal(0.5))
        s: State = state(size, start=start)
        late: State = state(size)
        new: Gate = gate(np.tanh)

        def step(self, x, h, s, late):
            axes = len(self.anatomy.states["s"].shape)
            total = s + 0.5 * late
            for _ in range(axes):
                total = np.sum(total, axis=-1)
            new = self.new(x, h) * (1 + total[..., None])
            change = np.sum(new, axis=-1)
            for _ in range(axes):
                change = change[..., None]
            return np.concatenate([new, total[..., None]], axis=-1), new, np.tanh(self.first * s + change), s

    return Shaped


Counting = shaped(())
SIZES = {"no axes": (), "heads": "heads", "one": (1,), "one by one": (1, 1), "matrix": (2, 3)}
KINDS = {name: Counting if size == () else shaped(size) for name, size in SIZES.items()}


@pytest.fixture(params=["numpy", "numba"])
def backend(request):
    """What models run on."""
    return request.param


@pytest.fixture(params=KINDS)
def kind(request):
    """A class of cells whose state has one of the shapes; compiled where no other test has such kernels."""
    compiled = "backend" in request.fixturenames and request.getfixturevalue("backend") == "numba"
    if compiled and request.param not in ("no axes", "one by one"):
        pytest.skip("kernels with states of this shape have tests of their own")
    return KINDS[request.param]


@pytest.fixture
def data():
    """x (B, T, 2) and target (B, T, 4)."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(B, T, 2)), rng.normal(size=(B, T, 4))


def model_of(kind, backend="numpy", **options):
    return nl.Sequence(kind(inputs=2, hidden=3, rng=0), backend=backend, **options)


def around(model):
    """Lengths, resets and first states."""
    rng = np.random.default_rng(2)
    resets = np.zeros((B, T), bool)
    resets[0, 2] = resets[2, 0] = resets[1, 1] = True
    initial = {name: rng.normal(size=(B, *part.shape)) for name, part in model.states().items()}
    return {"lengths": LENGTHS, "resets": resets, "initial": initial}


def by_hand(model, x, resets, initial):
    """Output and last states of one sequence: the step in a loop, on the numbers of the cell."""
    (cell,) = model.cells
    begin = {name: np.full(part.shape, part.start) for name, part in cell.anatomy.states.items()}
    now, outputs = dict(initial), []
    for t, here in enumerate(x):
        now = dict(begin) if resets[t] else now
        y, *new = type(cell).step(cell, here, *now.values())
        now = dict(zip(now, new, strict=True))
        outputs.append(y)
    return np.array(outputs), now


def agree(one, other, tolerance=1e-12):
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def central(function, array, h=1e-4):
    """Central differences of fourth order by every element of `array`, in place."""
    found = np.zeros_like(array)
    for i in np.ndindex(array.shape):
        before, values = array[i], []
        for k in (1, -1, 2, -2):
            array[i] = before + k * h
            values.append(function())
        array[i] = before
        found[i] = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * h)
    return found


def test_a_batch_is_each_sequence_by_hand(kind, backend, data):
    model, (x, _) = model_of(kind, backend), data
    more = around(model)
    y, last = model(x, return_state=True, **more)
    recording = model.record(x, **more)
    agree(recording.y, y)
    for b, length in enumerate(LENGTHS):
        initial = {name: value[b] for name, value in more["initial"].items()}
        expected, end = by_hand(model, x[b, :length], more["resets"][b], initial)
        agree(y[b, :length], expected)
        for name, value in end.items():
            agree(last[name][b], value)
            agree(recording[name][b, length - 1], value)
        alone, alone_last = model(x[b, :length], resets=more["resets"][b, :length], initial=initial, return_state=True)
        agree(alone, expected)
        assert {name: value.shape for name, value in alone_last.items()} == {n: v.shape for n, v in initial.items()}


def test_a_state_goes_back_in_as_it_came_out(kind, backend, data):
    model, (x, _) = model_of(kind, backend), data
    for index in ((slice(None),), ()):
        whole, first, second = (
            x[(*index, *rest)] if index else x[(0, *rest)] for rest in ((slice(None),), (slice(0, 2),), (slice(2, T),))
        )
        y, end = model(whole, return_state=True)
        y1, carried = model(first, return_state=True)
        y2, last = model(second, initial=carried, return_state=True)
        agree(np.concatenate([y1, y2], axis=-2), y)
        for name, value in end.items():
            agree(last[name], value)


@pytest.mark.parametrize("batch", [None, 1, B])
def test_a_stepper_goes_the_way_of_a_run(kind, backend, batch, data):
    model, x = model_of(kind, backend), data[0]
    x = x[0] if batch is None else x[:batch]
    initial = {name: np.full(part.shape, 0.25) for name, part in model.states().items()}
    y, last = model(x, initial=initial, return_state=True)
    stepper = model.stepper(batch=batch, initial=initial)
    for _ in range(2):
        agree(np.stack([stepper(x[..., t, :]) for t in range(T)], axis=-2), y)
        assert {name: value.shape for name, value in stepper.state.items()} == {n: v.shape for n, v in last.items()}
        for name, value in stepper.state.items():
            agree(value, last[name])
        stepper.reset()


def test_gradients_are_those_of_finite_differences(kind, backend, data):
    model, (x, target) = model_of(kind, backend), data
    more = around(model)

    def loss():
        return nl.loss("mse")(model(x, **more), target, lengths=LENGTHS)

    wrt = ("parameters", "x", "initial")
    value, grads = model.value_and_grad(x, target, loss="mse", wrt=wrt, **more)
    assert value == pytest.approx(loss(), rel=1e-12)
    agree(grads["x"], central(loss, x), 1e-8)
    for name, first in more["initial"].items():
        agree(grads["initial"][name], central(loss, first), 1e-8)
    for key, array in model.parameters.items():
        agree(grads["parameters"][key], central(loss, array), 1e-8)
    _, again = model.value_and_grad(x, target, loss="mse", wrt=wrt, checkpoint_every=2, **more)
    agree(again["parameters"]["new.W"], grads["parameters"]["new.W"])
    _, usual = model.value_and_grad(x, target, loss="mse")
    agree(usual["first"], central(lambda: nl.loss("mse")(model(x), target), model.parameters["first"]), 1e-8)


def test_directional_derivatives_are_those_of_finite_differences(kind, backend, data):
    model, (x, target) = model_of(kind, backend), data
    more, rng, h = around(model), np.random.default_rng(3), 1e-5
    direction = {key: rng.normal(size=value.shape) for key, value in model.parameters.items()}
    before = {key: value.copy() for key, value in model.parameters.items()}

    def moved(by, function):
        for key, value in model.parameters.items():
            value[...] = before[key] + by * direction[key]
        result = function()
        for key, value in model.parameters.items():
            value[...] = before[key]
        return result

    y, dy = model.jvp(x, direction, **more)
    agree(y, model(x, **more))
    agree(dy, (moved(h, lambda: model(x, **more)) - moved(-h, lambda: model(x, **more))) / (2 * h), 1e-7)
    product = model.hvp(x, target, direction, loss="mse", **more)

    def gradient():
        return model.value_and_grad(x, target, loss="mse", **more)[1]

    ahead, back = moved(h, gradient), moved(-h, gradient)
    for key, value in product.items():
        agree(value, (ahead[key] - back[key]) / (2 * h), 1e-6)


def test_a_start_that_is_learned_has_its_gradient(kind, backend, data):
    x, target = data
    own = kind(inputs=2, hidden=3, rng=0).anatomy.states["s"].shape
    named = nl.Sequence(shaped(own, start="first")(inputs=2, hidden=3, rng=0), backend=backend)
    resets = around(named)["resets"]
    for model, key in ((named, "first"), (model_of(kind, backend, learn_initial=True), "initial.s")):

        def loss(model=model):
            return nl.loss("mse")(model(x, lengths=LENGTHS, resets=resets), target, lengths=LENGTHS)

        _, grads = model.value_and_grad(x, target, loss="mse", lengths=LENGTHS, resets=resets)
        assert grads[key].shape == own
        assert np.any(grads[key] != 0)
        agree(grads[key], central(loss, model.parameters[key]), 1e-8)


def test_stacks_and_both_directions_have_such_states(backend, data):
    x, target = data
    cells = [Counting(inputs=2, hidden=3, rng=0), KINDS["one by one"](inputs=8, hidden=3, rng=1)]
    model = nl.Sequence(cells, bidirectional=True, readout=4, backend=backend)
    y, last = model(x, lengths=LENGTHS, return_state=True)
    assert last["0.forward.s"].shape == (B,)
    assert last["1.backward.s"].shape == (B, 1, 1)
    for b, length in enumerate(LENGTHS):
        agree(y[b, :length], model(x[b, :length]))
    _, grads = model.value_and_grad(x, target, loss="mse", lengths=LENGTHS)
    key = "0.backward.first"

    def loss():
        return nl.loss("mse")(model(x, lengths=LENGTHS), target, lengths=LENGTHS)

    agree(grads[key], central(loss, model.parameters[key]), 1e-8)


def test_an_ensemble_trains_its_members_as_by_themselves(kind, backend, data):
    options = {"epochs": 3, "rng": 0, "optimizer": "sgd(lr=0.1)", "loss": "mse"}
    ensemble = nl.Ensemble(model_of(kind, backend), 2, rng=1)
    before = [copy.deepcopy(ensemble[i]) for i in range(2)]
    ensemble.fit(data, **options)
    for i, alone in enumerate(before):
        nl.fit(alone, data, **options)
        agree(ensemble[i].parameters.flat, alone.parameters.flat)


def test_a_file_keeps_such_a_model(kind, tmp_path, data):
    model = model_of(kind, learn_initial=True)
    nl.save(model, tmp_path / "model.safetensors")
    loaded = nl.load(tmp_path / "model.safetensors", cells=[kind])
    assert loaded.parameters["initial.s"].shape == model.parameters["initial.s"].shape
    assert np.array_equal(loaded(data[0]), model(data[0]))


@pytest.mark.parametrize("size", [0, (0,), (2, 0)])
def test_a_state_of_no_elements_is_refused(size):
    with pytest.raises(CellError, match=r"state 's' has size 0, which is 0; expected an int from 1 on"):
        shaped(size)(inputs=2, hidden=3)
