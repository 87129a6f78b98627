"""From the declarations of a class to the anatomy of one cell: every name looked up, every size made a number."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.errors import CellError, nearest
from nanolstm.language.anatomy import Anatomy, FeedAnatomy, GateAnatomy, NoiseAnatomy, ParameterAnatomy, StateAnatomy
from nanolstm.language.declaration import fields_of, settings_of
from nanolstm.language.dropout import SETTINGS, with_masks
from nanolstm.language.fields import KEY, FeedField, NoiseField, ParamField, Size, StateField
from nanolstm.language.gate import FIRST_STATE, Blocks, Dense, Diagonal, GateField, Product, Tied
from nanolstm.language.initialisers import normal

if TYPE_CHECKING:
    from nanolstm.language.cell import Cell


def resolve(cell: Cell) -> Anatomy:
    """Resolve the declarations of `cell`'s class for the sizes of `cell`.

    Raises:
        CellError: a name or a size that cannot be resolved; the text says where it stands and what is known.
    """
    return _Resolver(cell).resolve()


ARGUMENTS_OF_A_MODEL = (
    *("target", "loss", "lengths", "resets", "initial", "return_state", "rng", "backend"),
    *("wrt", "direction", "truncate", "checkpoint_every", "steps", "parameters", "frozen"),
)
"""Names that a call of a model has, or will have, for itself: no feed can bear them."""


class _Resolver:
    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.name = type(cell).__name__
        self.fields = {f.name: f.metadata[KEY] for f in fields_of(type(cell)) if KEY in f.metadata}
        self.arguments = step_arguments(type(cell))
        self.states: dict[str, StateAnatomy] = {}
        self.parameters: dict[str, ParameterAnatomy] = {}

    def resolve(self) -> Anatomy:
        self._check_arguments()
        feeds: dict[str, FeedAnatomy] = {}
        noises: dict[str, NoiseAnatomy] = {}
        for name in self.arguments:
            match self.fields.get(name):
                case FeedField(size=size, default=default):
                    feeds[name] = FeedAnatomy(self.number(size, f"feed {name!r}"), default)
                case NoiseField(p=p, size=size, per=per, inverted=inverted):
                    width, probability = self.number(size, f"noise {name!r}"), self._probability(name, p, inverted)
                    noises[name] = NoiseAnatomy(width, probability, per, inverted)
                case StateField(size=size, start=start):
                    self.states[name] = StateAnatomy(self.shape(size, f"state {name!r}"), start)
                case _:
                    self.states[name] = StateAnatomy((self.cell.hidden,), 0.0)
        self.widths = {"x": self.cell.inputs}
        self.widths |= {name: f.size for name, f in feeds.items()} | {name: n.size for name, n in noises.items()}
        self.widths |= {name: s.shape[0] for name, s in self.states.items() if len(s.shape) == 1}
        self.sizes = {
            name: self.number(field.size, f"gate {name!r}")
            for name, field in self.fields.items()
            if isinstance(field, GateField)
        }
        gates, params = {}, {}
        for name, field in self.fields.items():
            if isinstance(field, GateField):
                gates[name] = self._gate(name, field)
            elif isinstance(field, ParamField):
                params[name] = name
                self.parameters[name] = self._param(field, f"param {name!r}")
        for name, part in self.states.items():
            if isinstance(part.start, str) and (
                part.start not in params or self.parameters[part.start].shape != part.shape
            ):
                raise CellError(
                    f"{self.name}: state {name!r} starts at {part.start!r}, which is no param of its shape "
                    f"{part.shape}; {nearest(part.start, params, 'params')}"
                )
        own = Anatomy(self.arguments, self.states, feeds, noises, {}, gates, params, self.parameters)
        return with_masks(self.cell, own)

    def _check_arguments(self) -> None:
        for name in self.arguments:
            if name in ARGUMENTS_OF_A_MODEL:
                raise CellError(f"{self.name}: the argument {name!r} of step bears the name of an argument of a model")
            if name == "output":
                raise CellError(f"{self.name}: no argument of step can be called 'output', as what it returns first is")
        for name, field in self.fields.items():
            argument = isinstance(field, StateField | FeedField | NoiseField)
            word = _word(field)
            if argument and name not in self.arguments:
                raise CellError(
                    f"{self.name}: {word} {name!r} is declared, but step({', '.join(('self', 'x', *self.arguments))}) "
                    f"has no argument of that name; add it, or write `{name} = absent`"
                )
            if not argument and name in self.arguments:
                raise CellError(
                    f"{self.name}: the argument {name!r} of step is declared as a {word}; read it as self.{name}, or "
                    "give the argument another name"
                )

    def number(self, size: Any, where: str) -> int:
        if isinstance(size, tuple):
            if len(size) == 1:
                return self.number(size[0], where)
            raise CellError(
                f"{self.name}: {where} has size {size!r}; only states and params may have several axes. Use the "
                "product as its size and `split(value, heads)` in step"
            )
        if isinstance(size, str):
            try:
                value = getattr(self.cell, size)
            except AttributeError:
                known = [name for name in settings_of(type(self.cell)) if name not in ("rng", "dtype")]
                raise CellError(
                    f"{self.name}: {where} has size {size!r}, which is no attribute of the cell: {nearest(size, known)}"
                ) from None
        else:
            value = size
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise CellError(f"{self.name}: {where} has size {size!r}, which is {value!r}; expected an int from 1 on")
        return int(value)

    def shape(self, size: Size, where: str) -> tuple[int, ...]:
        return tuple(self.number(part, where) for part in (size if isinstance(size, tuple) else (size,)))

    def _probability(self, name: str, p: float | str, inverted: bool) -> float:
        if p in SETTINGS:
            raise CellError(
                f"{self.name}: noise {name!r} has probability {p!r}, which every cell acts on by itself; take the mask "
                "out of the step, or give its probability another name"
            )
        if isinstance(p, str) and not hasattr(self.cell, p):
            known = settings_of(type(self.cell))
            raise CellError(f"{self.name}: noise {name!r} has probability {p!r}; {nearest(p, known, 'fields')}")
        value: Any = getattr(self.cell, p) if isinstance(p, str) else p
        if not isinstance(value, int | float | np.number) or not 0.0 <= value <= 1.0:
            raise CellError(f"{self.name}: noise {name!r} has probability {value!r}; expected a number from 0 to 1")
        if inverted and value == 0:
            raise CellError(f"{self.name}: noise {name!r} is inverted, 1 / p, so its probability cannot be 0")
        return float(value)

    def _param(self, field: ParamField, where: str, size: int | None = None) -> ParameterAnatomy:
        parts = field.shape if isinstance(field.shape, tuple) else (field.shape,)
        shape = tuple(size if part == "size" and size is not None else self.number(part, where) for part in parts)
        return ParameterAnatomy(shape, field.init, field.frozen, field.project)

    def _gate(self, name: str, field: GateField) -> GateAnatomy:
        size = self.sizes[name]
        inits = field.init if isinstance(field.init, Mapping) else {} if field.init is None else {"*": field.init}
        projects = field.project
        keys: dict[str, str] = {}
        products = []
        for weight in field.weights:
            key, form = self._follow(name, weight)
            if form is None:
                continue
            product = Product(weight, form, self._width(form.reads, f"weight {weight} of gate {name!r}"))
            products.append(product)
            keys[weight] = key
            if key == f"{name}.{weight}":
                shape = self._weight_shape(product, size, key)
                init, project = inits.get(weight, inits.get("*", normal())), projects.get(weight, projects.get("*"))
                self.parameters[key] = ParameterAnatomy(shape, init, field.frozen, project)
        if field.bias:
            keys["b"], _ = self._follow(name, "b")
            if keys["b"] == f"{name}.b":
                self.parameters[keys["b"]] = ParameterAnatomy(
                    (size,), inits.get("b", 0.0), field.frozen, projects.get("b")
                )
        for f in fields_of(field.kind):
            if KEY in f.metadata:
                self._param_of_kind(name, field, f, keys, inits)
        for what, words in (("init", inits), ("project", projects)):
            for word in words:
                if word not in (*keys, "*"):
                    raise CellError(
                        f"{self.name}: gate {name!r} has {what} for {word!r}: {nearest(word, [*keys, '*'])}"
                    )
                if what == "project" and word != "*" and keys[word] != f"{name}.{word}":
                    raise CellError(
                        f"{self.name}: gate {name!r} has project for {word!r}, which is tied to {keys[word]!r}; "
                        "declare it there"
                    )
        return GateAnatomy(field.kind, field.activation, size, tuple(products), keys, field.options)

    def _param_of_kind(
        self, name: str, field: GateField, f: attrs.Attribute[Any], keys: dict[str, str], inits: Mapping[str, Any]
    ) -> None:
        kind = field.kind.__name__
        if not isinstance(f.metadata[KEY], ParamField):
            word = _word(f.metadata[KEY])
            raise CellError(f"{kind}: {f.name!r} is a {word}, which only a cell can have; a gate declares params")
        if f.name in keys:
            raise CellError(
                f"{self.name}: gate {name!r} has a weight {f.name!r}, and its kind {kind} a param of that name"
            )
        own = keys[f.name] = f"{name}.{f.name}"
        declared = self._param(f.metadata[KEY], f"param {own!r}", self.sizes[name])
        self.parameters[own] = attrs.evolve(
            declared,
            init=inits.get(f.name, declared.init),
            frozen=declared.frozen or field.frozen,
            project=field.project.get(f.name, declared.project),
        )

    def _follow(self, gate: str, weight: str) -> tuple[str, Any]:
        """The key under which a weight stands, through all that it is tied to, and its form; None if it is left out."""
        seen = [f"{gate}.{weight}"]
        while isinstance(form := self._declared(seen[-1]), Tied) and form.to not in seen:
            seen.append(form.to)
        if isinstance(form, Tied) or (len(seen) > 1 and (not form or (form is True) != (weight == "b"))):
            raise CellError(
                f"{self.name}: {seen[0]} is tied to {seen[-1]!r}, which is no weight that it could share: "
                f"{nearest(seen[-1], [key for key in self._tieable(weight == 'b') if key not in seen])}"
            )
        own, other = self.sizes[gate], self.sizes[seen[-1].partition(".")[0]]
        if own != other:
            raise CellError(
                f"{self.name}: {seen[0]} is tied to {seen[-1]!r}, and the gates' sizes differ: {own} and {other}"
            )
        return seen[-1], form

    def _declared(self, key: str) -> Any:
        gate, _, weight = key.partition(".")
        field = self.fields.get(gate)
        if not isinstance(field, GateField):
            return None
        form = field.bias if weight == "b" else field.weights.get(weight)
        if form is FIRST_STATE:
            return Dense(next(iter(self.states))) if self.states else None
        return form

    def _tieable(self, bias: bool) -> list[str]:
        gates = {name: field for name, field in self.fields.items() if isinstance(field, GateField)}
        return [f"{name}.{w}" for name, field in gates.items() for w in (["b"] if bias else field.weights)]

    def _width(self, reads: str, where: str) -> int:
        if reads in self.widths:
            return self.widths[reads]
        if reads in self.sizes:
            return self.sizes[reads]
        if reads in self.states:
            raise CellError(
                f"{self.name}: {where} multiplies state {reads!r}, whose shape is {self.states[reads].shape}; a weight "
                "multiplies vectors. Name a size instead, and pass the vector that you make of the state"
            )
        if hasattr(self.cell, reads):
            return self.number(reads, where)
        known = [*self.widths, *self.sizes, "hidden", "inputs"]
        raise CellError(f"{self.name}: {where} multiplies {reads!r}, which is not known here: {nearest(reads, known)}")

    def _weight_shape(self, product: Product, size: int, key: str) -> tuple[int, ...]:
        match product.form:
            case Diagonal(reads=reads):
                if product.width != size:
                    raise CellError(
                        f"{self.name}: {key} is diagonal, so the gate's size and the width of {reads!r} must be equal; "
                        f"they are {size} and {product.width}"
                    )
                return (size,)
            case Blocks(reads=reads, heads=heads):
                parts = self.number(heads, f"{key} with blocks(heads={heads!r})")
                if size % parts or product.width % parts:
                    raise CellError(
                        f"{self.name}: {key} has {parts} blocks, which must divide the gate's size {size} and the "
                        f"width of {reads!r}, {product.width}"
                    )
                return (parts, size // parts, product.width // parts)
            case _:
                return (size, product.width)


def _word(field: Any) -> str:
    """The word of the cell language that declares `field`."""
    return type(field).__name__.removesuffix("Field").lower()


def step_arguments(cls: type[Cell]) -> tuple[str, ...]:
    """The names of the arguments of `cls.step` after `x`.

    Raises:
        CellError: `step` takes no `x`, or has arguments that cannot be states (`*args`, keyword-only, defaults).
    """
    parameters = list(inspect.signature(cls.step).parameters.values())
    wanted = f"{cls.__name__}.step must read `def step(self, x, h, ...)`: the input, then the states by name"
    if isinstance(inspect.getattr_static(cls, "step"), staticmethod | classmethod):
        raise CellError(f"{wanted}; it is no plain method")
    if len(parameters) < 2 or any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
        raise CellError(f"{wanted}; it reads `def step{inspect.signature(cls.step)}`")
    for p in parameters:
        if p.default is not p.empty:
            raise CellError(
                f"{wanted}; {p.name}={p.default!r} has a default. A state that starts elsewhere than 0 is declared: "
                f"`{p.name}: State = state(start={p.default!r})`"
            )
    return tuple(p.name for p in parameters[2:])
