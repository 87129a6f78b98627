"""Nothing that a step, an activation or a loss reads may change without being noticed by what was traced before.

Each case is a module: how it begins, an expression for a number that is 2, and what makes 3 of it. Results are compared
with the recurrence written out by hand, and gradients with its differences.
"""

import decimal
import sys
import types
import warnings

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Cell, Gate, gate
from nanolstm.errors import KernelWarning

CHANGES = {
    # Functions
    "an attribute of a function": ("def f(): return f.scale\nf.scale = 2.0", "f()", "f.scale = 3.0"),
    "a function's default": ("def f(a=2.0): return a", "f()", "f.__defaults__ = (3.0,)"),
    "a keyword's default": ("def f(*, a=2.0): return a", "f()", "f.__kwdefaults__['a'] = 3.0"),
    "a list as default": ("def f(a=[2.0]): return a[0]", "f()", "f.__defaults__[0][0] = 3.0"),
    "a function's code": ("def f(): return 2.0\ndef g(): return 3.0", "f()", "f.__code__ = g.__code__"),
    "a function's name": ("def f(): pass", "2.0 if f.__name__ == 'f' else 3.0", "f.__name__ = 'g'"),
    "an attribute added to a function": (
        "def f(): return getattr(f, 'scale', 2.0)",
        "f()",
        "f.scale = 3.0",
    ),
    "a nonlocal variable": (
        "def make():\n    scale = 2.0\n    def read(): return scale\n    def write(v):\n        nonlocal scale\n"
        "        scale = v\n    return read, write\nread, write = make()",
        "read()",
        "write(3.0)",
    ),
    "a module in a closure": (
        "import types\ndef make():\n    conf = types.ModuleType('conf')\n    conf.scale = 2.0\n"
        "    def read(): return conf.scale\n    return conf, read\nheld, read = make()",
        "read()",
        "held.scale = 3.0",
    ),
    "a cached function": (
        "import functools\nscale = 2.0\n@functools.cache\ndef f(): return scale\nf()",
        "f()",
        "scale = 3.0\nf.cache_clear()",
    ),
    "an entry of a cache, emptied after the change was seen": (
        "import functools\nscale = 2.0\n@functools.lru_cache\ndef f(): return scale",
        "f()",
        "scale = 3.0\nf.cache_clear()",
    ),
    "a registration of singledispatch": (
        "import functools\n@functools.singledispatch\ndef f(a): return 2.0",
        "f(1)",
        "f.register(int, lambda a: 3.0)",
    ),
    "a function wrapped like one of NumPy's": (
        "import functools\nscale = 2.0\n@functools.wraps(np.sum)\ndef f(): return scale",
        "f()",
        "scale = 3.0",
    ),
    "a mutable argument of a partial": (
        "import functools\nheld = [2.0]\nf = functools.partial(lambda a: a[0], held)",
        "f()",
        "held[0] = 3.0",
    ),
    "the state of a partial": (
        "import functools\nf = functools.partial(float, 2.0)",
        "f()",
        "f.__setstate__((float, (3.0,), {}, {}))",
    ),
    "an attribute of a partial": (
        "import functools\nf = functools.partial(float)\nf.scale = 2.0",
        "f.scale",
        "f.scale = 3.0",
    ),
    "a function made by frompyfunc": (
        "scale = 2.0\nf = np.frompyfunc(lambda a: a * scale, 1, 1)",
        "float(f(1.0))",
        "scale = 3.0",
    ),
    "a function made by vectorize": (
        "scale = 2.0\nf = np.vectorize(lambda a: a * scale)",
        "float(f(1.0))",
        "scale = 3.0",
    ),
    # Containers
    "a list": ("held = [2.0]", "held[0]", "held[0] = 3.0"),
    "a dict": ("held = {'a': 2.0}", "held['a']", "held['a'] = 3.0"),
    "the keys of a dict": ("held = {'a': 1.0}", "3.0 - sum('a' in k for k in held)", "del held['a']\nheld['b'] = 1.0"),
    "a set": ("held = {2.0}", "max(held)", "held.add(3.0)"),
    "an attribute of a subclass of list": (
        "class L(list): pass\nheld = L([1.0])\nheld.scale = 2.0",
        "held[0] * held.scale",
        "held.scale = 3.0",
    ),
    "an attribute of a subclass of int": ("class I(int): pass\nheld = I(1)\nheld.a = 2.0", "held.a", "held.a = 3.0"),
    "an attribute of a subclass of tuple": ("class T(tuple): pass\nheld = T()\nheld.a = 2.0", "held.a", "held.a = 3.0"),
    "a deque": ("import collections\nheld = collections.deque([2.0])", "held[0]", "held[0] = 3.0"),
    "a subclass of deque": (
        "import collections\nclass D(collections.deque): pass\nheld = D([2.0])",
        "held[0]",
        "held[0] = 3.0",
    ),
    "an array.array": ("import array\nheld = array.array('d', [2.0])", "held[0]", "held[0] = 3.0"),
    "a subclass of array.array": (
        "import array\nclass A(array.array): pass\nheld = A('d', [2.0])",
        "held[0]",
        "held[0] = 3.0",
    ),
    "a bytearray": ("held = bytearray(b'\\2')", "float(held[0])", "held[0] = 3"),
    "a subclass of bytearray": ("class B(bytearray): pass\nheld = B(b'\\2')", "float(held[0])", "held[0] = 3"),
    "a view of memory": (
        "import array\nheld = array.array('d', [2.0])\nview = memoryview(held)",
        "view[0]",
        "held[0] = 3.0",
    ),
    "the order of an OrderedDict": (
        "import collections\nheld = collections.OrderedDict(a=2.0, b=3.0)",
        "next(iter(held.values()))",
        "held.move_to_end('a')",
    ),
    "the default of a defaultdict": (
        "import collections\nheld = collections.defaultdict(lambda: 2.0)",
        "held.default_factory()",
        "held.default_factory = lambda: 3.0",
    ),
    "a counter": ("import collections\nheld = collections.Counter('aa')", "float(held['a'])", "held.update('a')"),
    "a ChainMap": ("import collections\nheld = collections.ChainMap({'a': 2.0})", "held['a']", "held['a'] = 3.0"),
    "a UserDict": ("import collections\nheld = collections.UserDict(a=2.0)", "held['a']", "held['a'] = 3.0"),
    "a dict behind a proxy": (
        "import types\nbehind = {'a': 2.0}\nheld = types.MappingProxyType(behind)",
        "held['a']",
        "behind['a'] = 3.0",
    ),
    "a generator": (
        "scale = 2.0\ndef make():\n    while True: yield scale\nheld = make()",
        "next(held)",
        "scale = 3.0",
    ),
    "a mapping of its own kind": (
        "import collections.abc\nstore = {'a': 2.0}\nclass M(collections.abc.Mapping):\n    __slots__ = ()\n"
        "    def __getitem__(self, k): return store[k]\n    def __iter__(self): return iter(('b',))\n"
        "    def __len__(self): return 1\nheld = M()",
        "held['a']",
        "store['a'] = 3.0",
    ),
    # Arrays
    "an element of an array": ("held = np.array([2.0])", "held[0]", "held[0] = 3.0"),
    "an array behind a view": ("behind = np.array([1.0, 2.0])\nheld = behind[1:]", "held[0]", "behind[1] = 3.0"),
    "the shape of an array": ("held = np.zeros((2, 3))", "float(held.shape[0])", "held.shape = (3, 2)"),
    "the dtype of an array": ("held = np.zeros(1)", "2.0 if held.dtype.kind == 'f' else 3.0", "held.dtype = np.int64"),
    "an object in an array": ("held = np.array([[2.0], None], dtype=object)", "held[0][0]", "held[0][0] = 3.0"),
    "a field of a structured array": ("held = np.array([(2.0,)], [('a', float)])", "held['a'][0]", "held['a'] = 3.0"),
    "an attribute of a subclass of ndarray": (
        "class A(np.ndarray): pass\nheld = np.zeros(1).view(A)\nheld.a = 2.0",
        "held.a",
        "held.a = 3.0",
    ),
    "the mask of an array": (
        "held = np.ma.masked_array([2.0, 3.0], [False, False])",
        "float(held.compressed()[0])",
        "held[0] = np.ma.masked",
    ),
    # Objects and classes
    "an attribute of an object": ("class C: pass\nheld = C()\nheld.a = 2.0", "held.a", "held.a = 3.0"),
    "an attribute that shadows that of the class": ("class C: a = 2.0\nheld = C()", "held.a", "held.a = 3.0"),
    "attributes that change places": (
        "class C: pass\nheld = C()\nheld.a = held.b = None",
        "2.0 if hasattr(held, 'a') else 3.0",
        "del held.a, held.b\nheld.c = held.b = None",
    ),
    "the dict of an object": ("class C: pass\nheld = C()\nheld.a = 2.0", "held.a", "held.__dict__ = {'a': 3.0}"),
    "a slot": ("class C: __slots__ = ('a',)\nheld = C()\nheld.a = 2.0", "held.a", "held.a = 3.0"),
    "a private slot": (
        "class C:\n    __slots__ = ('__a',)\n    def read(self): return self.__a\n"
        "    def write(self, a): self.__a = a\nheld = C()\nheld.write(2.0)",
        "held.read()",
        "held.write(3.0)",
    ),
    "a slot of a dataclass": (
        "import dataclasses\n@dataclasses.dataclass(slots=True)\nclass C:\n    a: float\nheld = C(2.0)",
        "held.a",
        "held.a = 3.0",
    ),
    "a field of an attrs class": (
        "import attrs\n@attrs.define\nclass C:\n    a: float\nheld = C(2.0)",
        "held.a",
        "held.a = 3.0",
    ),
    "a list in a NamedTuple": (
        "import typing\nclass N(typing.NamedTuple):\n    a: list\nheld = N([2.0])",
        "held.a[0]",
        "held.a[0] = 3.0",
    ),
    "the class of an object": (
        "class C: a = 2.0\nclass D: a = 3.0\nheld = C()",
        "held.a",
        "held.__class__ = D",
    ),
    "the bases of a class": (
        "class A: a = 2.0\nclass B: a = 3.0\nclass C(A): pass\nheld = C()",
        "held.a",
        "C.__bases__ = (B,)",
    ),
    "a class attribute": ("class C: a = 2.0", "C.a", "C.a = 3.0"),
    "a class attribute with a special name": ("class C: __a__ = 2.0", "C.__a__", "C.__a__ = 3.0"),
    "a property": (
        "scale = 2.0\nclass C:\n    @property\n    def a(self): return scale\nheld = C()",
        "held.a",
        "scale = 3.0",
    ),
    "a property of a metaclass": (
        "class M(type):\n    @property\n    def a(cls): return M.held\nM.held = 2.0\nclass C(metaclass=M): pass",
        "C.a",
        "M.held = 3.0",
    ),
    "a descriptor": (
        "class D:\n    def __get__(self, owner, kind): return self.a\nd = D()\nd.a = 2.0\nclass C: a = d\nheld = C()",
        "held.a",
        "d.a = 3.0",
    ),
    "a method with a special name": (
        "scale = 2.0\nclass C:\n    def __float__(self): return scale\nheld = C()",
        "float(held)",
        "scale = 3.0",
    ),
    "what __getattr__ gives": (
        "store = {'a': 2.0}\nclass C:\n    def __getattr__(self, name): return store[name]\nheld = C()",
        "held.a",
        "store['a'] = 3.0",
    ),
    "what __getitem__ gives": (
        "scale = 2.0\nclass C:\n    def __getitem__(self, i): return scale\nheld = C()",
        "held[0]",
        "scale = 3.0",
    ),
    "what __init__ reads": (
        "scale = 2.0\nclass C:\n    def __init__(self): self.a = scale\n",
        "C().a",
        "scale = 3.0",
    ),
    "what a default factory reads": (
        "import dataclasses\nscale = 2.0\n@dataclasses.dataclass\nclass C:\n"
        "    a: float = dataclasses.field(default_factory=lambda: scale)",
        "C().a",
        "scale = 3.0",
    ),
    "what a converter of attrs reads": (
        "import attrs\nscale = 2.0\n@attrs.define\nclass C:\n    a: float = attrs.field(converter=lambda a: a * scale)",
        "C(1.0).a",
        "scale = 3.0",
    ),
    "what a class method reads": (
        "scale = 2.0\nclass C:\n    @classmethod\n    def f(cls): return scale",
        "C.f()",
        "scale = 3.0",
    ),
    "a method that is replaced": (
        "class C:\n    def f(self): return 2.0\nheld = C()",
        "held.f()",
        "C.f = lambda self: 3.0",
    ),
    "a bound method": (
        "class C:\n    def f(self): return self.a\nheld = C()\nheld.a = 2.0\nf = held.f",
        "f()",
        "held.a = 3.0",
    ),
    "a method of a list": ("held = [2.0]\nf = held.copy", "f()[0]", "held[0] = 3.0"),
    "a class registered with an ABC": (
        "import abc\nclass A(abc.ABC): pass\nclass C: pass\nheld = C()",
        "3.0 if isinstance(held, A) else 2.0",
        "A.register(C)",
    ),
    "the value of a member of an enum": (
        "import enum\nclass E(enum.Enum):\n    A = [2.0]",
        "E.A.value[0]",
        "E.A.value[0] = 3.0",
    ),
    "an attribute of a member of an enum": (
        "import enum\nclass E(enum.Enum):\n    A = 1\nE.A.scale = 2.0",
        "E['A'].scale",
        "E.A.scale = 3.0",
    ),
    "a namespace": ("import types\nheld = types.SimpleNamespace(a=2.0)", "held.a", "held.a = 3.0"),
    "what attrgetter finds": (
        "import operator\nclass C: pass\nheld = C()\nheld.a = 2.0\nread = operator.attrgetter('a')",
        "read(held)",
        "held.a = 3.0",
    ),
    "an attribute found by a name that is computed": (
        "class C: pass\nheld = C()\nheld.a = 2.0\nname = 'A'",
        "getattr(held, name.lower())",
        "held.a = 3.0",
    ),
    "an attribute found by a format": (
        "class C: pass\nheld = C()\nheld.a = 2.0",
        "float('{0.a}'.format(held))",
        "held.a = 3.0",
    ),
    "an attribute found by a format that is read": (
        "class C: pass\nheld = C()\nheld.a = 2.0\ntext = '{0.a}'",
        "float(text.format(held))",
        "held.a = 3.0",
    ),
    "a member of an enum found by a name that is read": (
        "import enum\nclass E(enum.Enum):\n    A = 1\nE.A.scale = 2.0\nname = 'A'",
        "E[name].scale",
        "E.A.scale = 3.0",
    ),
    "a method that a function of NumPy calls": (
        "from numpy import sum as total\nscale = 2.0\nclass C:\n    def sum(self, **more): return scale\nheld = C()",
        "total(held)",
        "scale = 3.0",
    ),
    "a method that dict calls": (
        "names = ['a']\nclass C:\n    def keys(self): return names\n    def __getitem__(self, name): return 1.0\n"
        "held = C()",
        "1.0 + sum(dict(held).values())",
        "names.append('b')",
    ),
    "the array behind a view": (
        "behind = np.array([2.0, 1.0])\nheld = behind[1:]",
        "held.base[0]",
        "behind[0] = 3.0",
    ),
    "an object of a class without hash": (
        "class M(type):\n    def __eq__(self, other): return self is other\nclass C(metaclass=M): pass\n"
        "held = C()\nheld.a = 2.0",
        "held.a",
        "held.a = 3.0",
    ),
    # Modules and names
    "a global variable": ("scale = 2.0", "scale", "scale = 3.0"),
    "a global variable of another type": ("scale = 1", "3.0 if type(scale) is bool else 2.0", "scale = True"),
    "a zero of another sign": ("scale = 0.0", "2.0 if np.copysign(1.0, scale) > 0 else 3.0", "scale = -0.0"),
    "sys.modules": ("import sys\nscale = 2.0", "sys.modules[__name__].scale", "scale = 3.0"),
    "globals()": ("scale = 2.0", "globals()['scale']", "scale = 3.0"),
    "a module by getattr": (
        "import sys\nscale = 2.0\nme = sys.modules[__name__]",
        "getattr(me, 'sc' + 'ale')",
        "scale = 3.0",
    ),
    "a module that is passed on": (
        "import sys\nscale = 2.0\nme = sys.modules[__name__]\ndef f(m): return m.scale",
        "f(me)",
        "scale = 3.0",
    ),
    "a module by import_module": (
        "import importlib\nscale = 2.0",
        "importlib.import_module(__name__).scale",
        "scale = 3.0",
    ),
    "a module in a list": ("import sys\nscale = 2.0\nheld = [sys.modules[__name__]]", "held[0].scale", "scale = 3.0"),
    "a module's __getattr__": (
        "import types\nstore = {'a': 2.0}\nconf = types.ModuleType('conf')\nconf.__getattr__ = store.__getitem__",
        "conf.a",
        "store['a'] = 3.0",
    ),
    "the globals of a function": ("scale = 2.0\ndef f(): pass", "f.__globals__['scale']", "scale = 3.0"),
    "a frame": ("import sys\nscale = 2.0", "sys._getframe().f_globals['scale']", "scale = 3.0"),
    "a function of math that is replaced": (
        "import math, types\nmath = types.ModuleType('math')\nmath.f = lambda: 2.0",
        "math.f()",
        "math.f = lambda: 3.0",
    ),
    "a built-in that is shadowed": ("", "float(len('ab'))", "len = lambda text: 3"),
    "a built-in that is not shadowed any more": ("def len(text): return 1", "1.0 + len('ab')", "del len"),
    "a built-in that is replaced": (
        "import builtins\nbuiltins.nanolstm_test = 2.0",
        "nanolstm_test",
        "builtins.nanolstm_test = 3.0",
    ),
    "a module that the step imports": (
        "import sys, types\nsys.modules['nanolstm_test'] = types.ModuleType('x')\n"
        "sys.modules['nanolstm_test'].a = 2.0\n"
        "def f():\n    import nanolstm_test\n    return nanolstm_test.a",
        "f()",
        "sys.modules['nanolstm_test'].a = 3.0",
    ),
    "a name that the step imports": (
        "import sys, types\nsys.modules['nanolstm_test'] = types.ModuleType('x')\n"
        "sys.modules['nanolstm_test'].a = 2.0\n"
        "def f():\n    from nanolstm_test import a\n    return a",
        "f()",
        "sys.modules['nanolstm_test'].a = 3.0",
    ),
    "os.getenv, imported in the step": (
        "def f():\n    import os\n    return float(os.getenv('NANOLSTM_TEST', 2))",
        "f()",
        "import os\nos.environ['NANOLSTM_TEST'] = '3'",
    ),
    "os.getenv, imported in the step by name": (
        "def f():\n    from os import getenv as read\n    return float(read('NANOLSTM_TEST', 2))",
        "f()",
        "import os\nos.environ['NANOLSTM_TEST'] = '3'",
    ),
    # What lies outside of Python's objects
    "os.getenv": (
        "import os\nos.environ['NANOLSTM_TEST'] = '2'",
        "float(os.getenv('NANOLSTM_TEST'))",
        "os.environ['NANOLSTM_TEST'] = '3'",
    ),
    "os.environ": (
        "import os\nos.environ['NANOLSTM_TEST'] = '2'",
        "float(os.environ['NANOLSTM_TEST'])",
        "os.environ['NANOLSTM_TEST'] = '3'",
    ),
    "a variable of the environment by name": (
        "from os import environ\nenviron['NANOLSTM_TEST'] = '2'",
        "float(environ.get('NANOLSTM_TEST', 0))",
        "environ['NANOLSTM_TEST'] = '3'",
    ),
    "a file": (
        "file = folder / 'a'\nfile.write_text('2')\ndef f():\n    with open(file) as text: return float(text.read())",
        "f()",
        "file.write_text('3')",
    ),
    "a path": ("file = folder / 'a'\nfile.write_text('2')", "float(file.read_text())", "file.write_text('3')"),
    "a file that NumPy reads": (
        "file = folder / 'a'\nfile.write_text('2')",
        "float(np.loadtxt(file))",
        "file.write_text('3')",
    ),
    "a file that is mapped": (
        "file = folder / 'a'\nnp.array([2.0]).tofile(file)\nheld = np.memmap(file, float, 'r')",
        "float(held[0])",
        "writes = np.memmap(file, float, 'r+')\nwrites[0] = 3.0\nwrites.flush()",
    ),
    "a context variable": (
        "import contextvars\nheld = contextvars.ContextVar('held')\nheld.set(2.0)",
        "held.get()",
        "held.set(3.0)",
    ),
    "the context of decimal": (
        "import decimal\nheld = decimal.Decimal('2.6')",
        "2.0 if +held == held else 3.0",
        "decimal.getcontext().prec = 1",
    ),
    "a variable of a thread": ("import threading\nheld = threading.local()\nheld.a = 2.0", "held.a", "held.a = 3.0"),
    "a weak reference": (
        "import weakref\nclass C: pass\nalive = [C()]\nheld = weakref.ref(alive[0])",
        "3.0 if held() is None else 2.0",
        "alive.clear()",
    ),
    "a weak dict": (
        "import weakref\nclass C: pass\nc = C()\nheld = weakref.WeakKeyDictionary({c: 2.0})",
        "held.get(c, 3.0)",
        "del held[c]",
    ),
    "a number of ctypes": ("import ctypes\nheld = ctypes.c_double(2.0)", "held.value", "held.value = 3.0"),
    "how NumPy prints": (
        "held = np.array([2.0 + 2 / 3])",
        "2.0 if len(str(held)) > 7 else 3.0",
        "np.set_printoptions(precision=2)",
    ),
    "how NumPy prints, in an f-string": (
        "held = np.array([2.0 + 2 / 3])",
        "2.0 if len(f'{held}') > 7 else 3.0",
        "np.set_printoptions(precision=2)",
    ),
    "the filters of warnings": (
        "import warnings",
        "2.0 if not any(f[1] is not None and 'nanolstm-x' in f[1].pattern for f in warnings.filters) else 3.0",
        "warnings.filterwarnings('error', 'nanolstm-x')",
    ),
    "the limit of recursion": (
        "import sys\nbefore = sys.getrecursionlimit()",
        "2.0 + (sys.getrecursionlimit() > before)",
        "sys.setrecursionlimit(before + 1)",
    ),
    "the classes that are derived from one": ("class C: pass", "2.0 + len(C.__subclasses__())", "class D(C): pass"),
}

