"""A call that comes again in the same shape does less, and finds the same."""

import gc
import types
import weakref

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

import nanolstm as nl
from nanolstm import Cell, Gate, feed, gate
from nanolstm.errors import InputError


class Waiting(Cell):
    """A gate, times an input beside x that is 1 where nobody says otherwise."""

    dt: nl.Array = feed(default=1.0)
    new: Gate = gate(np.tanh)

    def step(self, x, h, dt):
        h = (1.0 - dt / 4.0) * h + dt / 4.0 * self.new(x, h)
        return h, h


@pytest.fixture
def model():
    return nl.Sequence(Waiting(inputs=2, hidden=3, rng=0), backend="numba")


@pytest.fixture
def given():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 7, 2)), rng.normal(size=(3, 7, 3))


def in_numpy(model):
    """The same model, without kernels."""
    twin = nl.Sequence(model.cells, readout=model.readout, backend="numpy")
    if model.top is not None:
        for name, value in model.top.parameters.items():
            twin.top.parameters[name] = value
    return twin


def agree(found, wanted):
    """Whether values and gradients are the same."""
    (value, grads), (true_value, true_grads) = found, wanted
    np.testing.assert_allclose(value, true_value, rtol=1e-12)
    assert list(grads) == list(true_grads)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, true_grads[name], rtol=1e-10, atol=1e-12, err_msg=name)


def test_a_feed_that_is_left_out_is_its_default_whatever_the_call_before_gave(model, given):
    x, target = given
    times = np.random.default_rng(1).uniform(0.5, 2.0, (3, 7))
    for feeds in ({}, {"dt": times}, {}, {"dt": np.ones((3, 7))}, {"dt": times}):
        agree(model.value_and_grad(x, target, **feeds), in_numpy(model).value_and_grad(x, target, **feeds))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("again", [False, True])
def test_a_value_that_is_not_finite_is_refused_and_the_next_call_goes_on(model, given, bad, again):
    x, target = given
    wanted = in_numpy(model).value_and_grad(x, target)
    if again:
        model.value_and_grad(x, target)
        model(x)
    wrong = x.copy()
    wrong[2, 4, 1] = bad
    what = "NaN" if np.isnan(bad) else "infinity"
    for call in (lambda: model(wrong), lambda: model.value_and_grad(wrong, target)):
        with pytest.raises(InputError, match=f"{what} at example 2, time step 4, feature 1"):
            call()
    agree(model.value_and_grad(x, target), wanted)


def test_padding_may_hold_anything(model, given):
    x, target = given
    lengths = [7, 2, 5]
    wanted = model.value_and_grad(x, target, lengths=lengths)
    x[1, 2:], target[1, 2:] = np.nan, np.inf
    agree(model.value_and_grad(x, target, lengths=lengths), wanted)
    with pytest.raises(InputError, match="NaN at example 1, time step 2"):
        model.value_and_grad(x, target)


@pytest.mark.parametrize("view", ["turned", "every second", "read-only", "backward"])
def test_an_array_may_stand_in_memory_in_any_way(model, given, view):
    x, target = given
    wide = np.repeat(x, 2, axis=1)
    views = {
        "turned": np.asfortranarray(x),
        "every second": wide[:, ::2],
        "read-only": np.broadcast_to(x, x.shape),
        "backward": np.ascontiguousarray(x[:, ::-1])[:, ::-1],
    }
    wanted = model.value_and_grad(x, target)
    agree(model.value_and_grad(views[view], np.asfortranarray(target)), wanted)


def test_below_the_lowest_part_that_is_trained_nothing_is_derived(given):
    x, target = given
    cells = [nl.cells.EchoState(inputs=2, hidden=4, rng=0), nl.cells.EchoState(inputs=4, hidden=3, rng=1)]
    model = nl.Sequence(cells, readout=3, backend="numba")
    found = model.value_and_grad(x, target)
    agree(found, in_numpy(model).value_and_grad(x, target))
    assert list(found[1]) == ["readout.U", "readout.b"]


