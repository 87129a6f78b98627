"""Nothing passes as a constant: what cannot be traced is refused, with its line and what to write instead.

And what can be traced is not refused: a step asks a stand-in the questions that it asks an array, and gets the same
answers.
"""

import cmath
import contextlib
import copy
import datetime
import functools
import gc
import importlib
import inspect
import linecache
import math
import pickle
import random
import re
import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, errors, gate, param, state
from nanolstm.errors import (
    ArrayError,
    BatchError,
    BranchError,
    CellError,
    InPlaceError,
    LoopError,
    NumberError,
    OutError,
    RandomError,
    ReturnError,
    ShapeError,
    StateShapeError,
    TraceError,
    UndeclaredArrayError,
    UnsupportedError,
)
from nanolstm.graph.place import in_library
from nanolstm.traced import trace_loss

pytestmark = pytest.mark.filterwarnings("ignore:.* is traced anew at each call:nanolstm.errors.KernelWarning")

HERE = str(Path(__file__))
PAGE = Path(__file__).parents[2] / "docs" / "what-cannot-be-traced.md"
KINDS = {kind.__name__: kind for kind in TraceError.__subclasses__()}
KEPT: list[object] = []
BUFFER = np.zeros(3)
VECTOR = np.array([1.0, 2.0, 3.0])
MATRIX = np.arange(9.0).reshape(3, 3) / 10
GENERATOR = np.random.default_rng(0)


def made(function):
    """A cell whose output is `function` of itself, x and h."""

    class OfFunction(Cell):
        a: Array = param("hidden", nl.normal())
        s: Array = param((), 1.5)
        W: Array = param(("hidden", "hidden"), nl.normal())
        g: Gate = gate(np.tanh)

        def step(self, x, h):
            return function(self, x, h), 0.5 * h + x

    return OfFunction(inputs=3, hidden=3, rng=0)


def refusal(cell):
    with pytest.raises(TraceError) as raised, np.errstate(all="ignore"):
        nl.trace(cell)
    return raised.value


def assert_runs_as_it_is_traced(cell):
    model, rng = nl.Sequence(cell), np.random.default_rng(1)
    for shape in [(5, cell.inputs), (2, 5, cell.inputs), (cell.hidden, 5, cell.inputs)]:
        x = rng.normal(size=shape)
        target = np.zeros((*shape[:-1], cell.outputs))
        value, _ = model.value_and_grad(x, target, loss="mse")
        assert value == pytest.approx(nl.loss("mse")(model(x), target), rel=1e-12)


# The page


def sections():
    """The fenced Python blocks of each section of the page: (line, text, the error that it raises or None)."""
    found, name, block = {"": []}, "", None
    for number, line in enumerate(PAGE.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("## "):
            name = line[3:]
            found[name] = []
        elif block is not None and line != "```":
            block[1].append(line)
        elif line.startswith("```python"):
            raises = re.search(r'title="raises (\w+)"', line)
            block = (number, [], raises and raises[1])
            found[name].append(block)
        else:
            block = None
    return found


def run_block(block, names):
    number, lines, _ = block
    exec(compile("\n" * number + "\n".join(lines), str(PAGE), "exec"), names)


def test_the_page_has_a_section_for_every_kind_of_error_and_for_nothing_else():
    own = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, TraceError)}
    assert own == {*KINDS, "TraceError"}
    assert set(sections()) - {""} == set(KINDS)


def test_every_section_explains_itself_before_its_example():
    for name in KINDS:
        text = PAGE.read_text(encoding="utf-8").split(f"\n## {name}\n")[1].split("```")[0]
        assert len(text.split()) > 15, name


@pytest.mark.parametrize("name", KINDS)
def test_the_failing_example_of_a_section_raises_just_this_error_and_its_repair_runs_on_a_batch(name):
    names = {"__name__": "page"}
    for block in sections()[""]:
        run_block(block, names)
    wrong, right = sections()[name]
    assert wrong[2] == name
    assert right[2] is None
    with pytest.raises(TraceError) as raised:
        run_block(wrong, names)
    assert type(raised.value) is KINDS[name]
    assert raised.value.file == str(PAGE)
    assert wrong[0] < raised.value.line <= wrong[0] + len(wrong[1])
    before = dict(names)
    run_block(right, names)
    for new in [value for key, value in names.items() if value is not before.get(key) and inspect.isclass(value)]:
        assert_runs_as_it_is_traced(new(inputs=3, hidden=3, rng=0))


# Every kind of error, from one line each: the error, the line, what to write instead


def refused(kind, function, instead):
    return pytest.param(kind, function, instead, id=f"{kind.__name__}-{function.__code__.co_firstlineno}")


