"""A step that reads only what is known to be constant is traced once; `nl.static` declares what is not known."""

import collections
import gc
import os
import sys
import types
import warnings
import weakref

import attrs
import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Cell, Gate, gate, traced
from nanolstm.cells.zoo import HOMES
from nanolstm.ensembles.given import Given
from nanolstm.errors import InputError, KernelWarning

X = np.random.default_rng(0).normal(size=(2, 4, 2))
TARGET = np.zeros((2, 4, 3))

KEPT = {
    "functions of NumPy": ("", "np.tanh(1.0) + np.sum(np.ones(3)) + np.linalg.norm(np.eye(2)) + np.pi"),
    "functions of math": ("import math\nfrom math import sqrt", "sqrt(2.0) * math.pi"),
    "functions of SciPy": ("import scipy.special", "scipy.special.expit(1.0)"),
    "functions of nanolstm": ("from nanolstm import softplus", "np.sum(nl.sigmoid(np.ones(2)) + softplus(np.ones(2)))"),
    "built-in functions": ("", "sum(range(3)) + max(1, 2) + len('ab') + min(a * b for a, b in zip((1, 2), (3, 4)))"),
    "functions of one's own": ("S = 2.0\ndef g(a): return a * S\ndef f(a): return g(a) + 1", "f(2.0)"),
    "a decorated function": (
        "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def g(*a): return f(*a)\n    return g\n"
        "@deco\ndef f(a): return a * 2",
        "f(1.0)",
    ),
    "a context manager": (
        "import contextlib\n@contextlib.contextmanager\ndef a():\n    yield 2.0\n"
        "def f():\n    with a() as b, np.errstate(all='ignore'): return b",
        "f()",
    ),
    "a partial": ("import functools\nf = functools.partial(np.clip, a_min=0.0, a_max=1.0)", "f(2.0)"),
    "containers": (
        "import collections\nL, T, D, S = [1.0], (2.0, [3.0]), {'a': {'b': 2.0}}, {1, 2}\n"
        "Q = collections.deque([1.0], maxlen=3)",
        "L[0] + T[1][0] + D['a']['b'] + len(S) + Q[0]",
    ),
    "arrays": ("A, B = np.arange(3.0), np.float32(2.0)", "A[1] + B"),
    "a frozen dataclass": (
        "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass C:\n    a: float = 2.0\n"
        "    b: list = dataclasses.field(default_factory=list)\nc = C()",
        "c.a + C(3.0).a",
    ),
    "a class of attrs": (
        "import attrs\nis_float = attrs.validators.instance_of(float)\n@attrs.define\nclass C:\n"
        "    a: float = attrs.field(default=2.0, converter=float, validator=is_float)\nc = C()",
        "c.a + C(3.0).a",
    ),
    "an object with methods that the step does not call": (
        "import pathlib, time\nclass C:\n    def __init__(self): self.a, self.b, self.made = 1.0, open, time.time()\n"
        "    def save(self): pathlib.Path('a').write_text(str(self.a))\n    def f(self): return self.a\nc = C()",
        "c.f()",
    ),
    "named tuples": (
        "import collections, typing\nN = collections.namedtuple('N', 'a')\nclass M(typing.NamedTuple):\n    a: float\n"
        "n, m = N(1.0), M(2.0)",
        "n.a + m.a + N(1.0).a",
    ),
    "an enum": (
        "import enum\nclass E(enum.Enum):\n    A = 1.0\n    B = 2.0\nmode = E.A",
        "(1.0 if mode is E.A else 2.0) * E.B.value",
    ),
    "abstract and generic classes": (
        "import abc, typing\nT = typing.TypeVar('T')\nclass A(abc.ABC):\n    @abc.abstractmethod\n"
        "    def f(self): ...\nclass P(typing.Protocol):\n    def f(self): ...\n"
        "class C(A, P, typing.Generic[T]):\n    def f(self): return 1.0\nc = C()",
        "c.f()",
    ),
    "a module of settings": ("import types\nconf = types.ModuleType('conf')\nconf.a = 2.0", "conf.a"),
    "imports in a function": (
        "def f():\n    import math\n    import numpy as n\n    from math import pi\n"
        "    return math.sqrt(pi) + n.exp(0.0)",
        "f()",
    ),
    "checks and errors": (
        "import numbers, warnings\nclass E(ValueError): pass\ndef f(a):\n    if not isinstance(a, numbers.Real):\n"
        "        raise E(f'{a} of {type(a).__name__}')\n    if a < 0: warnings.warn('negative')\n"
        "    try: return {'a': a}['b']\n    except KeyError: return a",
        "f(1.0)",
    ),
    "limits of numbers": (
        "import sys\nF = np.finfo(float)",
        "F.eps + sys.float_info.epsilon + np.finfo(np.float32).eps",
    ),
    "getattr": ("class C: a = 1.0\nc = C()", "getattr(c, 'a') + getattr(c, 'b', 1.0)"),
}


