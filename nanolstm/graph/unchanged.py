"""Whether anything that a fingerprint was taken of has changed since, found out quickly.

A fingerprint looks at values; this only looks whether all that was looked at is still the same objects. Where it is
not, a new fingerprint tells whether that matters.
"""

from __future__ import annotations

import functools
import operator
import types
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nanolstm.graph.captured import LIBRARIES, fingerprint, library_of, reads, slots_of

_CONSTANT = (
    *(tuple, frozenset, str, bytes, int, float, complex, slice, np.generic, functools.partial, types.MethodType),
    *(types.BuiltinFunctionType, staticmethod, classmethod, property, functools.cached_property),
)
"""What cannot change itself; what it holds is looked at by itself."""


class Watch:
    """What a fingerprint of values is taken of, to be looked at again."""

    def __init__(self) -> None:
        """Of nothing yet."""
        self._parts: list[tuple[Callable[[], list[Any]], list[Any]]] = []
        self._names: list[tuple[Mapping[str, Any], str, Any]] = []
        self._arrays: list[tuple[np.ndarray[Any, Any], bytes]] = []
        self._blind = False
        self._made_for_it: set[int] = set()

    def fingerprint(self, *values: Any) -> Any:
        """The fingerprint of `values`, what they consist of being watched from now on, though not they themselves."""
        self._made_for_it = {id(value) for value in values}
        return fingerprint(*values, seen_by=self.look)

    def look(self, value: Any) -> None:
        """Watch the direct parts of `value`."""
        if isinstance(value, np.ndarray):
            self._arrays.append((value, value.tobytes()))
            return
        if id(value) in self._made_for_it or isinstance(value, _CONSTANT):
            return
        if isinstance(value, types.FunctionType):
            self._look_at_names(value)
        parts = _parts_of(value)
        if parts is None:
            self._blind = True
        elif parts is not _NOTHING:
            self._parts.append((parts, parts()))

    def unchanged(self) -> bool:
        """Whether everything is still the same."""
        if self._blind:
            return False
        for names, name, value in self._names:
            if names.get(name) is not value:
                return False
        for parts, before in self._parts:
            now = parts()
            if len(now) != len(before) or (now and not all(map(operator.is_, now, before))):
                return False
        return not self._arrays or all(array.tobytes() == before for array, before in self._arrays)

    def _look_at_names(self, function: types.FunctionType) -> None:
        """Watch the globals that `function` reads, and what it reads of those that are modules."""
        for path in reads(function.__code__):
            names: Mapping[str, Any] = function.__globals__
            owner: Any = None
            for name in path:
                if owner is None or name in names:
                    value = names.get(name)
                    self._names.append((names, name, value))
                else:  # a module that answers by itself
                    answer = functools.partial(_attribute, owner, name)
                    self._parts.append((answer, answer()))
                    (value,) = answer()
                if not isinstance(value, types.ModuleType):
                    break
                owner, names = value, vars(value)


_NOTHING: Callable[[], list[Any]] = list
"""What a class consists of that belongs to a library."""


def _parts_of(value: Any) -> Callable[[], list[Any]] | None:
    """A function that lists what `value` consists of; None if that is unknown."""
    if isinstance(value, types.FunctionType):
        return functools.partial(_of_function, weakref.ref(value))  # which is not kept alive
    if isinstance(value, type):
        members = [vars(base) for base in value.__mro__ if library_of(base) not in LIBRARIES]
        return (lambda: [member for own in members for member in own.values()]) if members else _NOTHING
    if isinstance(value, Mapping):
        return lambda: [part for item in value.items() for part in item]
    if isinstance(value, list | set):
        return lambda: list(value)
    own, slots = getattr(value, "__dict__", None), slots_of(type(value))
    if not slots:  # and the object itself is not kept alive
        return None if own is None else (lambda: list(own.values()))
    return lambda: [*(own or {}).values(), *(getattr(value, slot, None) for slot in slots)]


def _of_function(reference: weakref.ref[types.FunctionType]) -> list[Any]:
    function = reference()
    if function is None:
        return []
    closure = map(_content, function.__closure__ or ())
    return [function.__code__, function.__defaults__, function.__kwdefaults__, *closure]


def _attribute(module: types.ModuleType, name: str) -> list[Any]:
    return [getattr(module, name, None)]


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None