REFUSED = [
    # A branch.
    refused(BranchError, lambda c, x, h: x if c.s > 0 else h, r"np\.where\(condition, this, that\)"),
    refused(BranchError, lambda c, x, h: x * (not c.s), r"np\.where"),
    refused(BranchError, lambda c, x, h: (c.s and x) * x, r"np\.where"),
    refused(BranchError, lambda c, x, h: x * max(c.s, 0.0), r"np\.maximum\(a, b\) for max"),
    refused(BranchError, lambda c, x, h: x * sorted([c.s, 0.0])[0], r"np\.where"),
    refused(BranchError, lambda c, x, h: x * (1 if c.s == 1.0 else 2), r"np\.where"),
    refused(BranchError, lambda c, x, h: x * (c.s in [0.0, 1.0]), r"np\.where"),
    refused(BranchError, lambda c, x, h: x * (0.5 in h), r"np\.where"),
    # A number.
    refused(NumberError, lambda c, x, h: x * float(c.s), r"leave float\(\) out"),
    refused(NumberError, lambda c, x, h: x * int(c.s), r"np\.tanh for math\.tanh"),
    refused(NumberError, lambda c, x, h: x * complex(c.s).real, r"NumPy's functions"),
    refused(NumberError, lambda c, x, h: x * math.tanh(c.s), r"np\.tanh for math\.tanh"),
    refused(NumberError, lambda c, x, h: x * math.floor(c.s), r"NumPy's functions"),
    refused(NumberError, lambda c, x, h: x * abs(cmath.exp(c.s)), r"NumPy's functions"),
    refused(NumberError, lambda c, x, h: x * statistics.fmean([c.s, c.s]), r"NumPy's functions"),
    refused(NumberError, lambda c, x, h: x * c.s.item(), r"NumPy's functions"),
    refused(NumberError, lambda c, x, h: x + h.tolist()[0], r"NumPy's functions"),
    refused(NumberError, lambda c, x, h: x * float(f"{h[..., 0]:.3f}"), r"NumPy's functions"),
    refused(NumberError, lambda c, x, h: x * float("%.3f" % h[..., 0]), r"NumPy's functions"),  # noqa: UP031
    # A loop.
    refused(LoopError, lambda c, x, h: x + sum(h), r"np\.split\(h, n, axis=-1\)"),
    refused(LoopError, lambda c, x, h: x + max(h), r"np\.split"),
    refused(LoopError, lambda c, x, h: x * any(h > 0), r"np\.split"),
    refused(LoopError, lambda c, x, h: x + sorted(h)[0], r"np\.split"),
    refused(LoopError, lambda c, x, h: x + functools.reduce(np.add, h), r"np\.split"),
    refused(LoopError, lambda c, x, h: x + (lambda a, *_: a)(*h), r"np\.split"),
    refused(LoopError, lambda c, x, h: x * math.fsum(h), r"np\.split"),
    refused(LoopError, lambda c, x, h: x + np.fromiter(h, float), r"np\.split"),
    # A new array.
    refused(ArrayError, lambda c, x, h: x + np.array(h), r"np\.stack\(\[a, b\], axis=-1\)"),
    refused(ArrayError, lambda c, x, h: x + np.asarray(h, dtype=float), r"np\.concatenate"),
    refused(ArrayError, lambda c, x, h: np.array([h, x])[0] + x, r"np\.concatenate"),
    refused(NumberError, lambda c, x, h: x * np.float64(h), r"leave float\(\) out"),
    refused(ArrayError, lambda c, x, h: x + np.full(3, c.s), r"np\.stack"),
    refused(ArrayError, lambda c, x, h: x + np.vectorize(math.tanh)(h), r"np\.stack"),
    refused(ArrayError, lambda c, x, h: np.maximum.reduce([h, x]), r"np\.stack"),
    refused(ArrayError, lambda c, x, h: MATRIX.dot(h) + x, r"np\.stack"),
    refused(ArrayError, lambda c, x, h: x + scipy.special.softmax(h, axis=-1), r"np\.stack"),
    # In place.
    refused(InPlaceError, lambda c, x, h: (1 * h).__iadd__(x), r"`h = h \+ a` for `h \+= a`"),
    refused(InPlaceError, lambda c, x, h: BUFFER.__imul__(c.a), r"`h = h \+ a`"),
    refused(InPlaceError, lambda c, x, h: (z := np.zeros_like(h)).__setitem__(..., x) or z, r"np\.where\(mask"),
    refused(InPlaceError, lambda c, x, h: np.add.at(BUFFER, [0], c.s) or x + BUFFER, r"np\.where\(mask"),
    refused(InPlaceError, lambda c, x, h: np.put(BUFFER, [0], c.s) or x + BUFFER, r"np\.where\(mask"),
    refused(InPlaceError, lambda c, x, h: np.copyto(BUFFER, c.a) or x + BUFFER, r"np\.where\(mask"),
    # out= and where=.
    refused(OutError, lambda c, x, h: np.add(c.a, 1.0, out=BUFFER) + x, r"take what the function returns"),
    refused(OutError, lambda c, x, h: np.maximum(y := 1 * h, 0.0, out=y) + x, r"take what the function returns"),
    refused(OutError, lambda c, x, h: np.clip(c.a, -1.0, 1.0, out=BUFFER) + x, r"take what the function returns"),
    refused(OutError, lambda c, x, h: VECTOR.sum(where=c.a > 0) * x, r"np\.where"),
    # The batch.
    refused(BatchError, lambda c, x, h: x + h[0], r"h\[\.\.\., 0\]"),
    refused(BatchError, lambda c, x, h: x + h[-1], r"h\[\.\.\., 0\]"),
    refused(BatchError, lambda c, x, h: x * np.sum(h), r"axis=-1"),
    refused(BatchError, lambda c, x, h: x + h.mean(axis=0), r"axis=-1"),
    refused(BatchError, lambda c, x, h: x * np.add.reduce(h), r"axis=-1"),
    refused(BatchError, lambda c, x, h: c.W @ h + x, r"`h @ A\.T` for `A @ h`"),
    refused(BatchError, lambda c, x, h: h @ (h[..., :, None] * x[..., None, :]), r"np\.vecmat\(q, C\)"),
    refused(BatchError, lambda c, x, h: (h @ np.stack([c.W, c.W]))[..., 0, :], r"np\.vecmat\(q, C\)"),
    refused(BatchError, lambda c, x, h: np.outer(h, x)[0], r"a\[\.\.\., :, None\]"),
    refused(BatchError, lambda c, x, h: x + h.T, r"\.mT"),
    refused(BatchError, lambda c, x, h: np.concatenate([h, x])[:3], r"axis=-1"),
    refused(BatchError, lambda c, x, h: np.stack([h, x])[0], r"axis=-2"),
    refused(BatchError, lambda c, x, h: x + h.reshape(-1), r"x\.shape\[:-1\]"),
    refused(BatchError, lambda c, x, h: x + h.ravel(), r"np\.reshape"),
    refused(BatchError, lambda c, x, h: x + h.flatten(), r"np\.reshape"),
    refused(BatchError, lambda c, x, h: x + np.squeeze(h), r"axis=-1"),
    refused(BatchError, lambda c, x, h: x / (1 + np.linalg.norm(h)), r"axis=-1"),
    refused(BatchError, lambda c, x, h: x * h[..., 0], r"\[\.\.\., None\]"),
    refused(BatchError, lambda c, x, h: x * len(h), r"\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * h.shape[0], r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * h.shape[np.int64(0)], r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * h.ndim, r"count from the end"),
    refused(BatchError, lambda c, x, h: x * np.ndim(h), r"count from the end"),
    refused(BatchError, lambda c, x, h: x * h.size, r"\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * len(h.shape), r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * max(h.shape), r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * (2 - 5 % (*h.shape, 1)[0]), r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * (2 if h.shape == (3,) else 3), r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * (2 if h.shape != (3,) else 3), r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * (2 if h.shape[:-1] == () else 3), r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * (2 if h.shape[:-1] else 3), r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * (2 if 3 in h.shape else 3), r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x * {h.shape: 2}.get((3,), 3), r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x + np.zeros(h.shape), r"np\.zeros_like\(h\)"),
    refused(BatchError, lambda c, x, h: x + np.full(h.shape, 1.0), r"np\.ones_like\(h\)"),
    refused(BatchError, lambda c, x, h: x / np.prod(h.shape), r"x\.shape\[-1\]"),
    refused(BatchError, lambda c, x, h: x + GENERATOR.normal(size=h.shape), r"np\.zeros_like\(h\)"),
    # Without a rule.
    refused(UnsupportedError, lambda c, x, h: x + np.round(h), r"np\.floor"),
    refused(UnsupportedError, lambda c, x, h: x + h.round(), r"np\.floor"),
    refused(UnsupportedError, lambda c, x, h: x + np.hstack([h, x])[..., :3], r"np\.concatenate\(\[a, b\], axis=-1\)"),
    refused(UnsupportedError, lambda c, x, h: x + np.argmax(h, axis=-1), r"those that have one: .*np\.max"),
    refused(UnsupportedError, lambda c, x, h: x + h.argmax(-1), r"did you mean 'max'"),
    refused(UnsupportedError, lambda c, x, h: x + np.sort(h, axis=-1), r"those that have one"),
    refused(UnsupportedError, lambda c, x, h: x * np.any(h > 0), r"np\.max\(np\.where"),
    refused(UnsupportedError, lambda c, x, h: x + divmod(h, 2)[1], r"those that have one: .*np\.floor"),
    refused(UnsupportedError, lambda c, x, h: x + scipy.special.gamma(h + 2), r"those that have one"),
    refused(UnsupportedError, lambda c, x, h: x + np.apply_along_axis(np.cumsum, -1, h), r"those that have one"),
    refused(UnsupportedError, lambda c, x, h: np.add.outer(h, x)[0], r"those that have one"),
    refused(UnsupportedError, lambda c, x, h: x + np.add.accumulate(h, axis=-1), r"those that have one"),
    refused(UnsupportedError, lambda c, x, h: np.add(h, x, dtype=np.float64), r"leave it out"),
    refused(UnsupportedError, lambda c, x, h: np.add(h, x, casting="unsafe"), r"leave it out"),
    refused(UnsupportedError, lambda c, x, h: x + np.sum(h, -1, keepdims=True, initial=1.0), r"leave it out"),
    refused(UnsupportedError, lambda c, x, h: x + np.sum(h[h > 0]), r"np\.where\(condition, this, that\)"),
    refused(UnsupportedError, lambda c, x, h: x * h.astype(int), r"np\.floor"),
    refused(UnsupportedError, lambda c, x, h: x * np.full_like(h, 2.7, dtype=int), r"real"),
    refused(UnsupportedError, lambda c, x, h: x * np.vecdot(h > 0, x > 0)[..., None], r"np\.sum\(a & b, axis=-1\)"),
    refused(UnsupportedError, lambda c, x, h: abs(h * np.array([1j, 1, 1])) + x, r"a complex number is two"),
    refused(UnsupportedError, lambda c, x, h: h * np.ma.array(VECTOR, mask=[0, 1, 0]) + x, r"np\.where"),
    refused(UnsupportedError, lambda c, x, h: x + pickle.loads(pickle.dumps(h)), r"it has no numbers"),
    refused(UnsupportedError, lambda c, x, h: x * len(memoryview(h)), r"write it with NumPy's functions"),
    refused(UnsupportedError, lambda c, x, h: x * np.array_equal(h, x), r"those that have one"),
    # A matrix from outside.
    refused(
        UndeclaredArrayError, lambda c, x, h: h @ MATRIX + x, r'`A: Array = param\(\("hidden", "hidden"\), init\)`'
    ),
    refused(UndeclaredArrayError, lambda c, x, h: MATRIX @ h + x, r"frozen=True if it stays"),
    refused(UndeclaredArrayError, lambda c, x, h: np.dot(h, MATRIX) + x, r"frozen=True"),
    refused(UndeclaredArrayError, lambda c, x, h: h @ MATRIX.tolist() + x, r"frozen=True"),
    refused(UndeclaredArrayError, lambda c, x, h: h @ pd.DataFrame(MATRIX) + x, r"frozen=True"),
    refused(UndeclaredArrayError, lambda c, x, h: (MATRIX * h)[0] + x, r"frozen=True"),
    refused(UndeclaredArrayError, lambda c, x, h: np.where(MATRIX > 0, h, x)[0], r"frozen=True"),
    refused(UndeclaredArrayError, lambda c, x, h: np.einsum("...i,ij->...j", h, MATRIX) + x, r"frozen=True"),
    refused(UndeclaredArrayError, lambda c, x, h: x @ (np.zeros((3, 3)) + c.W), r"frozen=True"),
    refused(UndeclaredArrayError, lambda c, x, h: x + np.concatenate([c.W, MATRIX], axis=-1)[0, :3], r"frozen=True"),
    # Chance.
    refused(RandomError, lambda c, x, h: x * np.random.normal(), r"`mask: Array = noise\(p\)`"),
    refused(RandomError, lambda c, x, h: x * random.random(), r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: x * random.gauss(0, 1), r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: x * GENERATOR.normal(), r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: x * np.random.default_rng().normal(), r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: x * (np.random.random() < 1e-9), r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: x * (random.random() < 1e-9), r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: x * (GENERATOR.random() < 1e-9), r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: x * (np.random.default_rng().random() < 1e-9), r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: x * (scipy.stats.norm.rvs() > 1e9), r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: x * int(time.time()), r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: x * datetime.datetime.now().year, r"noise\(p\)"),
    refused(RandomError, lambda c, x, h: KEPT.append(h) or x + KEPT[max(len(KEPT) - 2, 0)], r"what a step keeps is a"),
]


@pytest.mark.parametrize(("kind", "function", "instead"), REFUSED)
def test_a_line_that_cannot_be_traced_is_refused_by_its_kind_with_its_place_and_a_repair(kind, function, instead):
    KEPT.clear()
    error = refusal(made(function))
    assert type(error) is kind
    assert (error.file, error.line) == (HERE, function.__code__.co_firstlineno)
    text = str(error)
    assert text.startswith("OfFunction.step")
    assert f" at {HERE}:{error.line} (`{linecache.getline(HERE, error.line).strip()}`); " in text
    assert re.search(instead, text.split("`); ", 1)[-1] if "`); " in text else text)
    assert text.endswith(f"More under {kind.__name__} on the page 'What cannot be traced'")


def test_every_kind_that_a_step_can_meet_is_met_above():
    met = {kind for kind, _, _ in (case[0] for case in REFUSED)}
    assert set(KINDS.values()) - met == {ReturnError, StateShapeError, ShapeError}  # which have tests of their own


def test_features_that_do_not_go_together_any_more_are_refused_with_both():
    class Parted(Cell):
        heads: int = 1

        def step(self, x, h):
            y = np.concatenate(np.split(h, self.heads, axis=-1)[::-1], axis=-1)
            return y, x

    cell = Parted(inputs=4, hidden=4)
    cell.heads = 3
    error = refusal(cell)
    assert type(error) is ShapeError
    assert "4 features into 3" in str(error)
    assert linecache.getline(error.file, error.line).strip().startswith("y = np.concatenate")


# Whose line it is


def line_of(error):
    return linecache.getline(error.file, error.line).strip()


def test_the_line_is_that_of_a_helper_method():
    class C(Cell):
        def helper(self, h):
            return float(h[..., 0])

        def step(self, x, h):
            return x * self.helper(h), h

    assert line_of(refusal(C(inputs=3, hidden=3))) == "return float(h[..., 0])"


def test_the_line_is_that_of_a_gate_subclass():
    class Kind(Gate):
        def __call__(self, *values):
            return self.activation(np.round(self.preactivation(*values)))

    class C(Cell):
        g: Gate = gate(np.tanh, kind=Kind)

        def step(self, x, h):
            h = self.g(x, h)
            return h, h

    assert line_of(refusal(C(inputs=3, hidden=3))) == "return self.activation(np.round(self.preactivation(*values)))"


def test_the_line_is_that_of_an_activation():
    class C(Cell):
        g: Gate = gate(lambda a: np.sort(a, axis=-1))

        def step(self, x, h):
            h = self.g(x, h)
            return h, h

    assert line_of(refusal(C(inputs=3, hidden=3))) == "g: Gate = gate(lambda a: np.sort(a, axis=-1))"


def test_the_line_is_that_of_the_step_where_numpy_itself_is_the_activation():
    class C(Cell):
        g: Gate = gate(np.round)

        def step(self, x, h):
            h = self.g(x, h)
            return h, h

    assert line_of(refusal(C(inputs=3, hidden=3))) == "h = self.g(x, h)"


def test_the_line_is_that_of_a_function_in_another_module_also_of_a_package_named_like_ours(tmp_path, monkeypatch):
    folder = tmp_path / "nanolstm_of_somebody"
    folder.mkdir()
    (folder / "__init__.py").write_text("def helper(h):\n    return float(h[..., 0])\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    helper = importlib.import_module("nanolstm_of_somebody").helper
    error = refusal(made(lambda c, x, h: x * helper(h)))
    assert (error.file, error.line) == (str(folder / "__init__.py"), 2)


@pytest.mark.parametrize(
    ("path", "libraries"),
    [
        (np.__file__, True),
        (scipy.special.__file__, True),
        (pd.__file__, True),
        (statistics.__file__, True),
        (inspect.getfile(Gate), True),
        (inspect.getfile(nl.cells.ToyLSTM), False),
        (f"{Path(nl.__file__).parent}_of_somebody/cells.py", False),
        (f"{Path(np.__file__).parent}_of_somebody/cells.py", False),
        (pytest.__file__, False),
        ("<stdin>", False),
        ("<ipython-input-1>", False),
    ],
)
def test_who_an_author_is(path, libraries):
    assert in_library(path) is libraries


@pytest.mark.parametrize("name", ["<stdin>", "<string>", "<cell 7>"])
def test_a_class_that_is_in_no_file_is_told_its_line_without_its_text(name):
    source = (
        "class C(Cell):\n    def step(self, x, h):\n        y = float(h[..., 0]) * x\n        return y, h\n"
        "cell = C(inputs=3, hidden=3)"
    )
    names = {"Cell": Cell, "__name__": "somewhere"}
    exec(compile(source, name, "exec"), names)
    error = refusal(names["cell"])
    assert (error.file, error.line) == (name, 3)
    assert f"at {name}:3; use NumPy's functions" in str(error)


def test_the_line_is_not_that_of_the_code_which_asked_for_the_trace():
    class C(Cell):
        def step(self, x, h):
            return x, np.sin(h)

    cell = C(inputs=3, hidden=3)
    type(cell).step = lambda self, x, h: (x, h * 1j)
    error = refusal(cell)
    assert line_of(error) == "type(cell).step = lambda self, x, h: (x, h * 1j)"
    type(cell).step = lambda self, x, h: (x, [h[..., 0], h[..., 1], h[..., 2]])
    assert line_of(refusal(cell)).startswith("type(cell).step = lambda self, x, h: (x, [h")


def test_a_decorated_step_and_an_inherited_one_are_told_their_own_lines():
    def plain(function):
        @functools.wraps(function)
        def call(*args):
            return function(*args)

        return call

    class Base(Cell):
        @plain
        def step(self, x, h):
            return x * math.tanh(h[..., 0]), h

    class Below(Base):
        def step(self, x, h):
            return super().step(x, h)

    for kind in (Base, Below):
        assert line_of(refusal(kind(inputs=3, hidden=3))) == "return x * math.tanh(h[..., 0]), h"


# No refusal can be swallowed, and none is hidden behind another error


def caught(c, x, h):
    try:
        return x * float(c.s)
    except Exception:  # noqa: BLE001
        return x


def caught_all(c, x, h):
    try:
        return x * float(c.s)
    except:  # noqa: E722
        return x


def suppressed(c, x, h):
    with contextlib.suppress(TypeError):
        return x * float(c.s)
    return x


def turned(c, x, h):
    try:
        return x * float(c.s)
    except Exception as error:
        raise ValueError("no luck") from error


@pytest.mark.parametrize("body", [caught, caught_all, suppressed, turned])
def test_a_step_cannot_swallow_a_refusal_or_make_another_error_of_it(body):
    error = refusal(made(body))
    assert type(error) is NumberError
    assert "float(c.s)" in line_of(error)


def test_of_several_refusals_the_first_is_raised():
    def both(c, x, h):
        with contextlib.suppress(Exception):
            np.round(h)
        return x * float(c.s)

    assert type(refusal(made(both))) is UnsupportedError


def test_an_error_that_only_stand_ins_cause_is_ours_and_tells_of_its_cause():
    error = refusal(made(lambda c, x, h: x * len(memoryview(h))))
    assert "TypeError: memoryview: a bytes-like object is required" in str(error)
    assert isinstance(error.__cause__, TypeError)


def test_an_error_of_the_language_stays_what_it_is():
    class C(Cell):
        narrow: bool = False
        g: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.g(x, h[..., :1] if self.narrow else h)
            return h, h

    cell = C(inputs=3, hidden=3)
    cell.narrow = True
    with pytest.raises(CellError, match="it was called with a value of shape"):
        nl.trace(cell)


# What a step asks a stand-in, and is answered as by an array


class Counted:
    """Something else than an array."""


def by_class(h):
    match h:
        case np.ndarray():
            return 2 * h
        case _:
            return 3 * h


@functools.singledispatch
def dispatched(h):
    return 3 * h


dispatched.register(np.ndarray, lambda h: 2 * h)


@pytest.mark.parametrize(
    "function",
    [
        lambda c, x, h: x * (2 if isinstance(h, np.ndarray) else 3),
        lambda c, x, h: x * (2 if isinstance(h, float | int | list | Counted) else 3),
        lambda c, x, h: by_class(h) + x,
        lambda c, x, h: dispatched(h) + x,
        lambda c, x, h: x * (2 if np.isscalar(h) else 3),
        lambda c, x, h: x if h is None else 2 * x,
        lambda c, x, h: x * getattr(h, "unit", 2.0),
        lambda c, x, h: x * (2 if hasattr(h, "unit") else 3),
        lambda c, x, h: x * (2 if h.shape == x.shape else 3),
        lambda c, x, h: x * (2 if h.shape != x.shape else 3),
        lambda c, x, h: x * (2 if h.shape[:-1] == x.shape[:-1] else 3),
        lambda c, x, h: x * (2 if h.shape == (*x.shape[:-1], 3) else 3),
        lambda c, x, h: x / math.sqrt(h.shape[-1]),
        lambda c, x, h: x / np.shape(h)[-1] / np.size(h, axis=-1),
        lambda c, x, h: np.reshape(h, (*h.shape, 1))[..., 0] + x,
        lambda c, x, h: h.reshape(*h.shape[:-1], 1, 3)[..., 0, :] + x,
        lambda c, x, h: np.reshape(h, [*h.shape, 1])[..., 0] + x,
        lambda c, x, h: np.reshape(h, (*tuple(h.shape), 1))[..., 0] + x,
        lambda c, x, h: np.broadcast_to(c.a, h.shape) * x,
        lambda c, x, h: copy.copy(h) + x,
        lambda c, x, h: copy.deepcopy(h) * copy.deepcopy(c.a) + x,
        lambda c, x, h: copy.deepcopy({"h": [h, x]})["h"][0] + x,
        lambda c, x, h: sum([h, x, 1.0]),
        lambda c, x, h: functools.reduce(np.multiply, [h, x, c.a]),
        lambda c, x, h: sum(v for v in c.a) * x,
        lambda c, x, h: x * sum(v * h for v in (1, 2, 3)),
        lambda c, x, h: x * c.parameters["a"] * c.W[0],
        lambda c, x, h: x * VECTOR * MATRIX[0] * np.array([True, False, True]),
        lambda c, x, h: x + np.arange(h.shape[-1]) + np.finfo(h.dtype).eps,
        lambda c, x, h: x * h.dtype.type(2) if np.issubdtype(h.dtype, np.floating) else h,
        lambda c, x, h: x * np.random.default_rng(0).normal(size=3),
        lambda c, x, h: scipy.special.expit(h) + scipy.special.erf(x),
    ],
    ids=lambda function: str(function.__code__.co_firstlineno),
)
def test_a_question_is_answered_as_an_array_answers_it(function):
    assert_runs_as_it_is_traced(made(function))


def test_a_number_of_no_batch_may_be_added_to_by_an_operator():
    def function(c, x, h):
        total = np.sum(c.a)
        total += 1.0
        return x * total

    assert_runs_as_it_is_traced(made(function))


def test_a_copied_stand_in_is_the_same_input_of_the_graph():
    graph = nl.trace(made(lambda c, x, h: copy.deepcopy(c.a) * x))
    assert graph.outputs["output"].inputs == (graph.inputs["a"], graph.inputs["x"])


def test_what_a_cached_property_once_kept_is_no_constant():
    class C(Cell):
        a: Array = param("hidden", 1.0)

        @functools.cached_property
        def decay(self):
            return np.exp(-self.a)

        def step(self, x, h):
            return self.decay * h, 0.5 * h + x

    cell = C(inputs=3, hidden=3)
    fresh = str(nl.trace(cell))
    assert cell.decay.shape == (3,)
    assert str(nl.trace(cell)) == fresh
    assert_runs_as_it_is_traced(cell)


def test_the_numbers_of_a_cell_cannot_be_read_past_its_parameters():
    with pytest.raises(AttributeError, match="_buffer"):
        made(lambda c, x, h: x * c._buffer[0])


# What is kept from one run to the next


def test_a_step_that_counts_is_refused():
    calls = [0.0]

    class C(Cell):
        def step(self, x, h):
            calls[0] += 1
            return h * calls[0], h

    error = refusal(C(inputs=3, hidden=3))
    assert type(error) is RandomError
    assert "something else each time" in str(error)
    assert line_of(error) == "def step(self, x, h):"


def test_a_step_that_goes_on_with_a_value_of_another_run_is_refused():
    holder = Counted()

    class C(Cell):
        def step(self, x, h):
            before = getattr(holder, "before", x)
            holder.before = h
            return h + before, h + x

    error = refusal(C(inputs=3, hidden=3))
    assert line_of(error) == "return h + before, h + x"
    assert type(error) is RandomError
    assert "kept from another run" in str(error)
    assert "take it as an argument and return it" in str(error)


def test_a_refused_value_that_was_kept_does_not_stand_in_the_way_of_a_later_trace():
    kept = []

    class C(Cell):
        keeps: bool = True

        def step(self, x, h):
            if self.keeps:
                kept.append(h)
                return h + kept[max(len(kept) - 2, 0)], h
            return h + x, h

    cell = C(inputs=3, hidden=3)
    with pytest.raises(RandomError):
        nl.Sequence(cell).value_and_grad(np.ones((4, 3)), np.ones((4, 3)))
    cell.keeps = False
    nl.Sequence(cell).value_and_grad(np.ones((4, 3)), np.ones((4, 3)))


def test_a_generator_that_a_cell_holds_is_seen():
    class C(Cell):
        def step(self, x, h):
            y = x * (self.rng.random() < 1e-9)
            return y, h

    error = refusal(C(inputs=3, hidden=3, rng=np.random.default_rng(0)))
    assert type(error) is RandomError
    assert line_of(error) == "y = x * (self.rng.random() < 1e-9)"


def test_a_step_may_measure_how_long_it_takes():
    taken = []
    assert_runs_as_it_is_traced(made(lambda c, x, h: (taken.append(time.perf_counter()), x * h)[1]))
    assert taken


# What a step returns


RETURNED = [
    (ReturnError, lambda x, h, c: (h, c), r"returned 2 values; expected `return output, h, c`"),
    (ReturnError, lambda x, h, c: (h, h, c, c), r"returned 4 values"),
    (ReturnError, lambda x, h, c: None, r"returned one NoneType"),
    (ReturnError, lambda x, h, c: h, r"returned one ndarray"),
    (ReturnError, lambda x, h, c: [h, h, c], r"returned one list"),
    (ReturnError, lambda x, h, c: {"y": h}, r"returned one dict"),
    (ReturnError, lambda x, h, c: (h, (h, c)), r"returned 2 values"),
    (ReturnError, lambda x, h, c: (h, h, None), r"state 'c' of dtype object; expected real numbers"),
    (ReturnError, lambda x, h, c: (h, h, "c"), r"state 'c' of dtype <U1"),
    (ReturnError, lambda x, h, c: (h, h, [1.0, h]), r"state 'c' of dtype object"),
    (ReturnError, lambda x, h, c: (h * 1j, h, c), r"the output of dtype complex128"),
    (ReturnError, lambda x, h, c: (h[..., None], h, c), r"the output with shape \(3, 1\)"),
    (ReturnError, lambda x, h, c: (0.0, h, c), r"an output of shape \(\)"),
    (StateShapeError, lambda x, h, c: (h, h, x), r"state 'c' with shape \(2,\); expected \(3,\) and `return output"),
    (StateShapeError, lambda x, h, c: (h, h[..., :1], c), r"state 'h' with shape \(1,\)"),
    (StateShapeError, lambda x, h, c: (h, h, c[..., None]), r"state 'c' with shape \(3, 1\)"),
    (StateShapeError, lambda x, h, c: (h, h, 0.0), r"state 'c' with shape \(\)"),
]


@pytest.mark.parametrize(("kind", "result", "what"), RETURNED)
def test_what_is_returned_wrongly_is_noticed_when_the_cell_is_made_with_the_line_of_the_return(kind, result, what):
    class C(Cell):
        def step(self, x, h, c):
            h = h + 1
            return result(x, h, c)

    with pytest.raises(kind, match=what) as raised:
        C(inputs=2, hidden=3)
    error = raised.value
    assert type(error) is kind
    assert isinstance(error, CellError)
    assert isinstance(error, TraceError)
    assert error.file == HERE
    assert line_of(error) == "return result(x, h, c)"
    assert "the output comes first, then each new state" in str(error)


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        (ReturnError, lambda x, h, c: (h, h)),
        (ReturnError, lambda x, h, c: (h[..., :1], h, c)),
        (ReturnError, lambda x, h, c: (np.stack([h, h], axis=-1), h, c)),
        (StateShapeError, lambda x, h, c: (h, h[..., :1], c)),
        (StateShapeError, lambda x, h, c: (h, h, np.zeros(2))),
        (ArrayError, lambda x, h, c: (h, h, [c[..., 0], c[..., 1], c[..., 2]])),
        (UnsupportedError, lambda x, h, c: (h, h, np.array(["a", "b", "c"]))),
        (UnsupportedError, lambda x, h, c: (h, None, c)),
        (UndeclaredArrayError, lambda x, h, c: (h, h, MATRIX)),
    ],
)
def test_what_a_changed_field_returns_wrongly_is_noticed_in_the_trace_with_the_line_of_the_return(kind, result):
    class C(Cell):
        changed: bool = False

        def step(self, x, h, c):
            if self.changed:
                return result(x, h, c)
            return h, h, c

    cell = C(inputs=2, hidden=3)
    cell.changed = True
    error = refusal(cell)
    assert type(error) is kind
    assert error.file == HERE
    assert line_of(error) == "return result(x, h, c)"


def test_a_wrong_return_while_running_names_the_step():
    class C(Cell):
        changed: bool = False

        def step(self, x, h):
            return h, h[..., :1] if self.changed else h

    cell = C(inputs=3, hidden=3)
    cell.changed = True
    with pytest.raises(StateShapeError) as raised:
        nl.Sequence(cell)(np.ones((4, 3)))
    assert line_of(raised.value) == "def step(self, x, h):"


# Losses


def refused_loss(kind, function, instead):
    return pytest.param(kind, function, instead, id=f"{kind.__name__}-{function.__code__.co_firstlineno}")


LOSSES = [
    refused_loss(ReturnError, lambda p, t: (p - t) ** 2, r"one number computed from its prediction"),
    refused_loss(ReturnError, lambda p, t: np.mean(p - t, axis=-1), r"one number"),
    refused_loss(ReturnError, lambda p, t: np.mean(p - t, axis=0), r"one number"),
    refused_loss(ReturnError, lambda p, t: None, r"one number"),
    refused_loss(ReturnError, lambda p, t: "loss", r"one number"),
    refused_loss(ReturnError, lambda p, t: 3.0, r"returned 3\.0.*one number"),
    refused_loss(ReturnError, lambda p, t: (np.mean(p),), r"one number"),
    refused_loss(ReturnError, lambda p, t: np.mean(t), r"does not depend on its prediction"),
    refused_loss(ReturnError, lambda p, t: 1.0 * p.shape[0], r"does not depend on its prediction"),
    refused_loss(BranchError, lambda p, t: np.mean(p) if np.mean(p) > 0 else np.mean(t), r"np\.where"),
    refused_loss(BranchError, lambda p, t: max(np.mean(p), 0.0), r"np\.maximum"),
    refused_loss(BranchError, lambda p, t: np.mean(p) if p.shape[0] > 1 else np.sum(p), r"np\.where"),
    refused_loss(BatchError, lambda p, t: np.sum(p - t) / len(p), r"\.shape\[0\] in a loss"),
    refused_loss(BatchError, lambda p, t: p[0, 0], r"\[\.\.\., 0\]"),
    refused_loss(BatchError, lambda p, t: np.mean(p[1:] - p[:-1]), r"\[\.\.\., 0\]"),
    refused_loss(BatchError, lambda p, t: np.mean(p.ravel()), r"np\.reshape"),
    refused_loss(NumberError, lambda p, t: math.sqrt(np.mean((p - t) ** 2)), r"NumPy's functions"),
    refused_loss(NumberError, lambda p, t: float(np.mean(p)), r"leave float\(\) out"),
    refused_loss(ArrayError, lambda p, t: np.mean(np.array([np.mean(p), np.mean(t)])), r"np\.stack"),
    refused_loss(LoopError, lambda p, t: sum(np.mean(p) for _ in range(p.shape[0])), r"fixed"),
    refused_loss(InPlaceError, lambda p, t: np.mean(p.__isub__(t)), r"`h = h \+ a`"),
    refused_loss(UnsupportedError, lambda p, t: np.median(p), r"those that have one"),
    refused_loss(UnsupportedError, lambda p, t: np.mean(p[p > 0]), r"np\.where"),
    refused_loss(UndeclaredArrayError, lambda p, t: np.mean(p @ np.eye(2)), r"param"),
    refused_loss(ShapeError, lambda p, t: np.mean(p * VECTOR), r"equal, or 1"),
    refused_loss(RandomError, lambda p, t: np.mean(p) * np.random.random(), r"noise"),
    refused_loss(RandomError, lambda p, t: np.mean(p) * (random.random() > 1e-9), r"noise"),
    refused_loss(RandomError, lambda p, t: np.mean(p) * (KEPT.append(0) or len(KEPT)), r"something else each time"),
]


@pytest.mark.parametrize(("kind", "function", "instead"), LOSSES)
def test_a_loss_that_cannot_be_traced_is_refused_by_its_kind_with_its_place_and_a_repair(kind, function, instead):
    with pytest.raises(TraceError, match=instead) as raised:
        trace_loss(nl.loss(function), 2, np.dtype(float))
    assert type(raised.value) is kind
    assert (raised.value.file, raised.value.line) == (HERE, function.__code__.co_firstlineno)
    assert str(raised.value).startswith("loss <lambda>")


@pytest.mark.parametrize(
    "function",
    [
        lambda p, t: np.mean(p - t if p.shape == t.shape else p),
        lambda p, t: np.mean(p - t if p.shape != t.shape else p),
        lambda p, t: np.sum((p - t) ** 2) / p.size,
        lambda p, t: np.sum((p - t) ** 2) / p.shape[0] * p.shape[1] * p.ndim,
        lambda p, t: np.sum(np.mean((p - t) ** 2, axis=0)),
        lambda p, t: np.mean(p[:, 0] * t[..., 1]),
        lambda p, t: np.sum(np.where(t > 0, p, 0.0)) / np.sum(t > 0),
        lambda p, t: np.max(np.abs(p - t)) + np.std(p) + np.linalg.norm(p - t),
    ],
    ids=lambda function: str(function.__code__.co_firstlineno),
)
def test_what_a_loss_may_do_gives_what_it_gives_on_arrays(function):
    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0), readout=2)
    x, target = np.random.default_rng(0).normal(size=(2, 4, 5, 2))
    value, _ = model.value_and_grad(x, target, loss=function)
    assert value == pytest.approx(nl.loss(function)(model(x), target), rel=1e-12)


