"""Where first values come from, in words."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np


def initial_value(init: Any) -> str:
    """What an initialiser is: a number, the call that made it, the name of a function.

    >>> import nanolstm as nl
    >>> initial_value(nl.orthogonal(0.9)), initial_value(1.0), initial_value(nl.glorot())
    ('orthogonal(gain=0.9)', '1', 'glorot()')
    """
    if isinstance(init, functools.partial):
        return (
            f"{initial_value(init.func)} with {_settings(init.keywords)}" if init.keywords else initial_value(init.func)
        )
    if not callable(init):
        value = np.asarray(init)
        return f"{value:g}" if value.shape == () else f"an array {value.shape}"
    maker, made, inner = getattr(init, "__qualname__", type(init).__name__).rpartition(".<locals>.")
    if not made:
        return "a function of its own" if "<lambda>" in inner else inner.rpartition(".")[2]
    name = maker.rpartition(".")[2]
    kept = inspect.getclosurevars(init).nonlocals if inspect.isfunction(init) else {}
    if name in getattr(init, "__globals__", {}):
        known = inspect.signature(init.__globals__[name]).parameters
        kept = {key: kept[key] for key, p in known.items() if key in kept and kept[key] is not p.default}
    return f"{name}({_settings(kept)})"


def _settings(values: Mapping[str, Any]) -> str:
    """Numbers, and initialisers that another one is made of."""
    plain = {key: value for key, value in values.items() if callable(value) or np.asarray(value).dtype.kind in "iuf"}
    return ", ".join(f"{key}={initial_value(value)}" for key, value in plain.items())
