"""Gradients of a model as its user meets them: what is asked for, what comes back, and when a trace is made anew."""

import copy
import functools
import gc
import pickle
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, feed, gate, noise, param, sigmoid, traced
from nanolstm.cells import ToyLSTM
from nanolstm.errors import InputError
from nanolstm.testing import check_cell

B, T = 3, 7


class GRU(Cell):
    update: Gate = gate(sigmoid)
    reset: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        z, r = self.update(x, h), self.reset(x, h)
        h = (1 - z) * h + z * self.new(x, r * h)
        return h, h


class Timed(Cell):
    """A feed, a frozen matrix, a start that is learned, a mask."""

    dt: Array = feed(default=1.0)
    keep: Array = noise(0.8)
    first: Array = param("hidden", nl.normal())
    A: Array = param(("hidden", "hidden"), nl.normal(0.3), frozen=True)
    h: nl.State = nl.state(start="first")
    new: Gate = gate(np.tanh)

    def step(self, x, h, dt, keep):
        h = keep * h + dt * (self.new(x, h) - h @ self.A.T)
        return h, h


def data(model, *, batch=(B,), seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(*batch, T, model.inputs)), rng.normal(size=(*batch, T, model.outputs))


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


def close(one, other, tolerance=1e-8):
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


# What comes back


def test_the_gradient_has_the_names_and_shapes_of_the_parameters():
    model = nl.Sequence(
        [GRU(inputs=2, hidden=3, rng=0), ToyLSTM(inputs=6, hidden=4, rng=1)], bidirectional=True, readout=2
    )
    value, grads = model.value_and_grad(*data(model))
    assert isinstance(value, float)
    assert list(grads) == list(model.parameters)
    assert {key: g.shape for key, g in grads.items()} == {key: p.shape for key, p in model.parameters.items()}


def test_the_value_is_the_loss_of_the_output():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    for loss in ("rmse", "huber(delta=0.3)", lambda y, t: np.mean(np.abs(y - t) ** 3)):
        value, _ = model.value_and_grad(x, target, loss=loss, lengths=[7, 3, 5])
        assert value == pytest.approx(nl.loss(loss)(model(x, lengths=[7, 3, 5]), target, lengths=[7, 3, 5]), rel=1e-13)


def test_one_sequence_is_a_batch_of_one():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, target = data(model, batch=())
    value, grads = model.value_and_grad(x, target, wrt=("parameters", "x", "initial"))
    again, batched = model.value_and_grad(x[None], target[None], wrt=("parameters", "x", "initial"))
    assert value == again
    assert grads["x"].shape == x.shape
    assert grads["initial"]["h"].shape == (3,)
    assert np.array_equal(batched["x"][0], grads["x"])
    assert all(np.array_equal(batched["parameters"][key], g) for key, g in grads["parameters"].items())


@pytest.mark.parametrize("batch", [(), (B,)])
def test_by_everything_that_there_is(batch):
    cell = Timed(inputs=2, hidden=3, rng=0)
    model = nl.Sequence(cell, readout=2, rng=1)
    x, target = data(model, batch=batch)
    rng = np.random.default_rng(1)
    dt = rng.uniform(0.2, 0.6, (*batch, T))
    initial = {name: rng.normal(size=(*batch, *s.shape)) for name, s in model.states().items()}
    resets = rng.random((*batch, T)) < 0.2
    more = {"resets": resets, "initial": initial} | ({"lengths": np.array([7, 2, 5])} if batch else {})
    lengths = more.get("lengths")

    def loss():
        return nl.loss("mse")(model(x, dt=dt, **more), target, lengths=lengths)

    wrt = ("parameters", "frozen", "x", "initial", "dt")
    value, grads = model.value_and_grad(x, target, loss="mse", wrt=wrt, dt=dt, **more)
    assert value == pytest.approx(loss())
    assert tuple(grads) == wrt
    close(grads["x"], central(loss, x))
    close(grads["dt"], central(loss, dt))
    for name, first in initial.items():
        close(grads["initial"][name], central(loss, first))
    for group, values in (("parameters", model.parameters), ("frozen", model.frozen)):
        assert list(grads[group]) == list(values)
        for key, array in values.items():
            close(grads[group][key], central(loss, array))


def test_one_name_gives_the_gradient_itself():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    several = model.value_and_grad(x, target, wrt=["x", "initial"])[1]
    close(model.value_and_grad(x, target, wrt="x")[1], several["x"], 1e-14)
    close(model.value_and_grad(x, target, wrt="initial")[1]["h"], several["initial"]["h"], 1e-14)


