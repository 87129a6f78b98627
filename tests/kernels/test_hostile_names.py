"""Names that would run as code if generated source held them as they are: computed with like any other name."""

import ast
import builtins
import importlib.util
import linecache
import os
import traceback
from collections import OrderedDict

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, gate, param, sigmoid
from nanolstm.errors import CellError
from nanolstm.losses import Loss

BACKENDS = ["numpy"] + ["numba"] * (importlib.util.find_spec("numba") is not None)

CALL = "ran_as_code()"

HOSTILE = {
    "quotes": f'A""" + {CALL} + """',
    "quotes and lines": f'A"""\n{CALL}\n"""',
    "quotes and indented lines": f'A"""\n    {CALL}\n    """',
    "statements": f'A"""; {CALL}; """',
    "single quotes": f"A' + {CALL} + '",
    "one quote": 'A"',
    "a line": f"A\n{CALL}\n#",
    "an indented line": f"A\n            {CALL}\n#",
    "a carriage return": f"A\r            {CALL}\r#",
    "a form feed": f"A\x0c{CALL}",
    "a line separator": f"A\u2028            {CALL}",
    "a next line": f"A\x85{CALL}",
    "a backslash": "A\\",
    "a backslash before quotes": f'A\\"""; {CALL}; """',
    "braces": f"A{{{CALL}}}{{rows}}{{0}}%s",
    "a comment": f"A# {CALL}",
    "a text direction": "A\u202e",
    "a superscript": "A²",
    "a digit": "1A",
    "a ligature": "\ufb01",
    "wide letters": "\uff4e\uff50",
    "a keyword": "for",
    "many letters": "L" * 300,
    "many bytes": "Ж" * 300,
    "nothing": "",
    "spaces": " ",
}
UNPRINTABLE = {"a null": f"A\0{CALL}", "a surrogate": "A\ud800", "a low surrogate": "\udcffA"}
"""Names that a class of Python cannot bear, but a field, a variable and a parameter of a loss can."""

EVERY = pytest.mark.parametrize("name", [*HOSTILE.values(), *UNPRINTABLE.values()], ids=[*HOSTILE, *UNPRINTABLE])

X = np.random.default_rng(0).normal(size=(3, 4, 2))
TARGET = np.random.default_rng(1).normal(size=(3, 4, 3))


@pytest.fixture(autouse=True)
def ran(monkeypatch):
    """A list that stays empty as long as no name is taken for code."""
    calls = []
    monkeypatch.setattr("nanolstm.traced._of_losses", OrderedDict())  # where losses of one code share one source
    monkeypatch.setattr(builtins, "ran_as_code", lambda: calls.append(1) or "", raising=False)
    yield calls
    assert calls == [], "a name was run as code"


def kind_of(name="Plain", fields=("new", "forget", "scale"), variables=("a", "b")):
    """A class whose two gates, parameter and local variables bear these names."""
    new, forget, scale = fields

    def step(self, x, h):
        a = getattr(self, new)(x, h)
        b = getattr(self, forget)(x, h) * getattr(self, scale)
        h = (1 - b) * h + b * np.tanh(a @ self.matrix.T)
        return h, h

    names = dict(zip(("a", "b"), variables, strict=True))
    step.__code__ = step.__code__.replace(
        co_varnames=tuple(names.get(known, known) for known in step.__code__.co_varnames)
    )
    body = {
        new: gate(np.tanh),
        forget: gate(sigmoid),
        scale: param("hidden", 0.7),
        "matrix": param(("hidden", "hidden"), nl.glorot()),
    }
    annotations = {new: Gate, forget: Gate, scale: Array, "matrix": Array}
    return type(name, (Cell,), {**body, "__annotations__": annotations, "step": step, "__module__": __name__})


def results_of(kind, backend):
    """What a model of that class computes, without the names; of kernels, which are slow to compile, the gradient."""
    model = nl.Sequence(kind(inputs=2, hidden=3, rng=0), backend=backend)
    value, gradients = model.value_and_grad(X, TARGET, loss="mse")
    if backend == "numba":
        return [np.array(value), *gradients.values()]
    run = model.record(X)
    direction = {name: np.ones_like(array) for name, array in model.parameters.items()}
    product = model.hvp(X, TARGET, direction, loss="mse")
    return [np.array(value), run.y, *gradients.values(), *product.values(), *(run[name] for name in run)]


