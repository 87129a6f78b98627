"""The class of a cell that a file names: handed in, or registered. A file makes nobody import anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from nanolstm import plugins
from nanolstm.cells.find import find_cell
from nanolstm.errors import InputError, UnknownNameError, nearest
from nanolstm.language.cell import Cell

CellClasses: TypeAlias = type[Cell] | Iterable[type[Cell]] | Mapping[str, type[Cell]]


def by_name(cells: CellClasses) -> dict[str, type[Cell]]:
    """The classes that were handed in, by the names that a file knows them by.

    Raises:
        InputError: something that is no class of a cell, or two of one name.
    """
    if isinstance(cells, type) or not isinstance(cells, Iterable):
        cells = [cells]
    named = list(cells.items()) if isinstance(cells, Mapping) else [(getattr(c, "__name__", ""), c) for c in cells]
    for name, cell in named:
        if not (isinstance(cell, type) and issubclass(cell, Cell)):
            raise InputError(f"cells: {cell!r} is no class of a cell; write cells=[MyCell]")
        if any(other is not cell for known, other in named if known == name):
            raise InputError(f"cells: two classes are called {name!r}; hand in the one that the file means")
    return dict(named)


def find(name: str, module: str, given: Mapping[str, type[Cell]]) -> type[Cell]:
    """The class that was called `name` in `module` when it was saved.

    `module` is compared with those of registered cells and imported never.

    Raises:
        UnknownNameError: it is neither handed in nor registered, or several are registered that it could be.
        PluginError: its plugin is broken, or it is registered twice.
    """
    if name in given:
        return given[name]
    registry = plugins.shared.registry("cells")
    targets = {known: _target(entry.value) for known in registry for entry in registry.entries(known)}
    found = [known for known, target in targets.items() if target == (module, name)] or [
        known for known, target in targets.items() if name in (known, target[1])
    ]
    if len({targets[known] for known in found}) == 1:  # one class may be registered under several names
        return find_cell(found[0])[0]
    registered = nearest(name, [*given, *targets])
    why = (
        f"several registered cells could be it: {', '.join(found)}" if found else f"it is not registered; {registered}"
    )
    raise UnknownNameError(
        f"the cell {name!r} (of module {module!r} when it was saved): {why}. Hand its class in: "
        f"nl.load(path, cells=[{name}])"
    )


def _target(value: Any) -> tuple[str, str]:
    """Module and name of a registered cell, which need not be imported yet."""
    if isinstance(value, str):
        module, _, name = value.partition(":")
        return module, name
    return getattr(value, "__module__", ""), getattr(value, "__name__", "")