@pytest.fixture
def module(monkeypatch):
    """A function that makes a module of a text."""

    def make(text, read):
        made = types.ModuleType("notebook")
        made.__dict__.update(np=np, nl=nl, os=os, Cell=Cell, Gate=Gate, gate=gate)
        monkeypatch.setitem(sys.modules, "notebook", made)
        exec(text, made.__dict__)
        exec(
            "class Mine(Cell):\n    new: Gate = gate(np.tanh)\n    def step(self, x, h):\n"
            f"        h = ({read}) * self.new(x, h)\n        return h, h\n"
            f"def loss(y, target): return ({read}) * np.mean((y - target) ** 2)",
            made.__dict__,
        )
        return made

    return make


@pytest.fixture
def traces(monkeypatch):
    """What was traced, and what was looked at anew."""
    found = collections.Counter()
    monkeypatch.setattr(traced, "_of_losses", collections.OrderedDict())  # one that another test has left

    def counted(name, own):
        def call(*args):
            found[name] += 1
            return own(*args)

        return call

    for name in ("_trace_step", "_trace_loss", "look_at_cell", "look_at_loss"):
        monkeypatch.setattr(traced, name, counted(name, getattr(traced, name)))
    return found


@pytest.fixture(params=["numpy", "numba"])
def backend(request):
    if request.param == "numba":
        pytest.importorskip("numba", reason="the kernels are compiled by Numba")
    return request.param


@pytest.mark.parametrize("case", KEPT)
def test_what_is_ordinary_is_traced_once_and_then_only_watched(case, module, backend, traces):
    home = module(*KEPT[case])
    model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=0), backend=backend)
    first = model.value_and_grad(X, TARGET, loss=home.loss)[0]
    model(X)
    model.value_and_grad(X, TARGET, loss=home.loss)
    before = dict(traces)
    assert before["_trace_step"] == before["_trace_loss"] == 2  # which are compared
    for _ in range(3):
        assert model.value_and_grad(X, TARGET, loss=home.loss)[0] == first
        model(X)
        model.record(X)
    assert dict(traces) == before


@pytest.mark.parametrize("name", HOMES)
def test_cells_of_the_zoo_are_kept(name):
    cell = getattr(nl.cells, name)(inputs=4, hidden=4, rng=0)
    traced.programs_of(cell)
    assert traced.watch_of(cell).unchanged()


@pytest.mark.parametrize("loss", ["mse", "rmse", "mae", "huber", "quantile(q=0.9)", "cross_entropy", "smape"])
def test_losses_of_nanolstm_are_kept(loss):
    look = traced.look_at_loss(nl.loss(loss))
    look.fingerprint()
    assert not look.unknown


def test_a_readout_is_kept(traces):
    model = nl.Sequence(nl.cells.Elman(inputs=2, hidden=4, rng=0), readout=3, backend="numpy")
    model.value_and_grad(X, TARGET, loss="mse")
    before = dict(traces)
    model.value_and_grad(X, TARGET, loss="mse")
    assert dict(traces) == before


