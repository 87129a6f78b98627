"""What belongs to Python, NumPy, SciPy, attrs and nanolstm, and which of it depends on its arguments alone.

This is a list of what is known. Anything that is not on it (files, the environment, clocks, contexts, the interpreter
itself) may give something else at the next call, so that no trace is kept that depends on it.
"""

from __future__ import annotations

import builtins
import collections
import functools
import os
import re
import sys
import sysconfig
from pathlib import Path
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import attr
import numpy as np

_MODULES = {
    *("_bisect", "_collections", "_collections_abc", "_functools", "_heapq", "_operator", "abc", "attr", "bisect"),
    *("cmath", "collections", "contextlib", "copy", "dataclasses", "enum", "fractions", "functools", "heapq"),
    *("itertools", "math", "numbers", "operator", "re", "reprlib", "string", "types", "typing"),
    *("nanolstm.cells", "nanolstm.checking", "nanolstm.diagnosis", "nanolstm.errors", "nanolstm.language"),
    *("nanolstm.sequence", "scipy.special"),
}
"""Modules whose functions and classes depend on nothing else, but for these."""

_EXCEPT = {
    ("contextlib", "suppress"),
    *(("attr", name) for name in ("asdict", "assoc", "astuple", "evolve", "fields", "fields_dict", "resolve_types")),
    *(("attr", name) for name in ("get_disabled", "get_run_validators")),
    *(("dataclasses", name) for name in ("asdict", "astuple", "fields", "replace")),
    ("nanolstm.sequence", "Sequence"),
    ("typing", "get_type_hints"),
}

_BUILTINS = {
    *("abs", "aiter", "all", "anext", "any", "ascii", "bin", "bool", "bytearray", "bytes", "callable", "chr"),
    *("classmethod", "complex", "delattr", "dict", "divmod", "enumerate", "filter", "float", "format", "frozenset"),
    *("getattr", "hasattr", "hex", "int", "isinstance", "issubclass", "iter", "len", "list", "map", "max", "min"),
    *("next", "object", "oct", "ord", "pow", "print", "property", "range", "repr", "reversed", "round", "set"),
    *("setattr", "slice", "sorted", "staticmethod", "str", "sum", "super", "tuple", "type", "zip"),
    *(name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)),
}

