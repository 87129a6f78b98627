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
    """

    name: str
    build: Build


FORMS: dict[str, Form] = {}
"""Every form by name."""


def form(name: str) -> Callable[[Build], Build]:
    """Register the decorated function under `name`."""

    def register(build: Build) -> Build:
        if name in FORMS:
            raise ValueError(f"two forms are called {name!r}")
        FORMS[name] = Form(name, build)
        return build

    return register
