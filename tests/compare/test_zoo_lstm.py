"""The LSTM family beside PyTorch's, ONNX's own evaluator and torchrecurrent: outputs and last states.

Gradients of LSTM and GRU are compared in test_lstm_and_gru.py; those of every cell of the zoo with differences.
"""

import numpy as np
import pytest

import nanolstm as nl

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")

B, T, M, K, N = 4, 7, 3, 5, 2
ATOL = 1e-10


def made(name, **more):
    """A cell whose parameters all count: every one is moved away from where it starts."""
    cell = getattr(nl.cells, name)(inputs=M, hidden=K, rng=0, **more)
    rng = np.random.default_rng(1)
    for value in cell.parameters.values():
        value += 0.3 * rng.normal(size=value.shape)
    return cell


def drawn(cell):
    rng = np.random.default_rng(2)
    return rng.normal(size=(B, T, M)), {
        name: rng.normal(size=(B, *state.shape)) for name, state in cell.anatomy.states.items()
    }


def stacked(cell, weight, gates):
    return np.concatenate([cell.parameters[f"{name}.{weight}"] for name in gates])


def agree(ours, theirs, what):
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    assert ours.shape == theirs.shape, what
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=ATOL, err_msg=what)


def with_projection(cell):
    return {"weight_hr": cell.parameters["projection.W"]}


@pytest.mark.parametrize(
    ("name", "more", "options", "weights"),
    [
        ("LSTM", {}, {}, lambda cell: {}),
        ("ProjectedLSTM", {"outputs": N}, {"proj_size": N}, with_projection),
    ],
)
def test_an_lstm_is_that_of_pytorch(name, more, options, weights):
    cell = made(name, **more)
    gates = ("input", "forget", "new", "output")
    theirs = torch.nn.LSTM(M, K, batch_first=True, dtype=torch.float64, **options)
    values = {
        "weight_ih": stacked(cell, "U", gates),
        "weight_hh": stacked(cell, "W", gates),
        "bias_ih": 0.25 * stacked(cell, "b", gates),
        "bias_hh": 0.75 * stacked(cell, "b", gates),
        **weights(cell),
    }
    theirs.load_state_dict({f"{key}_l0": torch.tensor(value) for key, value in values.items()})
    x, initial = drawn(cell)
    y, last = nl.Sequence(cell)(x, initial=initial, return_state=True)
    first = [torch.tensor(initial[name])[None] for name in ("h", "c")]
    their_y, (their_h, their_c) = theirs(torch.tensor(x), first)
    agree(y, their_y, "output")
    agree(last["h"], their_h[0], "h")
    agree(last["c"], their_c[0], "c")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["LSTM", "PeepholeLSTM", "VanillaLSTM"])
def test_peepholes_are_those_of_the_lstm_operator_of_onnx(name):
    """ONNX's reference evaluator runs the operator in NumPy, in float64."""
    onnx = pytest.importorskip("onnx", reason="compared with ONNX's evaluator: pip install '.[compare]'")
    reference = pytest.importorskip("onnx.reference", reason="compared with ONNX's evaluator")
    cell = made(name)
    gates = ("input", "output", "forget", "new")
    x, initial = drawn(cell)
    bias = stacked(cell, "b", gates)
    feeds = {
        "X": np.swapaxes(x, 0, 1),
        "W": stacked(cell, "U", gates)[None],
        "R": stacked(cell, "W", gates)[None],
        "B": np.concatenate([0.25 * bias, 0.75 * bias])[None],
        "initial_h": initial["h"][None],
        "initial_c": initial["c"][None],
        "P": np.zeros((1, 3 * K)) if name == "LSTM" else stacked(cell, "P", gates[:3])[None],
    }
    names = ["X", "W", "R", "B", "", "initial_h", "initial_c", "P"]
    node = onnx.helper.make_node("LSTM", names, ["Y", "Y_h", "Y_c"], hidden_size=K)
    double = onnx.TensorProto.DOUBLE
    graph = onnx.helper.make_graph(
        [node],
        "lstm",
        [onnx.helper.make_tensor_value_info(key, double, value.shape) for key, value in feeds.items()],
        [onnx.helper.make_tensor_value_info(key, double, None) for key in ("Y", "Y_h", "Y_c")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)])
    their_y, their_h, _ = reference.ReferenceEvaluator(model).run(["Y", "Y_h", "Y_c"], feeds)
    y, last = nl.Sequence(cell)(x, initial=initial, return_state=True)
    agree(y, np.swapaxes(their_y[:, 0], 0, 1), "output")
    agree(last["h"], their_h[0], "h")


