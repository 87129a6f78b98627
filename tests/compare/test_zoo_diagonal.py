"""Diagonal cells of the zoo beside those of torchrecurrent and minGRU-pytorch, all in float64."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cells

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")


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
def test_an_indrnn_equals_that_of_torchrecurrent_in_outputs_states_and_gradients(shape, comparison, loop):
    library = pytest.importorskip("torchrecurrent", reason="compared with torchrecurrent: pip install torchrecurrent")
    model, x, target, way = drawn("IndRNN", shape)
    cell = library.IndRNNCell(
        x.shape[-1], target.shape[-1], nonlinearity="relu", recurrent_bias=False, dtype=torch.float64
    )

    def step(p, x, h):
        weights = {"weight_ih": p["new.U"], "vector_u": p["u"], "bias_ih": p["new.b"]}
        return (torch.func.functional_call(cell, weights, (x, h)),) * 2

    both = comparison(model, lambda p, x, initial, feeds: loop(step, p, x, initial, **way), x, target, **way)
    both.outputs_agree()
    both.gradients_agree()


@pytest.mark.parametrize("shape", range(3))
@pytest.mark.parametrize(
    ("name", "gates", "weight"),
    [
        ("MinGRU", ("new", "update"), "to_hidden_and_gate"),
        ("MinLSTM", ("new", "forget", "input"), "to_hidden_and_f_i_gate"),
    ],
    ids=["MinGRU", "MinLSTM"],
)
def test_a_minimal_unit_equals_the_log_space_form_of_mingru_pytorch(name, gates, weight, shape, comparison):
    """Which takes all steps at once, by a sum of logarithms, and has no biases."""
    theirs = name.replace("M", "m", 1)
    reason = "compared with minGRU-pytorch: pip install minGRU-pytorch"
    library = pytest.importorskip(f"minGRU_pytorch.{theirs}", reason=reason)
    model, x, target, _ = drawn(name, shape)
    for gate in gates:
        model.parameters[f"{gate}.b"][...] = 0.0
    M, K = x.shape[-1], target.shape[-1]
    # The hidden size is int(M * factor).
    layer = getattr(library, theirs)(M, (K + 0.5) / M, proj_out=False).double()
    assert getattr(layer, weight).weight.shape == (len(gates) * K, M)

    def twin(p, x, initial, feeds):
        joined = torch.cat([p[f"{gate}.U"] for gate in gates])
        y = torch.func.functional_call(layer, {f"{weight}.weight": joined}, (x,))
        return y, {"h": y[:, -1]}

    both = comparison(model, twin, x, target, wrt=("x",))
    both.outputs_agree()
    both.gradients_agree()
