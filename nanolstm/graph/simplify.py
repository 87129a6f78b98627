"""The same graph with less in it: equal nodes once, constants folded, and what changes nothing left out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from nanolstm.graph.node import Node, constant, in_order
from nanolstm.graph.ops import contract, expand, sliced


def simplified(outputs: Sequence[Node]) -> list[Node]:
    """`outputs`, computed from fewer nodes; a name is kept wherever its value still is."""
    new: dict[Node, Node] = {}
    equal: dict[Any, Node] = {}

    def once(node: Node) -> Node:
        if node not in new:
            inputs = tuple(once(operand) for operand in node.inputs)  # no deeper than one rewriting
            if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                node = attrs.evolve(node, inputs=inputs)
            made = rewritten(node)
            if made is not node:
                return once(made)
            # By repr, 1 and 1.0 and True differ, and so do 0.0 and -0.0.
            key = (node.op, *map(id, inputs), repr(node.static), node.shape, node.lead)
            return equal.setdefault(key, node)
        return new[node]

    for node in in_order(outputs):
        new[node] = kept = once(node)
        new[kept] = kept
        kept.name = kept.name or node.name
    return [new[node] for node in outputs]


def rewritten(node: Node) -> Node:
    """A simpler node of the same value, or `node` itself."""
    if node.op.elementwise:
        node = without_expand(node)
    rule = RULES.get(node.op.name)
    simpler = rule(node, *node.inputs) if rule else None
    return node if simpler is None else simpler


def without_expand(node: Node) -> Node:
    """Elementwise operations repeat their operands themselves: an expand before one says nothing new."""
    inputs = list(node.inputs)
    for i, operand in enumerate(node.inputs):
        if operand.op.name == "expand":
            inside, others = operand.inputs[0], inputs[:i] + inputs[i + 1 :]
            if any(other.shape == node.shape and other.lead == node.lead for other in others) and not (
                inside.lead and len(inside.shape) != len(node.shape)
            ):
                inputs[i] = inside
    return attrs.evolve(node, inputs=tuple(inputs)) if inputs != list(node.inputs) else node


def number(node: Node) -> float | None:
    """The value of a constant, or of one that is repeated, if it is a number."""
    while node.op.name == "expand":
        node = node.inputs[0]
    value = node.static[0] if node.op.name == "constant" else None
    return value if isinstance(value, float) else None


def folded(function: Callable[[float, float], float]) -> Callable[[Node, Node, Node], Node | None]:
    def fold(y: Node, a: Node, b: Node) -> Node | None:
        if a.op.name == b.op.name == "constant" and (x := number(a)) is not None and (z := number(b)) is not None:
            return constant(function(x, z))
        return None

    return fold


def same_as(y: Node, x: Node) -> Node:
    """`x` with the shape of `y`, which it equals."""
    return expand(x, y.shape, y.lead)


def add(y: Node, a: Node, b: Node) -> Node | None:
    if number(a) == 0:
        return same_as(y, b)
    if number(b) == 0:
        return same_as(y, a)
    if b.op.name == "neg":
        return a - b.inputs[0]
    return folded(operator.add)(y, a, b)


def sub(y: Node, a: Node, b: Node) -> Node | None:
    return same_as(y, a) if number(b) == 0 else folded(operator.sub)(y, a, b)


def mul(y: Node, a: Node, b: Node) -> Node | None:
    if number(a) == 1:
        return same_as(y, b)
    if number(b) == 1:
        return same_as(y, a)
    return folded(operator.mul)(y, a, b)


def div(y: Node, a: Node, b: Node) -> Node | None:
    if number(b) == 1:
        return same_as(y, a)
    return folded(operator.truediv)(y, a, b) if number(b) else None


def neg(y: Node, x: Node) -> Node | None:
    if x.op.name == "neg":
        return x.inputs[0]
    value = number(x) if x.op.name == "constant" else None
    return None if value is None else constant(-value)


def equal(y: Node, a: Node, b: Node) -> Node | None:
    if a.op.name == b.op.name == "constant" and (x := number(a)) is not None and (z := number(b)) is not None:
        return constant(x == z)
    return None


def choice(y: Node, condition: Node, a: Node, b: Node) -> Node | None:
    if condition.op.name == "constant" and isinstance(condition.static[0], bool):
        return same_as(y, a if condition.static[0] else b)
    return None


def reshape(y: Node, x: Node) -> Node | None:
    if x.op.name == "reshape":
        x = x.inputs[0]
        return x if x.shape == y.shape else attrs.evolve(y, inputs=(x,))
    return None


def concat(y: Node, *parts: Node) -> Node | None:
    """Neighbouring parts of one value, joined again."""
    (axis,), runs = y.static, [parts[0]]
    for part in parts[1:]:
        last = runs[-1]
        if last.op.name == part.op.name == "slice" and last.inputs == part.inputs:
            (at, start, count, step), (at_too, after, more, step_too) = last.static, part.static
            if at == at_too == axis and step == step_too == 1 and start + count == after:
                runs[-1] = sliced(last.inputs[0], axis, start, count + more)
                continue
        runs.append(part)
    if len(runs) == len(parts):
        return None
    return runs[0] if len(runs) == 1 else attrs.evolve(y, inputs=tuple(runs))


def part(y: Node, x: Node) -> Node | None:
    """A part of a part, or of what is joined."""
    axis, start, count, step = y.static
    if x.op.name == "slice" and x.static[0] == axis and x.static[3] == 1:
        return sliced(x.inputs[0], axis, x.static[1] + start, count, step)
    return None


def product(y: Node, a: Node, b: Node) -> Node | None:
    """A product reads a transposed operand as it lies."""
    left, right, result, lead = y.static
    if a.op.name == "transpose":
        order = [a.static.index(p) for p in range(len(a.static))]
        return contract(a.inputs[0], b, "".join(left[p] for p in order), right, result, lead)
    if b.op.name == "transpose":
        order = [b.static.index(p) for p in range(len(b.static))]
        return contract(a, b.inputs[0], left, "".join(right[p] for p in order), result, lead)
    return None


RULES: dict[str, Callable[..., Node | None]] = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "div": div,
    "neg": neg,
    "equal": equal,
    "where": choice,
    "reshape": reshape,
    "concat": concat,
    "slice": part,
    "contract": product,
}