def test_a_model_without_anything_to_train_has_an_empty_gradient(given):
    x, target = given
    model = nl.Sequence(nl.cells.EchoState(inputs=2, hidden=3, rng=0), backend="numba")
    value, grads = model.value_and_grad(x, target)
    np.testing.assert_allclose(value, np.sqrt(np.mean((model(x) - target) ** 2)), rtol=1e-12)
    assert grads == {}


def test_parameters_that_were_trained_meanwhile_count(model, given):
    x, target = given
    for _ in range(3):
        value, grads = model.value_and_grad(x, target, loss="mse")
        agree((value, grads), in_numpy(model).value_and_grad(x, target, loss="mse"))
        for name, grad in grads.items():
            model.parameters[name][...] -= 0.1 * grad


def test_another_loss_under_the_same_name_counts(model, given):
    x, target = given

    class Plugin:
        def __init__(self, power):
            self.power = power

        @nl.hookimpl
        def nanolstm_register_losses(self, register):
            power = self.power
            register("own", lambda prediction, target: np.mean((prediction - target) ** power))

    try:
        for power in (2, 4, 2):
            nl.plugins.register(Plugin(power), "own-loss")
            for name in ("own", "own", np.str_("own"), np.str_("own")):
                value, _ = model.value_and_grad(x, target, loss=name)
                np.testing.assert_allclose(value, np.mean((model(x) - target) ** power), rtol=1e-12)
    finally:
        nl.plugins.unregister("own-loss")


def test_a_step_that_reads_another_global_value_counts(given):
    x, target = given
    names = {"factor": 2.0}
    text = "def step(self, x, h):\n    h = factor * self.new(x, h)\n    return h, h\n"
    exec(text, names)
    kind = type("Scaled", (Cell,), {"__annotations__": {"new": Gate}, "new": gate(np.tanh), "step": names["step"]})
    model = nl.Sequence(kind(inputs=2, hidden=3, rng=0), backend="numba")
    for factor in (2.0, 3.0):
        names["factor"] = factor
        for _ in range(2):
            value, _ = model.value_and_grad(x, target, loss="mse")
            eager = nl.Sequence(model.cells, backend="numpy")(x)
            np.testing.assert_allclose(value, np.mean((eager - target) ** 2), rtol=1e-12)


def test_numpy_takes_over_as_soon_as_it_is_asked_for(monkeypatch, given):
    x, target = given
    model = nl.Sequence(Waiting(inputs=2, hidden=3, rng=0))
    monkeypatch.setenv("NANOLSTM_BACKEND", "numba")
    wanted = [model.value_and_grad(x, target) for _ in range(2)][1]
    monkeypatch.setenv("NANOLSTM_BACKEND", "numpy")
    monkeypatch.setattr("nanolstm.gradient.bound.BoundModel.run", None)  # the kernels cannot be run
    agree(model.value_and_grad(x, target), wanted)


@pytest.mark.parametrize("shorter", [1, 3])
def test_slices_of_unequal_lengths_lose_no_row_of_a_readout(shorter):
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(32, 64, 2)), rng.normal(size=(32, 64, 1))
    model = nl.Sequence(nl.cells.Elman(inputs=2, hidden=64, rng=0), readout=1, backend="numba")
    lengths = np.full(32, 64)
    lengths[-shorter:] -= 1
    agree(model.value_and_grad(x, target), in_numpy(model).value_and_grad(x, target))
    found, wanted = (m.value_and_grad(x, target, lengths=lengths) for m in (model, in_numpy(model)))
    agree(found, wanted)
    np.testing.assert_allclose(model(x, lengths=lengths), in_numpy(model)(x, lengths=lengths), atol=1e-12)


def test_one_slice_may_hold_nearly_all_sequences():
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(512, 40, 2)), rng.normal(size=(512, 40, 64))
    model = nl.Sequence(nl.cells.Elman(inputs=2, hidden=64, rng=0), backend="numba")
    lengths = np.ones(512, int)
    lengths[:100] = 40
    found, wanted = (m.value_and_grad(x, target, lengths=lengths) for m in (model, in_numpy(model)))
    agree(found, wanted)


