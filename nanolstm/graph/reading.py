"""What code reads besides its arguments and local variables, found in its bytecode."""

from __future__ import annotations

import dis
import functools
import re
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any, TypeAlias

import attrs

Path: TypeAlias = tuple[str, ...]
"""A name, and the attributes read from its value one after the other."""


@attrs.frozen
class Reads:
    """What code reads, including the functions, classes and comprehensions that are nested in it.

    Attributes:
        globals: global variables and built-in names.
        closure: variables of enclosing functions.
        imports: modules that the code imports itself; the first element is the module's full name.
        names: every attribute that it may read, also by `getattr` with a constant name; a superset.
        any_name: whether it may read attributes whose names are not in its text.
        formats: whether it may turn values into text.
        catches: whether it has an `except` for certain errors.
        unclear: why the rest cannot be determined, or "".
    """

    globals: tuple[Path, ...] = ()
    closure: tuple[Path, ...] = ()
    imports: tuple[Path, ...] = ()
    names: frozenset[str] = frozenset()
    any_name: bool = False
    formats: bool = False
    catches: bool = False
    unclear: str = ""


_SILENT = {"CACHE", "PRECALL", "PUSH_NULL", "EXTENDED_ARG", "NOP"}
"""Instructions that leave the top of the stack alone."""

_FORMATS = {"FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE"}
_CATCHES = {"CHECK_EXC_MATCH", "CHECK_EG_MATCH"}
_STORES = {"STORE_FAST", "STORE_DEREF", "STORE_NAME"}
_WORD = re.compile(r"[^\W\d]\w*")


@functools.lru_cache(maxsize=4096)
def reads(code: CodeType) -> Reads:
    """What `code` reads."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in _SILENT]
    modules, unclear = _imported(steps)
    found: dict[str, list[list[str]]] = {"globals": [], "closure": [], "imports": []}
    names: set[str] = set()
    operations = {step.opname for step in steps}
    any_name = "MATCH_CLASS" in operations  # which reads what the class names in __match_args__
    formats = not operations.isdisjoint(_FORMATS)
    following: list[list[str]] = []  # the paths that the next instruction may continue
    for place, (step, after) in enumerate(zip(steps, [*steps[1:], None], strict=True)):
        op, argument = step.opname, step.argval
        if op in ("LOAD_ATTR", "LOAD_METHOD"):
            if argument != "__class__" or not _is_compared(steps, place):
                names.add(argument)
            for path in following:
                path.append(argument)
            continue
        following = []
        if op in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            following = _begin(found["globals"], [argument])
        elif op in ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF") and argument in code.co_freevars:
            following = _begin(found["closure"], [argument])
        elif op.startswith("LOAD_DEREF") or "LOAD_FAST" in op:
            variables = argument if isinstance(argument, tuple) else (argument,)
            following = _begin(found["imports"], [m for v in variables for m in modules.get(v, ())])
        elif op == "IMPORT_FROM":
            found["imports"].append([_module_of(steps, step), argument])
        elif op in ("LOAD_CONST", "RETURN_CONST", "KW_NAMES"):
            texts = list(_texts(argument))
            names.update(word for text in texts for word in _WORD.findall(text))
            formats |= any("%" in text for text in texts)
        elif op in ("LOAD_SUPER_ATTR", "STORE_ATTR", "DELETE_ATTR"):
            names.add(argument)
        elif op == "PUSH_EXC_INFO" and after is not None and after.opname == "POP_TOP":
            unclear = unclear or "whether an error occurs, in a bare `except:`"
    inner = [(const, reads(const)) for const in code.co_consts if isinstance(const, CodeType)]
    for _, own in inner:
        for name, *path in own.closure:
            if name in code.co_freevars:
                found["closure"].append([name, *path])
            else:
                found["imports"] += [[module, *path] for module in modules.get(name, ())]
    return Reads(
        _distinct([*found["globals"], *(path for _, own in inner for path in own.globals)]),
        _distinct(found["closure"]),
        _distinct([*found["imports"], *(path for _, own in inner for path in own.imports)]),
        frozenset(names).union(*(own.names for _, own in inner)),
        any_name or any(own.any_name for _, own in inner),
        formats or any(own.formats for _, own in inner),
        not operations.isdisjoint(_CATCHES) or any(own.catches for _, own in inner),
        next((text for text in (unclear, *(own.unclear for _, own in inner)) if text), ""),
    )


def _imported(steps: list[dis.Instruction]) -> tuple[dict[str, set[str]], str]:
    """The modules that each local variable is assigned by an import, and why some import is unclear."""
    modules: dict[str, set[str]] = {}
    for before, step, after in zip(steps, steps[1:], steps[2:], strict=False):
        if step.opname != "IMPORT_NAME":
            continue
        level = steps[steps.index(before) - 1].argval
        if level != 0:
            return modules, "a module, by a relative import"
        if after.opname in _STORES:  # `import a.b` binds `a`
            modules.setdefault(after.argval, set()).add(str(step.argval).partition(".")[0])
        elif after.opname != "IMPORT_FROM" or before.argval is None:  # the latter is `import a.b as c`
            return modules, f"the module {step.argval}, by an import in its body"
    return modules, ""


def _module_of(steps: list[dis.Instruction], step: dis.Instruction) -> str:
    """The module that an IMPORT_FROM reads from."""
    return next(str(s.argval) for s in reversed(steps[: steps.index(step)]) if s.opname == "IMPORT_NAME")


def _is_compared(steps: list[dis.Instruction], place: int) -> bool:
    """Whether the class that is read at `place` is one of two in `a.__class__ is b.__class__`, as in many `__eq__`."""
    for first in (place, place - 2):
        some = steps[max(first, 0) : first + 4]
        reads_two = [step.argval for step in some[::2]] == ["__class__", "__class__"]
        if reads_two and some[1].opname.startswith("LOAD_FAST") and some[3].opname == "IS_OP":
            return True
    return False


def _begin(found: list[list[str]], names: Iterable[str]) -> list[list[str]]:
    paths = [[name] for name in names]
    found += paths
    return paths


def _texts(constant: Any) -> Iterator[str]:
    if isinstance(constant, str):
        yield constant
    elif isinstance(constant, tuple | frozenset):
        for part in constant:
            yield from _texts(part)


def _distinct(paths: Iterable[Iterable[str]]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(tuple(path) for path in paths))
