"""What one cell consists of: the declarations of its class, resolved to names, widths and shapes for its sizes.

Everything that runs, draws, records or describes a cell reads this, and nothing else reads the fields themselves.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np

from nanolstm.declaration import fields_of, settings_of
from nanolstm.errors import CellError, nearest
from nanolstm.fields import (
    FIRST_STATE,
    KEY,
    Blocks,
    Dense,
    Diagonal,
    FeedField,
    GateField,
    NoiseField,
    ParamField,
    Size,
    StateField,
    Tied,
)
from nanolstm.functions import Array
from nanolstm.initialisers import Initialiser, normal

if TYPE_CHECKING:
    from nanolstm.cell import Cell
    from nanolstm.gates import Gate


@attrs.frozen
class StateAnatomy:
    """A state: the shape of its features and its first value."""

    shape: tuple[int, ...]
    start: float | Array


@attrs.frozen
class FeedAnatomy:
    """An input beside `x`."""

    size: int
    default: float | None


@attrs.frozen
class NoiseAnatomy:
    """A random mask of mean `p`."""

    size: int
    p: float
    per: Literal["step", "sequence"]


@attrs.frozen
class Product:
    """One term of a gate's sum: the weight's name, its form, the width of the value that it multiplies."""

    weight: str
    form: Dense | Diagonal | Blocks
    width: int


@attrs.frozen
class GateAnatomy:
    """A gate: how it is made, and under which key of the cell's parameters each of its attributes stands."""

    kind: type[Gate]
    activation: Callable[[Array], Array]
    size: int
    products: tuple[Product, ...]
    keys: Mapping[str, str]
    options: Mapping[str, Any]


@attrs.frozen
class ParameterAnatomy:
    """A parameter: its shape, how it is drawn, whether it is trained, and what brings it back where it belongs."""

    shape: tuple[int, ...]
    init: Initialiser
    frozen: bool = False
    project: Callable[[Array], Array] | None = None


@attrs.frozen
class Anatomy:
    """The parts of a cell, each by name, in the order of declaration (which is the order of drawing).

    Attributes:
        arguments: the arguments of `step` after `x`.
        states: those of them that are states, in their order.
        feeds: those that are further inputs.
        noises: those that are random masks.
        gates: the gates.
        params: free parameters of the cell itself: attribute name to key.
        parameters: all parameters by key, the tied ones once.
    """

    arguments: tuple[str, ...]
    states: Mapping[str, StateAnatomy]
    feeds: Mapping[str, FeedAnatomy]
    noises: Mapping[str, NoiseAnatomy]
    gates: Mapping[str, GateAnatomy]
    params: Mapping[str, str]
    parameters: Mapping[str, ParameterAnatomy]

    def same_shapes(self, other: Anatomy) -> bool:
        """Whether a buffer made for the one fits the other."""
        shapes = {key: (p.shape, p.frozen) for key, p in self.parameters.items()}
        return shapes == {key: (p.shape, p.frozen) for key, p in other.parameters.items()} and {
            name: s.shape for name, s in self.states.items()
        } == {name: s.shape for name, s in other.states.items()}


def anatomy(cell: Cell) -> Anatomy:
    """Resolve the declarations of `cell`'s class for the sizes of `cell`.

    Raises:
        CellError: a name or a size that cannot be resolved; the text says where it stands and what is known.
    """
    return _Resolver(cell).resolve()


