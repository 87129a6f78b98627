"""Several models in one call of a kernel: each computes what it computes by itself, to the last bit."""

import copy

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.ensembles.given import Given
from nanolstm.ensembles.stack import Stack
from nanolstm.gradient import side_by_side
from nanolstm.losses import loss

MEMBERS = 3


@pytest.fixture
def bound(monkeypatch):
    """How many members were bound side by side, each time."""
    counts = []
    made = side_by_side.BoundMembers.__init__

    def counted(self, levels, batch, count, *, derive):
        counts.append(count)
        made(self, levels, batch, count, derive=derive)

    monkeypatch.setattr(side_by_side.BoundMembers, "__init__", counted)
    return counts


def stacked(cell, kind, **options):
    """Models of one shape, which share kernels."""
    dtype = options.pop("dtype", "float64")
    cells = [cell(kind, rng=i, dtype=dtype) for i in range(MEMBERS)]
    return Stack(tuple(nl.Sequence(one, backend="numba", **options) for one in cells))


def compared(stack, given, *, name="mse", steps="all", truncate=None, rng=None):
    """Run and derive all members at once and each by itself, and compare bits."""
    vectors, members = stack.vectors(), np.arange(MEMBERS)
    gradients = np.empty_like(vectors)
    again = None if rng is None else np.random.default_rng(rng)
    asked = {"loss": loss(name), "steps": steps, "truncate": truncate}
    ran = stack.derive(members, vectors, gradients, given, rng=again, **asked)
    for i, model in enumerate(stack.models):
        x, target, more = given.of(i)
        value, gradient, run = model.value_grad_and_run(x, target, rng=rng, **asked, **more)
        np.testing.assert_array_equal(ran.loss[i], value)
        np.testing.assert_array_equal(ran.y[i], run.y)
        for state, last in run.state.items():
            np.testing.assert_array_equal(ran.state[state][i], last)
        for key, place in stack.flats[i].places.items():
            np.testing.assert_array_equal(gradients[i, place], gradient[key].ravel(), key)
        if rng is None and truncate is None:
            np.testing.assert_array_equal(stack.run(members, vectors, given).y[i], model(x, **more))


def test_slices_of_unequal_lengths_lose_no_row_of_a_readout(cell, data, cut_into_slices):
    cut_into_slices(2)
    stack = stacked(cell, "ToyLSTM", readout=2, rng=0)
    d = data(stack.models[0], 4, 64)
    lengths = np.array([64, 64, 64, 63])  # of the two slices one has three sequences
    compared(stack, Given(d.x, d.target, {"lengths": lengths}, own=False))
    for model in stack.models:
        twin = nl.Sequence(model.cells, backend="numpy")
        y = twin(d.x, lengths=lengths) @ model.parameters["readout.U"].T + model.parameters["readout.b"]
        y[3, 63] = 0.0
        np.testing.assert_allclose(model(d.x, lengths=lengths), y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "kind",
    ["ToyLSTM", "Timed", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("LayerNorm", "MatrixMemory"))],
)
def test_each_is_as_by_itself(kind, cell, data, cut_into_slices, bound):
    cut_into_slices(2)
    stack = stacked(cell, kind)
    d = data(stack.models[0], 5, 7)
    whole = Given(d.x, d.target, d.feeds, own=False)
    compared(stack, whole)
    compared(stack, whole, truncate=3, rng=4)
    beside = {**d.feeds, "lengths": np.array([7, 2, 5, 7, 1]), "resets": d.resets}
    compared(stack, Given(d.x, d.target, beside, own=False), name="rmse")
    assert max(bound) == MEMBERS


