"""Where there are no kernels NumPy runs everything: said once, with the reason, unless it is what was asked for."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Cell
from nanolstm.compile import backend as backends
from nanolstm.errors import InputError, KernelError, KernelWarning, TraceError

X, TARGET = np.array([[1.0], [2.0], [3.0]]), np.zeros((3, 1))

HALF = """
import sys
import numpy as np

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

if HOW == "finder":
    sys.meta_path.insert(0, Hidden())
elif HOW == "none":
    sys.modules["numba"] = None

import nanolstm as nl

class Half(nl.Cell):
    def step(self, x, h):
        h = 0.5 * h + x
        return h, h

x, target = np.array([[1.0], [2.0], [3.0]]), np.zeros((3, 1))

def model(backend):
    return nl.Sequence(Half(inputs=1, hidden=1), backend=backend)
"""

BROKEN = """
from importlib.machinery import ModuleSpec

class Finder:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name == "numba" else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        raise ImportError("Numba needs NumPy 1.0 or less")

sys.meta_path.insert(0, Finder())
import warnings

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    assert model("auto")(x)[:, 0].tolist() == [1.0, 2.5, 4.25]
    assert model("auto")(x)[:, 0].tolist() == [1.0, 2.5, 4.25]
assert len(told) == 1
assert "Numba cannot be imported: " in str(told[0].message), told[0].message
assert "Numba needs NumPy 1.0 or less; NumPy runs it instead" in str(told[0].message), told[0].message
"""

MISSING = """
import warnings

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    one = model("auto")
    assert one(x)[:, 0].tolist() == [1.0, 2.5, 4.25]
    one.record(x), one.value_and_grad(x, target), one.jvp(x, x, wrt="x"), one.hvp(x, target, {})
    stepper = one.stepper()
    assert stepper(x[0]).tolist() == [1.0]
    one.compile()
    assert model("auto")(x)[:, 0].tolist() == [1.0, 2.5, 4.25]
assert [w.category for w in told] == [nl.errors.KernelWarning], [str(w.message) for w in told]
assert "Numba" in str(told[0].message) and "NumPy runs it instead" in str(told[0].message)

for call in (lambda m: m(x), lambda m: m.value_and_grad(x, target), lambda m: m.stepper(), lambda m: m.compile()):
    try:
        call(model("numba"))
    except nl.errors.KernelError as error:
        assert "Numba is not installed" in str(error)
    else:
        raise AssertionError("no error")

silent = model("numpy")  # here a warning is an error
assert silent(x)[:, 0].tolist() == [1.0, 2.5, 4.25]
silent.value_and_grad(x, target), silent.stepper()(x[0]), silent.compile()
"""


@pytest.mark.parametrize("how", ["finder", "none"])
def test_where_numba_is_missing_numpy_runs_everything_and_says_so_once(how, python):
    python(f"HOW = {how!r}\n{HALF}\n{MISSING}")


def test_where_numba_does_not_go_with_numpy_its_own_reason_is_told(python):
    python(f"HOW = ''\n{HALF}\n{BROKEN}")


INTERRUPTED = """
import sys
import warnings

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "numba.core.types":
            sys.meta_path.remove(self)
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
try:
    model("numba")(x)
