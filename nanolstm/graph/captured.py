"""What code reads beside its arguments: the constants that a trace of it bakes in.

A trace is kept and used again as long as a new one would give the same. So whatever a step can reach is looked at: its
code, its closure and defaults, the globals that its code names, and the same of every function among them. Changing
any of it, or redefining it in a notebook, changes the fingerprint. Where something cannot be looked into there is no
fingerprint, and nothing is kept.
"""

from __future__ import annotations

import dis
import enum
import functools
import sys
import types
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

import attrs
import numpy as np

LIBRARIES = sys.stdlib_module_names | {"numpy", "scipy", "nanolstm"}
"""Modules whose code stays as it is while a program runs."""


@attrs.frozen(eq=False)
class Is:
    """Equal for the same object alone."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Is) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@attrs.frozen
class Code:
    """Equal for equal code."""

    code: types.CodeType


PLAIN = {type(None), bool, int, str, bytes, types.EllipsisType, Is, Code}


class UnknownError(Exception):
    """Something that cannot be looked into."""


def fingerprint(*values: Any) -> Hashable:
    """What is equal for equal `values` and changes with everything that they reach; None if that is unknown."""
    try:
        return tuple(_of(value, {}) for value in values)
    except UnknownError:
        return None


def _of(value: Any, seen: dict[int, int]) -> Hashable:
    if type(value) in PLAIN:
        return (type(value), value)
    if isinstance(value, float | complex | slice):
        return (type(value), repr(value))  # NaN is not equal to itself, and -0.0 is to 0.0
    if isinstance(value, enum.Enum | np.dtype):
        return value
    if issubclass(type(value), np.ndarray | np.generic) and value.dtype.kind in "biufcUS":
        return ("array", value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, types.ModuleType | types.BuiltinFunctionType | np.ufunc) or _in_library(value):
        return Is(value)
    if id(value) in seen:  # a function that calls itself, an object that holds itself
        return ("again", seen[id(value)])
    seen[id(value)] = len(seen)
    return (type(value).__name__, *(_of(part, seen) for part in _parts(value)))


def _in_library(value: Any) -> bool:
    module = getattr(value, "__module__", None) if isinstance(value, type | Callable) else None
    return isinstance(module, str) and module.partition(".")[0] in LIBRARIES


def _parts(value: Any) -> Iterator[Any]:
    """What `value` consists of."""
    if isinstance(value, types.FunctionType):
        yield from _parts_of_function(value)
    elif isinstance(value, types.MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, functools.partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, staticmethod | classmethod | functools.cached_property | property):
        yield from (getattr(value, name, None) for name in ("__func__", "func", "fget"))
    elif isinstance(value, tuple | list):
        yield from value
    elif isinstance(value, Mapping):
        for item in value.items():
            yield from item
    elif isinstance(value, set | frozenset):
        yield from sorted(value, key=repr)
    elif isinstance(value, type):
        yield from (Is(value), *_members(value))
    elif hasattr(value, "__dict__") and not isinstance(value, types.GeneratorType):
        yield from (Is(type(value)), vars(value))
        if attrs.has(type(value)) or not callable(value):
            return
        yield type(value)
    else:
        raise UnknownError(value)


def _members(kind: type) -> Iterator[Any]:
    """What a class of the author holds: methods and plain attributes, also of its bases outside of the libraries."""
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] not in LIBRARIES:
            for name, member in vars(base).items():
                if name == "__call__" or not name.startswith("__"):
                    yield from (name, member)


def _parts_of_function(function: types.FunctionType) -> Iterator[Any]:
    yield from (Code(function.__code__), function.__defaults__, function.__kwdefaults__)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            yield None
    for name, *path in reads(function.__code__):
        if name not in function.__globals__:
            continue  # a builtin, or a name that running it will find missing
        value = function.__globals__[name]
        while isinstance(value, types.ModuleType) and path and value.__name__.partition(".")[0] not in LIBRARIES:
            value = getattr(value, path.pop(0), None)
        if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] not in LIBRARIES:
            raise UnknownError(value)
        yield value


@functools.lru_cache(maxsize=1024)
def reads(code: types.CodeType) -> tuple[tuple[str, ...], ...]:
    """The globals that `code` names, each with the attributes that it reads of it one after the other."""
    found: list[list[str]] = []
    following = False
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            found.append([str(step.argval)])
            following = True
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and following:
            found[-1].append(str(step.argval))
        elif step.opname not in ("CACHE", "PRECALL", "PUSH_NULL"):
            following = False
    inner = [path for const in code.co_consts if isinstance(const, types.CodeType) for path in reads(const)]
    return (*(tuple(path) for path in found), *inner)


def functions_of(kind: type, stop: type) -> Iterable[Any]:
    """What a subclass of `stop` defines itself, and what its bases below `stop` define."""
    below = kind.__mro__[: kind.__mro__.index(stop)]
    return [
        (name, member)
        for base in below
        for name, member in vars(base).items()
        if name == "__call__" or not name.startswith("__")
    ]