def test_a_perfect_fit_has_gradient_zero_by_rmse():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, _ = data(model)
    value, grads = model.value_and_grad(x, model(x), loss="rmse")
    assert value == pytest.approx(0, abs=1e-12)
    assert all(np.isfinite(g).all() for g in grads.values())
    layer = nl.Sequence(nl.sequence.Readout(inputs=2, hidden=1, rng=0))
    layer.parameters["U"][...] = [[1.0, 2.0]]
    x = np.ones((4, 2))
    value, grads = layer.value_and_grad(x, np.full((4, 1), 3.0), loss="rmse")
    assert value == 0
    assert all((g == 0).all() for g in grads.values())


def test_what_lies_beyond_a_sequences_length_has_no_influence_whatever_it_is():
    class Log(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.new(np.log(x), h)
            return h, h

    model = nl.Sequence(Log(inputs=2, hidden=3, rng=0))
    x, target = np.random.default_rng(0).uniform(0.5, 2, (2, 4, 2)), np.zeros((2, 4, 3))
    lengths = [4, 2]
    value, grads = model.value_and_grad(x, target, lengths=lengths, wrt=("parameters", "x"))
    assert (grads["x"][1, 2:] == 0).all()
    x[1, 2:], target[1, 2:] = np.nan, 1e6
    again, same = model.value_and_grad(x, target, lengths=lengths, wrt=("parameters", "x"))
    assert again == value
    assert np.isfinite(same["x"]).all()
    assert all(np.array_equal(g, same["parameters"][key]) for key, g in grads["parameters"].items())


def test_float32_stays_float32_and_is_close_to_float64():
    wide, narrow = (nl.Sequence(GRU(inputs=2, hidden=3, rng=0, dtype=d), readout=1) for d in ("float64", "float32"))
    x, target = data(wide)
    for name in ("rmse", "huber", "smape", "quantile(q=0.9)", "bce(logits=True)"):
        exact = wide.value_and_grad(x, target > 0 if "bce" in name else target, loss=name)[1]
        grads = narrow.value_and_grad(x, target > 0 if "bce" in name else target, loss=name, wrt=("parameters", "x"))[1]
        assert {g.dtype for g in (*grads["parameters"].values(), grads["x"])} == {np.dtype("float32")}
        for key, g in grads["parameters"].items():
            close(g, exact[key], 1e-4)


def test_a_cell_without_states_is_a_layer():
    layer = nl.Sequence(nl.sequence.Readout(inputs=3, hidden=2, rng=0))
    x, target = data(layer)
    _, grads = layer.value_and_grad(x, target, loss="mse")
    error = (layer(x) - target).reshape(-1, 2)
    close(grads["U"], 2 / error.size * error.T @ x.reshape(-1, 3))
    close(grads["b"], 2 / error.size * error.sum(axis=0))


def test_masks_are_drawn_as_in_a_run():
    model = nl.Sequence([Timed(inputs=2, hidden=3, rng=0), Timed(inputs=3, hidden=3, rng=1)])
    x, target = data(model)
    value, _ = model.value_and_grad(x, target, loss="mse", rng=5)
    assert value == pytest.approx(nl.loss("mse")(model(x, rng=5), target), rel=1e-12)
    assert value != pytest.approx(nl.loss("mse")(model(x, rng=6), target), rel=1e-6)


# Truncation, checkpoints, memory


@pytest.mark.parametrize("k", [1, 2, 3, 7, 100])
def test_a_truncated_gradient_is_that_of_chunks_that_start_from_given_states(k):
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    _, grads = model.value_and_grad(x, target, loss="mse", truncate=k)
    total = {key: np.zeros_like(g) for key, g in grads.items()}
    state = None
    for t in range(0, T, k):
        piece = slice(t, min(t + k, T))
        part = model.value_and_grad(x[:, piece], target[:, piece], loss="mse", initial=state)[1]
        _, state = model(x[:, piece], initial=state, return_state=True)
        for key, g in part.items():
            total[key] += g * (piece.stop - piece.start) / T
    for key, g in grads.items():
        close(g, total[key], 1e-12)


@pytest.mark.parametrize("every", [1, 2, 3, 6, 7, 50])
def test_checkpoints_change_nothing(every):
    model = nl.Sequence([GRU(inputs=2, hidden=3, rng=0), GRU(inputs=6, hidden=2, rng=1)], bidirectional=True, readout=2)
    x, target = data(model)
    direction = {key: np.ones(p.shape) for key, p in model.parameters.items()}
    more = {"lengths": [7, 3, 5], "resets": np.random.default_rng(0).random((B, T)) < 0.2, "truncate": 4}
    wrt = ("parameters", "x", "initial")
    value, grads = model.value_and_grad(x, target, wrt=wrt, **more)
    again, same = model.value_and_grad(x, target, wrt=wrt, checkpoint_every=every, **more)
    assert again == pytest.approx(value, rel=1e-14)
    close(same["x"], grads["x"], 1e-13)
    for group in ("parameters", "initial"):
        for key, g in grads[group].items():
            close(same[group][key], g, 1e-13)
    hvp, hvp_again = (model.hvp(x, target, direction, **more, checkpoint_every=e) for e in (None, every))
    for key, g in hvp.items():
        close(hvp_again[key], g, 1e-12)


def test_checkpoints_take_less_memory():
    # Kernels that are bound hold their arrays from call to call, and what a call takes beside says nothing of them.
    model = nl.Sequence(GRU(inputs=1, hidden=16, rng=0), readout=1, backend="numpy")
    x, target = np.zeros((4, 900, 1)), np.zeros((4, 900, 1))
    peaks = []
    for every in (None, 30):
        model.value_and_grad(x, target, checkpoint_every=every)  # programs are made here
        tracemalloc.start()
        model.value_and_grad(x, target, checkpoint_every=every)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] / 2