# A matrix that is a state's, and one that is a field's


def test_a_matrix_that_is_a_field_is_refused():
    class C(Cell):
        M: Array = MATRIX

        def step(self, x, h):
            return h @ self.M, h

    error = refusal(C(inputs=3, hidden=3))
    assert type(error) is UndeclaredArrayError
    assert line_of(error) == "return h @ self.M, h"


def test_a_matrix_state_may_be_what_a_step_makes_of_traced_values():
    class C(Cell):
        memory: State = state(("hidden", "hidden"))

        def step(self, x, memory):
            memory = 0.5 * memory + x[..., :, None] * x[..., None, :]
            return np.matvec(memory, x), memory

    assert_runs_as_it_is_traced(C(inputs=3, hidden=3, rng=0))


def test_a_draw_is_where_it_is_named_even_if_the_garbage_collector_calls_back_before_the_end():
    def collected(phase, info):
        pass

    def loss(p, t):
        scale = np.random.random()
        gc.collect()
        return np.mean(p) * scale

    gc.callbacks.append(collected)
    try:
        with pytest.raises(RandomError) as raised:
            trace_loss(nl.loss(loss), 2, np.dtype(float))
    finally:
        gc.callbacks.remove(collected)
    assert (raised.value.file, raised.value.line) == (HERE, loss.__code__.co_firstlineno + 1)
