"""The LSTM and the GRU are those of PyTorch: outputs, last states and every gradient."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Cell, Gate, gate, identity, sigmoid

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")

B, T, M, K = 4, 7, 3, 5
LENGTHS = [4, 7, 1, 6]
LSTM = nl.cells.LSTM


class GRU(Cell):
    """As in torch.nn.GRU: the reset gate after the product, which has a bias of its own."""

    reset: Gate = gate(sigmoid)
    update: Gate = gate(sigmoid)
    new: Gate = gate(identity, W=None)
    again: Gate = gate(identity, U=None)

    def step(self, x, h):
        r, z = self.reset(x, h), self.update(x, h)
        h = (1 - z) * np.tanh(self.new(x) + r * self.again(h)) + z * h
        return h, h


class EarlyGRU(Cell):
    """The reset gate before the product, which PyTorch does not have."""

    reset: Gate = gate(sigmoid)
    update: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        r, z = self.reset(x, h), self.update(x, h)
        h = (1 - z) * self.new(x, r * h) + z * h
        return h, h


GATES = {LSTM: ["input", "forget", "new", "output"], GRU: ["reset", "update", "new"]}
STATES = {LSTM: ["h", "c"], GRU: ["h"]}


def weights_of_a_layer(kind, p, prefix):
    """PyTorch's four arrays of a layer from ours. Of its two biases for one of ours, one has a quarter."""
    names = [f"{prefix}{name}" for name in GATES[kind]]
    again = [f"{prefix}again" if kind is GRU and name.endswith("new") else name for name in names]
    biases = [(p[f"{a}.b"], p[f"{b}.b"]) if a != b else (p[f"{a}.b"] * 0.25, p[f"{a}.b"] * 0.75)
              for a, b in zip(names, again, strict=True)]  # fmt: skip
    return {
        "weight_ih": torch.cat([p[f"{name}.U"] for name in names]),
        "weight_hh": torch.cat([p[f"{name}.W"] for name in again]),
        "bias_ih": torch.cat([one for one, _ in biases]),
        "bias_hh": torch.cat([other for _, other in biases]),
    }


def twin(kind, *, depth=1, bidirectional=False, lengths=None):
    """torch.nn's module of `kind`, with a linear layer on top where there is a readout."""
    layer = {LSTM: torch.nn.LSTM, GRU: torch.nn.GRU}[kind]
    module = layer(M, K, num_layers=depth, bidirectional=bidirectional, batch_first=True, dtype=torch.float64)
    places = {}  # our prefix of each of PyTorch's suffixes, in its order
    for i in range(depth):
        level = f"{i}." if depth > 1 else ""
        if bidirectional:
            places |= {f"{level}forward.": f"_l{i}", f"{level}backward.": f"_l{i}_reverse"}
        else:
            places[level] = f"_l{i}"

    def run(p, x, initial, feeds):
        own = {}
        for prefix, suffix in places.items():
            own |= {name + suffix: value for name, value in weights_of_a_layer(kind, p, prefix).items()}
        first = tuple(torch.stack([initial[prefix + name] for prefix in places]) for name in STATES[kind])
        given = x
        if lengths is not None:
            given = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        first = first if len(first) > 1 else first[0]
        y, last = torch.func.functional_call(module, own, (given, first))
        if lengths is not None:
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
        last = last if isinstance(last, tuple) else (last,)
        states = {
            prefix + name: value[i] for i, prefix in enumerate(places)
            for name, value in zip(STATES[kind], last, strict=True)
        }  # fmt: skip
        if "readout.U" in p:
            y = torch.nn.functional.linear(y, p["readout.U"], p["readout.b"])
        return y, states

    return run


def early(p, x, h):
    r = torch.sigmoid(x @ p["reset.U"].T + h @ p["reset.W"].T + p["reset.b"])
    z = torch.sigmoid(x @ p["update.U"].T + h @ p["update.W"].T + p["update.b"])
    n = torch.tanh(x @ p["new.U"].T + (r * h) @ p["new.W"].T + p["new.b"])
    h = (1 - z) * n + z * h
    return h, h


def cells(kind, *, depth, bidirectional):
    wide = 2 if bidirectional else 1
    made = [kind(inputs=M, hidden=K, rng=1)]
    made += [kind(inputs=wide * K, hidden=K, rng=1 + i) for i in range(1, depth)]
    for cell in made:
        spread(cell.parameters)
    return made


def spread(parameters, seed=8):
    """Biases are 0 when they are drawn, where a mistake in them would not show."""
    rng = np.random.default_rng(seed)
    for value in parameters.values():
        value[...] = rng.normal(size=value.shape, scale=0.6)


def numbers(model, *, batch=B, time=T, given=False, seed=3):
    rng = np.random.default_rng(seed)
    x, target = rng.normal(size=(batch, time, model.inputs)), rng.normal(size=(batch, time, model.outputs))
    shapes = {name: (batch, *state.shape) for name, state in model.states().items()}
    return x, target, {name: rng.normal(size=shape) for name, shape in shapes.items()} if given else None