# Directions


def test_jvp_is_the_derivative_of_the_output_and_of_the_loss():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0), readout=1)
    x, target = data(model)
    rng = np.random.default_rng(2)
    direction = {"x": rng.normal(size=x.shape), "parameters": {"new.W": rng.normal(size=(3, 3))}}
    y, dy = model.jvp(x, direction, wrt=("x", "parameters"))
    value, derivative = model.jvp(x, direction, target, loss="mse", wrt=("x", "parameters"))
    close(y, model(x))
    before, h = np.array(model.parameters["new.W"]), 1e-6
    moved = []
    for sign in (1, -1):
        model.parameters["new.W"][...] = before + sign * h * direction["parameters"]["new.W"]
        moved.append(model(x + sign * h * direction["x"]))
    model.parameters["new.W"][...] = before
    close(dy, (moved[0] - moved[1]) / (2 * h), 1e-8)
    close(derivative, 2 * np.mean((y - target) * dy), 1e-12)
    assert value == pytest.approx(nl.loss("mse")(y, target))


def test_the_hessian_is_symmetric_and_that_of_a_linear_layer_is_known():
    layer = nl.Sequence(nl.sequence.Readout(inputs=2, hidden=1, rng=0))
    x, target = data(layer, batch=())
    hessian = np.stack([layer.hvp(x, target, {"U": np.eye(2)[i][None]}, loss="mse")["U"][0] for i in range(2)], axis=1)
    close(hessian, 2 / T * x.T @ x, 1e-13)
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    rng = np.random.default_rng(0)
    u, v = ({key: rng.normal(size=p.shape) for key, p in model.parameters.items()} for _ in range(2))
    hu, hv = (model.hvp(x, target, w) for w in (u, v))
    close(sum(np.sum(hu[key] * v[key]) for key in v), sum(np.sum(hv[key] * u[key]) for key in u), 1e-11)


# Initial states that are learned


def test_learned_initial_states_are_parameters_and_begin_as_declared():
    plain = nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=0))
    model = nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=0), learn_initial=True)
    x, target = data(model)
    assert list(model.parameters) == [*plain.parameters, "initial.h", "initial.c"]
    assert np.array_equal(model(x), plain(x))
    model.parameters["initial.c"] = np.array([0.1, 0.2, 0.3])
    first = {"h": np.zeros(3), "c": np.array([0.1, 0.2, 0.3])}
    assert np.array_equal(model(x), plain(x, initial=first))
    _, grads = model.value_and_grad(x, target)
    _, by_initial = plain.value_and_grad(x, target, initial=first, wrt="initial")
    close(grads["initial.c"], by_initial["c"].sum(axis=0), 1e-13)


