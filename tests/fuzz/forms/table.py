"""The registry of forms, filled by the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from ..builder import Builder, Value

Build: TypeAlias = Callable[[Builder, Value], Value]


@attrs.frozen
class Form:
    """One way of writing something.

    Attributes:
        name: unique; for a function of NumPy its own name.
        build: emits it around a value.
        covers: the names of the entries of the tracer's vocabulary that it exercises.
    """

    name: str
    build: Build
    covers: tuple[str, ...] = ()


FORMS: dict[str, Form] = {}
"""Every form by name."""


def form(name: str, *covers: str) -> Callable[[Build], Build]:
    """Register the decorated function under `name`; `covers` are vocabulary entries beside `name` itself."""

    def register(build: Build) -> Build:
        if name in FORMS:
            raise ValueError(f"two forms are called {name!r}")
        FORMS[name] = Form(name, build, (name, *covers))
        return build

    return register
