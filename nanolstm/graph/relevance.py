"""Which attributes of objects and classes can matter to a piece of code, found from the names in it."""

from __future__ import annotations

import builtins
import copy
import operator
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import attrs

from nanolstm.graph.reading import Reads, reads

_INSPECTING = frozenset(
    {
        *("__annotate__", "__annotations__", "__builtins__", "__doc__", "__globals__", "__module__", "__subclasses__"),
        *("__dataclass_fields__", "__dataclass_params__", "__orig_bases__", "__parameters__"),
        *("__abstractmethods__", "__slots__", "__traceback__", "__type_params__", "_abc_impl"),
        *("ag_frame", "cr_frame", "f_back", "f_builtins", "f_globals", "f_locals", "gi_frame", "tb_frame"),
    }
)

MAKING = frozenset(
    {
        *("__attrs_init__", "__attrs_post_init__", "__attrs_pre_init__", "__init__", "__new__", "__post_init__"),
        *("__init_subclass__", "__set_name__", "__subclasshook__"),
    }
)
"""What runs when a class is called, derived from, or compared with another."""


def inspects(name: str) -> bool:
    """Whether an attribute leads out of what can be looked at, or describes a class: code that reads one is unknown."""
    return name in _INSPECTING or (name.startswith("__attrs_") and name not in MAKING)


_PRINTING = {"__repr__", "__str__", "__format__"}
_COPYING = {
    *("__copy__", "__deepcopy__", "__getnewargs__", "__getnewargs_ex__", "__getstate__", "__reduce__"),
    *("__reduce_ex__", "__replace__", "__setstate__"),
}
_NEVER_CALLED = {"__del__", "__dir__", "__fields_as_defined__", "__hash__", "__sizeof__"}  # to compute a value
_ANY_NAME = {"__dict__", "__getattribute__", "format", "format_map"}  # "{0.scale}".format(settings)
_BY_NAME = (builtins.getattr, builtins.hasattr, operator.attrgetter, operator.methodcaller)
_AS_TEXT = (builtins.ascii, builtins.format, builtins.repr, builtins.str)
_FROM_OUTSIDE = (
    *(BaseException, Exception, ArithmeticError, FloatingPointError, Warning, UserWarning, RuntimeWarning),
    RecursionError,
)
"""Errors that depend on `np.errstate`, on filters of warnings or on the caller, and the classes of these."""


@attrs.define(eq=False)
class Relevance:
    """What has been found so far; it only grows.

    Attributes:
        names: the attributes that code names.
        any_name: whether it may read others, by names that are not in its text.
        makes: whether it may make instances of classes.
        formats: whether it may turn values into text.
        copies: whether it may copy objects.
        catches: whether it has an `except`.
        broad: whether it names an error that depends on its surroundings.
    """

    names: set[str] = attrs.field(factory=lambda: {"keys"})  # which `dict(a)` and `{**a}` call
    any_name: bool = False
    makes: bool = False
    formats: bool = False
    copies: bool = False
    catches: bool = False
    broad: bool = False

    def reads(self, found: Reads) -> None:
        """Code that reads what was `found`."""
        self.names |= found.names
        self.any_name |= found.any_name or not found.names.isdisjoint(_ANY_NAME)
        self.makes |= not found.names.isdisjoint({"__class__", *MAKING})
        self.formats |= found.formats or "format" in found.names
        self.catches |= found.catches

    def uses(self, value: Any) -> None:
        """Code that may call `value`, which is constant."""
        # NumPy's functions call methods of their own name: np.sum(a) is a.sum(), of what is no array.
        self.names.add(getattr(value, "__name__", ""))
        if type(value) is FunctionType:
            self.names |= reads(value.__code__).names
        self.copies |= value is copy.copy or value is copy.deepcopy
        self.broad |= any(value is known for known in _FROM_OUTSIDE)
        self.any_name |= any(value is known for known in _BY_NAME)
        self.formats |= any(value is known for known in _AS_TEXT)

    def of_member(self, name: str) -> bool:
        """Whether a member of a class can matter: methods with special names are called without being named."""
        if inspects(name):
            return False
        if name in self.names:
            return True
        if not (name.startswith("__") and name.endswith("__")):
            return self.any_name
        if name in MAKING:
            return self.makes
        if name in _PRINTING:
            return self.formats
        return name not in _NEVER_CALLED and (name not in _COPYING or self.copies)

    def of_attribute(self, name: str) -> bool:
        """Whether an attribute of an instance can matter."""
        return self.any_name or name in self.names


@attrs.define(eq=False)
class Space:
    """Attributes by name, those of one object, of which the ones that code may read are looked at.

    Attributes:
        owner: the number of the object that they belong to.
        read: gives all that there are now.
        home: the class that they are members of, or the function; None for another object.
        always: whether a library may read all of them.
        called: names of members that a library may call.
        ignored: names that do not count.
        reserved: names that count only if code has them.
        found: those that were looked at.
    """

    owner: int
    read: Callable[[], Mapping[str, Any]]
    home: type | FunctionType | None = None
    always: bool = False
    called: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    found: dict[str, Any] = attrs.field(factory=dict)

    def matters(self, name: str, relevance: Relevance) -> bool:
        """Whether the value of an attribute can matter."""
        if name in self.ignored:
            return False
        if isinstance(self.home, type):
            return name in self.called or relevance.of_member(name)
        if name in self.reserved:
            return name in relevance.names
        return self.always or relevance.of_attribute(name)
