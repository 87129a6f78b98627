"""What holds for every cell of the zoo, whatever it computes."""

import inspect
import io
import tokenize

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.cells.zoo import HOMES
from nanolstm.testing import check_cell

CELLS = list(HOMES)
AT_ONCE = ("GRU", "LRU", "MLSTM")
"""Cells of different kinds; what takes minutes for the whole zoo is done for these alone unless asked for."""
B, T = 4, 7
LENGTHS = [7, 1, 4, 6]


def slow(name):
    return pytest.param(name, marks=pytest.mark.slow)


def made(name, **more):
    """A cell of four inputs and four units: sizes that every cell of the zoo takes."""
    return getattr(nl.cells, name)(**{"inputs": 4, "hidden": 4, "rng": 1} | more)


def drawn(cell, dtype=float):
    rng = np.random.default_rng(5)
    feeds = {}
    for name, part in cell.anatomy.feeds.items():
        grown = np.cumsum(rng.exponential(0.5, (B, T, part.size)) + 0.01, axis=-2).astype(dtype)
        feeds[name] = grown[..., 0] if part.size == 1 else grown
    return rng.normal(size=(B, T, cell.inputs)).astype(dtype), rng.normal(size=(B, T, cell.outputs)), feeds


def lines_of_code(kind):
    """The lines of a class that are neither blank nor comment nor docstring."""
    source = inspect.getsource(kind)
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    ]
    lines = set()
    for before, token in zip([None, *tokens], tokens, strict=False):
        is_docstring = token.type == tokenize.STRING and before is not None and before.string == ":"
        if not is_docstring and token.type != tokenize.ENDMARKER:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines)


@pytest.mark.parametrize("name", CELLS)
def test_it_keeps_the_promises_of_a_cell(name):
    check_cell(name, inputs=4, hidden=4)


@pytest.mark.parametrize("name", CELLS)
def test_it_is_no_longer_than_25_lines_of_code(name):
    assert lines_of_code(getattr(nl.cells, name)) <= 25


@pytest.mark.parametrize("name", AT_ONCE + tuple(slow(name) for name in CELLS if name not in AT_ONCE))
def test_its_derivatives_to_second_order_are_those_of_finite_differences(name):
    report = nl.check(made(name))
    assert report.ok, str(report)


@pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CELLS)
def test_float32_is_float64_to_single_precision(name, backend):
    """From the same numbers: those that float32 can hold."""
    single, double = made(name, dtype="float32"), made(name)
    for key, value in (*single.parameters.items(), *single.frozen.items()):
        (double.parameters if key in double.parameters else double.frozen)[key][...] = value
    x, _, feeds = drawn(single, np.float32)
    y = nl.Sequence(single, backend=backend)(x, lengths=LENGTHS, **feeds)
    exact = nl.Sequence(double, backend="numpy")(x.astype(float), lengths=LENGTHS, **feeds)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, exact, rtol=0, atol=1e-5 * max(1.0, np.abs(exact).max()))