def test_a_reset_goes_back_to_the_learned_state():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0), learn_initial=True)
    model.parameters["initial.h"] = np.array([0.5, -0.2, 0.1])
    x, target = data(model)
    resets = np.zeros((B, T), bool)
    resets[1, 3] = True
    close(model(x, resets=resets)[1, 3:], model(x[1, 3:]), 1e-13)
    _, grads = model.value_and_grad(x, target, resets=resets, loss="mse")
    start = model.parameters["initial.h"]
    close(grads["initial.h"], central(lambda: nl.loss("mse")(model(x, resets=resets), target), start))


def test_a_state_that_starts_at_infinity_is_not_learned():
    class Max(Cell):
        m: nl.State = nl.state(start=-np.inf)
        new: Gate = gate(np.tanh)

        def step(self, x, h, m):
            h = self.new(x, h)
            m = np.maximum(m, h)
            return m, h, m

    model = nl.Sequence(Max(inputs=1, hidden=2, rng=0), learn_initial=True)
    assert "initial.h" in model.parameters
    assert "initial.m" not in model.parameters
    value, grads = model.value_and_grad(np.ones((5, 1)), np.zeros((5, 2)))
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads.values())


def test_copies_have_learned_states_of_their_own():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0), learn_initial=True)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.parameters["initial.h"][...] = 1.0
        assert (model.parameters["initial.h"] == 0).all()
        assert not np.array_equal(twin(np.ones((3, 2))), model(np.ones((3, 2))))


def test_a_model_without_states_has_no_initial_ones_to_learn():
    with pytest.raises(InputError, match="no state with a finite start"):
        nl.Sequence(nl.sequence.Readout(inputs=2, hidden=1), learn_initial=True)


# When a trace is made anew


def make(body, *fields, **names):
    """A cell of a notebook: a new class each time, its step reading the globals `names`."""
    source = "\n".join(
        [
            "class Mine(Cell):",
            "    new: Gate = gate(np.tanh)",
            *(f"    {field}" for field in fields),
            "    def step(self, x, h):",
            f"        h = {body}",
            "        return h, h",
        ]
    )
    space = {"Cell": Cell, "Gate": Gate, "gate": gate, "np": np, "__name__": "notebook", **names}
    exec(source, space)
    return space


def gradient(cell, x=None):
    model = nl.Sequence(cell)
    x = np.ones((4, cell.inputs)) if x is None else x
    value, grads = model.value_and_grad(x, np.zeros((4, cell.outputs)), loss="mse")
    assert value == pytest.approx(nl.loss("mse")(model(x), np.zeros((4, cell.outputs))), rel=1e-12)
    return np.concatenate([g.ravel() for g in grads.values()])


def test_a_trace_is_made_once_for_all_cells_that_it_fits():
    assert traced.programs_of(GRU(inputs=2, hidden=3, rng=0)) is traced.programs_of(GRU(inputs=2, hidden=3, rng=1))
    assert traced.programs_of(GRU(inputs=2, hidden=3, rng=0)) is not traced.programs_of(GRU(inputs=2, hidden=4, rng=0))


def test_a_trace_of_a_loss_is_made_once_for_all_numbers_of_rows():
    loss = nl.loss("quantile(q=0.9)")
    made = traced.programs_of_loss(loss, 1, np.dtype(float))
    assert traced.programs_of_loss(nl.loss("quantile(q=0.9)"), 1, np.dtype(float)) is made
    assert traced.programs_of_loss(nl.loss("quantile(q=0.8)"), 1, np.dtype(float)) is not made


def test_a_changed_field_is_seen():
    space = make("self.factor * self.new(x, h)", "factor: float = 2.0")
    cell = space["Mine"](inputs=2, hidden=3, rng=0)
    before = gradient(cell)
    cell.factor = 3.0
    assert not np.allclose(gradient(cell), before)
    cell.factor = 2.0
    assert np.array_equal(gradient(cell), before)


def test_a_changed_global_number_is_seen():
    space = make("SCALE * self.new(x, h)", SCALE=2.0)
    cell = space["Mine"](inputs=2, hidden=3, rng=0)
    before = gradient(cell)
    assert traced.programs_of(cell) is traced.programs_of(cell)
    space["SCALE"] = 3.0
    assert not np.allclose(gradient(cell), before)


def test_a_global_array_that_is_written_to_is_seen():
    space = make("TABLE * self.new(x, h)", TABLE=np.array([1.0, 2.0, 3.0]))
    cell = space["Mine"](inputs=2, hidden=3, rng=0)
    before = gradient(cell)
    space["TABLE"][0] = 5.0
    assert not np.allclose(gradient(cell), before)