# What is not kept


def test_what_may_change_is_told_once_with_what_it_is_and_what_to_do(module, monkeypatch):
    monkeypatch.setattr("nanolstm.dependencies._told", set())
    home = module("", "float(os.environ.get('NANOLSTM_TEST', 2))")
    model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=0), backend="numpy")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            model.value_and_grad(X, TARGET, loss=home.loss)
    assert {warning.category for warning in told} == {KernelWarning}
    texts = [str(warning.message) for warning in told]
    assert len(texts) == 2
    for text, subject in zip(sorted(texts), ("Mine.step", "loss loss"), strict=True):
        assert text.startswith(f"{subject} is traced anew at each call"), text
        assert "os.environ" in text
        assert "nl.static" in text


@pytest.mark.filterwarnings("ignore:.* is traced anew at each call:nanolstm.errors.KernelWarning")
def test_a_trace_that_is_made_anew_and_comes_out_the_same_has_the_same_programs(module):
    home = module("", "float(os.environ.get('NANOLSTM_TEST', 2))")
    cell = home.Mine(inputs=2, hidden=3, rng=0)
    loss = nl.loss(home.loss)
    for _ in range(3):
        assert traced.programs_of(cell) is traced.programs_of(cell)
        assert traced.programs_of_loss(loss, 3, cell.dtype) is traced.programs_of_loss(loss, 3, cell.dtype)


def test_a_change_that_does_not_matter_costs_a_trace_and_no_program(module, traces):
    home = module("held = [2.0, 1.0]", "held[0]")
    cell = home.Mine(inputs=2, hidden=3, rng=0)
    before = traced.programs_of(cell)
    home.held[1] = 5.0
    assert traced.programs_of(cell) is before
    assert traces["_trace_step"] == 4
    home.held[1] = 1.0
    assert traced.programs_of(cell) is before
    assert traces["_trace_step"] == 4


def test_cells_that_differ_in_dtype_alone_are_traced_apart(module):
    home = module("", "h.dtype.itemsize")
    for dtype, size in (("float64", 8), ("float32", 4)):
        model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=0, dtype=dtype), backend="numpy")
        value, _ = model.value_and_grad(X.astype(dtype), TARGET.astype(dtype), loss="mse")
        eager = nl.loss("mse")(model(X.astype(dtype)), TARGET.astype(dtype))
        assert value == pytest.approx(eager, rel=1e-5), size


def test_a_seed_that_a_step_reads_counts(module):
    home = module("", "(self.rng + 2.0)")
    for seed in (0, 1):
        model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=seed), backend="numpy")
        value, _ = model.value_and_grad(X, TARGET, loss="mse")
        assert value == pytest.approx(nl.loss("mse")(model(X), TARGET), rel=1e-12)


def test_a_base_class_behind_cell_counts():
    class Base:
        scale = 2.0

    class Mine(Cell, Base):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.scale * self.new(x, h)
            return h, h

    model = nl.Sequence(Mine(inputs=2, hidden=3, rng=0), backend="numpy")
    for scale in (2.0, 3.0):
        Base.scale = scale
        value, _ = model.value_and_grad(X, TARGET, loss="mse")
        assert value == pytest.approx(nl.loss("mse")(model(X), TARGET), rel=1e-12)


@pytest.mark.parametrize("name", ["__call__", "preactivation", "terms"])
def test_what_a_kind_of_gate_overrides_counts(name):
    scale = [2.0]

    def override(self, *values):
        found = getattr(Gate, name)(self, *values)
        return [scale[0] * term for term in found] if name == "terms" else scale[0] * found

    kind = type("Scaled", (Gate,), {name: override})

    class Mine(Cell):
        new: Gate = gate(np.tanh, kind=kind)

        def step(self, x, h):
            h = self.new(x, h)
            return h, h

    model = nl.Sequence(Mine(inputs=2, hidden=3, rng=0), backend="numpy")
    for scale[0] in (2.0, 3.0):
        value, _ = model.value_and_grad(X, TARGET, loss="mse")
        assert value == pytest.approx(nl.loss("mse")(model(X), TARGET), rel=1e-12)