except KeyboardInterrupt:
    pass
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    assert model("auto")(x)[:, 0].tolist() == [1.0, 2.5, 4.25]
assert "an earlier import of Numba was interrupted; start a new process" in str(told[0].message), told[0].message
"""


def test_after_an_interrupted_import_of_numba_numpy_runs_and_says_what_to_do(python):
    python(f"HOW = ''\n{HALF}\n{INTERRUPTED}")


def test_numba_is_imported_by_kernels_alone(python):
    told = "print(sorted(name for name in sys.modules if name in ('numba', 'llvmlite')))"
    use = "one = model(BACKEND)\none(x), one.value_and_grad(x, target), one.record(x), one.stepper()(x[0])"
    assert python(f"HOW = ''\n{HALF}\nnl.get_num_threads, nl.Stepper\n{told}") == "[]\n"
    assert python(f"HOW, BACKEND = '', 'numpy'\n{HALF}\n{use}\n{told}") == "[]\n"
    assert python(f"HOW, BACKEND = '', 'auto'\n{HALF}\n{use}\n{told}", NANOLSTM_BACKEND="numpy") == "[]\n"


@pytest.fixture
def told_nothing_yet(monkeypatch):
    """Each reason is told once in a process; here the process is new."""
    monkeypatch.setattr(backends, "_told", set())
    monkeypatch.setenv("NANOLSTM_BACKEND", "auto")


class Branch(Cell):
    """A step that cannot be traced."""

    def step(self, x, h):
        h = h + x if float(np.sum(x)) > 2 else h - x
        return h, h


class Half(Cell):
    def step(self, x, h):
        h = 0.5 * h + x
        return h, h


@pytest.mark.usefixtures("told_nothing_yet")
def test_a_cell_that_cannot_be_traced_runs_step_by_step_unless_kernels_are_asked_for():
    model = nl.Sequence(Branch(inputs=1, hidden=1))
    assert model(X)[:, 0].tolist() == [-1, -3, 0]
    assert model.record(X)["h"][:, 0].tolist() == [-1, -3, 0]
    stepper = model.stepper()
    assert [stepper(x)[0] for x in X] == [-1, -3, 0]
    with pytest.raises(TraceError):
        model.value_and_grad(X, TARGET)
    kernels = nl.Sequence(Branch(inputs=1, hidden=1), backend="numba")
    for call in (kernels, kernels.record, lambda _: kernels.stepper(), lambda _: kernels.compile()):
        with pytest.raises(TraceError):
            call(X)


@pytest.fixture
def no_kernel(monkeypatch):
    """An operation that no kernel computes."""
    from nanolstm.compile import numba_target

    def refuse(*args):
        raise NotImplementedError("no kernel computes magic")

    monkeypatch.setattr(numba_target, "for_kernels", refuse)


@pytest.fixture
def failing_numba(monkeypatch):
    """Source on which Numba stumbles."""
    from nanolstm.compile import kernel

    def fail(name, text):
        raise RuntimeError("LLVM is out of sorts\nand says so at length")

    monkeypatch.setattr(kernel, "loaded", fail)


@pytest.mark.usefixtures("told_nothing_yet")
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("no_kernel", "no kernel for .*no kernel computes magic"),
        ("failing_numba", "Numba does not compile .*LLVM is out"),
    ],
)
def test_where_a_kernel_cannot_be_had_numpy_takes_over_and_says_why(trouble, reason, request, data, agrees):
    pytest.importorskip("numba", reason="the kernels are compiled by Numba")
    request.getfixturevalue(trouble)
    # A class of its own, of which there are no kernels yet.
    kind = type(Cell)("Half", (Half,), {"step": lambda self, x, h: Half.step(self, x, h)})
    model, reference = (nl.Sequence(kind(inputs=1, hidden=1), backend=backend) for backend in ("auto", "numpy"))
    with pytest.warns(KernelWarning, match=rf"{reason}.*NumPy runs it instead") as told:
        y = model(X)
    assert len(told) == 1
    agrees(y, reference(X))
    d = data(model, 2, 3)
    for more in ({}, {"lengths": [3, 1]}, {"resets": d.resets, "truncate": 2}, {"checkpoint_every": 2}):
        agrees(*(m.value_and_grad(d.x, d.target, **more) for m in (model, reference)))  # a warning would be an error
        agrees(*(m(d.x, return_state=True) for m in (model, reference)))
    agrees(model.stepper()(X[0]), reference.stepper()(X[0]))
    strict = nl.Sequence(kind(inputs=1, hidden=1), backend="numba")
    for call in (strict, strict.record, lambda _: strict.value_and_grad(X, TARGET), lambda _: strict.stepper()):
        with pytest.raises(KernelError, match=reason):
            call(X)


@pytest.mark.parametrize("backend", ["torch", "NumPy", "", None])
def test_a_backend_that_there_is_not_is_refused(backend):
    with pytest.raises(InputError, match=r"backend=.*expected one of 'auto', 'numpy', 'numba'"):
        nl.Sequence(Half(inputs=1, hidden=1), backend=backend)


def test_a_backend_of_the_environment_that_there_is_not_is_refused(monkeypatch):
    monkeypatch.setenv("NANOLSTM_BACKEND", "torch")
    model = nl.Sequence(Half(inputs=1, hidden=1))
    for call in (model, model.record, lambda _: model.value_and_grad(X, TARGET), lambda _: model.stepper()):
        with pytest.raises(InputError, match="NANOLSTM_BACKEND='torch': expected one of auto, numpy, numba"):
            call(X)
    assert nl.Sequence(Half(inputs=1, hidden=1), backend="numpy")(X)[:, 0].tolist() == [1.0, 2.5, 4.25]


@pytest.mark.parametrize("given", ["", "auto", " numpy ", "numpy"])
def test_the_environment_decides_for_models_that_leave_it_open(given, monkeypatch):
    monkeypatch.setenv("NANOLSTM_BACKEND", given)
    assert backends.chosen("auto") == (given.strip() or "auto")
    assert backends.chosen("numba") == "numba"
