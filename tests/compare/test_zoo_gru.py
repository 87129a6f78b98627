"""Gated units of the zoo beside those of PyTorch, Keras and torchrecurrent, in float64 where the library can."""

import os

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cells

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")

SHARES = {"ih": 0.25, "hh": 0.75}  # of our one bias for their two


def theirs(name):
    reason = f"compared with torchrecurrent's {name}: pip install torchrecurrent"
    return getattr(pytest.importorskip("torchrecurrent", reason=reason), name)


def weights(p, *gates):
    """The four arrays of a cell of PyTorch's form whose gates are in this order."""
    joined = {"weight_ih": "U", "weight_hh": "W"}
    biases = {f"bias_{side}": torch.cat([p[f"{name}.b"] for name in gates]) * part for side, part in SHARES.items()}
    return {key: torch.cat([p[f"{name}.{weight}"] for name in gates]) for key, weight in joined.items()} | biases


def gru_weights(p):
    both = weights(p, "reset", "update", "new")
    parts = {"bias_ih": p["new.b"], "bias_hh": p["new.d"]}
    return both | {key: torch.cat([both[key][: -len(part)], part]) for key, part in parts.items()}


def gru(inputs, hidden):
    cell = torch.nn.GRUCell(inputs, hidden, dtype=torch.float64)
    return lambda p, x, h: (torch.func.functional_call(cell, gru_weights(p), (x, h)),) * 2


def of_torchrecurrent(name, *gates, **options):
    def made(inputs, hidden):
        cell = theirs(name)(inputs, hidden, dtype=torch.float64, **options)
        return lambda p, x, h: (torch.func.functional_call(cell, weights(p, *gates), (x, h)),) * 2

    return made


def janet(inputs, hidden):
    cell = theirs("JANETCell")(inputs, hidden, dtype=torch.float64)
    beta = {"beta": torch.tensor(1.0, dtype=torch.float64)}

    def step(p, x, h):
        h, c = torch.func.functional_call(cell, weights(p, "forget", "new") | beta, (x, (h, h)))
        return c, h

    return step


TWINS = {
    "GRU": gru,
    "LiGRU": of_torchrecurrent("LiGRUCell", "update", "new"),
    "UGRNN": of_torchrecurrent("UGRNNCell", "new", "update"),
    "MGU": of_torchrecurrent("MGUCell", "forget", "new"),
    "JANET": janet,
}


def drawn(name, shape):
    """A model of the cell of this name, its parameters moved, and numbers for it: all of random sizes."""
    rng = np.random.default_rng(shape)
    M, K, B, T = (int(rng.integers(low, high)) for low, high in ((1, 6), (1, 8), (1, 5), (2, 10)))
    model = nl.Sequence(getattr(cells, name)(inputs=M, hidden=K, rng=shape))
    for value in model.parameters.values():
        value += rng.normal(size=value.shape, scale=0.3)
    lengths, resets = rng.integers(1, T + 1, B), rng.random((B, T)) < 0.2
    return model, rng.normal(size=(B, T, M)), rng.normal(size=(B, T, K)), {"lengths": lengths, "resets": resets}


@pytest.mark.parametrize("shape", range(3))
@pytest.mark.parametrize("name", TWINS)
def test_a_gated_unit_equals_that_of_a_library_in_outputs_states_and_gradients(name, shape, comparison, loop):
    model, x, target, way = drawn(name, shape)
    step = TWINS[name](x.shape[-1], target.shape[-1])

    def twin(p, x, initial, feeds):
        return loop(step, p, x, initial, **way)

    both = comparison(model, twin, x, target, **way)
    both.outputs_agree()
    both.gradients_agree()


@pytest.mark.parametrize("shape", range(3))
def test_a_gru_equals_the_fused_one_of_pytorch(shape):
    model, x, target, _ = drawn("GRU", shape)
    fused = torch.nn.GRU(x.shape[-1], target.shape[-1], batch_first=True, dtype=torch.float64)
    arrays = gru_weights({name: torch.as_tensor(value) for name, value in model.parameters.items()})
    fused.load_state_dict({f"{name}_l0": value for name, value in arrays.items()})
    y, last = fused(torch.as_tensor(x))
    ours, our_last = model(x, return_state=True)
    np.testing.assert_allclose(ours, y.detach(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(our_last["h"], last[0].detach(), rtol=0, atol=1e-12)


@pytest.fixture
def keras(monkeypatch, tmp_path):
    for name, value in {"KERAS_BACKEND": "torch", "KERAS_HOME": str(tmp_path)}.items():
        if name not in os.environ:
            monkeypatch.setenv(name, value)
    return pytest.importorskip("keras", reason="compared with Keras: pip install keras")


@pytest.mark.slow  # importing Keras takes ten seconds
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras, about itself
@pytest.mark.parametrize("shape", range(3))
@pytest.mark.parametrize(("name", "reset_after"), [("GRUv3", False), ("GRU", True)])
def test_a_gru_equals_that_of_keras_over_sequences_of_unequal_lengths(name, reset_after, shape, keras):
    """To single precision: Keras rounds a product to float32, whatever its operands, except on TensorFlow."""
    model, x, _, way = drawn(name, shape)
    p, lengths = model.parameters, way["lengths"]
    gates = ("update", "reset", "new")
    layer = keras.layers.GRU(
        model.cells[0].hidden, reset_after=reset_after, return_sequences=True, return_state=True, dtype="float64"
    )
    layer.build(x.shape)
    bias = np.concatenate([p[f"{gate}.b"] for gate in gates])
    if reset_after:
        of_h = np.concatenate([np.zeros_like(p["update.b"]), np.zeros_like(p["reset.b"]), p["new.d"]])
        bias = np.stack([bias, of_h])
    layer.set_weights([*(np.concatenate([p[f"{gate}.{w}"] for gate in gates]).T for w in "UW"), bias])
    valid = np.arange(x.shape[1]) < lengths[:, None]
    y, last = (keras.ops.convert_to_numpy(value) for value in layer(x, mask=valid))
    ours, our_last = model(x, lengths=lengths, return_state=True)
    np.testing.assert_allclose(ours[valid], y[valid], rtol=0, atol=1e-5)
    np.testing.assert_allclose(our_last["h"], last, rtol=0, atol=1e-5)
