"""Looking into a running step without changing it: its local variables, and the values of its gates."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from types import FrameType
from typing import Any, TypeAlias

Tell: TypeAlias = Callable[[str, Any], None]
"""Is told a gate's name and value."""

Watch: TypeAlias = Callable[[FrameType, str, Any], None]
"""A profile function."""


class Locals(dict[str, Any]):
    """Local variables by name.

    Attributes:
        returned: file and line of the `return` that ended the call.
    """

    returned: tuple[str, int] = ("", 0)


def definition(function: Callable[..., Any]) -> tuple[str, int]:
    """File and line of where `function` is defined; "" and 0 of what is not written in Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else ("", 0)


def call_with_locals(function: Callable[..., Any], *args: Any, watch: Watch | None = None) -> tuple[Any, Locals]:
    """Call `function` and return its result and the local variables it had when it returned; `watch` sees all calls.

    Python offers them only to a profile function. One that is already at work (a debugger's, a profiler's) is set aside
    for the length of the call.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    found = Locals()
    found.returned = definition(function)
    depth = 0

    def look(frame: FrameType, event: str, called: Any) -> None:
        nonlocal depth
        if watch is not None:
            watch(frame, event, called)
        if frame.f_code is code:
            depth += (event == "call") - (event == "return")
            if event == "return" and depth == 0:
                found.update(frame.f_locals)
                found.returned = frame.f_code.co_filename, frame.f_lineno

    before: Any = sys.getprofile()
    sys.setprofile(look)
    try:
        result = function(*args)
    finally:
        if hasattr(before, "enable"):  # cProfile's own object is not callable, and has to be started again
            sys.setprofile(None)
            before.enable()
        else:
            sys.setprofile(before)
    return result, found


@cache
def observed(kind: Any) -> Any:
    """A class like the gate class `kind` that tells each value to its attribute `tell`, a function of (name, value)."""

    def call(self: Any, *values: Any) -> Any:
        result = kind.__call__(self, *values)
        self.tell(self.name, result)
        return result

    return type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__, "__doc__": kind.__doc__})