def test_a_converter_of_a_gate_counts():
    scale = [2.0]

    class Scaled(Gate):
        power: float = attrs.field(default=1.0, converter=lambda value: value * scale[0])

        def __call__(self, *values):
            return self.power * super().__call__(*values)

    class Mine(Cell):
        new: Gate = gate(np.tanh, kind=Scaled)

        def step(self, x, h):
            h = self.new(x, h)
            return h, h

    model = nl.Sequence(Mine(inputs=2, hidden=3, rng=0), backend="numpy")
    for scale[0] in (2.0, 3.0):
        value, _ = model.value_and_grad(X, TARGET, loss="mse")
        assert value == pytest.approx(nl.loss("mse")(model(X), TARGET), rel=1e-12)


@pytest.mark.parametrize("slots", [{}, {"__slots__": ("scale",)}])
def test_a_loss_may_be_an_object_without_hash_or_weak_references(slots):
    def call(self, y, target):
        return self.scale * np.mean((y - target) ** 2)

    loss = type("Scaled", (), {"__call__": call, "__hash__": None, **slots})()
    model = nl.Sequence(nl.cells.Elman(inputs=2, hidden=3, rng=0))
    for scale in (2.0, 3.0):
        loss.scale = scale
        value, _ = model.value_and_grad(X, TARGET, loss=loss)
        assert value == pytest.approx(scale * np.mean((model(X) - TARGET) ** 2), rel=1e-12)


# What the members of an ensemble read


def test_what_the_members_of_an_ensemble_read_counts(module):
    pytest.importorskip("numba", reason="the kernels are compiled by Numba")
    home = module("scale = 2.0", "scale")
    exec("class Own(Mine):\n    factor: float = 1.0\n    def step(self, x, h):\n"
         "        h = self.factor * scale * self.new(x, h)\n        return h, h", home.__dict__)  # fmt: skip
    ensemble = nl.Ensemble(nl.Sequence(home.Own(inputs=2, hidden=3, rng=0), backend="numba"), members=3)
    cells = [member.cells[0] for member in ensemble]

    def check():
        alone = [nl.Sequence(cell, backend="numpy")(X) for cell in cells]
        np.testing.assert_allclose(ensemble(X), alone, rtol=0, atol=1e-12)

    check()
    home.scale = 3.0
    check()
    for cell, factor in ((cells[0], 0.5), (cells[2], 2.0), (cells[0], 1.0), (cells[2], 1.0)):
        cell.factor = factor
        check()


def test_what_the_loss_of_an_ensemble_reads_counts_from_step_to_step(module):
    pytest.importorskip("numba", reason="the kernels are compiled by Numba")
    home = module("scale = 2.0", "scale")
    model = nl.Sequence(nl.cells.Elman(inputs=2, hidden=3, rng=0), backend="numba")
    stack = nl.Ensemble(model, members=2)._stack
    vectors, loss = stack.vectors(), nl.loss(home.loss)
    given = Given(own=False, x=X, target=TARGET, more={})
    gradients = [np.empty_like(vectors) for _ in range(2)]
    values = []
    for home.scale, gradient in zip((2.0, 6.0), gradients, strict=True):
        ran = stack.derive(np.arange(2), vectors, gradient, given, loss=loss, steps="all", truncate=None)
        values.append(ran.loss)
    np.testing.assert_allclose(values[1], 3.0 * values[0], rtol=1e-12)
    np.testing.assert_allclose(gradients[1], 3.0 * gradients[0], rtol=1e-12)


# Nothing is kept alive