SHAPES = {
    "one": {},
    "stack": {"depth": 2},
    "both ways": {"bidirectional": True},
    "stack both ways": {"depth": 2, "bidirectional": True},
}


@pytest.fixture(params=[LSTM, GRU], ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture(params=SHAPES)
def shape(request):
    return {"depth": 1, "bidirectional": False} | SHAPES[request.param]


@pytest.mark.parametrize("loss", ["mse", "rmse"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "packed"])
@pytest.mark.parametrize("given", [False, True], ids=["from 0", "from given states"])
def test_it_equals_pytorchs_module(kind, shape, lengths, given, loss, comparison):
    model = nl.Sequence(cells(kind, **shape), bidirectional=shape["bidirectional"], rng=2)
    spread(model.parameters)
    x, target, initial = numbers(model, given=given)
    both = comparison(
        model, twin(kind, lengths=lengths, **shape), x, target, loss=loss, lengths=lengths, initial=initial
    )
    both.outputs_agree()
    both.gradients_agree()


def test_it_equals_pytorchs_module_under_a_readout(kind, shape, comparison):
    model = nl.Sequence(cells(kind, **shape), bidirectional=shape["bidirectional"], readout=2, rng=2)
    spread(model.parameters)
    x, target, initial = numbers(model, given=True)

    def run(p, x, initial, feeds):
        y, last = twin(kind, lengths=LENGTHS, **shape)(p, x, initial, feeds)
        valid = torch.arange(T) < torch.tensor(LENGTHS)[:, None]
        return y * valid[..., None], last  # ours is 0 beyond the end, and a linear layer has a bias

    both = comparison(model, run, x, target, lengths=LENGTHS, initial=initial)
    both.outputs_agree()
    both.gradients_agree()


@pytest.mark.parametrize("time", [1, T])
def test_one_sequence_without_a_batch_axis_equals_pytorchs_module(kind, shape, time, comparison):
    model = nl.Sequence(cells(kind, **shape), bidirectional=shape["bidirectional"], rng=2)
    spread(model.parameters)
    x, target, initial = numbers(model, batch=1, time=time, given=True)
    both = comparison(model, twin(kind, **shape), x, target, initial=initial, alone=True)
    both.outputs_agree()
    both.gradients_agree()


def test_keeping_fewer_steps_gives_pytorchs_gradient_too(kind, shape, comparison):
    model = nl.Sequence(cells(kind, **shape), bidirectional=shape["bidirectional"], rng=2)
    x, target, initial = numbers(model, given=True)
    run = twin(kind, lengths=LENGTHS, **shape)
    comparison(model, run, x, target, lengths=LENGTHS, initial=initial, checkpoint_every=3).gradients_agree()


def test_gradients_stay_pytorchs_over_hundreds_of_steps(kind, comparison):
    model = nl.Sequence(kind(inputs=M, hidden=K, rng=1))
    spread(model.parameters)
    x, target, initial = numbers(model, batch=2, time=300, given=True)
    both = comparison(model, twin(kind), x, target, initial=initial)
    both.outputs_agree()
    both.gradients_agree()


@pytest.mark.parametrize("alone", [False, True], ids=["batch", "one sequence"])
@pytest.mark.parametrize("loss", ["mse", "rmse"])
def test_a_gru_that_resets_before_the_product_equals_the_same_step_in_torch(alone, loss, comparison, loop):
    model = nl.Sequence(EarlyGRU(inputs=M, hidden=K, rng=1))
    spread(model.parameters)
    x, target, initial = numbers(model, batch=1 if alone else B, given=True)
    lengths = None if alone else LENGTHS

    def run(p, x, initial, feeds):
        return loop(early, p, x, initial, lengths=lengths)

    both = comparison(model, run, x, target, loss=loss, lengths=lengths, initial=initial, alone=alone)
    both.outputs_agree()
    both.gradients_agree()


def test_the_gradient_of_our_bias_is_that_of_each_of_pytorchs_two():
    model = nl.Sequence(LSTM(inputs=M, hidden=K, rng=1))
    x, target, _ = numbers(model)
    module = torch.nn.LSTM(M, K, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for name, value in weights_of_a_layer(
            LSTM, {k: torch.tensor(v) for k, v in model.parameters.items()}, ""
        ).items():
            getattr(module, f"{name}_l0").copy_(value)
    y, _ = module(torch.tensor(x))
    torch.nn.functional.mse_loss(y, torch.tensor(target)).backward()
    _, gradient = model.value_and_grad(x, target, loss="mse")
    ours = np.concatenate([gradient[f"{name}.b"] for name in GATES[LSTM]])
    np.testing.assert_allclose(ours, module.bias_ih_l0.grad.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours, module.bias_hh_l0.grad.numpy(), rtol=0, atol=1e-12)
