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
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from nanolstm.graph.tracer import Tracer

LIBRARIES = sys.stdlib_module_names | {"numpy", "scipy", "nanolstm"}
"""Modules whose code stays as it is while a program runs."""


class Is:
    """Equal for the same object alone, which it does not keep alive if that is possible."""

    def __init__(self, value: Any) -> None:
        """For `value`."""
        self._hash = id(value)
        try:
            self._get: Callable[[], Any] = weakref.ref(value)
        except TypeError:
            self._get = lambda: value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Is) and (mine := self._get()) is not None and mine is other._get()

    def __hash__(self) -> int:
        return self._hash


@attrs.frozen
class Code:
    """Equal for equal code."""

    code: types.CodeType


PLAIN = {type(None), bool, int, str, bytes, types.EllipsisType, Is, Code}


IMPORTED = "import"
"""Stands for a module that code imports while it runs: a keyword, so that no variable is called so."""


class UnknownError(Exception):
    """Something that cannot be looked into."""


def fingerprint(*values: Any, seen_by: Callable[[Any], None] | None = None) -> Hashable:
    """What is equal for equal `values` and changes with everything that they reach; None if that is unknown.

    `seen_by` is told of everything that is looked into.
    """
    try:
        return tuple(_of(value, {}, seen_by) for value in values)
    except UnknownError:
        return None


def _of(value: Any, seen: dict[int, int], seen_by: Callable[[Any], None] | None) -> Hashable:
    if type(value) in PLAIN:
        return (type(value), value)
    if isinstance(value, enum.Enum | np.dtype):
        return value
    if type(value) is Tracer:  # kept from another trace
        raise UnknownError(value)
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufcUS":
        if seen_by is not None and isinstance(value, np.ndarray):
            seen_by(value)
        return ("array", value.dtype.str, value.shape, value.tobytes())
    if _stays_as_it_is(value):
        return Is(value)
    if id(value) in seen:  # a function that calls itself, an object that holds itself
        return ("again", seen[id(value)])
    seen[id(value)] = len(seen)
    if seen_by is not None:
        seen_by(value)
    return (type(value).__name__, *(_of(part, seen, seen_by) for part in _parts(value)))


def _stays_as_it_is(value: Any) -> bool:
    """Whether `value` is code of a library, which nobody changes while a program runs."""
    if isinstance(value, types.BuiltinFunctionType):
        return value.__self__ is None or isinstance(value.__self__, types.ModuleType)
    if isinstance(value, types.FunctionType | type):
        return library_of(value) in LIBRARIES
    return isinstance(value, types.ModuleType | np.ufunc | type(np.sum))


def library_of(value: Any) -> str:
    """The package that a function or a class is of."""
    return _root(value.__module__)


def _root(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _parts(value: Any) -> Iterator[Any]:
    """What `value` consists of."""
    match value:
        case float() | complex() | slice() if type(value) in (float, complex, slice):
            yield repr(value)  # NaN is not equal to itself, and -0.0 is to 0.0
        case types.FunctionType():
            yield from _parts_of_function(value)
        case types.MethodType():
            yield from (value.__func__, value.__self__)
        case types.BuiltinFunctionType():
            yield from (value.__name__, value.__self__)
        case staticmethod() | classmethod() | functools.cached_property() | property():
            yield from (getattr(value, name, None) for name in ("__func__", "func", "fget"))
        case type():
            yield from (Is(value), *_members(value))
        case types.GeneratorType() | types.CodeType():
            raise UnknownError(value)
        case _:
            yield from _parts_of_object(value)


def _parts_of_object(value: Any) -> Iterator[Any]:
    """Its class, what it holds as a container or a number, its attributes."""
    yield type(value)
    known = False
    match value:
        case functools.partial():
            yield from (value.func, value.args, value.keywords)
            known = True
        case str() | bytes() | int() | float() | complex():
            base = next(kind for kind in (str, bytes, int, float, complex) if isinstance(value, kind))
            yield base.__repr__(value)
            known = True
        case Mapping():
            yield from (part for item in value.items() for part in item)
            known = True
        case tuple() | list():
            yield from value
            known = True
        case set() | frozenset():
            yield from sorted(value, key=repr)
            known = True
    own = getattr(value, "__dict__", None)
    slots = slots_of(type(value))
    if not known and own is None and not slots:
        raise UnknownError(value)
    for name, part in (own or {}).items():
        yield from (name, part)
    for slot in slots:
        yield from (slot, getattr(value, slot, None))


def slots_of(kind: type) -> list[str]:
    """The attributes for which a class and its bases have slots."""
    return [slot for base in kind.__mro__ for slot in _slots(base)]


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def _members(kind: type) -> Iterator[Any]:
    """What a class of the author holds: methods and plain attributes, also of its bases outside of the libraries."""
    for base in kind.__mro__:
        if _root(base.__module__) not in LIBRARIES:
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
        if name == IMPORTED:
            raise UnknownError(path)
        if name not in function.__globals__:
            if name in ("eval", "exec", "globals", "locals", "vars", "__import__"):
                raise UnknownError(name)
            continue  # a builtin, or a name that running it will find missing
        value = function.__globals__[name]
        while isinstance(value, types.ModuleType) and path:
            value = getattr(value, path.pop(0), None)
        if isinstance(value, types.ModuleType) and _root(value.__name__) not in LIBRARIES:
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
        elif step.opname == "IMPORT_NAME" and _root(step.argval) not in LIBRARIES:
            found.append([IMPORTED, step.argval])
            following = False
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
