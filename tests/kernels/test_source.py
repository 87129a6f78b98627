"""The source of kernels, which is there to be read: the author's words, the same each time."""

import ast
import sys
from pathlib import Path

import pytest

import nanolstm as nl
from nanolstm import cli
from nanolstm.cells import ToyLSTM
from nanolstm.compile import cache
from nanolstm.errors import InputError, TraceError

KINDS = ["ToyLSTM", "GRU", "MatrixMemory", "Diagonal", "Layer", "Timed"]

SCRIPT = """
import hashlib
import nanolstm as nl
from nanolstm import cli
from nanolstm.cells import ToyLSTM

cell = ToyLSTM(inputs=2, hidden=3)
model = nl.Sequence(cell, backend="numba")
print(hashlib.sha256(nl.kernel_source(cell).encode()).hexdigest())
"""


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_source_is_python_with_the_authors_words(kind, dtype, cell):
    one = cell(kind, dtype=dtype)
    text = nl.kernel_source(one)
    functions = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    assert {"forward_steps", "forward", "backward_steps", "backward"} <= functions
    compile(text, "kernel", "exec")
    for name in (*one.anatomy.gates, *one.anatomy.states):
        assert name in text
    assert type(one).__name__ in text.splitlines()[0]
    assert ("float32" if dtype == "float64" else "float64") not in text


def test_a_source_says_nothing_of_the_machine(cell):
    for kind in KINDS:
        text = nl.kernel_source(cell(kind))
        for path in (Path.home(), Path(nl.__file__).parent, Path(sys.prefix), Path.cwd()):
            assert str(path) not in text
        assert "/home" not in text


def test_it_is_the_file_that_is_kept(tmp_path, monkeypatch, cell, data):
    pytest.importorskip("numba", reason="the kernels are compiled by Numba")
    monkeypatch.setenv("NANOLSTM_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "_loaded", {})
    model = nl.Sequence(cell("Diagonal", inputs=4, hidden=2), backend="numba")
    d = data(model, 3)
    model.value_and_grad(d.x, d.target)
    (path,) = tmp_path.rglob("Diagonal_step_float64.py")
    assert path.read_text() == nl.kernel_source(model.cells[0])


def test_it_is_the_same_for_every_seed_of_hashes(python):
    assert python(SCRIPT, PYTHONHASHSEED="1") == python(SCRIPT, PYTHONHASHSEED="2")


def test_it_is_the_same_for_all_numbers_of_parameters(cell):
    for kind in KINDS:
        assert nl.kernel_source(cell(kind, rng=0)) == nl.kernel_source(cell(kind, rng=1))


def test_the_command_line_prints_it(capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])  # the command line looks in its own folder as well
    assert cli.main(["kernel", "ToyLSTM", "--inputs", "2", "--hidden", "3", "--dtype", "float32"]) == 0
    assert capsys.readouterr() == (nl.kernel_source(ToyLSTM(inputs=2, hidden=3, dtype="float32")), "")


@pytest.mark.parametrize("wrong", [ToyLSTM, nl.Sequence(ToyLSTM(inputs=2, hidden=3)), None])
def test_only_a_cell_has_a_source(wrong):
    with pytest.raises(InputError, match=r"expected a cell; of a model write nl.kernel_source\(model.cells\[0\]\)"):
        nl.kernel_source(wrong)


def test_a_step_that_cannot_be_traced_has_none():
    class Branch(nl.Cell):
        def step(self, x, h):
            h = h if float(x.sum()) > 0 else x
            return h, h

    with pytest.raises(TraceError):
        nl.kernel_source(Branch(inputs=2, hidden=2))
