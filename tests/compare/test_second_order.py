"""Hessian-vector products equal PyTorch's double backward, and Jacobian-vector products its forward mode."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, gate, identity, param, sigmoid, state

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")

# PyTorch's forward mode is written with its own torch.jit.script, which it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")

B, T, M, K = 3, 6, 2, 3
LENGTHS = [4, 6, 1]
RESETS = np.zeros((B, T), bool)
RESETS[0, 2] = RESETS[1, 1] = RESETS[1, 4] = True


class LSTM(Cell):
    input: Gate = gate(sigmoid)
    forget: Gate = gate(sigmoid)
    output: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h, c):
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


class GRU(Cell):
    update: Gate = gate(sigmoid)
    reset: Gate = gate(sigmoid)
    new: Gate = gate(identity, W=None)
    again: Gate = gate(identity, U=None)

    def step(self, x, h):
        r, z = self.reset(x, h), self.update(x, h)
        h = (1 - z) * np.tanh(self.new(x) + r * self.again(h)) + z * h
        return h, h


class LearnedToy(nl.cells.ToyLSTM):
    first: Array = param("hidden", nl.normal())
    h: State = state(start="first")


class MLSTM(Cell):
    """Beck et al. (2024), xLSTM: matrix memory with a stabiliser of its own."""

    C: State = state(("hidden", "hidden"))
    m: State = state(1, start=-np.inf)
    query: Gate = gate(identity, W=None)
    key: Gate = gate(identity, W=None)
    value: Gate = gate(identity, W=None)
    input: Gate = gate(identity, size=1, W=None)
    forget: Gate = gate(identity, size=1, W=None, init=nl.forget_bias(-2.0))
    output: Gate = gate(sigmoid, W=None)

    def step(self, x, C, n, m):
        q, k, v = self.query(x), self.key(x) / np.sqrt(self.hidden), self.value(x)
        i, f = self.input(x), self.forget(x)
        new_m = np.maximum(f + m, i)
        i, f = np.exp(i - new_m), np.exp(f + m - new_m)
        C = f[..., None] * C + i[..., None] * v[..., :, None] * k[..., None, :]
        n = f * n + i * k
        scale = np.maximum(np.abs(np.sum(n * q, axis=-1, keepdims=True)), np.exp(-new_m))
        return self.output(x) * np.matvec(C, q) / scale, C, n, new_m


def affine(p, name, x=None, h=None):
    return sum(v @ p[f"{name}.{w}"].T for w, v in (("U", x), ("W", h)) if v is not None) + p.get(f"{name}.b", 0.0)


def lstm(p, x, h, c):
    i, f, o = (torch.sigmoid(affine(p, name, x, h)) for name in ("input", "forget", "output"))
    c = f * c + i * torch.tanh(affine(p, "new", x, h))
    h = o * torch.tanh(c)
    return h, h, c


def gru(p, x, h):
    r, z = torch.sigmoid(affine(p, "reset", x, h)), torch.sigmoid(affine(p, "update", x, h))
    h = (1 - z) * torch.tanh(affine(p, "new", x) + r * affine(p, "again", None, h)) + z * h
    return h, h


def toy(p, x, h, c):
    i, f, o = (torch.sigmoid(affine(p, name, x, h)) for name in ("input", "forget", "output"))
    c = torch.tanh(f * c + i * torch.tanh(affine(p, "new", x, h)))
    return o, o * c, c


def mlstm(p, x, C, n, m):
    q, k, v, i, f, o = (affine(p, name, x) for name in ("query", "key", "value", "input", "forget", "output"))
    k = k / K**0.5
    new_m = torch.maximum(f + m, i)
    i, f = torch.exp(i - new_m), torch.exp(f + m - new_m)
    C = f[:, :, None] * C + i[:, :, None] * v[:, :, None] * k[:, None, :]
    n = f * n + i * k
    scale = torch.maximum((n * q).sum(dim=-1, keepdim=True).abs(), torch.exp(-new_m))
    return torch.sigmoid(o) * (C * q[:, None, :]).sum(dim=-1) / scale, C, n, new_m


TWINS = {LSTM: lstm, GRU: gru, nl.cells.ToyLSTM: toy, LearnedToy: toy, MLSTM: mlstm}
WAYS = {
    "plain": {},
    "from given states, packed": {"lengths": LENGTHS, "given": True, "loss": "rmse"},
    "all at once": {"lengths": LENGTHS, "resets": RESETS, "truncate": 2, "loss": "rmse"},
    "all at once, in pieces": {"lengths": LENGTHS, "resets": RESETS, "truncate": 3, "checkpoint_every": 2},
    "one sequence": {"alone": True, "resets": RESETS[1:2], "given": True},
}


@pytest.fixture
def compared(comparison, loop):
    """A model and its twin, on numbers that are drawn."""

    def make(kind, *, time=T, batch=B, alone=False, given=False, loss="mse", wrt=None, bidirectional=False, **way):
        model = nl.Sequence(kind(inputs=M, hidden=K, rng=4), bidirectional=bidirectional)
        rng = np.random.default_rng(6)
        for value in model.parameters.values():
            value += rng.normal(size=value.shape, scale=0.3)
        batch = 1 if alone else batch
        x, target = rng.normal(size=(batch, time, M)), rng.normal(size=(batch, time, model.outputs))
        shapes = {name: (batch, *s.shape) for name, s in model.states().items()}
        initial = {name: np.abs(rng.normal(size=shape)) + 0.2 for name, shape in shapes.items()} if given else {}
        sides = {"forward.": False, "backward.": True} if bidirectional else {"": False}

        def run(p, x, initial, feeds):
            outputs, last = [], {}
            for prefix, backward in sides.items():
                own, states = (
                    {key.removeprefix(prefix): value for key, value in all_of.items() if key.startswith(prefix)}
                    for all_of in (p, initial)
                )
                start = {"h": own["first"]} if "first" in own else {"m": torch.tensor(-np.inf, dtype=torch.float64)}
                on_the_way = {key: value for key, value in way.items() if key != "checkpoint_every"}
                y, end = loop(TWINS[kind], own, x, states, start=start, backward=backward, **on_the_way)
                outputs.append(y)
                last |= {prefix + key: value for key, value in end.items()}
            return torch.cat(outputs, dim=-1), last

        return comparison(model, run, x, target, loss=loss, initial=initial, alone=alone, wrt=wrt, **way)

    return make


@pytest.fixture(params=[LSTM, GRU, nl.cells.ToyLSTM, MLSTM], ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.mark.parametrize("way", WAYS)
def test_the_product_of_the_hessian_and_a_direction_equals_pytorchs(kind, way, compared):
    compared(kind, **WAYS[way]).hessian_vector_products_agree()


@pytest.mark.parametrize("way", WAYS)
def test_the_derivative_in_a_direction_equals_pytorchs(kind, way, compared):
    compared(kind, **WAYS[way]).tangents_agree()


@pytest.mark.parametrize("wrt", ["parameters", "x", "initial"])
def test_second_derivatives_by_one_thing_alone_equal_pytorchs(kind, wrt, compared):
    both = compared(kind, wrt=(wrt,), lengths=LENGTHS, given=True)
    both.hessian_vector_products_agree()
    both.tangents_agree()


@pytest.mark.parametrize("way", ["plain", "all at once"])
def test_a_learned_start_changes_with_its_parameter(way, compared):
    both = compared(LearnedToy, wrt=("parameters",), **WAYS[way])
    both.hessian_vector_products_agree()


@pytest.mark.parametrize("way", ["plain", "all at once"])
def test_both_directions_equal_pytorchs(kind, way, compared):
    both = compared(kind, bidirectional=True, **WAYS[way])
    both.hessian_vector_products_agree()
    both.tangents_agree()


@pytest.mark.slow
def test_second_derivatives_stay_pytorchs_over_hundreds_of_steps(kind, compared):
    both = compared(kind, time=300, batch=2, given=True)
    both.hessian_vector_products_agree()
    both.tangents_agree()


@pytest.mark.slow
def test_a_whole_hessian_column_by_column_equals_pytorchs(kind, compared, agrees):
    both = compared(kind, lengths=LENGTHS, resets=RESETS, wrt=("parameters",))
    names = list(both.model.parameters)
    sizes = [both.model.parameters[name].size for name in names]

    def value(flat):
        views = (
            part.reshape(both.model.parameters[name].shape) for name, part in zip(names, flat.split(sizes), strict=True)
        )
        return both.run({"parameters": dict(zip(names, views, strict=True))})[2]

    whole = np.concatenate([both.model.parameters[name].ravel() for name in names])
    theirs = torch.autograd.functional.hessian(value, torch.tensor(whole))
    ours = np.empty((len(whole), len(whole)))
    for j, unit in enumerate(np.eye(len(whole))):
        parts = np.split(unit, np.cumsum(sizes)[:-1])
        direction = {n: part.reshape(both.model.parameters[n].shape) for n, part in zip(names, parts, strict=True)}
        column = both.model.hvp(both.x, both.ours, direction, loss="mse", **both.given)
        ours[:, j] = np.concatenate([column[name].ravel() for name in names])
    agrees(ours, theirs)
    agrees(ours, ours.T)
