"""The arguments of a sweep as its members."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from nanolstm.cells.find import find_cell
from nanolstm.compile.backend import chosen
from nanolstm.errors import InputError, UnknownNameError, nearest
from nanolstm.losses import loss as find_loss
from nanolstm.losses import metric
from nanolstm.sweeping.member import SETTINGS, Member
from nanolstm.train.batching import batching
from nanolstm.train.fit import fit
from nanolstm.train.optimizer import optimizer
from nanolstm.train.schedule import schedule

_OWN = ("model", "data", "loss", "metrics", "validation", "rng", "progress", "checkpoint", "resume")
"""Arguments of `fit` that a sweep gives itself, or that one file for all members would make no sense of."""

Make = Callable[..., Any] | str
"""A cell as a member has it."""


def members_of(
    series: Any,
    cells: Any,
    sizes: Any,
    *,
    losses: Any,
    seeds: Any,
    score: Any,
    readout: Any,
    options: Mapping[str, Any],
    histories: bool,
) -> list[Member]:
    """A member for each combination, the last argument changing fastest.

    Raises:
        InputError: an argument that is none of those that `sweep` takes.
        UnknownNameError: a cell, loss, metric, optimizer or option that there is not.
    """
    options = _checked(options)
    if not isinstance(series, Mapping) or not series or {"x", "target"} <= series.keys():
        raise InputError('sweep: expected series by name, such as {"prices": (x, target)}')
    _check_numbers("seeds", seeds, 0)
    _check_numbers("readout", readout or 1, 1)
    named, functions = named_cells(cells), [find_loss(one) for one in _several(losses, "losses")]
    sized = _sizes(sizes, named)
    common = {"score": metric(score), "readout": readout, "backend": chosen("auto"), "options": options}
    members = [
        Member(
            series=name,
            data=data,
            cell=cell,
            make=named[cell],
            size=int(size),
            loss=function,
            seed=int(seed),
            keeps_history=histories,
            **common,
        )
        for (name, data), cell in itertools.product(series.items(), named)
        for size, function, seed in itertools.product(sized[cell], functions, _several(seeds, "seeds"))
    ]
    _check_unique(members)
    return members


def named_cells(cells: Any) -> dict[str, Make]:
    """Cells by the names that they have in the table.

    Raises:
        InputError: something else, or two of one name.
        UnknownNameError: there is no such cell.
    """
    pairs = [*cells.items()] if isinstance(cells, Mapping) else [("", cell) for cell in _several(cells, "cells")]
    named: dict[str, Make] = {}
    for label, cell in pairs:
        name = label or (cell if isinstance(cell, str) else getattr(cell, "__name__", ""))
        if not name or not (isinstance(cell, str) or callable(cell)):
            raise InputError(f"sweep: {cell!r} is no cell; give a class, a name, or a dict of name and function")
        if name in named:
            raise InputError(f'sweep: two cells are called {name!r}; give names: cells={{"mine": ...}}')
        named[name] = _found(cell) if isinstance(cell, str) else cell
    if not named:
        raise InputError("sweep: cells is empty; give at least one")
    return named


def _found(text: str) -> Make:
    """A registered cell as its class, since workers know nothing of what was registered in this process alone."""
    kind, fields = find_cell(text)
    return text if ":" in text else partial(kind, **fields)


def _sizes(sizes: Any, cells: Iterable[str]) -> dict[str, list[Any]]:
    """The hidden sizes of each cell."""
    cells = [*cells]
    by_cell = dict(sizes) if isinstance(sizes, Mapping) else dict.fromkeys(cells, sizes)
    if by_cell.keys() != set(cells):
        raise InputError(f"sweep: sizes has the keys {', '.join(map(str, by_cell))}; the cells are {', '.join(cells)}")
    for value in by_cell.values():
        _check_numbers("sizes", value, 1)
    return {cell: _several(value, "sizes") for cell, value in by_cell.items()}


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `fit`, and names among them made into what plugins of this process mean by them."""
    share = options["validation"]
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise InputError(f"sweep: validation={share!r}: expected the share of each series to hold back, such as 0.2")
    known = [name for name in inspect.signature(fit).parameters if name not in _OWN]
    for name in options:
        if name != "validation" and name not in known:
            raise UnknownNameError(f"sweep has no argument {name!r}; {nearest(name, known, 'those of fit')}")
    if "batching" in options:
        batching(options["batching"])
    find: dict[str, Callable[[Any], Any]] = {"optimizer": optimizer, "schedule": schedule}
    return {name: find[name](value) if name in find else value for name, value in options.items()}


def _check_numbers(what: str, value: Any, least: int) -> None:
    for number in _several(value, what):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
            raise InputError(f"sweep: {what}={value!r}: expected ints from {least} on")


def _check_unique(members: Iterable[Member]) -> None:
    seen = set()
    for member in members:
        settings = tuple(member.settings.values())
        if settings in seen:
            raise InputError(
                f"sweep: the member {dict(zip(SETTINGS, settings, strict=True))} is asked for more than once"
            )
        seen.add(settings)


def _several(value: Any, what: str) -> list[Any]:
    found = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    if not found:
        raise InputError(f"sweep: {what} is empty; give at least one")
    return found
