"""The variants of the search space odyssey, against the equations that its appendix gives for each."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cells
from nanolstm.cells.odyssey import VARIANTS


def s(a):
    return 1 / (1 + np.exp(-a))


def same(a):
    return a


def odyssey(without=(), g=np.tanh, h=np.tanh, coupled=False, peepholes=True, gate_recurrence=False):
    """The equations of the paper with its own symbols; a gate that a variant is without is 1."""

    def by_hand(cell, p, xs):
        c = np.zeros(cell.hidden)
        y, i, f, o = c, c, c, c
        for x in xs:

            def total(name, memory, x=x, y=y, last=(i, f, o)):
                a = p[f"{name}.U"] @ x + p[f"{name}.W"] @ y + p[f"{name}.b"]
                if name != "new" and peepholes:
                    a = a + p[f"{name}.P"] * memory
                if name != "new" and gate_recurrence:
                    a = a + sum(p[f"{name}.{of}"] @ gate for of, gate in zip("IFO", last, strict=True))
                return a

            z = g(total("new", c))
            i = 1.0 if "input" in without else s(total("input", c))
            f = 1.0 - i if coupled else 1.0 if "forget" in without else s(total("forget", c))
            c = z * i + c * f
            o = 1.0 if "output" in without else s(total("output", c))
            y = h(c) * o
            yield (y, y, c, i, f, o) if gate_recurrence else (y, y, c)

    return by_hand


EQUATIONS = {
    "VanillaLSTM": odyssey(),
    "NIG": odyssey(without=("input",)),
    "NFG": odyssey(without=("forget",)),
    "NOG": odyssey(without=("output",)),
    "NIAF": odyssey(g=same),
    "NOAF": odyssey(h=same),
    "CIFG": odyssey(coupled=True),
    "NP": odyssey(peepholes=False),
    "FGR": odyssey(gate_recurrence=True),
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_a_variant_equals_the_equations_of_the_paper(name, equals_by_hand):
    equals_by_hand(getattr(cells, name), EQUATIONS[name])


@pytest.mark.parametrize(
    ("name", "blocks", "peepholes", "more"),
    [
        ("VanillaLSTM", 4, 3, 0),
        ("NIG", 3, 2, 0),
        ("NFG", 3, 2, 0),
        ("NOG", 3, 2, 0),
        ("NIAF", 4, 3, 0),
        ("NOAF", 4, 3, 0),
        ("CIFG", 3, 2, 0),
        ("NP", 4, 0, 0),
        ("FGR", 4, 3, 9),
    ],
)
def test_a_variant_has_no_parameter_of_what_it_does_without(name, blocks, peepholes, more):
    M, K = 3, 5
    cell = getattr(cells, name)(inputs=M, hidden=K)
    assert cell.parameters.count == blocks * K * (M + K + 1) + peepholes * K + more * K * K


def test_the_list_of_variants_names_the_vanilla_cell_and_all_that_derive_from_it():
    assert list(VARIANTS) == list(EQUATIONS)
    assert all(issubclass(getattr(cells, name), cells.VanillaLSTM) for name in VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_weights_start_small_and_biases_at_0(name):
    p = getattr(cells, name)(inputs=40, hidden=50, rng=0).parameters
    for key, value in p.items():
        assert (value == 0).all() if key.endswith(".b") else 0.07 < value.std() < 0.13, key


def test_a_sweep_takes_the_variants_by_name():
    series = np.sin(np.arange(40.0))[:, None]
    table = nl.sweep({"sine": (series[:-1], series[1:])}, cells=["NFG", "FGR"], sizes=2, epochs=1)
    assert set(table["cell"]) == {"NFG", "FGR"}
