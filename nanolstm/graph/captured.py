"""What code reads besides its arguments: the constants that a trace of it bakes in.

A trace is kept and used again as long as a new one would give the same. So everything that a step can reach is looked
at: its code, its closure and defaults, the globals that its code names, the attributes that it reads by name, and the
same of every function and class among them. All of it goes into a fingerprint. What is not known to be constant, and
cannot be looked into completely, leaves no fingerprint, and nothing is kept.
"""

from __future__ import annotations

import abc
import functools
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import BuiltinFunctionType, CodeType, EllipsisType, FunctionType, ModuleType, NotImplementedType
from typing import Any, cast

import attrs
import numpy as np

from nanolstm.graph.contents import NATIVE, UNKNOWN, attributes_in, is_native, native_of, slots_of
from nanolstm.graph.library import described, is_constant, is_known_function, is_known_method, is_of_library
from nanolstm.graph.reading import Path, reads
from nanolstm.graph.relevance import MAKING, Relevance, Space, inspects
from nanolstm.graph.static import is_static
from nanolstm.graph.unchanged import MISSING, Reference, Watch, attributes_of, content_of, reference

_PLAIN = (int, str, type(None), bool, bytes, EllipsisType, NotImplementedType)
_NUMBERS = "biufcmMSU"
_MOST = 10_000
"""How many objects are looked into before it is given up."""


class UnknownError(Exception):
    """Something that is not known to be constant; the text names it."""


class Is:
    """Equal for the same object alone, which it does not keep alive if that is possible."""

    def __init__(self, value: Any) -> None:
        """For `value`."""
        self._hash = id(value)
        self._get = reference(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Is) and (mine := self._get()) is not None and mine is other._get()

    def __hash__(self) -> int:
        return self._hash


@attrs.frozen
class Code:
    """Equal for equal code."""

    code: CodeType


