"""A cell by its registered name, or by the module that it stands in."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import attrs

from nanolstm import plugins
from nanolstm.errors import InputError, UnknownNameError, nearest
from nanolstm.language.cell import Cell
from nanolstm.naming import parse_name


def find_cell(text: str) -> tuple[type[Cell], dict[str, Any]]:
    """The class that a text asks for, and the values of its fields.

    It is `Name` of a registered cell, `module:Class`, or `path/to/file.py:Class`, each with `(field=value)` after it or
    not.

    ```python
    from nanolstm.cells.find import find_cell

    kind, fields = find_cell("ToyLSTM(outputs=3)")
    cell = kind(inputs=2, hidden=3, rng=0, **fields)
    ```

    Raises:
        UnknownNameError: there is no such cell, module, file or field; the nearest is suggested.
        InputError: `text` is no name.
        PluginError: two plugins registered the name.
    """
    name, fields = parse_name(text)
    if name.startswith(":") or name.endswith(":"):
        raise InputError(f"{text!r} is no cell; write a registered name, or module:Class")
    found = name if ":" in name else plugins.lookup("cells", name)[1].value
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        module = _imported(name, module) if "/" in module or "\\" in module else module.removesuffix(".py")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except ImportError as error:
            raise UnknownNameError(f"cell {name!r}: module {module!r} cannot be imported: {error}") from None
        except AttributeError:
            there = [n for n, v in vars(importlib.import_module(module)).items() if _is_cell(v)]
            where = getattr(importlib.import_module(module), "__file__", module)
            raise UnknownNameError(
                f"module {module!r} ({where}) has no {attribute!r}; {nearest(attribute, there, 'cells there')}"
            ) from None
    if not _is_cell(found):
        raise UnknownNameError(f"{name!r} is {found!r}; expected a subclass of nanolstm.Cell")
    known = [f.name for f in attrs.fields(found) if f.init and f.name not in ("inputs", "hidden", "dtype", "rng")]
    for field in fields:
        if field not in known:
            raise UnknownNameError(f"cell {name!r} has no field {field!r}: {nearest(field, known, 'fields')}")
    return found, fields


def _imported(name: str, path: str) -> str:
    """Import the file at `path` under a name that no library has, so that neither takes the other's place."""
    file = Path(path).with_suffix(".py")
    spec = importlib.util.spec_from_file_location("file_" + re.sub(r"\W", "_", file.stem), file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise UnknownNameError(f"cell {name!r}: there is no file {file}")
    before = sys.modules.get(spec.name)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    sys.path.append(str(file.parent.resolve()))  # for what lies beside it
    try:
        spec.loader.exec_module(module)
    except BaseException:  # no half of a module is to be found under its name
        if before is None:
            del sys.modules[spec.name]
        else:
            sys.modules[spec.name] = before
        raise
    return spec.name


def _is_cell(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Cell) and value is not Cell