def test_a_number_in_a_dict_a_module_or_an_object_is_seen():
    class Settings:
        scale = 1.0

    settings = Settings()
    settings.scale = 2.0
    for holder, body, change in (
        ({"scale": 2.0}, "CONFIG['scale'] * self.new(x, h)", lambda config: config.update(scale=3.0)),
        (settings, "CONFIG.scale * self.new(x, h)", lambda config: setattr(config, "scale", 3.0)),
        (type(np)("settings"), "CONFIG.scale * self.new(x, h)", lambda config: setattr(config, "scale", 3.0)),
    ):
        if not isinstance(holder, dict):
            holder.scale = 2.0
        cell = make(body, CONFIG=holder)["Mine"](inputs=2, hidden=3, rng=0)
        before = gradient(cell)
        change(holder)
        assert not np.allclose(gradient(cell), before), body


def test_a_helper_function_that_is_redefined_is_seen():
    space = make("helper(self.new(x, h))")
    exec("def helper(a): return 2 * a", space)
    cell = space["Mine"](inputs=2, hidden=3, rng=0)
    before = gradient(cell)
    exec("def helper(a): return 3 * a", space)
    assert not np.allclose(gradient(cell), before)


def test_a_helper_of_a_helper_is_seen():
    space = make("helper(self.new(x, h))")
    exec("def inner(a): return 2 * a\ndef helper(a): return inner(a)", space)
    cell = space["Mine"](inputs=2, hidden=3, rng=0)
    before = gradient(cell)
    exec("def inner(a): return 3 * a", space)
    assert not np.allclose(gradient(cell), before)


def test_a_number_in_a_closure_is_seen():
    factor = 2.0

    class Mine(Cell):
        new: Gate = gate(lambda a: factor * np.tanh(a))

        def step(self, x, h):
            h = self.new(x, h)
            return h, h

    cell = Mine(inputs=2, hidden=3, rng=0)
    before = gradient(cell)
    factor = 3.0
    assert not np.allclose(gradient(cell), before)


def test_a_class_that_is_redefined_or_patched_is_seen():
    one = make("2.0 * self.new(x, h)")["Mine"](inputs=2, hidden=3, rng=0)
    other = make("3.0 * self.new(x, h)")["Mine"](inputs=2, hidden=3, rng=0)
    before = gradient(one)
    assert not np.allclose(gradient(other), before)
    type(one).step = type(other).step
    assert np.array_equal(gradient(one), gradient(other))


def test_a_class_attribute_is_seen():
    space = make("self.factor * self.new(x, h)")
    Mine = space["Mine"]
    Mine.factor = 2.0
    cell = Mine(inputs=2, hidden=3, rng=0)
    before = gradient(cell)
    Mine.factor = 3.0
    assert not np.allclose(gradient(cell), before)


def test_what_cannot_be_looked_into_is_traced_each_time():
    class Opaque:
        __slots__ = ("scale",)

        def __init__(self):
            self.scale = 2.0

    opaque = Opaque()
    cell = make("OPAQUE.scale * self.new(x, h)", OPAQUE=opaque)["Mine"](inputs=2, hidden=3, rng=0)
    before = gradient(cell)
    opaque.scale = 3.0
    assert not np.allclose(gradient(cell), before)


def test_a_loss_whose_constant_changes_is_seen():
    space = {"np": np, "weight": 1.0}
    exec("def loss(y, t): return weight * np.mean((y - t) ** 2)", space)
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    one = model.value_and_grad(x, target, loss=space["loss"])[0]
    space["weight"] = 2.0
    assert model.value_and_grad(x, target, loss=space["loss"])[0] == pytest.approx(2 * one)


def test_a_loss_is_not_traced_again_for_another_number_of_rows():
    model, loss = nl.Sequence(GRU(inputs=2, hidden=3, rng=0)), nl.loss("cross_entropy")
    made = traced.programs_of_loss(loss, 3, np.dtype(float))
    for steps in (3, 5, 9):
        x, classes = np.ones((steps, 2)), np.arange(steps) % 3
        value, _ = model.value_and_grad(x, classes, loss=loss)
        assert value == pytest.approx(loss(model(x), classes))
        assert traced.programs_of_loss(loss, 3, np.dtype(float)) is made


# Copies, threads, arrays that are the caller's


