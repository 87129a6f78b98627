"""Derivatives of a graph: reverse mode and forward mode, each a walk over the rows of the table.

What comes out consists of the same operations, so that a derivative is planned, emitted and derived again like a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nanolstm.graph.node import Node, depending_on, in_order
from nanolstm.graph.ops import total


def reverse(cotangents: Mapping[Node, Node], wrt: Sequence[Node]) -> list[Node | None]:
    """The cotangents of `wrt`, given those of outputs that are computed from them; None where nothing flows.

    With L a number and each cotangent dL / d output, the results are dL / d wrt (a gradient).
    """
    nodes = in_order(cotangents)
    on_the_way = depending_on(wrt, nodes)
    parts: dict[Node, list[Node | None]] = {node: [g] for node, g in cotangents.items()}
    found: dict[Node, Node | None] = {}
    for node in reversed(nodes):
        if node not in on_the_way:
            continue
        found[node] = g = total(parts.pop(node, []))
        if g is None or on_the_way.isdisjoint(node.inputs):
            continue
        for operand, part in zip(node.inputs, node.op.reverse(node, g), strict=True):
            parts.setdefault(operand, []).append(part)
    return [found.get(node) for node in wrt]


def forward(outputs: Sequence[Node], tangents: Mapping[Node, Node]) -> list[Node | None]:
    """The tangents of `outputs`, given those of what they are computed from; None where they do not change.

    They are the derivatives of the outputs in the direction of `tangents` (a Jacobian-vector product).
    """
    found: dict[Node, Node | None] = dict(tangents)
    for node in in_order(outputs):
        if node not in found:
            of_operands = [found[operand] for operand in node.inputs]
            known = any(t is not None for t in of_operands) and not node.boolean
            found[node] = node.op.forward(node, of_operands) if known else None
    return [found[node] for node in outputs]
