"""Names with parameters, as people write them on a command line: `quantile(q=0.9)`, `tasks(length=200)`."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from nanolstm.errors import InputError, UnknownNameError, nearest

_FORM = re.compile(r"\s*([^\s()]+)\s*(?:\((.*)\))?\s*", re.DOTALL)


def parse_name(text: str) -> tuple[str, dict[str, Any]]:
    """Split `name(key=value, ...)` into the name and its parameters, whose values are Python literals.

    >>> parse_name("quantile(q=(0.1, 0.9))")
    ('quantile', {'q': (0.1, 0.9)})

    Raises:
        InputError: anything else; nothing of the text is ever run.
    """
    match = _FORM.fullmatch(text)
    if not match:
        raise InputError(f"{text!r} is no name; write name or name(key=value, ...), for example quantile(q=0.9)")
    name, inside = match.groups()
    try:
        return name, _literals(f"f({inside or ''})")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise InputError(
            f"{text!r}: in the brackets stand key=value pairs with plain values (numbers, 'text', True, tuples), for "
            f"example quantile(q=0.9)"
        ) from None


def check_parameters(what: str, name: str, known: Iterable[inspect.Parameter], given: Mapping[str, Any]) -> None:
    """Check what was written in the brackets against the parameters of `name`, which is a `what`: a loss, a schedule.

    Raises:
        UnknownNameError: one that it does not have; the nearest is suggested.
        InputError: one that it needs is missing.
    """
    known = list(known)
    names = [p.name for p in known if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    for key in given:
        if key not in names and not any(p.kind is p.VAR_KEYWORD for p in known):
            raise UnknownNameError(f"{what} {name!r} has no parameter {key!r}; {nearest(key, names, 'parameters')}")
    for p in known:
        if p.default is p.empty and p.name in names and p.name not in given:
            raise InputError(f"{what} {name!r} needs its parameter {p.name!r}: write {name}({p.name}=...)")


def _literals(text: str) -> dict[str, Any]:
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError("only key=value may stand in the brackets")
    literals: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ValueError("** is no key")
        literals[keyword.arg] = ast.literal_eval(keyword.value)
    return literals
