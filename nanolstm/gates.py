"""A gate: weighted sums of what it reads, through an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.errors import CellError
from nanolstm.fields import KEY, Blocks, Dense, Diagonal
from nanolstm.functions import Array, merge, split
from nanolstm.parameters import assign

if TYPE_CHECKING:
    from nanolstm.anatomy import Product


class HasParameters:
    """An object whose parameters are attributes; assigning to one copies into the buffer that the cell trains."""

    def _hold(self, name: str, value: Any) -> None:
        """Make `value` (a view of the buffer, or what stands in for it) the parameter `name`."""
        self.__dict__[name] = value
        self.__dict__.setdefault("_held", set()).add(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("_held", ()):
            assign(self.__dict__[name], value, name)
        else:
            object.__setattr__(self, name, value)


@attrs.define(slots=False, eq=False, kw_only=True, on_setattr=attrs.setters.NO_OP)
class Gate(HasParameters):
    """A gate of a cell: `activation(x @ U.T + h @ W.T + b)`.

    A cell makes its gates from the fields that declare them ([`gate`][nanolstm.gate]); nobody else has to. A subclass
    declares what it adds and overrides `__call__`, and is named in a field by `kind=`:

    ```python
    import nanolstm as nl
    from nanolstm import Gate, gate, layer_norm, param, sigmoid
    from nanolstm.functions import Array

    class LayerNormGate(Gate):
        gain: Array = param("size", 1.0)               # "<gate>.gain" in cell.parameters

        def __call__(self, *values):
            return self.activation(layer_norm(self.preactivation(*values)) * self.gain)

    class LayerNormToy(nl.cells.ToyLSTM):
        forget: Gate = gate(sigmoid, kind=LayerNormGate)
    ```

    Attributes:
        name: the field's name in the cell.
        activation: a function of an array.
        size: how many units.
    """

    name: str
    activation: Callable[[Array], Array] = attrs.field(repr=lambda f: getattr(f, "__name__", repr(f)))
    size: int
    products: tuple[Product, ...] = attrs.field(repr=False)
    owner: str = attrs.field(repr=False)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        attrs.define(slots=False, eq=False, kw_only=True, auto_attribs=True, on_setattr=attrs.setters.NO_OP)(cls)

    def __call__(self, *values: Array) -> Array:
        """The gate's value, (..., size), for one value for each weight, in the order of the declaration."""
        return self.activation(self.preactivation(*values))

    def preactivation(self, *values: Array) -> Array:
        """The weighted sum before the activation, (..., size): a product for each weight, then the bias.

        Raises:
            CellError: another number of values than weights, or a value of another width than its weight was made for.
        """
        if len(values) != len(self.products):
            weights = ", ".join(product.weight for product in self.products) or "(none)"
            expected = ", ".join(product.form.reads for product in self.products)
            raise CellError(
                f"gate {self.name!r} of {self.owner} was called with {len(values)} values; its weights "
                f"{weights} take: self.{self.name}({expected})"
            )
        total: Any = None
        for product, value in zip(self.products, values, strict=True):
            if np.ndim(value) == 0 or np.shape(value)[-1] != product.width:
                raise CellError(
                    f"gate {self.name!r} of {self.owner}: weight {product.weight} multiplies {product.form.reads!r}, "
                    f"which has width {product.width}; it was called with a value of shape {np.shape(value)}"
                )
            term = _multiply(product.form, value, getattr(self, product.weight))
            total = term if total is None else total + term
        bias = getattr(self, "b", None)
        if bias is None:
            return total  # type: ignore[no-any-return]
        return bias if total is None else total + bias  # type: ignore[no-any-return]

    @classmethod
    def option_names(cls) -> set[str]:
        """The fields that a subclass adds and `gate(..., kind=, name=value)` may set."""
        base = {field.name for field in attrs.fields(Gate)} if cls is not Gate else set()
        return {f.name for f in attrs.fields(cls) if KEY not in f.metadata} - base if base else set()


def _multiply(form: Dense | Diagonal | Blocks, value: Array, weight: Array) -> Array:
    match form:
        case Diagonal():
            return value * weight
        case Blocks():
            return merge(np.matvec(weight, split(value, weight.shape[0])))
        case _:
            return value @ weight.T
