"""Kernels give what NumPy gives: outputs, states, recordings and derivatives, whatever a call brings along."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm.cells.zoo import HOMES

pytest.importorskip("numba", reason="the kernels are compiled by Numba")


def slow(kind):
    """A parameter of a test that is left out unless asked for."""
    return pytest.param(kind, marks=pytest.mark.slow)


KINDS = [
    *("LSTM", "GRU", "ToyLSTM", "LayerNorm", "MatrixMemory", "Diagonal", "Layer", "HandedOn", "Delayed"),
    *("Twice", "Joined", "AddedUp", "Timed"),
    slow("Swapped"),  # Delayed and Twice have states that are written from others' old ones as well
]
ZOO = list(HOMES)
B, T = 4, 7


LENGTHS = [4, 7, 1, 5]


def circumstances(d):
    """What a call may bring along, by name, for numbers `d` of a batch; the last holds for gradients only."""
    both = {"lengths": LENGTHS, "resets": d.resets}
    return {
        "nothing": {},
        "lengths": {"lengths": LENGTHS},
        "resets": {"resets": d.resets},
        "first states": {"initial": d.initial},
        "all": {**both, "initial": d.initial},
    }, {
        "truncate": {"truncate": 2},
        "truncate and all": {**both, "initial": d.initial, "truncate": 3},
        "checkpoints": {"checkpoint_every": 3},
        "checkpoints and all": {**both, "initial": d.initial, "truncate": 2, "checkpoint_every": 3},
    }


def runs_agree(models, agrees, d, tolerance=None):
    """Calling, with last states, in all circumstances."""
    for name, more in circumstances(d)[0].items():
        one, other = (model(d.x, return_state=True, **more, **d.feeds) for model in models)
        agrees(one, other, tolerance, name)


def gradients_agree(models, agrees, d, tolerance=None, method="value_and_grad"):
    """By everything that there is, in all circumstances."""
    plain, more = circumstances(d)
    direction = (d.direction,) if method == "hvp" else ()
    for name, given_too in (plain | more).items():
        one, other = (
            getattr(model, method)(d.x, d.target, *direction, wrt=d.wrt, loss="mse", **given_too, **d.feeds)
            for model in models
        )
        agrees(one, other, tolerance, name)


def recordings_agree(models, agrees, d, tolerance=None):
    for name, more in circumstances(d)[0].items():
        one, other = (model.record(d.x, **more, **d.feeds) for model in models)
        agrees(one, other, tolerance, name)
        agrees((one.y, one.state), (other.y, other.state), tolerance, name)


def directions_agree(models, agrees, d, tolerance=None):
    """The derivatives of output and loss in a direction, and Hessian-vector products."""
    plain, more = circumstances(d)
    for name, given_too in (plain | more).items():
        for target in (None, d.target):
            one, other = (model.jvp(d.x, d.direction, target, wrt=d.wrt, **given_too, **d.feeds) for model in models)
            agrees(one, other, tolerance, name)
    gradients_agree(models, agrees, d, tolerance, "hvp")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_and_its_gradients_are_those_of_numpy(kind, cell, twins, data, agrees, cut_into_slices):
    models = twins(lambda: cell(kind))
    d = data(models[0], B, T)
    for sequences in (B, 1):
        cut_into_slices(sequences)
        runs_agree(models, agrees, d)
        gradients_agree(models, agrees, d)


def test_a_batch_that_is_not_cut_is_that_of_numpy(cell, twins, data, agrees):
    models = twins(lambda: cell("LSTM"))
    d = data(models[0], B, T)
    runs_agree(models, agrees, d)
    gradients_agree(models, agrees, d)


@pytest.mark.parametrize("kind", ["ToyLSTM", "MatrixMemory", "Delayed"])
def test_a_recording_is_that_of_numpy(kind, cell, twins, data, agrees, cut_into_slices):
    models = twins(lambda: cell(kind))
    recordings_agree(models, agrees, data(models[0], B, T))
    cut_into_slices(1)
    recordings_agree(models, agrees, data(models[0], B, T))


@pytest.mark.parametrize("kind", ["Gated", slow("GRU"), slow("Twice"), slow("MatrixMemory"), slow("Timed")])
def test_directions_are_those_of_numpy(kind, cell, twins, data, agrees, cut_into_slices):
    models = twins(lambda: cell(kind))
    cut_into_slices(2)
    directions_agree(models, agrees, data(models[0], B, T), 1e-11)


@pytest.mark.parametrize("kind", ["LSTM", slow("MatrixMemory")])
def test_float32_is_that_of_numpy(kind, cell, twins, data, agrees):
    models = twins(lambda: cell(kind, dtype="float32"))
    d = data(models[0], B, T)
    runs_agree(models, agrees, d)
    gradients_agree(models, agrees, d)


@pytest.mark.slow
def test_float32_of_a_cell_that_loses_digits_loses_less_than_one_bit_more_than_that_of_numpy(cell, twins, data):
    """A norm of three units divides by small numbers: both lose more digits there than lie between them.

    Which of the two is farther from float64 in one call is chance; on an average over many it is not.
    """
    models = [*twins(lambda: cell("LayerNorm", dtype="float32")), twins(lambda: cell("LayerNorm"))[1]]
    for model in models[1:]:
        for key, value in models[0].parameters.items():
            model.parameters[key] = value.astype(model.dtype)
    ratios = []
    for seed in range(12):
        d = data(models[0], B, T, seed=seed)
        for more in circumstances(d)[0].values():
            kernel, numpy, exact = (model.value_and_grad(d.x, d.target, loss="mse", **more)[1] for model in models)
            errors = [
                max(np.abs(found[key] - exact[key]).max() / np.abs(exact[key]).max() for key in exact)
                for found in (kernel, numpy)
            ]
            ratios.append(errors[0] / errors[1])
    assert np.mean(np.log2(ratios)) < 1


def test_one_sequence_is_that_of_numpy(cell, twins, data, agrees):
    models = twins(lambda: cell("LSTM"))
    d = data(models[0], T)
    for more in ({}, {"resets": d.resets, "initial": d.initial}):
        agrees(*(model(d.x, return_state=True, **more) for model in models))
        for too in ({}, {"truncate": 2}, {"checkpoint_every": 3, "truncate": 4}):
            agrees(*(model.value_and_grad(d.x, d.target, wrt=d.wrt, **more, **too) for model in models))


@pytest.mark.parametrize("wrt", ["parameters", "x", ("initial", "parameters")])
def test_a_gradient_by_less_is_that_of_numpy(wrt, cell, twins, data, agrees):
    models = twins(lambda: cell("ToyLSTM"))
    d = data(models[0], B, T)
    for more in circumstances(d)[1].values():
        agrees(*(model.value_and_grad(d.x, d.target, wrt=wrt, **more) for model in models))


@pytest.mark.parametrize("kind", ["Learned", slow("Diagonal")])
def test_starts_that_are_learned_are_those_of_numpy(kind, cell, twins, data, agrees):
    """A reset goes back to them: their gradient is that of every such step."""
    models = twins(lambda: cell(kind), learn_initial=True)
    d = data(models[0], B, T)
    rng = np.random.default_rng(1)
    for key, value in models[0].parameters.items():
        value[...] += 0.3 * rng.normal(size=value.shape)
        models[1].parameters[key][...] = value
    runs_agree(models, agrees, d)
    gradients_agree(models, agrees, d)


def test_masks_are_drawn_as_in_numpy(cell, twins, data, agrees):
    models = twins(lambda: cell("Timed"))
    d = data(models[0], B, T)
    for more in ({}, {"lengths": LENGTHS, "resets": d.resets}):
        agrees(*(model(d.x, rng=5, return_state=True, **more, **d.feeds) for model in models))
        agrees(*(model.value_and_grad(d.x, d.target, rng=5, wrt=d.wrt, **more, **d.feeds) for model in models))
    assert not np.array_equal(models[0](d.x, rng=5, **d.feeds), models[0](d.x, rng=6, **d.feeds))


def test_a_stack_in_both_directions_with_a_readout_is_that_of_numpy(cell, twins, data, agrees):
    models = twins(lambda: [cell("Diagonal", rng=1), cell("Diagonal", inputs=6, rng=2)], bidirectional=True, readout=2)
    d = data(models[0], B, T)
    runs_agree(models, agrees, d)
    gradients_agree(models, agrees, d)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    batch=st.sampled_from([1, 2, 7]),
    time=st.sampled_from([1, 2, 5]),
    seed=st.integers(0, 1000),
    options=st.data(),
)
@pytest.mark.parametrize("kind", ["LSTM", slow("LayerNorm"), slow("GRU"), slow("MatrixMemory")])
def test_odd_shapes_are_those_of_numpy(kind, cell, twins, data, agrees, batch, time, seed, options):
    # Each size is a kernel of its own: the widest is left to the cells that are asked for.
    hidden = options.draw(st.sampled_from([1, 3, 17] if kind == "LSTM" else [1, 3, 17, 33]))
    models = twins(lambda: cell(kind, hidden=hidden, rng=seed))
    d = data(models[0], batch, time, seed=seed)
    more = {
        "lengths": options.draw(st.none() | st.lists(st.integers(1, time), min_size=batch, max_size=batch)),
        "resets": options.draw(st.none() | st.just(d.resets)),
        "initial": options.draw(st.none() | st.just(d.initial)),
    }
    # One unit is always 0 after its mean is taken away; what is left is rounding, which a norm makes large.
    tolerance = 1e-9 if kind == "LayerNorm" and hidden == 1 else 1e-11
    agrees(*(model(d.x, return_state=True, **more) for model in models), tolerance)
    more["truncate"] = options.draw(st.none() | st.integers(1, time))
    more["checkpoint_every"] = options.draw(st.none() | st.integers(1, time))
    agrees(*(model.value_and_grad(d.x, d.target, wrt=d.wrt, **more) for model in models), tolerance)


# Every cell of the zoo.


def of_the_zoo(name, **more):
    """A cell of four inputs and four units: sizes that every cell of the zoo takes."""
    return getattr(nl.cells, name)(inputs=4, hidden=4, rng=1, **more)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ZOO)
def test_a_cell_of_the_zoo_is_that_of_numpy(kind, twins, data, agrees):
    models = twins(lambda: of_the_zoo(kind))
    d = data(models[0], B, T)
    runs_agree(models, agrees, d)
    gradients_agree(models, agrees, d, 1e-11)
    recordings_agree(models, agrees, d)
    directions_agree(models, agrees, d, 1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ZOO)
def test_a_cell_of_the_zoo_in_float32_is_that_of_numpy(kind, twins, data, agrees):
    models = twins(lambda: of_the_zoo(kind, dtype="float32"))
    d = data(models[0], B, T)
    runs_agree(models, agrees, d)
    gradients_agree(models, agrees, d, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ZOO)
def test_a_cell_of_the_zoo_in_both_directions_is_that_of_numpy(kind, twins, data, agrees):
    models = twins(lambda: of_the_zoo(kind), bidirectional=True, readout=1)
    d = data(models[0], B, T)
    runs_agree(models, agrees, d)
    gradients_agree(models, agrees, d, 1e-11)
