"""The tables of docs/gate-orders.md: weights that are packed as they say make each library compute what we do."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

import nanolstm as nl

PAGE = (Path(__file__).parents[2] / "docs" / "gate-orders.md").read_text(encoding="utf-8")
GATES = {
    "LSTM": {"i": "input", "f": "forget", "g": "new", "o": "output"},
    "GRU": {"r": "reset", "z": "update", "n": "new"},
}
B, T, M, K = 4, 6, 3, 5


def table(kind):
    """The table under the heading `kind`: row by row, by library."""
    section = PAGE.split(f"\n## {kind}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in section.splitlines() if line.startswith("|")]
    libraries = rows[0][1:]
    return {name: dict(zip(libraries, cells, strict=True)) for name, *cells in rows[2:]}


def order(kind, library):
    """The gates of the table, by our names."""
    letters = re.findall(r"\b[a-z]\b", table(kind)["order of gates"][library])
    assert sorted(letters) == sorted(GATES[kind]), letters
    return [GATES[kind][letter] for letter in letters]


def cell_of(kind, before=False):
    cell = getattr(nl.cells, "GRUv3" if before else kind)(inputs=M, hidden=K, rng=0)
    rng = np.random.default_rng(1)
    for value in cell.parameters.values():
        value[...] = rng.normal(0, 0.5, value.shape)
    return cell


def packed(kind, library, cell):
    """U, W and the two biases in the library's order, in our orientation; one bias of ours is shared between both."""
    p, names = cell.parameters, order(kind, library)
    second = [p["new.d"] if f"{name}.d" in p else p[f"{name}.b"] / 3 for name in names]
    first = [p[f"{name}.b"] - (0 if f"{name}.d" in p else b) for name, b in zip(names, second, strict=True)]
    U, W = (np.concatenate([p[f"{name}.{weight}"] for name in names]) for weight in "UW")
    return U, W, np.concatenate(first), np.concatenate(second)


def assert_same(cell, run, tolerance=1e-10):
    x = np.random.default_rng(2).normal(size=(B, T, M))
    y, state = nl.Sequence(cell)(x, return_state=True)
    theirs, *states = run(x)
    np.testing.assert_allclose(theirs, y, rtol=0, atol=tolerance)
    for value, name in zip(states, cell.anatomy.states, strict=True):
        np.testing.assert_allclose(value, state[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("kind", GATES)
def test_pytorch(kind):
    torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")
    cell = cell_of(kind)
    module = getattr(torch.nn, kind)(M, K, batch_first=True, dtype=torch.float64)
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    arrays = packed(kind, "PyTorch", cell)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)})

    def run(x):
        with torch.no_grad():
            y, last = module(torch.from_numpy(x))
        return [y.numpy(), *(value[0].numpy() for value in (last if isinstance(last, tuple) else (last,)))]

    assert_same(cell, run)


@pytest.fixture
def keras(monkeypatch, tmp_path):
    for name, value in {"KERAS_BACKEND": "numpy", "KERAS_HOME": str(tmp_path)}.items():
        if name not in os.environ:
            monkeypatch.setenv(name, value)
    return pytest.importorskip("keras", reason="compared with Keras: pip install '.[compare]'")


@pytest.mark.parametrize(("kind", "before"), [("LSTM", False), ("GRU", False), ("GRU", True)])
def test_keras(kind, before, keras):
    """To single precision: it rounds products to float32, whatever the dtype of a layer."""
    cell = cell_of(kind, before)
    options = {"reset_after": not before} if kind == "GRU" else {}
    layer = getattr(keras.layers, kind)(K, return_sequences=True, return_state=True, dtype="float64", **options)
    layer.build((B, T, M))
    U, W, first, second = packed(kind, "Keras", cell)
    one = kind == "LSTM" or before
    bias = first + second if one else np.stack([first, second])
    layer.set_weights([U.T, W.T, bias])
    shape = {("LSTM", False): "(4K,)", ("GRU", False): "(2, 3K)", ("GRU", True): "(3K,)"}[kind, before]
    assert shape in table(kind)["biases"]["Keras"]
    assert_same(cell, lambda x: [keras.ops.convert_to_numpy(value) for value in layer(x)], tolerance=1e-5)