def test_neither_a_cell_nor_its_class_nor_what_it_reads_is_kept_alive_by_a_trace():
    class Held:
        scale = 2.0

    def make():
        held = Held()

        class Mine(Cell):
            new: Gate = gate(np.tanh)

            def step(self, x, h):
                h = held.scale * self.new(x, h)
                return h, h

        model = nl.Sequence(Mine(inputs=2, hidden=3, rng=0), backend="numpy")
        model.value_and_grad(X, TARGET, loss="mse")
        return model, [weakref.ref(x) for x in (held, Mine, model.cells[0], Mine.step)]

    model, seen = make()
    del model
    gc.collect()
    assert [ref() for ref in seen] == [None] * 4


# nl.static


def test_a_static_function_is_not_looked_into(module, traces, monkeypatch):
    home = module("@nl.static\ndef f(): return float(os.environ['NANOLSTM_TEST'])", "f()")
    monkeypatch.setenv("NANOLSTM_TEST", "2")
    model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=0), backend="numpy")
    first, _ = model.value_and_grad(X, TARGET, loss=home.loss)
    monkeypatch.setenv("NANOLSTM_TEST", "3")  # against the promise
    assert model.value_and_grad(X, TARGET, loss=home.loss)[0] == first
    assert traces["_trace_step"] == traces["_trace_loss"] == 2


STATIC = {
    "an object": (
        "import threading\nclass C: pass\nc = nl.static(C())\nc.lock, c.a = threading.Lock(), 2.0",
        "c.a",
    ),
    "all objects of a class": (
        "import collections\n@nl.static\nclass D(collections.UserList): pass\nd = D([2.0])",
        "d[0]",
    ),
    "a module": ("import sys\na = 2.0\nme = nl.static(sys.modules[__name__])", "getattr(me, 'a')"),
    "a function of a library": ("import locale\nnl.static(locale.atof)", "locale.atof('2.0')"),
    "a cached function": ("import functools\n@nl.static\n@functools.cache\ndef f(): return 2.0", "f()"),
    "a method": (
        "import time\nclass C:\n    @nl.static\n    def f(self): return 2.0 * (time.monotonic() > 0)\nc = C()",
        "c.f()",
    ),
}


@pytest.mark.parametrize("case", STATIC)
def test_what_is_declared_static_is_kept(case, module, traces):
    home = module(*STATIC[case])
    model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=0), backend="numpy")
    for _ in range(2):
        value, _ = model.value_and_grad(X, TARGET, loss=home.loss)
    assert value == pytest.approx(2.0 * np.mean((model(X) - TARGET) ** 2), rel=1e-12)
    assert traces["_trace_step"] == traces["_trace_loss"] == 2


def test_a_class_derived_from_a_static_one_promises_nothing(module):
    home = module("@nl.static\nclass A: pass\nclass B(A): pass\nheld = B()\nheld.a = 2.0", "held.a")
    model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=0), backend="numpy")
    for home.held.a in (2.0, 3.0):
        value, _ = model.value_and_grad(X, TARGET, loss=home.loss)
        assert value == pytest.approx(home.held.a * np.mean((model(X) - TARGET) ** 2), rel=1e-12)


def test_fields_of_a_static_cell_are_still_compared():
    @nl.static
    class Mine(Cell):
        factor: float = 2.0
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.factor * self.new(x, h)
            return h, h

    cell = Mine(inputs=2, hidden=3, rng=0)
    for cell.factor in (2.0, 3.0):
        value, _ = nl.Sequence(cell, backend="numpy").value_and_grad(X, TARGET, loss="mse")
        assert value == pytest.approx(nl.loss("mse")(nl.Sequence(cell)(X), TARGET), rel=1e-12)


def test_a_declaration_is_gone_with_its_object():
    class C:
        pass

    from nanolstm.graph import static

    held = nl.static(C())
    assert static.is_static(held)
    key = id(held)
    assert key in static._declared
    del held
    gc.collect()
    assert key not in static._declared


@pytest.mark.parametrize("value", [[1.0], {"a": 1.0}, bytearray(b"a"), 2.0, (1.0,)])
def test_what_cannot_be_declared_static_is_refused_with_what_to_write(value):
    with pytest.raises(InputError, match="cannot be declared static; expected a function, a class, a module or an"):
        nl.static(value)