def same_results(kind, plain, backend):
    # LLVM may add up the terms of a sum in an order that depends on the text of the kernel.
    tolerance = 1e-13 if backend == "numba" else 0.0
    for one, other in zip(results_of(kind, backend), results_of(plain, backend), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def same_source_but_for_names(kind, plain):
    """Whether the kernels differ in names of variables alone: every statement and expression is of the same form."""
    for one, other in zip(*(ast.walk(parsed(k)) for k in (kind, plain)), strict=True):
        assert type(one) is type(other)
        for field in ("args", "targets", "body", "keywords", "elts"):
            assert np.size(getattr(one, field, [])) == np.size(getattr(other, field, []))


def parsed(kind):
    return ast.parse(nl.kernel_source(kind(inputs=2, hidden=3, rng=0)))


# Cells


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_the_name_of_a_class_is_inert(name):
    same_results(kind_of(name), kind_of(), "numpy")
    same_source_but_for_names(kind_of(name), kind_of())


@EVERY
def test_the_names_of_gates_and_parameters_are_inert(name):
    kind = kind_of(fields=(name, f"{name}'s", f"{name}, scaled"))
    same_results(kind, kind_of(), "numpy")
    parsed(kind)


@EVERY
def test_the_names_of_local_variables_are_inert(name):
    kind = kind_of(variables=(name, f"{name} {name}"))
    same_results(kind, kind_of(), "numpy")
    parsed(kind)


@pytest.mark.skipif("numba" not in BACKENDS, reason="the kernels are compiled by Numba")
@pytest.mark.parametrize(
    ("which", "another"), [("quotes and indented lines", "a null"), ("an indented line", "a surrogate")]
)
def test_compiled_kernels_take_names_of_every_kind(which, another):
    name, other = HOSTILE[which], UNPRINTABLE[another]
    same_results(kind_of(name, (name, other, f"{name}'s"), (f"{name} a", f"{other} a")), kind_of(), "numba")


@pytest.mark.skipif("numba" not in BACKENDS, reason="the kernels are compiled by Numba")
@pytest.mark.parametrize("which", ["many letters", "many bytes"])
def test_kernels_of_long_names_are_kept_in_files_of_short_names(which, tmp_path, monkeypatch):
    monkeypatch.setenv("NANOLSTM_CACHE", str(tmp_path))
    monkeypatch.setattr("nanolstm.compile.cache._loaded", {})
    models = [nl.Sequence(kind_of(f"{HOSTILE[which]}{n}")(inputs=2, hidden=3, rng=0), backend="numba") for n in "ab"]
    np.testing.assert_array_equal(models[0](X), models[1](X))
    assert len([*(tmp_path / "kernels").iterdir()]) == 2
    assert max(len(os.fsencode(path.name)) for path in tmp_path.rglob("*")) + len(".tmp.0123456789abcdef") <= 143


@pytest.mark.skipif("numba" not in BACKENDS, reason="the kernels are compiled by Numba")
@pytest.mark.parametrize("variables", [("bool", "forward_steps"), ("tuple", "matrix_packed_small")])
def test_compiled_kernels_take_variables_called_by_words_of_their_own(variables):
    same_results(kind_of(variables=variables), kind_of(), "numba")


@pytest.mark.parametrize("backend", BACKENDS)
def test_names_that_python_takes_for_one_are_two_variables(backend):
    names = ("\N{LATIN SMALL LIGATURE FI}", "fi", "\N{MICRO SIGN}"), ("\N{GREEK SMALL LETTER MU}", "\uff46\uff49")
    same_results(kind_of("Twins", *names), kind_of("Different"), backend)


def test_an_error_in_a_program_shows_the_line_of_its_source(monkeypatch):
    from nanolstm.compile.numpy_target import program
    from nanolstm.compile.steps import one_step
    from nanolstm.graph.node import Graph, input_node

    x = input_node("x", (2,), lead=True)
    run = program(Graph("A\u2028\x85\n\0\ud800", {"x": x}, {"y": x + 1.0}), {})
    with pytest.raises(TypeError) as caught:
        run(one_step(1), np.dtype(float), {"x": "no array"})
    assert traceback.extract_tb(caught.value.__traceback__)[-1].line.startswith("t1 = ")
    assert "\n" not in run.function.__code__.co_filename
    assert linecache.getline(run.function.__code__.co_filename, 1).startswith("def run(")


@pytest.mark.parametrize("name", ["a.b", ".", "new.U"])
def test_a_field_with_a_dot_in_its_name_is_refused(name):
    with pytest.raises(CellError, match="has a dot"):
        kind_of(fields=(name, "forget", "scale"))


@EVERY
def test_a_setting_that_is_no_keyword_argument_is_refused(name):
    body = {name: 1, "__annotations__": {name: int}, "step": lambda self, x, h: (h, h)}
    if name.isidentifier() and name == HOSTILE["many letters"]:
        assert type("Plain", (Cell,), body)(inputs=1, hidden=1, **{name: 2}).__dict__[name] == 2
        return
    if name == HOSTILE["many bytes"]:
        return
    with pytest.raises(CellError, match="cannot be given by keyword"):
        type("Plain", (Cell,), body)


# Losses


def loss_of(name="plain", function="mse", variable="error", **parameters):
    """A loss in which everything that can bear a name bears one."""

    def mse(prediction, target, **settings):
        error = prediction - target
        return np.mean(error * error)

    mse.__code__ = mse.__code__.replace(
        co_varnames=tuple(variable if known == "error" else known for known in mse.__code__.co_varnames)
    )
    mse.__name__ = function
    return Loss(name=name, function=mse, parameters=parameters)


def gradient(loss, backend):
    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, outputs=3, rng=0), backend=backend)
    value, gradients = model.value_and_grad(X, TARGET, loss=loss)
    return [np.array(value), *gradients.values()]


@EVERY
@pytest.mark.parametrize("what", ["name", "variable", "setting", "key"])
def test_the_names_and_parameters_of_a_loss_are_inert(what, name):
    given = {"setting": {"setting": name}, "key": {name: 1}}.get(what, {what: name})
    for one, other in zip(gradient(loss_of(**given), "numpy"), gradient(loss_of(), "numpy"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_the_name_of_a_plain_function_as_a_loss_is_inert(name):
    function = loss_of(function=name).function
    assert gradient(function, "numpy")[0] == gradient(loss_of(), "numpy")[0]


@pytest.mark.skipif("numba" not in BACKENDS, reason="the kernels are compiled by Numba")
def test_the_kernels_of_a_loss_take_names_of_every_kind():
    loss = loss_of(HOSTILE["quotes"], variable=HOSTILE["an indented line"], setting=HOSTILE["statements"])
    for one, other in zip(gradient(loss, "numba"), gradient(loss_of(), "numba"), strict=True):
        np.testing.assert_array_equal(one, other)
