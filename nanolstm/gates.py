"""A gate: weighted sums of what it reads, through an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.declaration import Declared, fields_of
from nanolstm.errors import CellError
from nanolstm.fields import KEY, Blocks, Dense, Diagonal
from nanolstm.functions import Array, merge, split

if TYPE_CHECKING:
    from nanolstm.anatomy import Product


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
        products: the terms of its sum, a [`Product`][nanolstm.anatomy.Product] for each weight.
        owner: the name of the cell's class.
    """

    name: str
    activation: Callable[[Array], Array]
    size: int
    products: tuple[Product, ...]
    owner: str

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
            if np.ndim(value) == 0 or np.shape(value)[-1] != product.width:
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
