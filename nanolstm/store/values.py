"""Plain Python values as strict JSON, and back as exactly what they were.

JSON has neither tuples nor infinities nor NumPy's numbers. Each of these becomes an object with one key that says what
it is, and so does a dict that would be taken for one of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from nanolstm.errors import DescriptionError

_DEPTH = 50
"""How deep values may be nested: honest ones are not nested deeper, and Python's own limit is far away."""

_BITS = 4096
"""The longest int: Python itself refuses to read much longer ones."""

_SCALARS = ("bool", "float16", "float32", "float64", *(f"{sign}int{n}" for n in (8, 16, 32, 64) for sign in ("", "u")))


def encoded(value: Any, what: str, depth: int = 0) -> Any:
    """`value` in terms of JSON; an error says `what` it is.

    >>> encoded({"sizes": (1, 2), "limit": float("inf")}, "the settings")
    {'sizes': {'tuple': [1, 2]}, 'limit': {'float': 'inf'}}

    Raises:
        DescriptionError: something other than None, bool, int, float, str, a number of NumPy's, or a list, tuple or
            dict (with str keys) of these; subclasses of them, too, which would come back as something else.
    """
    if depth > _DEPTH:
        raise DescriptionError(f"{what} is nested more than {_DEPTH} deep, or holds itself")
    kind = type(value)
    if kind in (type(None), bool, str) or (kind is int and value.bit_length() <= _BITS):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.generic) and value.dtype.name in _SCALARS:
        return {"numpy": [value.dtype.name, encoded(value.item(), what)]}
    if kind in (list, tuple):
        parts = [encoded(part, f"{what}[{i}]", depth + 1) for i, part in enumerate(value)]
        return parts if kind is list else {"tuple": parts}
    if kind is dict and all(type(key) is str for key in value):
        inside = {key: encoded(part, f"{what}[{key!r}]", depth + 1) for key, part in value.items()}
        return {"dict": inside} if _is_tagged(value) else inside
    raise DescriptionError(
        f"{what} is {shown(value)} ({kind.__name__}); a file holds None, bool, int, float, str, NumPy's numbers, and "
        "lists, tuples and dicts (with str keys) of these"
    )


def decoded(value: Any, depth: int = 0) -> Any:
    """The value of which `encoded` made this.

    >>> decoded({"tuple": [1, {"float": "inf"}]})
    (1, inf)

    Raises:
        ValueError: `encoded` has not made it.
    """
    if depth > _DEPTH:
        raise ValueError(f"values that are nested more than {_DEPTH} deep")
    if isinstance(value, list):
        return _list(value, depth)
    if not isinstance(value, dict):
        return value
    if not _is_tagged(value):
        return _dict(value, depth)
    ((tag, inside),) = value.items()
    try:
        return _TAGS[tag](inside, depth)
    except (TypeError, OverflowError):
        raise ValueError(f"{shown(value)} is no value") from None


def parsed(text: str | bytes) -> Any:
    """JSON, strictly: no key twice in one object, no NaN, no nesting without end.

    Raises:
        ValueError: anything else.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("JSON that is nested without end") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in [k for k, _ in pairs[:i]])
        raise ValueError(f"the key {shown(twice)} stands twice in one object")
    return found


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _is_tagged(value: dict[str, Any]) -> bool:
    return len(value) == 1 and _TAGS.keys() >= value.keys()


def _list(inside: Any, depth: int) -> list[Any]:
    if not isinstance(inside, list):
        raise TypeError
    return [decoded(part, depth + 1) for part in inside]


def _dict(inside: Any, depth: int) -> dict[str, Any]:
    if not isinstance(inside, dict):
        raise TypeError
    return {key: decoded(part, depth + 1) for key, part in inside.items()}


def _float(inside: Any, _: int) -> float:
    if inside not in ("inf", "-inf", "nan"):
        raise TypeError
    return float(inside)


def _numpy(inside: Any, depth: int) -> Any:
    name, number = _list(inside, depth)
    if name not in _SCALARS or not isinstance(number, bool | int | float):
        raise TypeError
    with np.errstate(over="ignore"):  # compared below
        made = np.dtype(name).type(number)
    if encoded(made, "")["numpy"] != inside:  # 1.5 as an int, 3 as a bool
        raise TypeError
    return made


_TAGS: dict[str, Callable[[Any, int], Any]] = {
    "tuple": lambda inside, depth: tuple(_list(inside, depth)),
    "dict": _dict,
    "float": _float,
    "numpy": _numpy,
}


def shown(value: Any) -> str:
    """`value` as an error shows it, however long it is."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  # whatever its own __repr__ does; an int that is too long to be written
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."
