"""The graph of a step: nodes that know their operation, their operands and the shape of their features.

Batch and time are in no node. A node only says whether it is `lead`: whether there is one value of it for each row (a
row is one example at one time step; of a loss, one of the n rows of its arrays), as there is of `x` and of a state, or
one value for all, as there is of a parameter. Features are always on the last axes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np

Shape: TypeAlias = tuple[int, ...]
Number: TypeAlias = "float | Node"


@attrs.frozen(eq=False)
class Op:
    """One row of the table of operations.

    Attributes:
        name: as it stands in the graph.
        numpy: what it means: the name of a NumPy function of its operands, or a function of (node, operands as source)
            that answers with a NumPy expression. In it, arrays that are lead have one axis of rows before the features.
        shape: its features' shape, from (operands, static).
        reverse: the cotangents of its operands, from (node, the node's own cotangent); None where nothing flows.
        forward: its tangent, from (node, the operands' tangents), at least one of which is not None.
        elementwise: whether it acts element by element, with NumPy's broadcasting over features.
        lead: whether it is one for each row, from (operands, static).
        boolean: whether its value is True or False.
    """

    name: str
    numpy: str | Callable[[Node, Sequence[str]], str]
    shape: Callable[[Sequence[Node], tuple[Any, ...]], Shape]
    reverse: Callable[[Node, Node], Sequence[Node | None]]
    forward: Callable[[Node, Sequence[Node | None]], Node | None]
    elementwise: bool = False
    lead: Callable[[Sequence[Node], tuple[Any, ...]], bool] = lambda operands, _: any(node.lead for node in operands)
    boolean: bool = False


OPS: dict[str, Op] = {}
"""The table of operations by name; filled in `ops.py`."""


@attrs.define(eq=False, repr=False)
class Node:
    """A value of a step: an operation on other values.

    Attributes:
        op: the operation.
        inputs: its operands.
        static: what else the operation needs to know (axes, shapes, the value of a constant), hashable.
        shape: the shape of its features.
        lead: whether there is one for each row.
        boolean: whether its values are True or False, through which nothing can be derived.
        name: the author's word for it, or "".
    """

    op: Op
    inputs: tuple[Node, ...]
    static: tuple[Any, ...]
    shape: Shape
    lead: bool
    boolean: bool = False
    name: str = ""

    def __add__(self, other: Number) -> Node:
        return apply("add", self, other)

    def __radd__(self, other: float) -> Node:
        return apply("add", other, self)

    def __sub__(self, other: Number) -> Node:
        return apply("sub", self, other)

    def __rsub__(self, other: float) -> Node:
        return apply("sub", other, self)

    def __mul__(self, other: Number) -> Node:
        return apply("mul", self, other)

    def __rmul__(self, other: float) -> Node:
        return apply("mul", other, self)

    def __truediv__(self, other: Number) -> Node:
        return apply("div", self, other)

    def __rtruediv__(self, other: float) -> Node:
        return apply("div", other, self)

    def __neg__(self) -> Node:
        return apply("neg", self)

    def __repr__(self) -> str:
        return f"<{self.name or self.op.name} {self.shape}>"


def apply(name: str, *operands: Number, static: tuple[Any, ...] = ()) -> Node:
    """The node that is the operation `name` of `operands`; numbers become constants."""
    return apply_op(OPS[name], [o if isinstance(o, Node) else constant(o) for o in operands], static)


def apply_op(op: Op, operands: Sequence[Node], static: tuple[Any, ...]) -> Node:
    """The node that is `op` of `operands`; an operation of the table is named, and this is for others."""
    inputs, static = tuple(operands), plain(static)
    # Choosing among masks gives a mask, as does what only puts one in another place, or copies it.
    moved = not op.elementwise or op.name == "stop"
    masks = inputs[1:] if op.name == "where" else inputs[:1] if moved else ()
    boolean = op.boolean or (bool(masks) and all(node.boolean for node in masks))
    return Node(op, inputs, static, op.shape(inputs, static), op.lead(inputs, static), boolean)


def constant(value: float | bool | tuple[float, ...]) -> Node:
    """A number, or a vector given as a tuple."""
    value = plain(value)
    first = value[0] if isinstance(value, tuple) and value else value
    shape = (len(value),) if isinstance(value, tuple) else ()
    return Node(OPS["constant"], (), (value,), shape, lead=False, boolean=isinstance(first, bool))


def plain(value: Any) -> Any:
    """Return numbers, in tuples of tuples or not, as Python's own, which source may show as they are.

    A subclass of int or float, such as an enumeration, prints as it likes.
    """
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if isinstance(value, bool | np.bool):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    return float(value) if isinstance(value, float | np.floating) else value


def input_node(name: str, shape: Shape, *, lead: bool) -> Node:
    """What a graph is given from outside, by name."""
    return Node(OPS["input"], (), (name,), plain(shape), lead, name=name)


def in_order(outputs: Iterable[Node]) -> list[Node]:
    """Every node that `outputs` are computed from, and they themselves, each after its operands."""
    done: dict[Node, None] = {}
    stack = [(node, False) for node in reversed(list(outputs))]
    while stack:
        node, visited = stack.pop()
        if visited:
            done[node] = None
        elif node not in done:
            stack.append((node, True))
            stack.extend((operand, False) for operand in reversed(node.inputs) if operand not in done)
    return list(done)


def depending_on(sources: Iterable[Node], nodes: Iterable[Node]) -> set[Node]:
    """Those of `nodes` (operands first) that are computed from any of `sources`, which are among them themselves."""
    found = set(sources)
    for node in nodes:
        if not found.isdisjoint(node.inputs):
            found.add(node)
    return found


def replaced(outputs: Sequence[Node], replacement: Mapping[Node, Node]) -> list[Node]:
    """`outputs` computed from the values of `replacement` where they were computed from its keys."""
    new = dict(replacement)
    for node in in_order(outputs):
        if node not in new:
            inputs = tuple(new[operand] for operand in node.inputs)
            same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
            new[node] = node if same else attrs.evolve(node, inputs=inputs)
    return [new[node] for node in outputs]


@attrs.frozen(eq=False, repr=False)
class Graph:
    """Values computed from inputs, both by name.

    Printed, it lists one line for each node: name, operation, operands, shape (with `n` before it where there is one
    for each row).

    Attributes:
        title: what it is the graph of.
        inputs: what is given from outside.
        outputs: what is computed.
    """

    title: str
    inputs: Mapping[str, Node]
    outputs: Mapping[str, Node]

    def nodes(self) -> list[Node]:
        """Every node that an output needs, operands first."""
        return in_order(self.outputs.values())

    def names(self) -> dict[Node, str]:
        """A name for each node, no two the same: the author's where there is one."""
        names = {node: node.name for node in self.inputs.values()}
        taken, count = set(names.values()), 0
        for node in self.nodes():
            if node in names or node.op.name == "constant":
                continue
            count += not node.name
            first, again = node.name or f"t{count}", 1
            name = first
            while name in taken:
                again += 1
                name = f"{first}_{again}"
            taken.add(name)
            names[node] = name
        return names

    def rows(self) -> list[tuple[str, str, str, str]]:
        """One row for each node: its name, its operation, its operands, its shape."""
        names = self.names()
        rows = []
        for node in dict.fromkeys([*self.inputs.values(), *self.nodes()]):
            if node.op.name != "constant":
                operands = ", ".join([*(_word(operand, names) for operand in node.inputs), *_settings(node)])
                shape = ("n", *map(str, node.shape)) if node.lead else tuple(map(str, node.shape))
                rows.append((names[node], node.op.name, operands, f"({', '.join(shape)})"))
        return rows

    def returned(self) -> str:
        """What is computed, by the names of nodes."""
        names = self.names()
        words = {name: _word(node, names) for name, node in self.outputs.items()}
        return ", ".join(name if name == word else f"{name} = {word}" for name, word in words.items())

    def __str__(self) -> str:
        return laid_out(self.title, self.rows(), self.returned())

    def __repr__(self) -> str:
        return f"<graph of {self.title}: {len(self.nodes())} nodes; print it>"


def signature(graph: Graph, values: Mapping[str, Node]) -> Hashable:
    """What is equal for graphs that are the same in everything, with the same `values` in them."""
    results = [*graph.outputs.items(), *values.items()]
    nodes = in_order([*graph.inputs.values(), *(node for _, node in results)])
    places = {node: place for place, node in enumerate(nodes)}
    # As text: 0.0 is equal to -0.0 and 1 to True, and NaN not to itself.
    rows = tuple(
        (
            node.op.name,
            repr(node.static),
            *(places[x] for x in node.inputs),
            node.shape,
            node.lead,
            node.boolean,
            node.name,
        )
        for node in nodes
    )
    inputs = tuple((name, places[node]) for name, node in graph.inputs.items())
    return graph.title, rows, inputs, len(graph.outputs), tuple((name, places[node]) for name, node in results)


def laid_out(title: str, rows: Sequence[tuple[str, str, str, str]], returned: str) -> str:
    """The rows of a graph in columns, below its title."""
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    lines = ["  ".join([*(row[c].ljust(widths[c]) for c in range(3)), row[3]]) for row in rows]
    return "\n".join([title, *(f"  {line}" for line in lines), f"  returns {returned}"])


def _word(node: Node, names: Mapping[Node, str]) -> str:
    return _number(node.static[0]) if node.op.name == "constant" else names[node]


def _settings(node: Node) -> list[str]:
    if node.op.name == "contract":
        left, right, result, _ = node.static
        return [f"{left},{right}->{result}"]
    return [repr(setting) for setting in node.static if node.inputs]


def _number(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(f'{v:g}' for v in value[:3])}{', ...' if len(value) > 3 else ''}]"
    return repr(value) if isinstance(value, bool) else f"{value:.6g}"


def broadcast(shapes: Iterable[Shape]) -> Shape:
    """The shape of an elementwise result; a ValueError where there is none."""
    return tuple(np.broadcast_shapes(*shapes))
