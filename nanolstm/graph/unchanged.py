"""A quick check whether everything that a fingerprint was taken of is still the same.

A fingerprint compares values; this compares identities, and contents only of what holds numbers itself. Where it finds
a difference, a new fingerprint tells whether that matters.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Mapping
from types import CellType, CodeType, FunctionType, MappingProxyType
from typing import Any, TypeAlias

import attrs

Reference: TypeAlias = Callable[[], Any]
"""Gives an object that it need not keep alive, or None once it is gone."""

MISSING: Any = object()
"""Stands for the value of a name that has none."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def reference(value: Any) -> Reference:
    """A weak reference to `value`; where there can be none, a strong one."""
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


@attrs.frozen(eq=False)
class _Entries:
    """The values of some keys of a mapping, taken out by `get` all at once, and keys that it does not have."""

    get: Callable[[Any], tuple[Any, ...]]
    values: tuple[Any, ...]
    absent: frozenset[str]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> _Entries:
        """Of the keys and values in `found`, some of which may be `MISSING`."""
        absent = frozenset(name for name, value in found.items() if value is MISSING)
        present = [name for name in found if name not in absent]
        if not present:
            return cls(lambda _: (), (), absent)
        present += present[:1]  # of a single key an itemgetter gives no tuple
        return cls(operator.itemgetter(*present), tuple(found[name] for name in present), absent)

    def stand_in(self, mapping: Mapping[str, Any]) -> bool:
        """Whether `mapping` has the very same values under these keys."""
        try:
            now = self.get(mapping)
        except KeyError:
            return False
        return all(map(operator.is_, now, self.values)) and (not self.absent or mapping.keys().isdisjoint(self.absent))


_Parts: TypeAlias = "tuple[CodeType, tuple[Any, ...] | None, dict[str, Any] | None]"


class Watch:
    """What has been looked at, to be looked at again."""

    def __init__(self) -> None:
        """Of nothing yet."""
        self._variables: dict[int, tuple[Mapping[str, Any], dict[str, Any]]] = {}
        self._entries: list[tuple[Mapping[str, Any], _Entries]] = []
        self._functions: list[tuple[Reference, _Parts, list[tuple[CellType, Any]], list[str], _Entries]] = []
        self._classes: list[tuple[weakref.ref[type], type, tuple[type, ...], list[str], _Entries]] = []
        self._attributes: list[tuple[Callable[[], Mapping[str, Any]], list[str], _Entries]] = []
        self._types: list[tuple[Reference, type]] = []
        self._parts: list[tuple[Callable[[], list[Any]], list[Any]]] = []
        self._contents: list[tuple[Callable[[], Any], Any]] = []

    def variable(self, names: Mapping[str, Any], name: str) -> Any:
        """The value of `name` among `names`, or `MISSING`; it is watched."""
        value = names.get(name, MISSING)
        self._variables.setdefault(id(names), (names, {}))[1][name] = value
        return value

    def function(self, function: FunctionType, found: Mapping[str, Any]) -> None:
        """Watch code, defaults, closure and attributes of `function`, of these the values of those in `found`."""
        parts = function.__code__, function.__defaults__, function.__kwdefaults__
        cells = [(cell, content_of(cell)) for cell in function.__closure__ or ()]
        self._functions.append((weakref.ref(function), parts, cells, list(function.__dict__), _Entries.of(found)))

    def members(self, kind: type, found: Mapping[str, Any]) -> None:
        """Watch members of a class: the values of those in `found`, and which there are."""
        self._classes.append((weakref.ref(kind), type(kind), kind.__bases__, list(vars(kind)), _Entries.of(found)))

    def attributes(self, read: Callable[[], Mapping[str, Any]], found: Mapping[str, Any]) -> None:
        """Watch attributes, which `read` gives by name: the values of those in `found`, and which there are."""
        self._attributes.append((read, list(read()), _Entries.of(found)))

    def type_of(self, value: Any) -> None:
        """Watch the class of `value`."""
        self._types.append((reference(value), type(value)))

    def parts(self, read: Callable[[], list[Any]]) -> list[Any]:
        """The objects that `read` gives, which are watched."""
        found = read()
        self._parts.append((read, found))
        return found

    def content(self, read: Callable[[], Any]) -> Any:
        """What `read` gives, which is watched: its `==` must be exact."""
        found = read()
        self._contents.append((read, found))
        return found

    def begin(self) -> None:
        """Everything has been looked at."""
        self._entries = [(names, _Entries.of(found)) for names, found in self._variables.values()]

    def unchanged(self) -> bool:
        """Whether everything is still the same."""
        for names, entries in self._entries:
            if not entries.stand_in(names):
                return False
        for get, (code, defaults, keywords), cells, attributes, entries in self._functions:
            function = get()
            if (
                function is None
                or function.__code__ is not code
                or function.__defaults__ is not defaults
                or function.__kwdefaults__ is not keywords
            ):
                return False
            for cell, content in cells:
                if content_of(cell) is not content:
                    return False
            own = function.__dict__
            if (own or attributes) and (list(own) != attributes or not entries.stand_in(own)):
                return False
        for get, metaclass, bases, members, entries in self._classes:
            kind = get()
            if kind is None or type(kind) is not metaclass or kind.__bases__ is not bases:
                return False
            if list(own := kind.__dict__) != members or not entries.stand_in(own):
                return False
        for read, attributes, entries in self._attributes:
            now = read()
            if list(now) != attributes or not entries.stand_in(now):
                return False
        for get, known in self._types:
            if type(get()) is not known:
                return False
        for parts_of, before in self._parts:
            found = parts_of()
            if len(found) != len(before) or not all(map(operator.is_, found, before)):
                return False
        return all(look() == before for look, before in self._contents) if self._contents else True


def content_of(cell: CellType) -> Any:
    """What a variable of an enclosing function holds, or `MISSING`."""
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return MISSING


def attributes_of(get: Reference, kind: type) -> Mapping[str, Any]:
    """The attributes of an object in its own dict, as long as it is of the class `kind`."""
    value = get()
    found: Mapping[str, Any] = value.__dict__ if type(value) is kind else _NOTHING
    return found
