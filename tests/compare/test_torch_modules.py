"""PyTorch's recurrent modules and our models: there and back, with the same numbers."""

import copy
import io

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Gate, gate, sigmoid
from nanolstm.errors import ExchangeError, InputError

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")
nn = torch.nn

B, T = 4, 7
KINDS = {
    "RNN tanh": (nn.RNN, {}),
    "RNN relu": (nn.RNN, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTM, {}),
    "LSTM projected": (nn.LSTM, {"proj_size": 2}),
    "GRU": (nn.GRU, {}),
}
CELLS = {
    "RNN tanh": nl.cells.Elman,
    "RNN relu": nl.cells.ElmanReLU,
    "LSTM": nl.cells.LSTM,
    "LSTM projected": nl.cells.ProjectedLSTM,
    "GRU": nl.cells.GRU,
}
OPTIONS = [
    pytest.param({"num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": first},
                 id=f"{layers} layers{' both ways' * both}{' no bias' * (not bias)}{' time first' * (not first)}")
    for layers, both, bias, first in [
        (1, False, True, True), (1, True, True, False), (1, False, False, False),
        (2, True, True, True), (2, True, False, True), (3, False, True, False),
    ]
]  # fmt: skip
DTYPES = {torch.float32: 1e-6, torch.float64: 1e-12}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_option = pytest.mark.parametrize("options", OPTIONS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


def made(kind, dtype=torch.float64, inputs=3, hidden=5, **options):
    torch.manual_seed(1)
    build, more = KINDS[kind]
    return build(inputs, hidden, dtype=dtype, **more, **options)


def drawn(module, seed=0):
    """x (B, T, M), and first states as PyTorch stacks them."""
    rng = np.random.default_rng(seed)
    dtype = module.weight_ih_l0.dtype
    places = module.num_layers * (2 if module.bidirectional else 1)
    widths = [module.proj_size or module.hidden_size, module.hidden_size][: 2 if isinstance(module, nn.LSTM) else 1]
    x, *first = (torch.as_tensor(rng.normal(size=size), dtype=dtype)
                 for size in [(B, T, module.input_size), *((places, B, width) for width in widths)])  # fmt: skip
    return x, first


def run(module, x, first):
    """y (B, T, N) and the last states, whatever `batch_first` says."""
    with torch.no_grad():
        given = x if module.batch_first else x.transpose(0, 1)
        y, last = module(given, tuple(first) if len(first) > 1 else first[0])
    return y if module.batch_first else y.transpose(0, 1), last if isinstance(last, tuple) else (last,)


def named(model, stacked):
    """States as PyTorch stacks them, under our names."""
    return {
        part.prefix + name: value[i].numpy()
        for i, part in enumerate(part for part in model.parts() if part.prefix != "readout.")
        for name, value in zip(part.cell.anatomy.states, stacked, strict=True)
    }


def assert_same(model, module):
    """Outputs and last states, from first states that are not 0, beside one another."""
    tolerance = DTYPES[module.weight_ih_l0.dtype]
    x, first = drawn(module)
    y, last = run(module, x, first)
    ours, our_last = model(x.numpy(), initial=named(model, first), return_state=True)
    assert ours.dtype == x.numpy().dtype
    tolerance *= max(1.0, y.abs().max())  # rectified units have no upper bound
    np.testing.assert_allclose(ours, y.numpy(), rtol=0, atol=tolerance)
    for name, value in named(model, last).items():
        np.testing.assert_allclose(our_last[name], value, rtol=0, atol=tolerance, err_msg=name)


@every_dtype
@every_option
@every_kind
def test_a_model_computes_what_its_module_does(kind, options, dtype):
    module = made(kind, dtype, **options)
    model = nl.from_torch(module)
    assert {type(cell) for cell in model.cells} == {CELLS[kind]}
    assert_same(model, module)


@pytest.mark.slow
@every_dtype
@every_kind
def test_a_model_computes_it_in_kernels_too(kind, dtype):
    module = made(kind, dtype, num_layers=2, bidirectional=True, batch_first=True)
    assert_same(nl.from_torch(module, backend="numba"), module)


@every_dtype
@every_option
@every_kind
def test_a_module_comes_back_as_it_was(kind, options, dtype):
    module = made(kind, dtype, **options)
    back = nl.from_torch(module).to_torch(batch_first=options["batch_first"], bias=options["bias"])
    assert repr(back) == repr(module)
    assert type(back) is type(module)
    assert back.state_dict().keys() == module.state_dict().keys()
    for name, value in module.state_dict().items():
        if "bias" not in name:
            assert torch.equal(back.state_dict()[name], value), name
    x, first = drawn(module)
    for ours, theirs in zip(run(back, x, first)[1], run(module, x, first)[1], strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=DTYPES[dtype])


@every_kind
def test_two_biases_become_one_which_is_all_in_the_first(kind):
    module = made(kind)
    back = nl.from_torch(module).to_torch()
    one_here = slice(0, 10 if kind == "GRU" else None)  # the new gate of a GRU, its last five rows, keeps both
    assert torch.equal(back.bias_ih_l0[one_here], (module.bias_ih_l0 + module.bias_hh_l0)[one_here])
    assert not back.bias_hh_l0[one_here].any()
    if kind == "GRU":
        assert torch.equal(back.bias_ih_l0[10:], module.bias_ih_l0[10:])
        assert torch.equal(back.bias_hh_l0[10:], module.bias_hh_l0[10:])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layers", "both"), [(1, False), (1, True), (2, True)])
@every_kind
def test_a_model_comes_back_to_the_bit(kind, layers, both, dtype):
    build = CELLS[kind]
    narrow = {"outputs": 2} if kind == "LSTM projected" else {}
    wide = (2 if both else 1) * narrow.get("outputs", 5)
    cells = [build(inputs=3 if i == 0 else wide, hidden=5, dtype=dtype, rng=i, **narrow) for i in range(layers)]
    model = nl.Sequence(cells, bidirectional=both, readout=2, rng=3)
    for value in model.parameters.values():
        value += 0.1
    module = model.to_torch()
    back = nl.from_torch(module)
    assert [*back.parameters] == [*model.parameters]
    for name, value in model.parameters.items():
        assert np.array_equal(back.parameters[name], value), name
        assert back.parameters[name].dtype == dtype
    assert_same(nl.from_torch(module.rnn), module.rnn)


@every_kind
def test_lengths_are_those_of_a_packed_sequence(kind):
    module = made(kind, num_layers=2, bidirectional=True, batch_first=True)
    x, _ = drawn(module)
    lengths = [7, 1, 4, 6]
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        y, _ = nn.utils.rnn.pad_packed_sequence(module(packed)[0], batch_first=True)
    np.testing.assert_allclose(nl.from_torch(module)(x.numpy(), lengths=lengths), y.numpy(), rtol=0, atol=1e-12)


@every_dtype
@pytest.mark.parametrize("bias", [True, False], ids=["", "no bias"])
@pytest.mark.parametrize(
    ("step", "options"),
    [(nn.RNNCell, {}), (nn.RNNCell, {"nonlinearity": "relu"}), (nn.LSTMCell, {}), (nn.GRUCell, {})],
    ids=["RNNCell tanh", "RNNCell relu", "LSTMCell", "GRUCell"],
)
def test_a_cell_of_pytorch_is_a_model_of_one_cell(step, options, bias, dtype):
    torch.manual_seed(1)
    module = step(3, 5, bias=bias, dtype=dtype, **options)
    x = torch.as_tensor(np.random.default_rng(0).normal(size=(B, T, 3)), dtype=dtype)
    state, outputs = None, []
    with torch.no_grad():
        for t in range(T):
            state = module(x[:, t], state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
    ours = nl.from_torch(module)(x.numpy())
    assert ours.dtype == x.numpy().dtype
    np.testing.assert_allclose(ours, torch.stack(outputs, 1).numpy(), rtol=0, atol=DTYPES[dtype])


@pytest.mark.parametrize("bias", [True, False], ids=["", "no bias"])
def test_a_linear_layer_becomes_the_readout(bias):
    lstm, linear = made("LSTM", bidirectional=True, batch_first=True), nn.Linear(10, 2, bias=bias, dtype=torch.float64)
    model = nl.from_torch(lstm, readout=linear)
    x, _ = drawn(lstm)
    with torch.no_grad():
        expected = linear(lstm(x)[0])
    np.testing.assert_allclose(model(x.numpy()), expected.numpy(), rtol=0, atol=1e-12)


def test_a_model_with_a_readout_becomes_a_module_that_answers_as_the_recurrent_one_does():
    model = nl.Sequence(nl.cells.LSTM(inputs=3, hidden=5, rng=0), readout=2)
    module = model.to_torch()
    assert repr(module.rnn) == "LSTM(3, 5, batch_first=True)"
    assert repr(module.readout) == "Linear(in_features=5, out_features=2, bias=True)"
    x, first = drawn(module.rnn)
    with torch.no_grad():
        y, (h, c) = module(x, tuple(first))
        unbatched, _ = module(x[1])
        packed, _ = module(nn.utils.rnn.pack_padded_sequence(x, [7, 5, 5, 2], batch_first=True))
    ours, last = model(x.numpy(), initial=named(model, first), return_state=True)
    np.testing.assert_allclose(y.numpy(), ours, rtol=0, atol=1e-12)
    np.testing.assert_allclose(h[0].numpy(), last["h"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(c[0].numpy(), last["c"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(unbatched.numpy(), model(x[1].numpy()), rtol=0, atol=1e-12)
    padded, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    valid = np.arange(T) < np.array([[7], [5], [5], [2]])
    np.testing.assert_allclose(padded.numpy()[valid], model(x.numpy(), lengths=[7, 5, 5, 2])[valid], rtol=0, atol=1e-12)


def test_what_comes_out_is_a_copy_on_both_sides():
    module = made("LSTM")
    model = nl.from_torch(module)
    before = module.weight_ih_l0.clone()
    model.parameters["input.U"][...] = 0.0
    assert torch.equal(module.weight_ih_l0, before)
    back = model.to_torch()
    with torch.no_grad():
        back.weight_ih_l0.fill_(1.0)
    assert not model.parameters["input.U"].any()


@every_kind
def test_making_a_module_leaves_the_generator_of_pytorch_where_it_is(kind):
    model = nl.Sequence(CELLS[kind](inputs=3, hidden=5, rng=0), readout=1)
    before = torch.random.get_rng_state()
    model.to_torch()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_module_that_is_made_can_be_trained_copied_and_kept():
    module = nl.Sequence(nl.cells.GRU(inputs=3, hidden=5, rng=0), readout=1).to_torch()
    x, _ = drawn(module.rnn)
    module(x)[0].square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = copy.deepcopy(module)
    with torch.no_grad():
        other.rnn.weight_hh_l0.zero_()
    other.load_state_dict(torch.load(file))
    assert torch.equal(other(x)[0], module(x)[0])


def test_subclasses_that_only_start_otherwise_go():
    module = nl.Sequence(nl.cells.IRNN(inputs=3, hidden=5, rng=0)).to_torch()
    assert (type(module), module.nonlinearity) == (nn.RNN, "relu")
    assert torch.equal(module.weight_hh_l0, torch.eye(5, dtype=torch.float64))


class NoBias(nl.cells.LSTM):
    input: Gate = gate(sigmoid, bias=False)
    forget: Gate = gate(sigmoid, bias=False)
    output: Gate = gate(sigmoid, bias=False)
    new: Gate = gate(np.tanh, bias=False)


def test_a_cell_without_biases_becomes_a_module_without():
    model = nl.Sequence(NoBias(inputs=3, hidden=5, rng=0))
    module = model.to_torch()
    assert repr(module) == "LSTM(3, 5, bias=False, batch_first=True)"
    x, _ = drawn(module)
    np.testing.assert_allclose(module(x)[0].numpy(force=True), model(x.numpy()), rtol=0, atol=1e-12)
    assert not model.to_torch(bias=True).bias_ih_l0.any()


def test_dropout_between_layers_is_refused_in_training_and_nothing_in_evaluation():
    module = made("LSTM", num_layers=2, dropout=0.5, batch_first=True)
    with pytest.raises(ExchangeError, match=r"dropout of 0\.5 between its layers.*module\.eval\(\)"):
        nl.from_torch(module)
    assert_same(nl.from_torch(module.eval()), module)


@pytest.mark.parametrize("setting", ["input_dropout", "recurrent_dropout", "output_dropout", "zoneout"])
def test_dropout_of_a_cell_is_refused_and_gone_once_it_is_0(setting):
    cell = nl.cells.LSTM(inputs=2, hidden=3, rng=0, **{setting: 0.1})
    with pytest.raises(ExchangeError, match=setting):
        nl.Sequence(cell).to_torch()
    setattr(cell, setting, 0.0)
    assert isinstance(nl.Sequence(cell).to_torch(), torch.nn.LSTM)


def test_weights_that_are_computed_from_others_are_taken_as_they_are():
    module = nn.utils.parametrizations.spectral_norm(made("LSTM", batch_first=True), "weight_hh_l0").eval()
    model = nl.from_torch(module)
    packed = np.concatenate([model.parameters[f"{name}.W"] for name in ("input", "forget", "new", "output")])
    np.testing.assert_allclose(packed, module.weight_hh_l0.numpy(force=True), rtol=0, atol=1e-12)


class Shouting(nn.LSTM):
    def forward(self, x):
        return 2 * super().forward(x)[0]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 3), nn.GRU(3, 5))
        self.lstm = nn.LSTM(3, 5)


REFUSED = {
    "no recurrent module": (lambda: nn.Linear(3, 5), "RNN, RNNCell, LSTM, LSTMCell, GRU, GRUCell$"),
    "one that holds some": (Net, r"it holds module\.body\[1\] and module\.lstm: hand over that"),
    "a namesake": (
        lambda: nn.quantizable.LSTM(3, 5),
        r"quantizable\.modules\.rnn\.LSTM\): expected one of torch\.nn's",
    ),
    "a forward of its own": (lambda: Shouting(3, 5), "Shouting has a forward of its own"),
    "half precision": (lambda: nn.LSTM(3, 5).half(), r"weight_ih_l0 is float16.*module\.float\(\)"),
    "bfloat16": (lambda: nn.GRUCell(3, 5, dtype=torch.bfloat16), r"weight_ih is bfloat16"),
    "no numbers": (lambda: nn.GRU(3, 5, device="meta"), "weight_ih_l0 is on the device 'meta'"),
}


@pytest.mark.parametrize(("build", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_module_that_no_model_equals_is_refused_with_what_to_hand_over(build, words):
    with pytest.raises(ExchangeError, match=words):
        nl.from_torch(build())


def test_mixed_precision_is_refused():
    module = nn.LSTM(3, 5)
    module.weight_hh_l0 = nn.Parameter(module.weight_hh_l0.double())
    with pytest.raises(ExchangeError, match=r"weight_ih_l0 is float32 and weight_hh_l0 float64.*module\.float\(\)"):
        nl.from_torch(module)


def test_weights_alone_are_refused():
    with pytest.raises(InputError, match=r"load them into a module first, module\.load_state_dict"):
        nl.from_torch(nn.LSTM(3, 5).state_dict())


@pytest.mark.parametrize("given", [nn.LSTM, "LSTM", None, 3, np.zeros(3)], ids=["class", "text", "None", "3", "array"])
def test_what_is_no_module_is_refused(given):
    with pytest.raises(InputError, match=r"from_torch\(.*: expected a module of PyTorch, such as torch\.nn\.LSTM"):
        nl.from_torch(given)


def test_a_readout_that_does_not_fit_is_refused():
    with pytest.raises(ExchangeError, match="takes 4 features, and the module answers with 5"):
        nl.from_torch(nn.LSTM(3, 5), readout=nn.Linear(4, 1))
    with pytest.raises(InputError, match=r"readout=ReLU\(\)\): expected a torch\.nn\.Linear"):
        nl.from_torch(nn.LSTM(3, 5), readout=nn.ReLU())
    with pytest.raises(ExchangeError, match="weight_ih_l0 is float32 and weight float64"):
        nl.from_torch(nn.LSTM(3, 5), readout=nn.Linear(5, 1, dtype=torch.float64))


def test_a_projection_that_is_no_narrower_is_refused():
    cell = nl.cells.ProjectedLSTM(inputs=3, hidden=5, outputs=5)
    with pytest.raises(ExchangeError, match="proj_size has to be smaller than hidden_size"):
        nl.Sequence(cell).to_torch()
