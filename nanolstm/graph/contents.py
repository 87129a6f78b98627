"""What objects consist of, for the kinds of objects that hide nothing."""

from __future__ import annotations

import array
import collections
import contextlib
import functools
import gc
import operator
import struct
from collections.abc import Callable, Mapping
from types import (
    BuiltinFunctionType,
    GenericAlias,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
    UnionType,
)
from typing import Any, TypeAlias

import attrs
import numpy as np

Read: TypeAlias = Callable[[Any], list[Any]]

_POINTER = struct.calcsize("P")


UNKNOWN: Any = object()
"""Stands for contents that cannot be read."""


@attrs.frozen
class Native:
    """How the contents of a built-in type are read.

    Attributes:
        parts: the objects that it refers to.
        value: what it holds itself, with an `==` that is exact.
        fixed: whether both stay what they are.
    """

    parts: Read | None = None
    value: Callable[[Any], Any] | None = None
    fixed: bool = False


def _items(value: dict[Any, Any]) -> list[Any]:
    return [*dict.keys(value), *dict.values(value)]


def _elements(value: np.ndarray[Any, Any]) -> list[Any]:
    return list(value.ravel().tolist()) if value.dtype.kind == "O" else []


def _numbers(value: np.ndarray[Any, Any]) -> Any:
    kind = value.dtype
    if kind.kind == "O":
        return kind.str, value.shape
    if kind.hasobject or kind.metadata or kind.kind not in "biufcmMSUV":
        return UNKNOWN
    return repr(kind) if kind.fields else kind.str, value.shape, value.tobytes()


NATIVE: dict[type, Native] = {
    object: Native(fixed=True),
    **{kind: Native(value=kind.__repr__, fixed=True) for kind in (bytes, complex, float, int, range, str)},
    tuple: Native(lambda v: list(tuple.__iter__(v)), fixed=True),
    frozenset: Native(lambda v: list(frozenset.__iter__(v)), fixed=True),
    set: Native(lambda v: list(set.__iter__(v))),
    list: Native(lambda v: list(list.__iter__(v))),
    dict: Native(_items),
    collections.OrderedDict: Native(lambda v: [x for item in collections.OrderedDict.items(v) for x in item]),
    collections.defaultdict: Native(lambda v: [v.default_factory, *_items(v)]),
    collections.deque: Native(lambda v: list(collections.deque.__iter__(v)), lambda v: v.maxlen),
    bytearray: Native(value=bytes),
    array.array: Native(value=lambda v: (v.typecode, v.tobytes())),
    np.ndarray: Native(_elements, _numbers),
    np.memmap: Native(value=_numbers),
    slice: Native(lambda v: [v.start, v.stop, v.step], fixed=True),
    functools.partial: Native(lambda v: [v.func, v.args, v.keywords]),
    functools.cached_property: Native(lambda v: [v.func, v.attrname]),
    property: Native(lambda v: [v.fget, v.fset, v.fdel]),
    staticmethod: Native(lambda v: [v.__func__]),
    classmethod: Native(lambda v: [v.__func__]),
    MappingProxyType: Native(gc.get_referents),  # of what it shows
    MethodType: Native(lambda v: [v.__func__, v.__self__], fixed=True),
    MethodWrapperType: Native(lambda v: [v.__self__, v.__name__], fixed=True),
    BuiltinFunctionType: Native(lambda v: [v.__self__, v.__name__], fixed=True),
    UnionType: Native(lambda v: [*v.__args__], fixed=True),
    GenericAlias: Native(lambda v: [v.__origin__, *v.__args__], fixed=True),
    **{
        kind: Native(lambda v: [*v.__reduce__()], fixed=True)
        for kind in (operator.attrgetter, operator.itemgetter, operator.methodcaller)
    },
}
"""The built-in types whose contents are known. What is an instance of none of them, nor of `object` alone, is not."""


def is_native(kind: type) -> bool:
    """Whether `kind` is one of `NATIVE`; a class whose metaclass defines `==` has no hash."""
    return any(kind is known for known in NATIVE)


def native_of(kind: type) -> type | None:
    """The type of `NATIVE` that says what instances of `kind` hold besides their attributes; None if none does.

    A class that is compiled may hold what no attribute shows. Its instances are larger than what is known of them.
    """
    own: type | None = kind
    while own is not None and not is_native(own):
        base = own.__base__ or object
        pointers = len(_members(own))
        pointers += (own.__dictoffset__ != 0) > (base.__dictoffset__ != 0)
        pointers += (own.__weakrefoffset__ != 0) > (base.__weakrefoffset__ != 0)
        hidden = own.__basicsize__ - base.__basicsize__ > pointers * _POINTER or own.__itemsize__ != base.__itemsize__
        if hidden or type(vars(own).get("__dict__")) not in (type(None), GetSetDescriptorType, MemberDescriptorType):
            return None
        own = own.__base__
    return own


def slots_of(kind: type) -> dict[str, Any]:
    """The descriptors of the attributes for which a class and its bases have slots, by their names in the class."""
    known = [own for own in kind.__mro__ if not is_native(own)]
    return {name: member for own in reversed(known) for name, member in _members(own).items()}


def _members(kind: type) -> dict[str, Any]:
    return {n: m for n, m in vars(kind).items() if type(m) is MemberDescriptorType and n != "__dict__"}


def attributes_in(slots: Mapping[str, Any], get: Callable[[], Any]) -> dict[str, Any]:
    """The attributes of an object that stand in slots, without those that are not set."""
    value, found = get(), {}
    for name, slot in slots.items():
        with contextlib.suppress(AttributeError, TypeError):  # the latter once the object is gone
            found[name] = slot.__get__(value, type(value))
    return found
