"""A cell from its settings and its numbers, without drawing any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import attrs
import numpy as np

from nanolstm.errors import CellError
from nanolstm.language.anatomy import Anatomy
from nanolstm.language.cell import Cell
from nanolstm.language.declaration import fields_of
from nanolstm.language.fields import KEY
from nanolstm.language.functions import Array
from nanolstm.language.resolve import resolve

C = TypeVar("C", bound=Cell)


def restored(cls: type[C], settings: Mapping[str, Any], values: Mapping[str, Array]) -> C:
    """The cell of class `cls` with these settings and parameters: as if made with the one and assigned the other.

    Nothing is drawn, and `initialise` does not run. Names and shapes are compared before any array is made, so that a
    wrong size costs nothing.

    Args:
        cls: the class.
        settings: what it is called with, by name; what is left out takes its default.
        values: all parameters by key, trained and frozen ones, in the cell's dtype.

    Raises:
        CellError: settings that the class does not have, or parameters other than its own.
        InputError: a setting with a value that the class refuses.
    """
    cell = cls.__new__(cls, **settings)
    fields = cell.__dict__
    for field in fields_of(cls):
        if KEY not in field.metadata and (field.init or field.default is not attrs.NOTHING):
            value = settings[field.name] if field.init and field.name in settings else _default(cell, field)
            fields[field.name] = attrs.setters.convert(cast("Any", cell), field, value)
    attrs.validate(cast("Any", cell))
    parts = resolve(cell)
    _compare(cls.__name__, parts, values)
    pieces = [values[key].ravel() for key in parts.layout()]
    buffer = np.concatenate([*pieces, np.zeros(0, cell.dtype)])
    cell.__setstate__({"fields": {}, "layout": parts.layout(), "buffer": buffer.astype(cell.dtype, copy=False)})
    cell._measure()
    return cell


def _default(cell: Cell, field: attrs.Attribute[Any]) -> Any:
    if field.default is attrs.NOTHING:
        raise CellError(f"{type(cell).__name__}: there is no value for its field {field.name!r}, which has no default")
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]  # a class, whatever its stub says
        factory = cast("Any", field.default)
        return factory.factory(cell) if factory.takes_self else factory.factory()
    return field.default


def _compare(name: str, parts: Anatomy, values: Mapping[str, Array]) -> None:
    own = {key: part.shape for key, part in parts.parameters.items()}
    given = {key: value.shape for key, value in values.items()}
    wrong = [f"{key!r} is missing" for key in own.keys() - given.keys()]
    wrong += [f"{key!r} is not one of its own" for key in given.keys() - own.keys()]
    wrong += [f"{key!r} has shape {given[key]}, not {own[key]}" for key in own if own[key] != given.get(key, own[key])]
    if wrong:
        raise CellError(f"{name} has other parameters: {'; '.join(sorted(wrong))}")