def test_a_model_is_copied_and_pickled_without_its_programs():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    size = len(pickle.dumps(model))
    _, grads = model.value_and_grad(x, target)
    assert len(pickle.dumps(model)) == pytest.approx(size, abs=200)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        _, same = twin.value_and_grad(x, target)
        assert all(np.array_equal(same[key], g) for key, g in grads.items())


def test_two_threads_may_use_one_model_at_once():
    model = nl.Sequence(GRU(inputs=2, hidden=8, rng=0), readout=1)
    work = [data(model, seed=seed) for seed in range(8)]
    expected = [model.value_and_grad(*pair) for pair in work]
    found = [None] * len(work)

    def run(i):
        for _ in range(10):
            found[i] = model.value_and_grad(*work[i])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (value, grads), (again, same) in zip(expected, found, strict=True):
        assert value == again
        assert all(np.array_equal(g, same[key]) for key, g in grads.items())


def test_nothing_that_comes_back_is_the_callers_or_the_models_own():
    class Through(Cell):
        def step(self, x, h):
            return x, x

    model = nl.Sequence(Through(inputs=2, hidden=2))
    x, target = data(model)
    given = x.copy(), target.copy()
    y, dy = model.jvp(x, {"x": target}, wrt=("x",))
    _, grads = model.value_and_grad(x, target, wrt=("x", "initial"))
    for array in (y, dy, grads["x"], grads["initial"]["h"]):
        assert array.flags.writeable
        array += 1.0
    assert np.array_equal(x, given[0])
    assert np.array_equal(target, given[1])


# Names that the programs use themselves


def test_a_step_may_use_any_names():
    class Named(Cell):
        restart: Array = feed(default=1.0)
        cut: Array = feed(default=2.0)
        sigmoid: Gate = gate(sigmoid)
        last: Gate = gate(np.tanh)
        rows_t: Array = param("hidden", 0.5)

        def step(self, x, first, size, restart, cut):
            first_h = np.tanh(first) * restart
            softplus = np.logaddexp(size, 0.0) * cut
            steps = self.sigmoid(x, first_h) + self.last(x, first)
            h_t, np_ = steps * self.rows_t, softplus
            len, lambda_, real = h_t + np_, first, size  # noqa: A001
            return len, steps, lambda_ * real

    model = nl.Sequence(Named(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    resets = np.random.default_rng(0).random((B, T)) < 0.3
    rng = np.random.default_rng(1)
    feeds = {"restart": rng.uniform(size=(B, T)), "cut": rng.uniform(size=(B, T))}
    value, grads = model.value_and_grad(x, target, loss="mse", resets=resets, wrt=("x", "restart", "cut"), **feeds)

    def loss():
        return nl.loss("mse")(model(x, resets=resets, **feeds), target)

    assert value == pytest.approx(loss(), rel=1e-13)
    close(grads["x"], central(loss, x))
    close(grads["restart"], central(loss, feeds["restart"]))
    assert model.value_and_grad(x, target, loss="mse", resets=resets, truncate=2, **feeds)[0] == pytest.approx(value)


def test_a_state_called_output_is_refused():
    class Named(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, output):
            h = self.new(x, output)
            return h, h

    with pytest.raises(nl.errors.CellError, match="'output'"):
        Named(inputs=1, hidden=2)


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"wrt": "weights"}, "did you mean|a gradient can be taken by"),
        ({"wrt": ()}, "expected at least one"),
        ({"truncate": 0}, "truncate=0: expected a number of time steps from 1 on"),
        ({"truncate": 2.5}, "truncate=2.5"),
        ({"checkpoint_every": True}, "checkpoint_every=True"),
        ({"loss": "rsme"}, "did you mean 'rmse'"),
        ({"lengths": [1, 2]}, "lengths"),
        ({"initial": {"g": np.zeros(3)}}, "has a state 'g'"),
        ({"dt": 1.0}, "no feed 'dt'"),
    ],
)
def test_a_wrong_argument_is_told(arguments, told):
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    with pytest.raises(nl.NanolstmError, match=told):
        model.value_and_grad(*data(model), **arguments)


@pytest.mark.parametrize(
    ("direction", "wrt", "told"),
    [
        ({"new.V": np.zeros((3, 3))}, "parameters", "new.V"),
        ({"new.W": np.zeros((2, 3))}, "parameters", r"\(2, 3\)"),
        ({"new.W": "a"}, "parameters", "new.W"),
        (np.zeros(3), "parameters", "mapping"),
        (np.zeros((B, T, 1)), "x", r"\(3, 7, 1\)"),
        ({"y": 1}, ("x", "parameters"), "'y'"),
    ],
)
def test_a_wrong_direction_is_told(direction, wrt, told):
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    for call in (lambda: model.jvp(x, direction, wrt=wrt), lambda: model.hvp(x, target, direction, wrt=wrt)):
        with pytest.raises(nl.NanolstmError, match=told):
            call()