def first_lstm(cell):
    gates = ("input", "new", "output")
    return {"weight_ih": stacked(cell, "U", gates), "weight_hh": stacked(cell, "W", gates)} | {
        "bias_ih": 0.25 * stacked(cell, "b", gates),
        "bias_hh": 0.75 * stacked(cell, "b", gates),
    }


def peephole_lstm(cell):
    gates = ("input", "forget", "new", "output")
    return {
        "weight_ih": stacked(cell, "U", gates),
        "weight_hh": stacked(cell, "W", gates),
        "weight_ph": stacked(cell, "P", ("input", "forget", "output")),
        "bias_ih": 0.25 * stacked(cell, "b", gates),
        "bias_hh": 0.75 * stacked(cell, "b", gates),
    }


def multiplicative_lstm(cell):
    gates = ("input", "forget", "new", "output")
    return {
        "weight_ih": np.concatenate([cell.parameters["from_x.U"], stacked(cell, "U", gates)]),
        "weight_hh": cell.parameters["from_h.W"],
        "weight_mh": stacked(cell, "W", gates),
        "bias_ih": np.concatenate([np.zeros(K), 0.25 * stacked(cell, "b", gates)]),
        "bias_hh": np.zeros(K),
        "bias_mh": 0.75 * stacked(cell, "b", gates),
    }


@pytest.mark.parametrize(
    ("name", "their_name", "weights"),
    [
        ("LSTM1997", "OriginalLSTMCell", first_lstm),
        ("PeepholeLSTM", "PeepholeLSTMCell", peephole_lstm),
        ("MultiplicativeLSTM", "MultiplicativeLSTMCell", multiplicative_lstm),
    ],
)
def test_a_variant_is_that_of_torchrecurrent(name, their_name, weights):
    torchrecurrent = pytest.importorskip("torchrecurrent", reason="compared with it: pip install '.[compare]'")
    cell = made(name)
    theirs = getattr(torchrecurrent, their_name)(M, K, dtype=torch.float64)
    theirs.load_state_dict({key: torch.tensor(value) for key, value in weights(cell).items()}, strict=True)
    x, initial = drawn(cell)
    y, last = nl.Sequence(cell)(x, initial=initial, return_state=True)
    h, c = torch.tensor(initial["h"]), torch.tensor(initial["c"])
    for t in range(T):
        h, c = theirs(torch.tensor(x[:, t]), (h, c))
        agree(y[:, t], h, f"output at {t}")
    agree(last["c"], c, "c")


def test_the_sums_of_a_layer_norm_lstm_are_normalised_as_pytorch_normalises_all_gates_together():
    cell = made("LayerNormLSTM")
    gates = ("input", "forget", "output", "new")
    p = {key: torch.tensor(value, requires_grad=True) for key, value in cell.parameters.items()}
    x, initial = drawn(cell)
    y, last = nl.Sequence(cell)(x, initial=initial, return_state=True)
    h, c = torch.tensor(initial["h"]), torch.tensor(initial["c"])
    gain_x, gain_h, b = (torch.cat([p[f"{name}.{part}"] for name in gates]) for part in ("gain_x", "gain_h", "b"))
    norm = torch.nn.functional.layer_norm
    outputs = []
    for t in range(T):
        by_x = norm(torch.tensor(x[:, t]) @ p["from_x.U"].T, (4 * K,), gain_x, b)
        i, f, o, g = (by_x + norm(h @ p["from_h.W"].T, (4 * K,), gain_h)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(norm(c, (K,), p["gain"], p["shift"]))
        outputs.append(h)
    theirs = torch.stack(outputs, dim=1)
    agree(y, theirs, "output")
    agree(last["c"], c, "c")

    _, grads = nl.Sequence(cell).value_and_grad(x, np.zeros_like(y), loss="mse", initial=initial)
    (theirs**2).mean().backward()
    for key, value in p.items():
        agree(grads[key], value.grad, key)
