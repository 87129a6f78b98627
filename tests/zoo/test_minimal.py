"""Units with a forget gate alone, against their equations."""

import numpy as np
import pytest

from nanolstm import cells
from nanolstm.errors import CellError


def s(a):
    return 1 / (1 + np.exp(-a))


def minimal(gate):
    """A minimal gated unit whose gate is `gate` of (parameters, x, h)."""

    def run(cell, p, xs):
        h = np.zeros(cell.hidden)
        for x in xs:
            f = np.diag(s(gate(p, x, h)))
            n = np.tanh(p["new.U"] @ x + p["new.W"] @ f @ h + p["new.b"])
            h = h + f @ (n - h)
            yield h, h

    return run


def janet(cell, p, xs):
    h = np.zeros(cell.hidden)
    for x in xs:
        a = p["forget.U"] @ x + p["forget.W"] @ h + p["forget.b"]
        n = np.tanh(p["new.U"] @ x + p["new.W"] @ h + p["new.b"])
        h = s(a) * h + s(cell.beta - a) * n
        yield h, h


EQUATIONS = {
    cells.MGU: minimal(lambda p, x, h: p["forget.U"] @ x + p["forget.W"] @ h + p["forget.b"]),
    cells.MGU1: minimal(lambda p, x, h: p["forget.W"] @ h + p["forget.b"]),
    cells.MGU2: minimal(lambda p, x, h: p["forget.W"] @ h),
    cells.MGU3: minimal(lambda p, x, h: p["forget.b"]),
    cells.JANET: janet,
}


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_a_cell_of_this_family_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind])


def test_a_janet_of_another_beta_equals_its_equations(equals_by_hand):
    def sizes(rng):
        return {"inputs": int(rng.integers(1, 6)), "hidden": int(rng.integers(1, 8)), "beta": float(rng.normal())}

    equals_by_hand(cells.JANET, janet, sizes=sizes)


@pytest.mark.parametrize(("simplified", "gone"), [("MGU1", "U"), ("MGU2", "U b"), ("MGU3", "U W")])
def test_a_simplified_unit_has_the_parameters_of_the_full_one_but_for_those_of_its_gate_that_are_gone(simplified, gone):
    full, less = (getattr(cells, name)(inputs=3, hidden=4) for name in ("MGU", simplified))
    assert set(full.parameters) - set(less.parameters) == {f"forget.{weight}" for weight in gone.split()}
    assert set(less.parameters) < set(full.parameters)


def test_a_janet_starts_with_units_that_forget_at_all_time_scales_up_to_the_longest():
    scales = np.exp(cells.JANET(inputs=1, hidden=300, t_max=50, rng=0).parameters["forget.b"])
    assert 1 <= scales.min() < 2
    assert 48 < scales.max() <= 49
    assert scales.mean() == pytest.approx(25, abs=2.5)


@pytest.mark.parametrize("t_max", [1, 0, -3, np.inf, np.nan])
def test_a_janet_refuses_a_longest_dependence_of_less_than_two_steps(t_max):
    with pytest.raises(CellError, match=r"JANET\(t_max=.*give a number from 2 on"):
        cells.JANET(inputs=2, hidden=3, t_max=t_max)
