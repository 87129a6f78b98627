"""A gate: how it is declared, and what it computes: weighted sums of what it reads, through an activation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.errors import CellError
from nanolstm.language.declaration import Declared, fields_of
from nanolstm.language.fields import KEY, Mark, Size, declared_field
from nanolstm.language.functions import Array, merge, split
from nanolstm.language.initialisers import Initialiser
from nanolstm.language.projections import Projection, check_projection


@attrs.frozen
class Dense:
    """A full matrix, (size, width of what it reads)."""

    reads: str


@attrs.frozen
class Diagonal:
    """A vector that multiplies element by element, (size,)."""

    reads: str


@attrs.frozen
class Blocks:
    """A block-diagonal matrix, (heads, size / heads, width / heads)."""

    reads: str
    heads: int | str


@attrs.frozen
class Tied:
    """A weight that is another gate's: `gate.weight`."""

    to: str


class _FirstState(Mark):
    """What `W` reads unless told."""

    name = "FIRST_STATE"


FIRST_STATE = _FirstState()


@attrs.frozen
class Product:
    """One term of a gate's sum: the weight's name, its form, the width of the value that it multiplies."""

    weight: str
    form: Dense | Diagonal | Blocks
    width: int


class Gate(Declared):
    """A gate of a cell: `activation(x @ U.T + h @ W.T + b)`.

    A cell makes its gates from the fields that declare them ([`gate`][nanolstm.gate]); nobody else has to. A subclass
    declares what it adds and overrides `__call__`, and is named in a field by `kind=`:

    ```python
    import nanolstm as nl
    from nanolstm import Array, Gate, gate, layer_norm, param, sigmoid

    class LayerNormGate(Gate):
        gain: Array = param("size", 1.0)               # "<gate>.gain" in cell.parameters

        def __call__(self, *values):
            return self.activation(layer_norm(self.preactivation(*values)) * self.gain)

    class LayerNormToy(nl.cells.ToyLSTM):
        forget: Gate = gate(sigmoid, kind=LayerNormGate)
    ```

    Its parameters are attributes: `self.U`, `self.W`, `self.b` and what it declares.

    Attributes:
        name: the field's name in the cell.
        activation: a function of an array.
        size: how many units.
        products: the terms of its sum, a [`Product`][nanolstm.language.gate.Product] for each weight.
        owner: the name of the cell's class.
    """

    name: str
    activation: Callable[[Array], Array]
    size: int
    products: tuple[Product, ...]
    owner: str

    if TYPE_CHECKING:  # which weights there are is said in the field

        def __getattr__(self, name: str) -> Array:
            """A weight or the bias."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__ and name not in self.__dict__.get("_held", {}):
            raise CellError(
                f"{self.owner}.{self.name}.{name} is fixed once a cell is made; declare the gate otherwise in a "
                f"subclass: `{self.name}: Gate = gate(...)`"
            )
        super().__setattr__(name, value)

    def __call__(self, *values: Array) -> Array:
        """The gate's value, (..., size), for one value for each weight, in the order of the declaration."""
        return self.activation(self.preactivation(*values))

    def preactivation(self, *values: Array) -> Array:
        """The weighted sum before the activation, (..., size): a product for each weight, then the bias.

        Raises:
            CellError: another number of values than weights, or a value of another width than its weight was made for.
        """
        total: Any = None
        for term in self.terms(*values):
            total = term if total is None else total + term
        bias = getattr(self, "b", None)
        if bias is None:
            return total  # type: ignore[no-any-return]
        return bias if total is None else total + bias  # type: ignore[no-any-return]

    def terms(self, *values: Array) -> list[Array]:
        """The products apart, without the bias, each (..., size): for a gate that normalises or weighs them itself.

        Raises:
            CellError: as `preactivation`.
        """
        if len(values) != len(self.products):
            weights = ", ".join(product.weight for product in self.products) or "(none)"
            expected = ", ".join(product.form.reads for product in self.products)
            raise CellError(
                f"gate {self.name!r} of {self.owner} was called with {len(values)} value"
                f"{'s' * (len(values) != 1)}; its weights {weights} take: self.{self.name}({expected})"
            )
        for product, value in zip(self.products, values, strict=True):
            if getattr(value, "shape", ())[-1:] != (product.width,):
                raise CellError(
                    f"gate {self.name!r} of {self.owner}: weight {product.weight} multiplies {product.form.reads!r}, "
                    f"which has width {product.width}; it was called with a value of shape {np.shape(value)}"
                )
        return [
            _multiply(p.form, value, getattr(self, p.weight)) for p, value in zip(self.products, values, strict=True)
        ]

    @classmethod
    def own_names(cls) -> set[str]:
        """The names of all fields, which no weight may bear."""
        return {field.name for field in fields_of(cls)}

    @classmethod
    def option_names(cls) -> set[str]:
        """The fields that a subclass adds and `gate(..., kind=, name=value)` may set."""
        return {field.name for field in fields_of(cls) if KEY not in field.metadata} - Gate.own_names()

    def __repr__(self) -> str:
        activation = getattr(self.activation, "__name__", repr(self.activation))
        return f"{type(self).__name__}({self.name}: {activation}, size {self.size})"


