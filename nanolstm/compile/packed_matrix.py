"""The layout in which a product reads a matrix of parameters: one object says it to who packs and to who reads."""

from __future__ import annotations

import math

import attrs

from nanolstm.compile.index import Affine
from nanolstm.graph.node import Node, Shape


@attrs.frozen
class PackedMatrix:
    """A matrix (m, k), or one for each head (heads, m, k), in the memory of a kernel.

    There are two layouts. `product` and `product_of_one` read panels, as `kernels.products.pack` writes them; plain
    loops over the one row of a step read columns. Which one stands in memory is known when a kernel is bound: columns
    if `columns_if_alone` and the batch is one sequence, else panels.

    Attributes:
        name: the array that holds it.
        matrix: the node.
        transposed: whether the last two axes of the node change places.
        columns_if_alone: whether it is laid out in columns where the batch is one sequence.
    """

    name: str
    matrix: Node
    transposed: bool
    columns_if_alone: bool

    @property
    def shape(self) -> Shape:
        """(m, k), or (heads, m, k)."""
        *heads, m, k = self.matrix.shape
        return (*heads, k, m) if self.transposed else (*heads, m, k)

    def allocate(self) -> str:
        """Source of the memory for it."""
        return f"call.packed({', '.join(map(str, self.shape))})"

    def pack(self, word: str) -> str:
        """A line that packs the array `word`."""
        turned = ".swapaxes(-1, -2)" if self.transposed else ""
        return f"call.pack({word}{turned}, {self.name}{', columns_if_alone=True' if self.columns_if_alone else ''})"

    def panels(self, head: str = "", *, alone: bool | None) -> str:
        """The array and the first element of its panels, or of those of a `head`.

        `alone` is whether this is read where the batch is one sequence; None where it may be.
        """
        if self.columns_if_alone and alone is not False:
            raise AssertionError(f"{self.name} may stand in columns where it is read in panels")
        *heads, _, _ = self.shape
        own = f"{self.name}, q * {self.name}.shape[1]"
        return own + (f" + {head} * ({self.name}.shape[1] // {heads[0]})" if head else "")

    def in_columns(self, row: str, column: str, *, alone: bool | None) -> str:
        """The element that multiplies element `column` of the vector for element `row` of the result."""
        *heads, m, _ = self.shape
        if not self.columns_if_alone or alone is not True or math.prod(heads) != 1:
            raise AssertionError(f"{self.name} may stand in panels where it is read in columns")
        return f"{self.name}[q, {Affine(0, {column: m, row: 1})}]"