# When a batch runs in NumPy it is compared with its examples alone, where errors are ignored; so not for steps.
OF_ERRORS = {
    "how NumPy treats errors": ("", "2.0 if np.geterr()['divide'] == 'warn' else 3.0", "np.seterr(divide='ignore')"),
    "an error that NumPy may raise": (
        "np.seterr(divide='ignore')\ndef f():\n    try: np.log(np.zeros(1))\n"
        "    except FloatingPointError: return 3.0\n    return 2.0",
        "f()",
        "np.seterr(divide='raise')",
    ),
    "any error at all": (
        "np.seterr(divide='ignore')\ndef f():\n    try: np.log(np.zeros(1))\n    except: return 3.0\n    return 2.0",
        "f()",
        "np.seterr(divide='raise')",
    ),
}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """Cases change what belongs to the process."""
    monkeypatch.setenv("NANOLSTM_TEST", "2")
    monkeypatch.setattr("builtins.nanolstm_test", None, raising=False)
    monkeypatch.setitem(sys.modules, "nanolstm_test", None)
    limit = sys.getrecursionlimit()
    with np.errstate(), np.printoptions(), warnings.catch_warnings(), decimal.localcontext():
        warnings.filterwarnings("ignore", ".* is traced anew at each call", KernelWarning)
        yield
    sys.setrecursionlimit(limit)