class _Resolver:
    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.name = type(cell).__name__
        self.fields = {f.name: f.metadata[KEY] for f in fields_of(type(cell)) if KEY in f.metadata}
        self.arguments = step_arguments(type(cell))
        self.states: dict[str, StateAnatomy] = {}
        self.parameters: dict[str, ParameterAnatomy] = {}
        self.forms: dict[str, Product] = {}

    def resolve(self) -> Anatomy:
        self._check_arguments()
        feeds: dict[str, FeedAnatomy] = {}
        noises: dict[str, NoiseAnatomy] = {}
        for name in self.arguments:
            match self.fields.get(name):
                case FeedField(size=size, default=default):
                    feeds[name] = FeedAnatomy(self.number(size, f"feed {name!r}"), default)
                case NoiseField(p=p, size=size, per=per):
                    noises[name] = NoiseAnatomy(self.number(size, f"noise {name!r}"), self._probability(name, p), per)
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
        for name, part in gates.items():
            gates[name] = self._tie(name, part)
        return Anatomy(self.arguments, self.states, feeds, noises, gates, params, self.parameters)

    def _check_arguments(self) -> None:
        for name, field in self.fields.items():
            argument = isinstance(field, StateField | FeedField | NoiseField)
            word = type(field).__name__.removesuffix("Field").lower()
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

    def _probability(self, name: str, p: float | str) -> float:
        value = getattr(self.cell, p) if isinstance(p, str) else p
        if not 0.0 <= value <= 1.0:
            raise CellError(f"{self.name}: noise {name!r} has probability {value!r}; expected 0 to 1")
        return float(value)

    def _param(self, field: ParamField, where: str, size: int | None = None) -> ParameterAnatomy:
        parts = field.shape if isinstance(field.shape, tuple) else (field.shape,)
        shape = tuple(size if part == "size" and size is not None else self.number(part, where) for part in parts)
        return ParameterAnatomy(shape, field.init, field.frozen, field.project)

    def _gate(self, name: str, field: GateField) -> GateAnatomy:
        size = self.sizes[name]
        keys: dict[str, str] = {}
        products = []
        weights = {w: self._first_state(form) for w, form in field.weights.items()}
        weights = {w: form for w, form in weights.items() if form is not None}
        inits = field.init if isinstance(field.init, Mapping) else {} if field.init is None else {"*": field.init}
        for word in inits:
            if word not in (*weights, "b", "*"):
                raise CellError(
                    f"{self.name}: gate {name!r} has init for {word!r}: {nearest(word, [*weights, 'b', '*'])}"
                )
        for weight, form in weights.items():
            if isinstance(form, Tied):
                keys[weight] = form.to
                continue
            width = self._width(form.reads, f"weight {weight} of gate {name!r}")
            product = Product(weight, form, width)
            products.append(product)
            key = keys[weight] = f"{name}.{weight}"
            self.forms[key] = product
            self.parameters[key] = ParameterAnatomy(
                self._weight_shape(product, size, key), inits.get(weight, inits.get("*", normal())), field.frozen
            )
        if isinstance(field.bias, Tied):
            keys["b"] = field.bias.to
        elif field.bias:
            keys["b"] = f"{name}.b"
            self.parameters[keys["b"]] = ParameterAnatomy((size,), inits.get("b", 0.0), field.frozen)
        for f in attrs.fields(field.kind):
            if isinstance(f.metadata.get(KEY), ParamField):
                own = keys[f.name] = f"{name}.{f.name}"
                parameter = self._param(f.metadata[KEY], f"param {own!r}", size)
                self.parameters[own] = attrs.evolve(parameter, frozen=parameter.frozen or field.frozen)
        # Tied weights keep their place among the values: products are completed by _tie, once every gate is known.
        return GateAnatomy(field.kind, field.activation, size, tuple(products), keys, field.options)

    def _first_state(self, form: Any) -> Any:
        if form is not FIRST_STATE:
            return form
        return Dense(next(iter(self.states))) if self.states else None

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

    def _tie(self, name: str, part: GateAnatomy) -> GateAnatomy:
        keys = {attribute: self._tied_to(name, attribute, key) for attribute, key in part.keys.items()}
        own = {product.weight: product for product in part.products}
        products = []
        for weight, key in keys.items():
            if weight in own:
                products.append(own[weight])
            elif key in self.forms:
                target = self.forms[key]
                if self.sizes[key.split(".")[0]] != part.size:
                    raise CellError(
                        f"{self.name}: weight {weight} of gate {name!r} is tied to {key!r}, and the gates' sizes "
                        f"differ: {part.size} and {self.sizes[key.split('.')[0]]}"
                    )
                products.append(attrs.evolve(target, weight=weight))
            elif isinstance(self.fields[name].weights.get(weight), Tied):
                raise CellError(f"{self.name}: weight {weight} of gate {name!r} is tied to {key!r}, which is no weight")
        return attrs.evolve(part, products=tuple(products), keys=keys)

    def _tied_to(self, name: str, attribute: str, key: str) -> str:
        seen = []
        while key not in self.parameters:
            gate, _, weight = key.partition(".")
            field = self.fields.get(gate)
            further = field.weights.get(weight) if isinstance(field, GateField) else None
            if not isinstance(further, Tied) or key in seen:
                raise CellError(
                    f"{self.name}: weight {attribute} of gate {name!r} is tied to {key!r}, which this cell does not "
                    f"have: {nearest(key, self.parameters)}"
                )
            seen.append(key)
            key = further.to
        return key


def step_arguments(cls: type[Cell]) -> tuple[str, ...]:
    """The names of the arguments of `cls.step` after `x`.

    Raises:
        CellError: `step` takes no `x`, or has arguments that cannot be states (`*args`, keyword-only, defaults).
    """
    parameters = list(inspect.signature(cls.step).parameters.values())
    wanted = f"{cls.__name__}.step must read `def step(self, x, h, ...)`: the input, then the states by name"
    if len(parameters) < 2 or any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
        raise CellError(f"{wanted}; it reads `def step{inspect.signature(cls.step)}`")
    for p in parameters:
        if p.default is not p.empty:
            raise CellError(
                f"{wanted}; {p.name}={p.default!r} has a default. A state that starts elsewhere than 0 is declared: "
                f"`{p.name}: State = state(start={p.default!r})`"
            )
    return tuple(p.name for p in parameters[2:])