def _multiply(form: Dense | Diagonal | Blocks, value: Array, weight: Array) -> Array:
    match form:
        case Diagonal():
            return value * weight
        case Blocks():
            return merge(np.matvec(weight, split(value, weight.shape[0])))
        case _:
            return value @ weight.T


@attrs.frozen(kw_only=True)
class GateField:
    """A gate as it is declared: its weights in the order of their values, its bias, its kind and that kind's fields."""

    activation: Callable[[Array], Array]
    kind: type[Gate]
    size: Size
    weights: Mapping[str, Any]
    bias: bool | Tied
    init: Initialiser | Mapping[str, Initialiser] | None
    project: Mapping[str, Projection]
    frozen: bool
    options: Mapping[str, Any]


def gate(
    act: Callable[[Array], Array],
    *,
    kind: type[Gate] | None = None,
    size: Size = "hidden",
    bias: bool | Tied = True,
    U: Any = "x",
    W: Any = FIRST_STATE,
    init: Initialiser | Mapping[str, Initialiser] | None = None,
    project: Projection | Mapping[str, Projection] | None = None,
    frozen: bool = False,
    **weights: Any,
) -> Any:
    """Declare a gate: `act(x @ U.T + h @ W.T + b)`, called in `step` as `self.<name>(x, h)`.

    ```python
    import numpy as np
    from nanolstm import Cell, Gate, gate, sigmoid, diagonal

    class Peephole(Cell):
        input: Gate = gate(sigmoid, P=diagonal("c"))       # U (K, M), W (K, K), P (K,), b (K,)
        new: Gate = gate(np.tanh, bias=False)

        def step(self, x, h, c):
            c = c + self.input(x, h, c) * self.new(x, h)   # one value for each weight: U's, W's, P's
            return np.tanh(c), np.tanh(c), c
    ```

    Args:
        act: the activation, a function of an array.
        kind: a subclass of `Gate` that works otherwise (layer norm, another product).
        size: how many units; by default the hidden size K.
        bias: whether there is a `b` of shape (size,), or `tied("other.b")`.
        U: what the first weight multiplies: a name of which only the width matters (`"x"`, a state, a feed, another
            gate, a size), `diagonal(...)`, `blocks(...)`, `tied(...)`, or None to leave it out.
        W: the same for the second weight; by default the first state of `step`.
        init: an initialiser for all weights, or a mapping from weight names (and `"b"`; `"*"` for all others) to
            initialisers. By default weights are standard normal and biases 0, as in the notebook.
        project: what keeps all weights where they belong, or a mapping as for `init`: `{"W": nl.spectral_radius(0.9)}`.
        frozen: keep the gate's parameters out of training, and in `cell.frozen`.
        weights: further weights by name, their values passed in this order after U's and W's; a name that is a field
            of `kind` sets that field instead.

    Raises:
        CellError: an activation or a projection that is no function, a `kind` that is no Gate, a weight's value that
            names nothing.
    """
    if not callable(act):
        raise CellError(f"gate({act!r}): the activation must be a function of an array, such as sigmoid or np.tanh")
    if not isinstance(bias, bool | Tied):
        raise CellError(
            f"gate(bias={bias!r}): expected True, False or tied('other.b'); for its first value write "
            "init={'b': 1.0} or init=nl.forget_bias(1.0)"
        )
    kind = kind or Gate
    if not (isinstance(kind, type) and issubclass(kind, Gate)):
        raise CellError(f"gate(kind={kind!r}): expected a subclass of Gate")
    projections = project if isinstance(project, Mapping) else {} if project is None else {"*": project}
    for name, projection in projections.items():
        check_projection(projection, f"gate(project={{{name!r}: ...}})")
    options = {name: weights.pop(name) for name in kind.option_names() if name in weights}
    all_weights = {"U": U, "W": W, **weights}
    for name in weights:
        if name == "b" or hasattr(kind, name) or name in kind.own_names():
            raise CellError(f"gate({name}={weights[name]!r}): {name!r} is the gate's own; rename the weight")
    for name, weight in all_weights.items():
        if not (weight is None or weight is FIRST_STATE or isinstance(weight, str | Diagonal | Blocks | Tied)):
            raise CellError(
                f"gate({name}={weight!r}): a weight's value names what it multiplies: a string such as 'x' or 'h', "
                "diagonal(...), blocks(...), tied(...), or None to leave it out"
            )
    return declared_field(
        GateField(
            activation=act,
            kind=kind,
            size=size,
            weights={name: Dense(w) if isinstance(w, str) else w for name, w in all_weights.items() if w is not None},
            bias=bias,
            init=init,
            project=projections,
            frozen=frozen,
            options=options,
        )
    )


def diagonal(reads: str) -> Diagonal:
    """A weight that is a vector and multiplies `reads` element by element, as a peephole does."""
    return Diagonal(reads)


def blocks(reads: str, heads: int | str) -> Blocks:
    """A block-diagonal weight: each of `heads` (a number or an attribute of the cell) sees its own part of `reads`."""
    return Blocks(reads, heads)


def tied(to: str) -> Tied:
    """A weight shared with another gate: `W=tied("update.W")`. It is trained once and listed once, under that name."""
    if to.count(".") != 1:
        raise CellError(f"tied({to!r}): name the gate and its weight, for example tied('update.W')")
    return Tied(to)