@attrs.define(eq=False)
class Look:
    """One look at everything that code with some values may read.

    Attributes:
        watch: tells later whether anything has changed.
        relevance: which attributes count.
        unknown: what is not known to be constant, or "".
    """

    watch: Watch = attrs.field(factory=Watch)
    relevance: Relevance = attrs.field(factory=Relevance)
    unknown: str = ""
    _asked: deque[Callable[[], Hashable]] = attrs.field(factory=deque)
    _seen: dict[int, tuple[int, Any]] = attrs.field(factory=dict)  # which keeps them alive: no id is used twice
    _next: deque[tuple[int, Any, str]] = attrs.field(factory=deque)
    _label: str = ""  # how code calls what is being looked at
    _spaces: list[Space] = attrs.field(factory=list)
    _key: list[Hashable] = attrs.field(factory=list)
    _subclasses_may_be_registered: bool = False
    _has_views: bool = False

    def value(self, value: Any) -> None:
        """Look at `value`."""
        self._asked.append(functools.partial(self._of, value))

    def members(self, kind: type) -> None:
        """Look at the members of a class, of which no instance is made."""
        self._asked.append(functools.partial(self._of_class, kind))

    def attributes(self, value: Any, ignored: Iterable[str], reserved: Iterable[str]) -> None:
        """Look at the attributes in the dict of an object, not at its class; at the `reserved` ones if they are named.

        Of these it is watched in any case whether they are the same objects.
        """
        read = functools.partial(attributes_of, reference(value), type(value))
        number = -1 - len(self._spaces)
        self._spaces.append(Space(number, read, ignored=frozenset(ignored), reserved=frozenset(reserved)))

    def named(self, values: Mapping[str, Any]) -> None:
        """Look at `values`, which code reads as attributes of these names."""
        self._spaces.append(Space(-1 - len(self._spaces), lambda: values))

    def fingerprint(self) -> Hashable:
        """What is equal for equal values, and changes with everything that code which has them may read.

        It is of no use where some of that is not known to be constant, and cannot be looked into: see `unknown`.
        """
        try:
            for _ in iter(self._look_further, False):
                pass
            if self.relevance.catches and self.relevance.broad:
                raise UnknownError("whether an error occurs, which depends on np.errstate or the like")  # noqa: TRY301
            if self._has_views and "base" in self.relevance.names:
                raise UnknownError("the base of a view of an array")  # noqa: TRY301
        except UnknownError as error:
            self.unknown = f"{self._label} ({error})" if self._label not in ("", str(error)) else str(error)
            return None
        for space in self._spaces:
            if isinstance(space.home, FunctionType):
                self.watch.function(space.home, space.found)
            elif isinstance(space.home, type):
                self.watch.members(space.home, space.found)
            else:
                now = space.read()
                self.watch.attributes(space.read, space.found | {name: now[name] for name in space.reserved})
        if not self.relevance.names.isdisjoint({"__name__", "__qualname__"}):
            named = [value for _, value in self._seen.values() if isinstance(value, FunctionType | type)]
            self._key += [self.watch.content(functools.partial(_names_of, reference(value))) for value in named]
        if self.relevance.formats:
            self._key.append(repr(self.watch.content(np.get_printoptions)))
        if self._subclasses_may_be_registered:
            self._key.append(self.watch.content(abc.get_cache_token))
        self.watch.begin()
        return tuple(self._key)

    def _look_further(self) -> bool:
        """Look at what has come up: whether there was anything."""
        if self._asked:
            self._key.append(self._asked.popleft()())
            return True
        while self._next:
            self._look_into(*self._next.popleft())
        found = [self._look_at_attributes(space) for space in self._spaces]
        return any(found)

    def _look_at_attributes(self, space: Space) -> bool:
        """Look at those attributes that are now known to matter; whether there were any."""
        now = space.read()
        names = [name for name in now if name not in space.found and space.matters(name, self.relevance)]
        for name in names:
            space.found[name], self._label = now[name], name
            self._key.append((space.owner, name, self._of(now[name])))
        return bool(names)

    def _of(self, value: Any) -> Hashable:
        """What stands for `value` in a fingerprint: what it is, or a number under which its parts follow."""
        kind = type(value)
        if any(kind is plain for plain in _PLAIN):  # some classes cannot be hashed
            return kind, value
        if kind is float or kind is complex:
            return kind, repr(value)  # NaN is not equal to itself, and -0.0 is to 0.0
        if issubclass(kind, type):
            self.relevance.makes |= value is type or not is_constant(value)
            self.relevance.uses(value)
            return self._of_class(value)
        if is_static(value):
            return self._of_static(value)
        if issubclass(kind, np.generic) and kind is value.dtype.type and value.dtype.kind in _NUMBERS:
            return value.dtype.str, value.tobytes()
        if issubclass(kind, np.dtype) and value.kind in _NUMBERS and not value.metadata:
            return np.dtype, value.str
        if is_constant(value):
            self.relevance.uses(value)
            return Is(value)
        return self._number(value)

    def _of_class(self, kind: type) -> Hashable:
        if issubclass(type(kind), abc.ABCMeta):
            self._subclasses_may_be_registered = True
        if is_static(kind):
            return self._of_static(kind)
        return Is(kind) if is_constant(kind) else self._number(kind)

    def _of_static(self, value: Any) -> Hashable:
        self.relevance.any_name = True  # its code is not looked at, and may read any attribute of what it is given
        return Is(value)

    def _number(self, value: Any) -> int:
        """The number of an object that is to be looked into, or is already."""
        if id(value) not in self._seen:
            if len(self._seen) == _MOST:
                raise UnknownError(f"more than {_MOST} objects")
            self._seen[id(value)] = len(self._seen), value
            self._next.append((*self._seen[id(value)], self._label))
        return self._seen[id(value)][0]

    def _look_into(self, number: int, value: Any, label: str) -> None:
        self._label = label
        if type(value) is FunctionType:
            parts = self._parts_of_function(number, value)
        elif issubclass(type(value), type):
            parts = self._parts_of_class(number, value)
        else:
            parts = self._parts_of_object(number, value)
        self._key.append((number, *parts))

    def _parts_of_function(self, number: int, function: FunctionType) -> list[Hashable]:
        found = reads(function.__code__)
        self.relevance.reads(found)
        self._spaces.append(Space(number, lambda: function.__dict__, function))
        closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        contents = {name: content_of(cell) for name, cell in closure.items()}
        parts: list[Hashable] = [
            Code(function.__code__),
            *map(self._of, (function.__defaults__, function.__kwdefaults__)),
        ]
        for name, content in contents.items():
            if content is MISSING or isinstance(content, ModuleType):  # of which only some variables are read
                parts.append(None)
            else:
                parts.append(self._of_class(content) if name == "__class__" else self._of(content))
        if is_of_library(function):
            if not is_known_function(function):
                raise UnknownError(described(function))
            return parts
        if found.unclear:
            raise UnknownError(found.unclear)
        for name in filter(inspects, found.names):
            raise UnknownError(f"the attribute {name!r}")
        for name, *path in found.closure:
            if isinstance(contents.get(name), ModuleType):
                parts.append(self._read_from(contents[name], name, path))
        for module, *path in found.imports:
            parts.append(self._read_from(self.watch.variable(sys.modules, module), module, path))
        return [*parts, *(self._of_variable(function, path) for path in found.globals)]

    def _of_variable(self, function: FunctionType, path: Path) -> Hashable:
        """What stands for a global variable or a built-in name, and the attributes that are read of it."""
        name, *rest = path
        value = self.watch.variable(function.__globals__, name)
        if value is MISSING:
            value = self.watch.variable(cast("Any", function).__builtins__, name)
        return self._read_from(value, name, rest)

    def _read_from(self, value: Any, name: str, path: list[str]) -> Hashable:
        """What stands for `value`, or if it is a module, for its variable that `path` names."""
        for attribute in path:
            if not isinstance(value, ModuleType) or is_static(value):
                break
            name = f"{name}.{attribute}"
            if type(value) is ModuleType and attribute in vars(value):
                value = self.watch.variable(vars(value), attribute)
            else:  # a module that answers by itself
                (value,) = self.watch.parts(functools.partial(_attribute, value, attribute))
        if value is MISSING:
            return None
        if isinstance(value, ModuleType) and not is_static(value):
            raise UnknownError(f"the module {name} as a whole")
        around, self._label = self._label, name
        found = self._of(value)
        self._label = around
        return found

    def _parts_of_class(self, number: int, kind: type) -> list[Hashable]:
        if is_of_library(kind):
            raise UnknownError(described(kind))
        outside = [base for base in kind.__mro__ if base is not object and is_of_library(base)]
        is_cell = any(base.__module__.startswith("nanolstm.") for base in outside)  # or a gate: no step makes one
        called = {name for base in outside for own in base.__mro__ for name in vars(own)}
        called = {name for name in called if not (name.startswith("__") or inspects(name))}
        if is_cell:
            self._spaces.append(Space(number, lambda: vars(kind), kind, ignored=MAKING))
        else:
            self._spaces.append(Space(number, lambda: vars(kind), kind, called=frozenset(called)))
        return [Is(kind), self._of_class(type(kind)), *map(self._of_class, kind.__bases__)]

    def _parts_of_object(self, number: int, value: Any) -> list[Hashable]:
        kind, get = type(value), reference(value)
        base = native_of(kind)
        if base is None or (kind is BuiltinFunctionType and not is_known_method(value)):
            raise UnknownError(described(value))
        exact = base is kind
        parts: list[Hashable] = [Is(kind) if exact else self._of_class(kind)]
        native = NATIVE[base]
        if native.parts is not None:
            read = functools.partial(native.parts, value)
            parts += map(self._of, read() if native.fixed else self.watch.parts(read))
        if native.value is not None:
            look = functools.partial(native.value, value)
            content = look() if native.fixed else self.watch.content(look)
            if content is UNKNOWN:
                raise UnknownError(described(value))
            parts.append(content)
        self._has_views |= issubclass(kind, np.ndarray) and value.base is not None
        if not exact:
            self.watch.type_of(value)
        always = any(
            not is_native(own) and own.__module__ not in _WITHOUT_ATTRIBUTES and is_of_library(own)
            for own in kind.__mro__
        )
        if kind.__dictoffset__:
            self._spaces.append(Space(number, functools.partial(attributes_of, get, kind), always=always))
        if slots := slots_of(kind):
            self._spaces.append(Space(number, functools.partial(attributes_in, slots, get), always=always))
        return parts


_WITHOUT_ATTRIBUTES = {"abc", "collections.abc", "typing"}
"""Modules whose classes read no attributes of instances but by methods."""


def _attribute(module: ModuleType, name: str) -> list[Any]:
    return [getattr(module, name, MISSING)]


def _names_of(get: Reference) -> tuple[str, str]:
    value = get()
    return (value.__name__, value.__qualname__) if value is not None else ("", "")
