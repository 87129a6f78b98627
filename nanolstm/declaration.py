"""From the body of a class to an attrs class: what `Cell` does to every class derived from it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast, dataclass_transform

import attrs

from nanolstm.errors import CellError
from nanolstm.fields import KEY, absent
from nanolstm.gates import HasParameters


@dataclass_transform(kw_only_default=True, field_specifiers=(attrs.field,))
class Declared(HasParameters):
    """Makes an attrs class of every class below it: `Cell` and, undecorated, whatever is derived from it.

    Nothing is demanded of a body here, since cloudpickle rebuilds a class with an empty one first.
    """

    _fields_as_defined: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _refuse_foreign_classes(cls)
        attrs.define(
            slots=False,
            eq=False,
            repr=False,
            kw_only=True,
            auto_attribs=True,
            field_transformer=_inherited_in_place,
            on_setattr=attrs.setters.NO_OP,  # Cell.__setattr__ validates
        )(cls)
        cls._fields_as_defined = fields_of(cls)

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Refuse a class that attrs was applied to once more, which would have emptied it."""
        if cls._fields_as_defined != fields_of(cls):
            raise CellError(f"{cls.__name__}: take @attrs.define off; Cell applies it to its subclasses already")
        return super().__new__(cls)


def fields_of(cls: type) -> tuple[attrs.Attribute[Any], ...]:
    """The attrs fields of a cell class, in order."""
    return tuple(attrs.fields(cast("Any", cls)))


def settings_of(cls: type) -> list[str]:
    """The names of the fields that a cell is made with."""
    return [f.name for f in fields_of(cls) if f.init]


def _own_annotations(cls: type) -> list[str]:
    return list(inspect.get_annotations(cls))


def _inherited_in_place(cls: type, fields: Sequence[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """An overridden field keeps the place of the first of its name; an `absent` one goes."""
    order: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        order |= dict.fromkeys(_own_annotations(base))
    places = list(order)

    def stays(field: attrs.Attribute[Any]) -> bool:
        for base in cls.__mro__:
            if vars(base).get(field.name) is absent:
                return False
            if field.name in _own_annotations(base):
                return True
        return True

    return sorted((f for f in fields if stays(f)), key=lambda f: places.index(f.name))


def _reserved() -> set[str]:
    """Names that are Cell's own, and would be shadowed by a gate, a parameter or a state."""
    from nanolstm.cell import Cell

    return {*dir(Cell), *(f.name for f in fields_of(Cell)), "step", "x"}


def _refuse_foreign_classes(cls: type) -> None:
    """Refuse what attrs would quietly get wrong in the body of a cell, or of a class that it is mixed with."""
    if "__attrs_attrs__" in cls.__dict__:
        raise CellError(f"{cls.__name__}: take @attrs.define off; Cell applies it to its subclasses already")
    for name in ("__init__", "__attrs_post_init__"):
        if name in cls.__dict__ and Declared not in cls.__bases__:
            raise CellError(
                f"{cls.__name__}: a cell's {name} is written by Cell; override `initialise(self, rng)` to change first "
                "values, and declare settings as annotated fields"
            )
    for base in cls.__mro__:
        declared = {n: v for n, v in vars(base).items() if type(v).__name__ == "_CountingAttr" and KEY in v.metadata}
        for name in declared:
            if not issubclass(base, Declared):
                raise CellError(
                    f"{cls.__name__}: {name!r} is declared in {base.__name__}, which is no Cell, so it would be "
                    f"ignored; write `class {base.__name__}(Cell)`"
                )
            if name not in _own_annotations(base):
                raise CellError(
                    f"{cls.__name__}: {name!r} has no annotation; write `{name}: Gate = gate(...)` (or Array, State)"
                )
            if name in _reserved():
                raise CellError(f"{cls.__name__}: {name!r} is a name of Cell itself; give the field another one")