@pytest.fixture(params=["numpy", "numba"])
def backend(request):
    if request.param == "numba":
        pytest.importorskip("numba", reason="the kernels are compiled by Numba")
    return request.param


@pytest.fixture
def module(monkeypatch, tmp_path):
    """A function that makes a module of a text; what it is given is there already."""

    def make(text, **names):
        made = types.ModuleType("notebook")
        made.__dict__.update(np=np, nl=nl, Cell=Cell, Gate=Gate, gate=gate, folder=tmp_path, **names)
        monkeypatch.setitem(sys.modules, "notebook", made)
        exec(text, made.__dict__)
        return made

    return make


CELL = """
class Mine(Cell):
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = {} * self.new(x, h)
        return h, h
"""
rng = np.random.default_rng(0)
X, TARGET = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 4, 3))


def by_hand(parameters, scale):
    """The outputs of Mine, without anything of nanolstm's."""
    h, outputs = np.zeros((3, 3)), []
    for t in range(4):
        h = scale * np.tanh(X[:, t] @ parameters["new.U"].T + h @ parameters["new.W"].T + parameters["new.b"])
        outputs.append(h)
    return np.stack(outputs, axis=1)


def slope(parameters, scale, direction, of_loss=1.0):
    """The derivative of the loss in a direction of the parameters, by central differences."""
    step = 1e-5
    ends = (
        of_loss
        * np.mean((by_hand({n: v + sign * step * direction[n] for n, v in parameters.items()}, scale) - TARGET) ** 2)
        for sign in (1, -1)
    )
    return (next(ends) - next(ends)) / (2 * step)


