"""One cell in full: its docstring, its source, what its step takes, its parameters and its graph."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import attrs

from nanolstm.compile.source_text import comment
from nanolstm.describing.docstring import own_docstring
from nanolstm.describing.family import Family, family_of, frozen, trained
from nanolstm.describing.formula import Formula
from nanolstm.describing.initial import initial_value
from nanolstm.errors import NanolstmError
from nanolstm.graph.node import laid_out
from nanolstm.language.anatomy import Anatomy
from nanolstm.language.cell import Cell
from nanolstm.traced import trace


@attrs.frozen
class Parameter:
    """One parameter: its shape and its count as formulas, and where its first values come from."""

    name: str
    shape: str
    count: str
    initial: str
    frozen: bool


@attrs.frozen
class Argument:
    """One thing that a step takes or returns: x, a state, a feed, a mask, the output."""

    name: str
    what: str
    shape: str
    value: str


@attrs.frozen(kw_only=True)
class Portrait:
    """All that is to be said of a cell, as text; sizes are formulas of the hidden size K and the inputs M.

    Attributes:
        name: its class.
        module: where that stands.
        fields: what it is set to beside its sizes.
        docstring: its own.
        source: of the class without its docstring, and of the step where that is inherited.
        arguments: what the step takes and what it returns first.
        parameters: in the order in which they are drawn.
        changed: whether the class changes first values after all are drawn, in `initialise`.
        trained: how many numbers are trained.
        frozen: how many are not.
        where: what the formulas take for granted.
        graph: the traced step, or why it cannot be traced.
    """

    name: str
    module: str
    fields: Mapping[str, str]
    docstring: str
    source: str
    arguments: tuple[Argument, ...]
    parameters: tuple[Parameter, ...]
    changed: bool
    trained: str
    frozen: str
    where: str
    graph: str

    def facts(self) -> dict[str, Any]:
        """All of it as plain values."""
        facts = attrs.asdict(self)
        return facts | {key: list(facts[key]) for key in ("arguments", "parameters")}


def portrait(kind: type[Cell], fields: Mapping[str, Any], inputs: int | None, hidden: int | None) -> Portrait:
    """Describe a class of cells with these values for its fields, at any size or at the given one.

    Raises:
        NanolstmError: the class cannot be made at any size; the text says why.
    """
    family = family_of(kind, fields, inputs, hidden)
    return Portrait(
        name=kind.__name__,
        module=kind.__module__,
        fields={name: str(v) if isinstance(v, Formula) else repr(v) for name, v in family.fields.items()},
        docstring=own_docstring(kind),
        source=source_of(kind),
        arguments=tuple(_arguments(family)),
        parameters=tuple(_parameters(family)),
        changed=kind.initialise is not Cell.initialise,
        trained=str(family.formula(trained)),
        frozen=str(family.formula(frozen)),
        where=", ".join(family.holds_where),
        graph=_graph(family),
    )


def source_of(kind: type[Cell]) -> str:
    """The source of a class without its docstring; below it that of its step, where another class has written it."""
    owner: Any = next(base for base in kind.__mro__ if "step" in vars(base))
    parts = [_source(kind)]
    if owner is not kind:
        parts.append(comment(f"step is that of {owner.__module__}.{owner.__name__}:") + f"\n\n{_source(owner.step)}")
    return "\n\n".join(parts)


def _source(written: Any) -> str:
    try:
        text = textwrap.dedent(inspect.getsource(written)).rstrip()
    except (OSError, TypeError):
        return comment(f"The source of {written.__qualname__} is in no file.")
    node = cast("ast.ClassDef | ast.FunctionDef", ast.parse(text).body[0])
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    if not (isinstance(node, ast.ClassDef) and is_docstring and len(node.body) > 1):
        return text
    lines = text.splitlines()
    return "\n".join([*lines[: first.lineno - 1], *lines[cast("int", first.end_lineno) :]]).replace(":\n\n", ":\n", 1)


def _arguments(family: Family) -> list[Argument]:
    part = family.smallest.anatomy
    found = [Argument("x", "input", _shape(family, lambda cell: (cell.inputs,)), "")]
    for name in part.arguments:
        if name in part.states:
            start = part.states[name].start
            text = f"starts at {start if isinstance(start, str) else initial_value(start)}"
            found.append(Argument(name, "state", _shape(family, _state(name)), text))
        elif name in part.feeds:
            default = part.feeds[name].default
            text = "must be given" if default is None else f"{default:g} unless given"
            found.append(Argument(name, "feed", _shape(family, _feed(name)), text))
        else:
            mask = part.noises[name]
            text = f"1 with probability {mask.p:g}, drawn anew each {mask.per}"
            found.append(Argument(name, "noise", _shape(family, _noise(name)), text))
    return [*found, Argument("", "output", _shape(family, lambda cell: (cell.outputs,)), "")]


def _state(name: str) -> Callable[[Cell], tuple[int, ...]]:
    return lambda cell: cell.anatomy.states[name].shape


def _feed(name: str) -> Callable[[Cell], tuple[int, ...]]:
    return lambda cell: (cell.anatomy.feeds[name].size,)


def _noise(name: str) -> Callable[[Cell], tuple[int, ...]]:
    return lambda cell: (cell.anatomy.noises[name].size,)


def _parameters(family: Family) -> list[Parameter]:
    parts: Anatomy = family.smallest.anatomy
    found = []
    for key, part in parts.parameters.items():
        counts = [_all_parameters(cell)[key].size for cell in family.cells]
        shape = _shape(family, lambda cell, key=key: cell.anatomy.parameters[key].shape)  # type: ignore[misc]
        count = str(family.fitted(counts) or counts[0])
        found.append(Parameter(key, shape, count, initial_value(part.init), part.frozen))
    return found


def _all_parameters(cell: Cell) -> dict[str, Any]:
    return {**cell.parameters, **cell.frozen}


def _shape(family: Family, shape: Callable[[Cell], tuple[int, ...]]) -> str:
    shapes = [shape(cell) for cell in family.cells]
    axes = [str(family.fitted(list(axis)) or axis[0]) for axis in zip(*shapes, strict=True)]
    return f"({', '.join(axes)})"


def _graph(family: Family) -> str:
    """The graph of the step, with formulas for the numbers in it that depend on the size; or why there is none."""
    try:
        graphs = [trace(cell) for cell in family.cells]
    except NanolstmError as error:
        return str(error)
    plain = laid_out(f"{graphs[0].title} of {family.smallest}", graphs[0].rows(), graphs[0].returned())
    tables = [graph.rows() for graph in graphs]
    if len({len(rows) for rows in tables}) > 1:
        return plain
    rows = []
    for same in zip(*tables, strict=True):
        row = [_general(family, texts) for texts in zip(*same, strict=True)]
        if None in row:
            return plain
        rows.append(tuple(row))
    return laid_out(graphs[0].title, cast("Any", rows), graphs[0].returned())


_NUMBER = re.compile(r"(?<![\w.])(\d+)(?![\w.])")


def _general(family: Family, texts: Sequence[str]) -> str | None:
    """Texts that differ in whole numbers, as one with formulas; None where they differ in something else."""
    if len(set(texts)) == 1:
        return texts[0]
    pieces = [_NUMBER.split(text) for text in texts]
    if len({tuple(split[::2]) for split in pieces}) > 1:
        return None
    words = list(pieces[0])
    for place in range(1, len(words), 2):
        formula = family.fitted([int(split[place]) for split in pieces])
        if formula is None:
            return None
        words[place] = str(formula)
    return "".join(words)