@pytest.mark.parametrize("kind", GATES)
def test_flax(kind):
    """In float32, which is what JAX computes in unless all of it is told otherwise."""
    pytest.importorskip("jax", reason="Flax computes with it: pip install '.[compare]'")
    linen = pytest.importorskip("flax.linen", reason="compared with Flax: pip install flax")
    cell = cell_of(kind)
    module = {"LSTM": linen.OptimizedLSTMCell, "GRU": linen.GRUCell}[kind](K)
    assert f"linen.{type(module).__name__}" in table(kind)["is called"]["Flax"]
    p, weights = cell.parameters, {}
    biased = "h" if kind == "LSTM" else "i"
    for letter, name in GATES[kind].items():
        weights |= {f"i{letter}": {"kernel": p[f"{name}.U"].T}, f"h{letter}": {"kernel": p[f"{name}.W"].T}}
        weights[biased + letter]["bias"] = p[f"{name}.b"]
    if kind == "GRU":
        weights["hn"]["bias"] = p["new.d"]
    rnn = linen.RNN(module, return_carry=True)

    def run(x):
        import jax

        made = rnn.init(jax.random.key(0), x)["params"]["cell"]
        assert {k: set(v) for k, v in made.items()} == {k: set(v) for k, v in weights.items()}
        carry, y = rnn.apply({"params": {"cell": weights}}, x)
        return [y, *(reversed(carry) if kind == "LSTM" else [carry])]

    assert_same(cell, run, tolerance=1e-5)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_packed_order_of_nnx(kind):
    pytest.importorskip("jax", reason="Flax computes with it: pip install '.[compare]'")
    nnx = pytest.importorskip("flax.nnx", reason="compared with Flax: pip install flax")
    cell = cell_of(kind)
    if kind == "GRU":
        cell.parameters["new.d"][...] = 0.0
    module = {"LSTM": nnx.OptimizedLSTMCell, "GRU": nnx.GRUCell}[kind](M, K, rngs=nnx.Rngs(0))
    U, W, first, second = packed(kind, "Flax", cell)
    module.dense_i.kernel[...], module.dense_h.kernel[...] = U.T, W.T
    (module.dense_h if kind == "LSTM" else module.dense_i).bias[...] = first + second

    def run(x):
        zero = np.zeros((B, K), "float32")
        carry, outputs = (zero, zero) if kind == "LSTM" else zero, []
        for t in range(T):
            carry, y = module(carry, x[:, t])
            outputs.append(y)
        return [np.stack(outputs, axis=1), *(reversed(carry) if kind == "LSTM" else [carry])]

    assert_same(cell, run, tolerance=1e-5)


def run_onnx(kind, inputs, **options):
    """ONNX's own evaluator on one operator."""
    onnx = pytest.importorskip("onnx", reason="compared with ONNX's evaluator: pip install '.[compare]'")
    reference = pytest.importorskip("onnx.reference", reason="compared with ONNX's evaluator")
    outputs = ["Y", "Y_h", *(["Y_c"] if kind == "LSTM" else [])]
    helper, double = onnx.helper, onnx.TensorProto.DOUBLE
    graph = helper.make_graph(
        [helper.make_node(kind, [*inputs], outputs, hidden_size=K, **options)],
        "one",
        [helper.make_tensor_value_info(name, double, value.shape) for name, value in inputs.items()],
        [helper.make_tensor_value_info(name, double, None) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
    y, *last = reference.ReferenceEvaluator(model).run(None, inputs)
    return [y[:, 0].swapaxes(0, 1), *(value[0] for value in last)]


@pytest.mark.parametrize(("kind", "before"), [("LSTM", False), ("GRU", False), ("GRU", True)])
def test_onnx(kind, before):
    cell = cell_of(kind, before)
    U, W, first, second = packed(kind, "ONNX", cell)
    options = {"linear_before_reset": 1} if kind == "GRU" and not before else {}
    weights = {"W": U[None], "R": W[None], "B": np.concatenate([first, second])[None]}
    assert_same(cell, lambda x: run_onnx(kind, {"X": x.swapaxes(0, 1), **weights}, **options))


@pytest.mark.parametrize("kind", GATES)
def test_the_defaults_of_onnx_are_those_of_its_specification(kind):
    onnx = pytest.importorskip("onnx", reason="compared with ONNX's evaluator: pip install '.[compare]'")
    said = onnx.defs.get_schema(kind).doc
    assert {"LSTM": "`W[iofc]`", "GRU": "`W[zrh]`"}[kind] in said
    assert {"LSTM": "Default: f=Sigmoid, g=Tanh, h=Tanh", "GRU": "Default: f=Sigmoid, g=Tanh"}[kind] in said
