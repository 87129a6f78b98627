"""The hunt itself: planted faults are found and made small, ties are no faults, a killed run is resumed."""

import os
import time

import attrs
import pytest

from nanolstm.graph.node import OPS

from .case import Case, case_of
from .compare import compare
from .modes import EAGER, INTERPRETED
from .outcome import Failure
from .program import Field, Program, Statement
from .report import program_of
from .results_file import Range, append, ended, total
from .shrink import shrunk
from .surroundings import Surroundings
from .workers import answers

TIED = Program(
    name="Fuzzed",
    fields=(Field("state", "h", ("8",)),),
    arguments=("h",),
    statements=(
        Statement("mean", "np.mean({0}, axis=-1, keepdims=True)", ("h",)),
        Statement("most", "np.max({0}, axis=-1, keepdims=True)", ("h",)),
        Statement("is_less", "{0} < {1}", ("mean", "most"), boolean=True),
        Statement("new", "np.repeat(np.where({0}, 0.87, -0.41), 8, axis=-1) * 0.37", ("is_less",)),
    ),
    returned=("new", "new"),
    inputs=1,
    hidden=8,
)
"""A comparison of numbers that are equal, which rounding decides."""


def first_failure(seeds, modes):
    for seed in seeds:
        case = case_of(seed)
        for failure in compare(case, modes).failures:
            return case, failure
    pytest.fail("the planted fault is not found")


@pytest.mark.parametrize("name", ["sin", "max", "concat", "contract"])
def test_a_wrong_derivative_is_found_and_shrunk(monkeypatch, name):
    op = OPS[name]
    wrong = attrs.evolve(op, reverse=lambda y, g: [None if d is None else d * 1.01 for d in op.reverse(y, g)])
    cases = (seed for seed in range(300) if any(_mentions(name, s.text) for s in case_of(seed).programs[0].statements))
    chosen = [next(cases) for _ in range(8)]
    monkeypatch.setitem(OPS, name, wrong)
    case, failure = first_failure(chosen, (EAGER,))
    assert failure.what in ("gradient by differences", "both modes", "gradient by PyTorch")
    small = shrunk(case, failure, seconds=20.0)
    assert compare(small, (EAGER,)).failures
    assert len(small.programs[0].statements) <= 4
    assert small.surroundings.rows() <= 4


def _mentions(name, text):
    words = {"sin": "np.sin(", "max": "np.max(", "concat": "np.concatenate(", "contract": " @ "}
    return words[name] in text


def test_a_tie_that_rounding_decides_is_no_failure():
    case = Case((TIED,), Surroundings(seed=0, time=3, loss="mse"))
    assert not compare(case, (EAGER, INTERPRETED)).failures


def test_a_failing_case_is_printed_as_a_program_that_runs(capsys):
    case = attrs.evolve(case_of(3), surroundings=Surroundings(seed=3))
    exec(compile_of(case), {"__name__": "printed"})
    assert "step by step or NumPy:" in capsys.readouterr().out


def compile_of(case):
    return compile(program_of(case, Failure(EAGER, "output", "y is off by 1")), "<printed>", "exec")


def test_ranges_that_have_ended_are_read_again_and_a_cut_line_is_not(tmp_path):
    file = tmp_path / "results.jsonl"
    one = Range(0, 25)
    one.cases.update(["eager", "eager"])
    one.pairs.add(("add", "tanh"))
    one.failures[7] = ["y is off"]
    append(file, one)
    with file.open("a") as stream:
        stream.write('{"seeds": [25, 5')
    append(file, Range(25, 50))
    assert ended(file) == [one, Range(25, 50)]
    assert total(ended(file)).cases["eager"] == 2


def dying(seed, _):
    """Work that ends the process at one seed, and takes for ever at another."""
    if seed == 3:
        os._exit(9)
    if seed == 4:
        time.sleep(600)
    return seed * 2


def test_a_process_that_dies_or_hangs_costs_one_case(monkeypatch):
    monkeypatch.setattr(f"{answers.__module__}.PATIENCE", 4.0)
    monkeypatch.syspath_prepend(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120  # where it looks for `fuzz`
    found = dict(answers(dying, iter([(seed, None) for seed in range(6)]), 2))
    assert found[3] == "the process died with code 9"
    assert found[4] == "no answer within 4 s"
    assert [found[seed] for seed in (0, 1, 2, 5)] == [0, 2, 4, 10]
