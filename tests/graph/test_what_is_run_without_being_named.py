"""What Python runs, or hands over, without being named in a step is seen to change as well.

Each case is a module: how it begins, an expression for a number, and what changes that number.
"""

import sys
import types

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Cell, Gate, gate

pytestmark = pytest.mark.filterwarnings("ignore:.* is traced anew at each call:nanolstm.errors.KernelWarning")

X, TARGET = np.random.default_rng(0).normal(size=(5, 2)), np.zeros((5, 3))

CHANGES = {
    "annotations of a class": (
        "class C:\n    a: float = 1.0\nC.__annotations__['a']=2.0",
        "C.__annotations__['a']",
        "C.__annotations__['a']=3.0",
    ),
    "what __array__ gives": (
        "S=2.0\nclass A:\n    def __array__(s,*a,**k): return np.array(S)\na=A()",
        "float(np.asarray(a))",
        "S=3.0",
    ),
    "what __array_ufunc__ gives": (
        "S=2.0\nclass A(np.ndarray):\n    def __array_ufunc__(s,*a,**k): return S\na=np.zeros(1).view(A)",
        "np.exp(a)",
        "S=3.0",
    ),
    "a global that a default factory reads": (
        "import collections\nS=2.0\nd=collections.defaultdict(lambda: S)",
        "d.default_factory()",
        "S=3.0",
    ),
    "what __init_subclass__ reads": (
        "S=2.0\nclass B:\n    def __init_subclass__(c): c.a=S\ndef f():\n    class C(B): pass\n    return C.a",
        "f()",
        "S=3.0",
    ),
    "the metaclass of a class": (
        "class T(type): a=2.0\nclass U(type): a=3.0\nclass C(metaclass=T): pass",
        "C.a",
        "C.__class__=U",
    ),
    "what __class_getitem__ gives": ("S=2.0\nclass A:\n    def __class_getitem__(c, k): return S", "A[1]", "S=3.0"),
    "metadata of the fields of a dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n"
        "    a: float = dataclasses.field(default=1.0, metadata={'s': [2.0]})",
        "dataclasses.fields(C)[0].metadata['s'][0]",
        "dataclasses.fields(C)[0].metadata['s'][0]=3.0",
    ),
    "what dataclasses.replace makes": (
        "import dataclasses\nS=2.0\n@dataclasses.dataclass\nclass C:\n    a: float = 0.0\n    b: float = 1.0\n"
        "    def __post_init__(s): s.b=S\nc=C()",
        "dataclasses.replace(c, a=1.0).b",
        "S=3.0",
    ),
    "a decorator that is a descriptor": (
        "S=2.0\nclass D:\n    def __init__(s,f): s.f=f\n    def __get__(s,i,k): return lambda: s.f(i)*S\n"
        "class C:\n    @D\n    def g(s): return 1.0\nc=C()",
        "c.g()",
        "S=3.0",
    ),
    "the docstring of a function": ("def f(): '2'", "float(f.__doc__)", "f.__doc__='3'"),
    "what __enter__ gives": (
        "S=2.0\nclass A:\n    def __enter__(s): return S\n    def __exit__(s,*a): pass\na=A()\ndef f():\n"
        "    with a as v: return v",
        "f()",
        "S=3.0",
    ),
    "a module that is called numpy": (
        "__name__='numpy'\nS=2.0\ndef f(): return S\nclass C:\n    def g(s): return S\nc=C()",
        "f()*c.g()/2.0 if S==2.0 else f()",
        "S=3.0",
    ),
    "an operator of a subclass of float": (
        "S=2.0\nclass A(float):\n    def __add__(s,o): return S+o\na=A(1.0)",
        "a+0.0",
        "S=3.0",
    ),
    "what __index__ gives": ("S=2\nclass A:\n    def __index__(s): return S\na=A()", "[1.0,1.0,2.0,3.0][a]", "S=3"),
    "what __instancecheck__ gives": (
        "S=False\nclass T(type):\n    def __instancecheck__(c,o): return S\nclass C(metaclass=T): pass",
        "3.0 if isinstance(1,C) else 2.0",
        "S=True",
    ),
    "what __iter__ gives": ("S=2.0\nclass A:\n    def __iter__(s): return iter([S])\na=A()", "sum(a)", "S=3.0"),
    "an attribute of a metaclass": ("class T(type): a=2.0\nclass C(metaclass=T): pass", "C.a", "T.a=3.0"),
    "what __call__ of a metaclass gives": (
        "S=2.0\nclass T(type):\n    def __call__(c): return S\nclass C(metaclass=T): pass",
        "C()",
        "S=3.0",
    ),
    "what __getattr__ of a metaclass gives": (
        "S=2.0\nclass T(type):\n    def __getattr__(c,n): return S\nclass C(metaclass=T): pass",
        "C.zz",
        "S=3.0",
    ),
    "what __len__ of a metaclass gives": (
        "S=2\nclass T(type):\n    def __len__(c): return S\nclass C(metaclass=T): pass",
        "float(len(C))",
        "S=3",
    ),
    "what __missing__ gives": ("S=2.0\nclass A(dict):\n    def __missing__(s,k): return S\na=A()", "a['x']", "S=3.0"),
    "what __next__ gives": (
        "S=2.0\nclass A:\n    def __iter__(s): return s\n    def __next__(s): return S\na=A()",
        "next(a)",
        "S=3.0",
    ),
    "a function wrapped like one of nanolstm's": (
        "import functools\nS=2.0\n@functools.wraps(nl.sigmoid)\ndef f(x): return S",
        "f(1.0)",
        "S=3.0",
    ),
    "the legacy mode of NumPy's printing": (
        "",
        "2.0 if repr(np.float64(1.0)).startswith('np') else 3.0",
        "np.set_printoptions(legacy='1.25')",
    ),
    "what __post_init__ reads": (
        "import dataclasses\nS=2.0\n@dataclasses.dataclass\nclass C:\n    a: float = 0.0\n"
        "    def __post_init__(s): s.a=S",
        "C().a",
        "S=3.0",
    ),
    "what __set_name__ reads": (
        "S=2.0\nclass D:\n    def __set_name__(s,o,n): s.a=S\n    def __get__(s,i,k): return s.a\ndef f():\n"
        "    class C:\n        d=D()\n    return C.d",
        "f()",
        "S=3.0",
    ),
    "a registration of singledispatchmethod": (
        "import functools\nclass C:\n    @functools.singledispatchmethod\n    def f(s,a): return 2.0\nc=C()",
        "c.f(1)",
        "C.f.register(int)(lambda s,a: 3.0)",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_is_run_without_being_named_is_seen_to_change(case, monkeypatch):
    begin, read, change = CHANGES[case]
    home = types.ModuleType("notebook")
    home.__dict__.update(np=np, nl=nl, Cell=Cell, Gate=Gate, gate=gate)
    monkeypatch.setitem(sys.modules, "notebook", home)
    exec(begin, home.__dict__)
    exec(
        "class Mine(Cell):\n    new: Gate = gate(np.tanh)\n    def step(self, x, h):\n"
        f"        h = ({read}) * self.new(x, h)\n        return h, h\n"
        f"def loss(prediction, target): return ({read}) * np.mean((prediction - target) ** 2)",
        home.__dict__,
    )
    model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=0), backend="numpy")
    values = []
    with np.printoptions():
        for text in ("", change):
            exec(text, home.__dict__)
            y = model(X)  # the step itself is run
            for _ in range(2):
                value, _ = model.value_and_grad(X, TARGET, loss=home.loss)
                assert value == pytest.approx(home.loss(y, TARGET), rel=1e-12)
            values.append(value)
    assert values[0] != pytest.approx(values[1], rel=1e-3)