def test_defaults_come_back_to_every_row_though_a_call_on_fewer_was_in_between(model, given):
    x, target = given
    times = np.random.default_rng(1).uniform(0.5, 2.0, (3, 7))
    for more in ({"dt": times}, {"lengths": [7, 2, 1]}, {}):
        agree(model.value_and_grad(x, target, **more), in_numpy(model).value_and_grad(x, target, **more))


def test_masks_are_gone_from_every_row_though_a_call_on_fewer_was_in_between(given):
    x, target = given
    model = nl.Sequence(nl.cells.Elman(inputs=2, hidden=3, input_dropout=0.5, rng=0), backend="numba")
    model.value_and_grad(x, target, rng=0)
    model.value_and_grad(x, target, lengths=[7, 2, 1])
    agree(model.value_and_grad(x, target), in_numpy(model).value_and_grad(x, target))


class Twice(Cell):
    """One small matrix, for one row and for several."""

    A: nl.Array = nl.param((4, 4), nl.glorot())
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        each = h.reshape((*h.shape[:-1], 3, 4)) @ self.A.T
        h = np.tanh(self.new(x, h) + each.reshape(h.shape)) * np.sum(x @ self.A.T, axis=-1, keepdims=True)
        return h, h


@pytest.mark.parametrize("leading", [(7,), (3, 7)])
def test_one_small_matrix_serves_one_row_and_several(leading):
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(*leading, 4)), rng.normal(size=(*leading, 12))
    model = nl.Sequence(Twice(inputs=4, hidden=12, rng=0), backend="numba")
    agree(model.value_and_grad(x, target), in_numpy(model).value_and_grad(x, target))


def test_a_module_that_answers_by_itself_is_asked_again(given):
    x, target = given
    module = types.ModuleType("conf")
    values = {"factor": 2.0}

    def answer(name):
        if name not in values:
            raise AttributeError(name)
        return values[name]

    module.__getattr__ = answer
    names = {"conf": module}
    exec("def step(self, x, h):\n    h = conf.factor * self.new(x, h)\n    return h, h\n", names)
    kind = type("Asked", (Cell,), {"__annotations__": {"new": Gate}, "new": gate(np.tanh), "step": names["step"]})
    model = nl.Sequence(kind(inputs=2, hidden=3, rng=0), backend="numba")
    for factor in (2.0, 3.0):
        values["factor"] = factor
        for _ in range(2):
            agree(model.value_and_grad(x, target), in_numpy(model).value_and_grad(x, target))


def test_what_cannot_be_watched_is_not_taken_for_what_came_before(given):
    x, target = given
    names = {"np": np}
    exec("def plain(p, t):\n    return np.mean((p - t) ** 2)\n", names)
    exec("def odd(p, t):\n    import email.mime\n    return np.mean((p - t) ** 4)\n", names)
    exec("def loss(prediction, target):\n    return act(prediction, target)\n", names)
    model = nl.Sequence(Waiting(inputs=2, hidden=3, rng=0), backend="numba")
    for act, power in (("plain", 2), ("odd", 4), ("plain", 2), ("plain", 2)):
        names["act"] = names[act]
        value, _ = model.value_and_grad(x, target, loss=names["loss"])
        np.testing.assert_allclose(value, np.mean((model(x) - target) ** power), rtol=1e-12)


def test_neither_data_nor_a_loss_is_kept_alive_by_a_call(model, given):
    x, target = (array.copy() for array in given)

    def loss(prediction, target):
        return np.mean(np.square(prediction - target))

    for _ in range(2):
        model.value_and_grad(x, target, loss=loss)
    seen = [weakref.ref(x), weakref.ref(target), weakref.ref(loss)]
    del x, target, loss
    gc.collect()
    assert [ref() for ref in seen] == [None, None, None]


def test_compiling_ahead_is_for_the_kernels_that_training_uses(given, monkeypatch):
    x, target = given
    model = nl.Sequence(nl.cells.EchoState(inputs=2, hidden=5, rng=0), readout=3, backend="numba")
    model.compile(loss="mse")
    monkeypatch.setattr("nanolstm.compile.kernel.loaded", None)  # nothing is left to compile
    model.value_and_grad(x, target, loss="mse")
    model(x)
