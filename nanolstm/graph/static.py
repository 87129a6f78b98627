"""The user's word that something does not change."""

from __future__ import annotations

import weakref
from typing import Any, TypeVar

from nanolstm.errors import InputError

T = TypeVar("T")

_declared: dict[int, weakref.ref[Any]] = {}


def static(value: T) -> T:
    """Declare that a function, a class or an object does not change; returns `value`, so that it serves as decorator.

    A step or a loss is traced once, and its kernel is used as long as nothing that it reads has changed. Where that
    cannot be determined, as for a file, it is [traced anew](kernels.md#when-a-step-is-traced-anew) at each call. This
    declaration makes that unnecessary:

    ```python
    import os
    import nanolstm as nl
    from nanolstm import Cell, Gate, gate, sigmoid

    @nl.static
    def scale():
        return float(os.environ.get("SCALE", "1.0"))

    class Scaled(Cell):
        new: Gate = gate(sigmoid)

        def step(self, x, h):
            h = scale() * self.new(x, h)
            return h, h
    ```

    You promise, for the rest of the process:

    - of a function or a method: for equal arguments it returns the same, whatever it reads.
    - of a class: its members stay as they are, and so do the attributes and contents of its instances. Classes derived
      from it make no such promise. Of a cell, the fields that its step reads are still compared.
    - of a module: the values of its variables, and what they refer to, stay as they are.
    - of any other object: its attributes and its contents stay as they are.

    A promise that is broken has the effect that results are those of before the change.

    Raises:
        InputError: it is an object that Python has no weak references to, such as a dict, a list or a bytearray.
    """
    key = id(value)
    try:
        _declared[key] = weakref.ref(value, lambda _: _declared.pop(key, None))
    except TypeError:
        raise InputError(
            f"nl.static({value!r:.60}): an object of type {type(value).__name__} cannot be declared static; expected a "
            "function, a class, a module or an instance of a class of your own. Write a tuple for a list, bytes for a "
            "bytearray, or a function that returns it: `@nl.static`"
        ) from None
    return value


def is_static(value: Any) -> bool:
    """Whether `value`, or the class that it is an instance of, was declared to be static."""
    return _is_declared(value) or _is_declared(type(value))


def _is_declared(value: Any) -> bool:
    found = _declared.get(id(value))
    return found is not None and found() is value
