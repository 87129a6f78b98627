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


def call_with_locals(function: Callable[..., Any], *args: Any) -> tuple[Any, dict[str, Any]]:
    """Call `function` and return its result and the local variables it had when it returned.

    Python offers them only to a profile function. One that is already at work (a debugger's, a profiler's) is set aside
    for the length of the call.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    found: dict[str, Any] = {}
    depth = 0

    def look(frame: FrameType, event: str, _: Any) -> None:
        nonlocal depth
        if frame.f_code is code:
            depth += (event == "call") - (event == "return")
            if event == "return" and depth == 0:
                found.update(frame.f_locals)

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
