"""From the body of a class to an attrs class: what happens to every class derived from `Cell` or `Gate`.

attrs would quietly drop, ignore or reorder some of what a body may say; all of that is either made right here or
refused. Nothing is demanded of a body, since cloudpickle rebuilds a class with an empty one first.
"""

from __future__ import annotations

import inspect
import keyword
import unicodedata
from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast, dataclass_transform

import attrs

from nanolstm.errors import CellError, nearest
from nanolstm.language.fields import KEY, absent
from nanolstm.language.parameters import HasParameters


@dataclass_transform(kw_only_default=True, field_specifiers=(attrs.field,))
class Declared(HasParameters):
    """Makes an attrs class of every class below it."""

    __fields_as_defined__: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if Declared not in cls.__bases__:  # Cell and Gate themselves may do what their subclasses may not
            _refuse_what_attrs_would_ignore(cls)
        attrs.define(
            slots=False,
            eq=False,
            repr=False,
            kw_only=True,
            auto_attribs=True,
            field_transformer=_inherited_in_place,
            on_setattr=attrs.setters.NO_OP,  # Cell.__setattr__ validates
        )(cls)
        cls.__fields_as_defined__ = vars(cls)["__attrs_attrs__"]

    def __new__(cls, *_: Any, **settings: Any) -> Self:
        """Refuse a class that attrs was applied to once more, which would have emptied it, and misspelt settings."""
        if cls.__fields_as_defined__ is not vars(cls)["__attrs_attrs__"]:
            raise CellError(_ATTRS_TWICE.format(cls.__name__))
        for name in settings:
            if name not in settings_of(cls):
                raise CellError(
                    f"{cls.__name__}({name}={settings[name]!r}): there is no such field; "
                    f"{nearest(name, settings_of(cls), 'fields')}"
                )
        return super().__new__(cls)


def fields_of(cls: type) -> tuple[attrs.Attribute[Any], ...]:
    """The attrs fields of a cell or gate class, in order."""
    return tuple(attrs.fields(cast("Any", cls)))


def settings_of(cls: type) -> list[str]:
    """The names of the fields that a cell is made with."""
    return [f.name for f in fields_of(cls) if f.init]


_Pending = type(attrs.field())
"""What attrs.field() answers with: a field that has no class yet."""

_ATTRS_TWICE = "{}: take @attrs.define off; nanolstm applies it to subclasses of Cell and Gate already"


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


def _refuse_what_attrs_would_ignore(cls: type) -> None:
    body = vars(cls)
    if "__attrs_attrs__" in body:
        raise CellError(_ATTRS_TWICE.format(cls.__name__))
    for name in ("__init__", "__attrs_post_init__"):
        if name in body:
            raise CellError(
                f"{cls.__name__}: {name} is written by nanolstm; override `initialise(self, rng)` of a cell to change "
                "first values, and declare settings as annotated fields"
            )
    _check_names(cls)
    for base in cls.__mro__:
        for name, value in vars(base).items():
            if not _is_declaration(value):
                continue
            if not issubclass(base, Declared):
                raise CellError(
                    f"{cls.__name__}: {name!r} is declared in {base.__name__}, which is no Cell, so it would be "
                    f"ignored; write `class {base.__name__}(Cell)`"
                )
            if name not in _own_annotations(base):
                raise CellError(
                    f"{cls.__name__}: {name!r} has no annotation; write `{name}: Gate = gate(...)` (or Array, State)"
                )


def _check_names(cls: type) -> None:
    root = next(base for base in cls.__mro__ if Declared in base.__bases__)
    reserved = {*dir(root), *_own_annotations(root), "step", "x"}
    own = _own_annotations(cls)
    for name in own:
        _check_spelling(cls, name)
    inherited = {name for base in cls.__mro__[1:] if issubclass(base, Declared) for name in _own_annotations(base)}
    for name, value in vars(cls).items():
        if _is_declaration(value) and name in reserved:
            raise CellError(f"{cls.__name__}: {name!r} is a name of {root.__name__} itself; give the field another one")
        if value is absent and name not in inherited:
            raise CellError(
                f"{cls.__name__}: `{name} = absent` removes nothing; {nearest(name, inherited, 'inherited')}"
            )
        if name in inherited and name not in own and value is not absent and not _is_declaration(value):
            raise CellError(
                f"{cls.__name__}: {name!r} is an inherited field, which an attribute or a method without an annotation "
                f"does not replace; write `{name}: ... = ...`, or `{name} = absent` and another name for what is new"
            )


def _check_spelling(cls: type, name: str) -> None:
    """Refuse names that `type(name, bases, body)` accepts and that cannot be fields."""
    if "." in name:
        raise CellError(
            f"{cls.__name__}: the name of the field {name!r} has a dot, which in names of parameters stands between "
            f"a gate and its weight; write {name.replace('.', '_')!r}"
        )
    # attrs writes the names of settings into the source of __init__, where Python brings them to their normal form.
    plain = name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name
    if not plain and not _is_declaration(vars(cls).get(name)):
        raise CellError(
            f"{cls.__name__}: the field {name!r} cannot be given by keyword; its name must be an identifier of Python "
            "in its normal form (NFKC), and no keyword"
        )


def _is_declaration(value: Any) -> bool:
    return isinstance(value, _Pending) and KEY in value.metadata
