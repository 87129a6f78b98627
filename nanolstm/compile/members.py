"""Values of several models of one shape at once: a graph with one axis more, for the models.

Parameters, and what is computed of them alone, are one for all rows. Here they become one for each model, and the
models take the place of the rows. Where a graph has rows as well, as that of a loss has, they become its first
features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from nanolstm.graph.node import Graph, Node, apply, constant, in_order, input_node
from nanolstm.graph.ops import expand, reshaped, unused_letter

_AS_IT_IS = {"slice", "place", "concat", "stop"}
"""Operations that count axes from the end."""


def over_members(outputs: Iterable[Node], leaves: Mapping[Node, Node] = {}, rows: int = 0) -> dict[Node, Node]:
    """For each node that `outputs` are computed from, the same of all models; constants stay.

    Args:
        outputs: of a graph of parameters alone, or with `rows` of any that says nothing of an order of the rows.
        leaves: nodes that are given, with what stands for them; inputs are found anyhow.
        rows: how many rows there are; 0 where no node has any.

    Raises:
        NotImplementedError: an operation that cannot be had with another axis.
    """
    lifting = _Lifting(rows, dict(leaves))
    for node in in_order(outputs):
        if node not in lifting.found:
            lifting.found[node] = lifting.of(node)
    return lifting.found


def side_by_side(graph: Graph, rows: int) -> Graph:
    """`graph`, which has no states, of several models at once: inputs and outputs by the same names.

    Raises:
        NotImplementedError: as for `over_members`.
    """
    found = over_members(graph.outputs.values(), rows=rows)
    outputs = {name: found[node] for name, node in graph.outputs.items()}
    inputs = {name: found[node] for name, node in graph.inputs.items() if node in found}
    return Graph(f"{graph.title}, of several models", inputs, outputs)


@attrs.define
class _Lifting:
    """One node after the other.

    Attributes:
        rows: how many rows there are; 0 where no node has any.
        found: what stands for each node.
    """

    rows: int
    found: dict[Node, Node]

    def of(self, node: Node) -> Node:
        """What stands for `node`, whose operands have been found."""
        name = node.op.name
        operands = [self.found[x] for x in node.inputs]
        if name == "input":
            return input_node(node.name, self.shape(node), lead=True)
        if name == "count":
            return constant(float(self.rows))
        if not any(x.lead for x in operands) and not node.lead:
            return node if all(a is b for a, b in zip(operands, node.inputs, strict=True)) else self._same(node)
        if node.op.elementwise:
            return self._same(node)
        make = getattr(self, f"_{name}", None)
        if make is not None:
            made: Node = make(node, operands)
        elif name in _AS_IT_IS:
            each = [x if x.lead else expand(x, x.shape, lead=True) for x in operands]
            made = apply(name, *each, static=node.static)
        else:
            raise NotImplementedError(f"{name} of several models at once")
        made.name = node.name
        return made

    def shape(self, node: Node) -> tuple[int, ...]:
        """The features of what stands for `node`."""
        return (self.rows, *node.shape) if node.lead else node.shape

    def _same(self, node: Node) -> Node:
        """The same operation, of operands whose features have as many axes as its own."""
        size, lead = len(node.shape), any(x.lead for x in node.inputs)
        operands = []
        for x in node.inputs:
            new = self.found[x]
            if new.lead:
                ones = (1,) * (size - len(x.shape))
                first = ((self.rows,) if x.lead else (1,)) if lead else ()
                new = reshaped(new, (*first, *ones, *x.shape))
            operands.append(new)
        made = apply(node.op.name, *operands, static=node.static)
        made.name = node.name
        return made

    def _reduce(self, node: Node, operands: list[Node]) -> Node:
        (x,), (axes, over_rows) = node.inputs, node.static
        if over_rows:
            axes = (-len(x.shape) - 1, *axes)
        return reshaped(apply(node.op.name, operands[0], static=(axes, False)), self.shape(node))

    _sum = _max = _reduce

    def _expand(self, node: Node, operands: list[Node]) -> Node:
        (x,) = node.inputs
        new, size = operands[0], len(node.shape)
        if new.lead:
            first = ((self.rows,) if x.lead else (1,)) if node.lead else ()
            new = reshaped(new, (*first, *(1,) * (size - len(x.shape)), *x.shape))
        return apply("expand", new, static=(self.shape(node), True))

    def _reshape(self, node: Node, operands: list[Node]) -> Node:
        return reshaped(operands[0], self.shape(node))

    def _transpose(self, node: Node, operands: list[Node]) -> Node:
        order = (0, *(axis + 1 for axis in node.static)) if node.lead else node.static
        return apply("transpose", operands[0], static=order)

    def _contract(self, node: Node, operands: list[Node]) -> Node:
        left, right, result, _ = node.static
        rows = unused_letter(left, right)
        words = [rows * x.lead + word for x, word in zip(node.inputs, (left, right), strict=True)]
        return apply("contract", *operands, static=(*words, rows * node.lead + result, True))
