"""What models in and out of PyTorch say without it: what is missing, and what cannot go."""

import subprocess
import sys

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Gate, State, gate, sigmoid, state
from nanolstm.errors import ExchangeError, InputError, MissingPackageError
from nanolstm.exchange.layers import LAYERS

LSTM, GRU = nl.cells.LSTM, nl.cells.GRU


def made(kind=LSTM, inputs=3, hidden=4, **more):
    return kind(inputs=inputs, hidden=hidden, rng=0, **more)


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it then fails as if it were not there


@pytest.mark.parametrize("asked", ["nl.from_torch", "to_torch"])
def test_without_pytorch_both_ways_say_what_to_install(no_torch, asked):
    with pytest.raises(MissingPackageError, match=f"{asked} needs PyTorch.*`pip install torch`.*build for the CPU"):
        nl.from_torch(None) if asked == "nl.from_torch" else nl.Sequence(made()).to_torch()


def test_pytorch_is_not_imported_before_it_is_asked_for():
    code = "import sys, nanolstm as nl; nl.from_torch; nl.Sequence(nl.cells.LSTM(inputs=1, hidden=1)).to_torch; "
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.cell)
def test_arrays_that_are_written_are_read_back(layer):
    """Biases but for their sum, which one of them holds."""
    rng = np.random.default_rng(0)
    cell, other = made(layer.kind), made(layer.kind)
    for value in cell.parameters.values():
        value[...] = rng.normal(size=value.shape)
    arrays = layer.read(cell)
    layer.write(other, arrays)
    assert np.array_equal(other.parameters.flat, cell.parameters.flat)
    assert sum(array.size for array in arrays.values()) == cell.parameters.count + sum(
        len(cell.parameters[rows.b]) for rows in layer.gates if not rows.second_bias
    )


class Late(LSTM):
    """Its memory is not squashed."""

    def step(self, x, h, c):
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * c
        return h, h, c


class Steep(LSTM):
    forget: Gate = gate(lambda a: sigmoid(2 * a))


class Held(LSTM):
    new: Gate = gate(np.tanh, frozen=True)


class Early(LSTM):
    c: State = state(start=1.0)


class Uneven(GRU):
    h: State = state(start=np.arange(4.0))


REFUSED = {
    "another cell": (
        lambda: made(nl.cells.ToyLSTM),
        "no module for the cell ToyLSTM, only for Elman, ElmanReLU, ProjectedLSTM, LSTM, GRU; write its step as a tor",
    ),
    "another cell above": (
        lambda: [made(), made(nl.cells.ToyLSTM, inputs=4)],
        r"no module for the cell ToyLSTM \(at '1\.'\)",
    ),
    "a step of its own": (lambda: made(Late), r"Late differs from LSTM in its step, and so from torch\.nn\.LSTM"),
    "a gate of its own": (lambda: made(Steep), "Steep differs from LSTM in its gate 'forget'"),
    "a frozen gate": (lambda: made(Held), "Held differs from LSTM in its gate 'new'"),
    "states of its own": (lambda: made(Early), "Early differs from LSTM in its states"),
    "states of different starts": (lambda: made(Uneven), "Uneven differs from GRU in its states"),
    "the peepholes of LSTMP": (lambda: made(nl.cells.LSTMP), "LSTMP differs from ProjectedLSTM in its step"),
    "two kinds": (
        lambda: [made(), made(GRU, inputs=4)],
        r"the cells '0\.' and '1\.' are of two kinds, LSTM and GRU.*nl\.Sequence\(cell\)\.to_torch\(\)",
    ),
    "two sizes": (
        lambda: [made(), made(inputs=4, hidden=5)],
        r"'0\.' and '1\.' have hidden 4 and 5, and all layers of a torch\.nn\.LSTM have the same",
    ),
    "two activations": (
        lambda: [made(nl.cells.Elman), made(nl.cells.ElmanReLU, inputs=4)],
        "are of two kinds, Elman and ElmanReLU",
    ),
    "two projections": (
        lambda: [made(nl.cells.ProjectedLSTM, outputs=2), made(nl.cells.ProjectedLSTM, inputs=2, outputs=3)],
        "have proj_size 2 and 3",
    ),
}


@pytest.mark.parametrize(("cells", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_model_that_no_module_equals_is_refused_with_what_goes(cells, words):
    with pytest.raises(ExchangeError, match=words):
        nl.Sequence(cells()).to_torch()


def test_learned_first_states_are_refused():
    with pytest.raises(ExchangeError, match=r"learn_initial=True, and torch\.nn\.LSTM starts from 0"):
        nl.Sequence(made(), learn_initial=True).to_torch()


def test_biases_that_are_not_0_are_not_dropped():
    pytest.importorskip("torch", reason="makes a module of PyTorch: pip install '.[compare]'")
    with pytest.raises(ExchangeError, match=r"bias=False\): forget\.b is not 0 \(the largest of it is 1\)"):
        nl.Sequence(made()).to_torch(bias=False)


@pytest.mark.parametrize("options", [{"batch_first": 1}, {"batch_first": None}, {"bias": "no"}], ids=str)
def test_options_are_true_or_false(options):
    with pytest.raises(InputError, match="expected True or False"):
        nl.Sequence(made()).to_torch(**options)