def test_so_it_is_in_stacks_in_float32_with_data_of_each_own(cell, data, bound):
    models = [
        nl.Sequence(
            [cell("ToyLSTM", rng=i, dtype="float32"), cell("Diagonal", inputs=1, rng=i, dtype="float32")],
            backend="numba",
            readout=2,
            rng=i,
        )
        for i in range(MEMBERS)
    ]
    stack = Stack(tuple(models))
    parts = [data(models[0], 4, 6, seed=i) for i in range(MEMBERS)]
    x, target = (np.stack([getattr(d, name) for d in parts]).astype("float32") for name in ("x", "target"))
    compared(stack, Given(x, target, {}, own=True))
    compared(stack, Given(x, target[:, :, -1], {"lengths": np.array([6, 3, 1, 4])}, own=True), steps="last", name="mae")
    assert max(bound) == MEMBERS


def test_one_sequence_each_is_as_by_itself(cell, data, bound):
    stack = stacked(cell, "ToyLSTM", readout=2, rng=0)
    d = data(stack.models[0], 1, 9)
    for name in ("mse", "huber", "gaussian_nll"):
        target = d.target[..., :1] if name == "gaussian_nll" else d.target
        compared(stack, Given(d.x, target, {}, own=False), name=name)
    labels = np.array([[0, 1, 1, 0, 0, 1, 0, 1, 1]])
    compared(stack, Given(d.x, labels, {}, own=False), name="cross_entropy")
    assert max(bound) == MEMBERS


def test_a_state_whose_cotangent_nothing_needs_is_left_out_as_by_itself(data, bound):
    cells = [nl.cells.QRNN(inputs=2, hidden=3, rng=i) for i in range(MEMBERS)]
    stack = Stack(tuple(nl.Sequence(one, backend="numba", readout=1, rng=0) for one in cells))
    d = data(stack.models[0], 12, 60)
    compared(stack, Given(d.x, d.target, {}, own=False))
    assert max(bound) == MEMBERS


def test_a_group_is_as_large_as_stays_in_the_cache(cell, data, bound, monkeypatch):
    stack = stacked(cell, "ToyLSTM")
    d = data(stack.models[0], 2, 9)
    monkeypatch.setattr("nanolstm.ensembles.stack._AT_ONCE", 1)
    nl.set_num_threads(2)
    compared(stack, Given(d.x, d.target, {}, own=False))
    assert max(bound) == 2


def test_models_with_starts_of_their_own_run_one_by_one(cell, data, bound):
    stack = stacked(cell, "ToyLSTM", learn_initial=True)
    d = data(stack.models[0], 3, 5)
    compared(stack, Given(d.x, d.target, {}, own=False))
    assert not bound


def test_a_training_of_all_is_that_of_each(cell, bound):
    x = np.random.default_rng(0).uniform(size=(8, 10, 2))
    data = x, np.cumsum(x, axis=1)[..., :1] / 10
    ensemble = nl.Ensemble(cell("ToyLSTM"), MEMBERS, readout=2, rng=1, backend="numba")
    ensemble[1].parameters["readout.U"][...] = 1e200  # runs away at once
    alone = copy.deepcopy(ensemble)
    options = {"epochs": 3, "batch_size": 3, "validation": 0.25, "clip": 0.1, "loss": "gaussian_nll", "rng": 5}
    run = ensemble.fit(data, **options)
    assert run.diverged == (1,)
    for i in (0, 2):
        own = nl.fit(alone[i], data, **options)
        assert own.history["validation_loss"].equals(run.runs[i].history["validation_loss"])
        for name, value in alone[i].parameters.items():
            np.testing.assert_array_equal(ensemble[i].parameters[name], value, name)
    assert {2, 3} <= set(bound)


def test_numbers_that_were_changed_in_place_are_seen(cell):
    ensemble = nl.Ensemble(cell("ToyLSTM"), MEMBERS, rng=1, backend="numba")
    x = np.random.default_rng(0).uniform(size=(8, 10, 2))
    before = ensemble(x)
    x[...] = -x
    assert (ensemble(x) != before).any()
    for i, model in enumerate(ensemble):
        np.testing.assert_array_equal(ensemble(x)[i], model(x))
        model.parameters["forget.b"][...] = i
        np.testing.assert_array_equal(ensemble(x)[i], model(x))