def check(model, scale, *, loss="mse", of_loss=1.0):
    """The model is the one with this number in its step, and this one in its loss, each time that it is called."""
    parameters = {name: np.array(value) for name, value in model.parameters.items()}
    y, direction = (
        by_hand(parameters, scale),
        {n: np.cos(np.arange(v.size)).reshape(v.shape) for n, v in parameters.items()},
    )
    for _ in range(3):
        value, grads = model.value_and_grad(X, TARGET, loss=loss)
        assert value == pytest.approx(of_loss * np.mean((y - TARGET) ** 2), rel=1e-12)
        found = sum(np.sum(grads[name] * direction[name]) for name in grads)
        assert found == pytest.approx(slope(parameters, scale, direction, of_loss), rel=1e-6)
    return y


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_of_what_a_step_reads_is_seen(case, backend, module):
    begin, read, change = CHANGES[case]
    home = module(begin)
    exec(CELL.format(f"({read})"), home.__dict__)
    model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=0), backend=backend)
    old = model.stepper(batch=3)
    for scale in (2.0, 3.0):
        if scale == 3.0:
            exec(change, home.__dict__)
        y = check(model, scale)
        old.reset()
        for t in range(4):
            np.testing.assert_allclose(old(X[:, t]), y[:, t], rtol=0, atol=1e-12)
        np.testing.assert_allclose(model(X), y, rtol=0, atol=1e-12)
        np.testing.assert_allclose(model.record(X)["h"], y, rtol=0, atol=1e-12)
        stepper = model.stepper(batch=3)
        for t in range(4):
            np.testing.assert_allclose(stepper(X[:, t]), y[:, t], rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CHANGES | OF_ERRORS)
def test_a_change_of_what_a_loss_reads_is_seen(case, backend, module):
    begin, read, change = (CHANGES | OF_ERRORS)[case]
    home = module(begin)
    exec(f"def loss(y, target):\n    return ({read}) * np.mean((y - target) ** 2)", home.__dict__)
    exec(CELL.format("1.5"), home.__dict__)
    model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=0), backend=backend)
    check(model, 1.5, loss=home.loss, of_loss=2.0)
    exec(change, home.__dict__)
    check(model, 1.5, loss=home.loss, of_loss=3.0)


@pytest.mark.parametrize("case", CHANGES | OF_ERRORS)
def test_a_change_of_what_an_activation_reads_is_seen(case, module):
    begin, read, change = (CHANGES | OF_ERRORS)[case]
    home = module(begin)
    exec(f"def act(a): return ({read}) * np.tanh(a)", home.__dict__)
    exec(CELL.format("1.0").replace("gate(np.tanh)", "gate(act)"), home.__dict__)
    model = nl.Sequence(home.Mine(inputs=2, hidden=3, rng=0), backend="numpy")
    check(model, 2.0)
    exec(change, home.__dict__)
    check(model, 3.0)