def test_a_target_of_another_shape_is_told():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    with pytest.raises(InputError, match="A target is never broadcast"):
        model.value_and_grad(x, target[..., :1])


# What a reading of the code found


def test_two_gradients_that_are_equal_are_two_arrays():
    class Twice(Cell):
        b1: Array = param("hidden", 0.0)
        b2: Array = param("hidden", 0.0)
        new: Gate = gate(np.tanh, bias=False)
        dt: Array = feed(2, default=0.0)

        def step(self, x, h, dt):
            h = self.new(x + dt, h) + self.b1 + self.b2
            return h, h

    for batch in ((), (1,), (B,)):
        model = nl.Sequence(Twice(inputs=2, hidden=3, rng=0))
        x, target = data(model, batch=batch)
        _, grads = model.value_and_grad(x, target, wrt=("parameters", "x", "dt", "initial"), dt=np.zeros_like(x))
        arrays = [*grads["parameters"].values(), grads["x"], grads["dt"], grads["initial"]["h"]]
        for i, one in enumerate(arrays):
            assert not any(np.shares_memory(one, other) for other in arrays[i + 1 :])


def test_a_start_may_be_a_frozen_parameter():
    class Frozen(Cell):
        first: Array = param("hidden", nl.normal(), frozen=True)
        h: nl.State = nl.state(start="first")
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.new(x, h)
            return h, h

    model = nl.Sequence(Frozen(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    resets = np.zeros((B, T), bool)
    resets[0, 3] = True
    _, grads = model.value_and_grad(x, target, loss="mse", resets=resets, wrt=("parameters", "frozen"))

    def loss():
        return nl.loss("mse")(model(x, resets=resets), target)

    close(grads["frozen"]["first"], central(loss, model.frozen["first"]))
    direction = {"frozen": {"first": np.ones(3)}}
    _, derivative = model.jvp(x, direction, target, loss="mse", resets=resets, wrt=("frozen",))
    close(derivative, grads["frozen"]["first"].sum(), 1e-12)


def test_a_mask_may_be_the_output():
    class Spike(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.new(x, h)
            return h > 0, h

    model = nl.Sequence(Spike(inputs=2, hidden=3, rng=0))
    x, _ = data(model)
    y, dy = model.jvp(x, {})
    assert y.dtype == np.float64
    assert np.array_equal(y, model(x))
    assert (dy == 0).all()


def test_a_loss_whose_products_follow_each_other_is_derived():
    def loss(prediction, target):
        between = np.einsum("ni,nj->ij", prediction, target)
        turned = prediction @ between
        again = np.einsum("ni,nj->ij", turned, target)
        return np.mean((prediction @ again) ** 2)

    layer = nl.Sequence(nl.sequence.Readout(inputs=2, hidden=3, rng=0))
    x, target = data(layer, batch=())
    _, grads = layer.value_and_grad(x, target, loss=loss)
    close(grads["U"], central(lambda: loss(layer(x), target), layer.parameters["U"]), 1e-7)


def test_many_choices_one_in_the_other_are_derived():
    class Deep(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.new(x, h)
            for k in range(1500):
                h = np.where(h > k, h - 1.0, h)
            return h, h

    model = nl.Sequence(Deep(inputs=1, hidden=2, rng=0))
    value, grads = model.value_and_grad(np.ones((2, 1)), np.zeros((2, 2)))
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads.values())


def test_a_class_that_nobody_uses_any_more_is_forgotten():
    class Base(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.new(x, h)
            return h, h

    class Mine(Base):
        def step(self, x, h):
            y, h = super().step(x, h)
            return 2 * y, h

    gradient(Mine(inputs=2, hidden=3, rng=0))
    alive = weakref.ref(Mine)
    del Mine
    gc.collect()
    assert alive() is None


def test_more_is_seen_of_what_a_step_reads():
    class Slotted:
        __slots__ = ("__dict__", "scale")

    class Count(int):
        pass

    slotted = Slotted()
    slotted.scale = 2.0
    helper = {"factor": 2.0}

    def times(a):
        return helper["factor"] * a

    def change_slotted(space):
        slotted.scale = 3.0

    def change_helper(space):
        helper["factor"] = 3.0

    def change_count(space):
        space["N"] = Count(3)

    for names, body, change in (
        ({"S": slotted}, "S.scale * self.new(x, h)", change_slotted),
        ({"f": functools.partial(times)}, "f(self.new(x, h))", change_helper),
        ({"f": helper.get}, "f('factor') * self.new(x, h)", change_helper),
        ({"N": Count(2)}, "N * self.new(x, h)", change_count),
    ):
        helper["factor"] = 2.0
        space = make(body, **names)
        cell = space["Mine"](inputs=2, hidden=3, rng=0)
        before = gradient(cell)
        change(space)
        assert not np.allclose(gradient(cell), before), body


def test_a_module_that_a_step_imports_itself_is_seen(tmp_path, monkeypatch):
    (tmp_path / "settings_of_a_step.py").write_text("scale = 2.0\n")
    monkeypatch.syspath_prepend(tmp_path)

    class Mine(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            import settings_of_a_step

            h = settings_of_a_step.scale * self.new(x, h)
            return h, h

    cell = Mine(inputs=2, hidden=3, rng=0)
    before = gradient(cell)
    monkeypatch.setattr(sys.modules["settings_of_a_step"], "scale", 3.0)
    assert not np.allclose(gradient(cell), before)
    del sys.modules["settings_of_a_step"]


# What a newcomer met


def test_a_feed_without_an_axis_for_its_width_has_a_gradient_without_one():
    model = nl.Sequence(Timed(inputs=2, hidden=3, rng=0))
    x, target = data(model)
    dt = np.full((B, T), 0.5)
    assert model.value_and_grad(x, target, wrt="dt", dt=dt)[1].shape == (B, T)
    assert model.value_and_grad(x, target, wrt="dt", dt=dt[..., None])[1].shape == (B, T, 1)
    assert model.value_and_grad(x, target, wrt="dt", dt=0.5)[1].shape == (B, T)
    _, grad = model.value_and_grad(x, target, wrt="dt", dt=dt)
    _, derivative = model.jvp(x, np.ones((B, T)), target, wrt="dt", dt=dt)
    close(derivative, grad.sum(), 1e-12)


def test_classes_beyond_a_sequences_length_may_be_anything():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    x, classes = data(model)[0], np.random.default_rng(0).integers(0, 3, (B, T))
    value, grads = model.value_and_grad(x, classes, loss="cross_entropy", lengths=[4, 4, 7])
    classes[:2, 4:] = -100
    again, same = model.value_and_grad(x, classes, loss="cross_entropy", lengths=[4, 4, 7])
    assert again == value
    assert all(np.array_equal(g, same[key]) for key, g in grads.items())


@pytest.mark.parametrize(
    ("target", "arguments", "told"),
    [
        (np.ma.masked_array(np.zeros((B, T, 3)), mask=True), {}, "masked array"),
        ([[1.0], [1.0, 2.0]], {}, "the target is no array"),
        (np.zeros((B, T, 3)), {"lengths": [[1], [1, 2], [3]]}, "lengths is no array"),
        (np.zeros((B, T, 3)), {"wrt": None}, "wrt=None: expected one of parameters"),
        (np.zeros((B, T, 3)), {"wrt": "h"}, "'h' is a state; write 'initial'"),
        (np.zeros((B, T, 3)), {"wrt": "new.W"}, "write 'parameters'"),
        (np.zeros((B, T, 3)), {"loss": None}, "expected the name of a loss"),
        (np.zeros((B, T, 3)), {"loss": lambda y: np.mean(y)}, "called with \\(prediction, target\\)"),
        (np.zeros((B, T, 3)), {"return_state": True}, "return_state= is an argument of other methods"),
    ],
)
def test_a_wrong_target_or_argument_is_told(target, arguments, told):
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0))
    with pytest.raises(InputError, match=told):
        model.value_and_grad(data(model)[0], target, **arguments)


def test_one_column_has_no_classes():
    model = nl.Sequence(GRU(inputs=2, hidden=3, rng=0), readout=1)
    x, _ = data(model)
    with pytest.raises(InputError, match="a column for each class"):
        model.value_and_grad(x, np.zeros((B, T, 1), int), loss="cross_entropy")


def test_a_parameter_in_which_a_state_starts_is_not_trained_in_vain():
    check_cell(Timed)
    assert nl.check(Timed).unread == ()