_NUMPY = {
    *("arange", "array", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray"),
    *("bartlett", "blackman", "broadcast", "broadcast_shapes", "diag_indices", "dtype", "empty", "eye", "fftfreq"),
    *("finfo", "frombuffer", "fromfunction", "fromiter", "full", "hamming", "hanning", "identity", "iinfo", "indices"),
    *("isdtype", "isfortran", "isscalar", "issubdtype", "iterable", "kaiser", "mask_indices", "ndarray", "ndenumerate"),
    *("ndindex", "ones", "poly1d", "promote_types", "require", "rfftfreq", "tri", "tril_indices", "triu_indices"),
    *("typename", "ufunc", "vectorize", "zeros"),
    "errstate",  # sets what the code that is traced does not read
}
"""Functions and classes of NumPy beside ufuncs, scalar types and those that follow `__array_function__`."""

_PRINTING = {"array2string", "array_repr", "array_str"}
_DISPATCHER = type(np.sum)

_METHODS = {ClassMethodDescriptorType, MethodDescriptorType, WrapperDescriptorType}
_IMMUTABLE = {
    *(type(x) for x in (sys.float_info, sys.int_info, sys.hash_info, sys.version_info)),
    *(CodeType, GetSetDescriptorType, MemberDescriptorType, collections._tuplegetter, re.Pattern),  # type: ignore[attr-defined]
    *(np.finfo, np.iinfo, *(type(x) for x in (np.s_, np.r_, np.c_, np.mgrid, np.ogrid))),
}
"""Types of which no instance changes."""

_STDLIB = f"{sysconfig.get_path('stdlib')}{os.sep}"
_PACKAGES = (*(f"{Path(str(m.__file__)).parent}{os.sep}" for m in (np, attr)), f"{Path(__file__).parents[1]}{os.sep}")


def is_constant(value: Any) -> bool:
    """Whether `value` is a function, a class or another object of a library that gives the same for equal arguments."""
    kind = type(value)
    if any(kind is known for known in _IMMUTABLE):
        return True
    if any(kind is known for known in _METHODS):
        return is_constant(value.__objclass__)
    if kind is FunctionType:  # one that was made for somebody may hold what is his
        at_home = value.__globals__.get(value.__name__) is value
        return at_home and is_of_library(value) and is_known_function(value)
    if kind is BuiltinFunctionType:
        return isinstance(value.__self__, ModuleType) and _is_listed(value.__self__.__name__, value.__name__, value)
    if kind is np.ufunc:  # not one made by np.frompyfunc
        special = sys.modules.get("scipy.special")
        return any(getattr(owner, value.__name__, None) is value for owner in (np, special))
    if kind is _DISPATCHER:
        return value.__module__.partition(".")[0] == "numpy" and value.__name__ not in _PRINTING
    if not issubclass(kind, type) or not is_of_library(value):
        return False
    scalar = issubclass(value, np.generic) and value.__module__ == "numpy"
    return scalar or _is_listed(value.__module__, value.__qualname__.partition(".")[0], value)


def is_known_function(function: FunctionType) -> bool:
    """Whether a function of a library, written in Python, depends on nothing but its arguments and its closure."""
    name = function.__code__.co_qualname.partition(".")[0]
    module = function.__globals__.get("__name__", "")
    return (module.startswith("numpy.") and name in _NUMPY) or _is_listed(module, name, function)


def is_known_method(method: BuiltinFunctionType) -> bool:
    """Whether a compiled function belongs to an object, or to a class that is constant; not to a module."""
    owner = method.__self__
    if not isinstance(owner, type):
        return owner is not None and not isinstance(owner, ModuleType)
    return any(method.__name__ in vars(base) and is_constant(base) for base in owner.__mro__)


def is_of_library(value: FunctionType | type) -> bool:
    """Whether a function or a class is part of Python itself, NumPy, SciPy, attrs or nanolstm.

    The names in it do not tell: `functools.wraps` copies them, and a file may be called as one of Python's modules.
    """
    if isinstance(value, FunctionType):
        return _is_file_of_library(value.__code__.co_filename)
    module = sys.modules.get(value.__module__)
    found: Any = module
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    if found is not value:
        return _is_static(value)
    file = getattr(module, "__file__", None)
    return _is_file_of_library(file) if file else value.__module__.partition(".")[0] in sys.stdlib_module_names


@functools.lru_cache(maxsize=4096)
def _is_file_of_library(file: str) -> bool:
    if file.startswith(_STDLIB):
        return "site-packages" not in file and "dist-packages" not in file
    return file.startswith(("<frozen ", *_PACKAGES))


def _is_static(kind: type) -> bool:
    """Whether a class is part of the interpreter or of a compiled module, and cannot be changed."""
    return not kind.__flags__ & 1 << 9


def _is_listed(module: str, name: str, value: Any) -> bool:
    if (module, name) == ("_warnings", "warn"):  # whose effect no value depends on, unless it is caught
        return True
    if module == "builtins":
        return name in _BUILTINS and getattr(builtins, name) is value
    if module.partition(".")[0] == "numpy":
        return name in _NUMPY and getattr(np, name, None) is value
    while module:
        if module in _MODULES:
            return (module, name) not in _EXCEPT
        module = module.rpartition(".")[0]
    return False


def described(value: Any) -> str:
    """What `value` is, for an error."""
    kind = type(value)
    if kind is ModuleType:
        return f"the module {value.__name__} as a whole"
    if issubclass(kind, type | FunctionType | BuiltinFunctionType):
        return f"{value.__module__ or kind.__name__}.{value.__qualname__}"
    return f"an object of type {kind.__module__}.{kind.__qualname__}"
