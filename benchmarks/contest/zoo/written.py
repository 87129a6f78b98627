"""A cell's step as source for another library: what is computed before the loop, in it, and after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

import nanolstm as nl
from nanolstm import Cell
from nanolstm.compile.combine import View, combined, substituted
from nanolstm.compile.emit import identifiers
from nanolstm.compile.plan import Plan, plan
from nanolstm.graph.node import Graph, Node, Op, apply, apply_op
from nanolstm.graph.ops import contract, nothing
from nanolstm.graph.simplify import simplified

AFFINE = Op("affine", "", lambda operands, _: operands[0].shape, lambda *_: [], nothing)
"""z + h @ W, of (z, h, W), which some libraries have in one call."""

Writing = Callable[[Node, Sequence[str], int], str]
"""(A node, its operands as source, how many axes of rows there are) to an expression."""

RESERVED = {
    "xp",
    "jax",
    "sigmoid",
    "softplus",
    "split",
    "first",
    "late",
    "scan",
    "weights",
    "inputs",
    "states",
    "now",
    "kept",
    "step",
    "inf",
    "nan",
    "run",
}


@attrs.frozen
class Language:
    """How operations are written in a library.

    Args:
        ops: by the names of `nanolstm.graph.ops`, and `affine`.
        names: what they call, and `split`, `scan`, `first` (a state's first value) and `late` (one step late).
    """

    ops: Mapping[str, Writing]
    names: Mapping[str, Any]

    def function_of(self, cell: Cell) -> Callable[..., Any]:
        """(Weights by name, x and feeds by name, each (T, B, ...)) to y (T, B, N)."""
        names = dict(self.names)
        exec(compile(source_of(cell, self.ops), f"<{type(cell).__name__}>", "exec"), names)
        run: Callable[..., Any] = names["run"]
        return run


def source_of(cell: Cell, ops: Mapping[str, Writing]) -> str:
    """The function `run(weights, inputs)`."""
    return "\n".join(_Writer(cell, ops).lines()) + "\n"


def for_speed(graph: Graph, states: Iterable[str]) -> Graph:
    """Matrices transposed once and not in each step, and a product that is added to something as one call with that."""
    names, outputs = list(graph.outputs), simplified(list(graph.outputs.values()))
    view = View(outputs, [graph.inputs[name] for name in states])
    turned = {
        node: contract(node.inputs[0], apply("transpose", node.inputs[1], static=(1, 0)), "k", "kj", "j")
        for node in view.nodes
        if is_product(node) and node.static[1][0] == node.static[2]
    }
    outputs = substituted(outputs, turned)
    view = View(outputs, [graph.inputs[name] for name in states])
    added: dict[Node, Node] = {}
    for node in view.nodes:
        if node.op.name == "add":
            product = next((x for x in node.inputs if is_product(x) and view.used_once(x)), None)
            if product is not None and product.shape == node.shape:
                (other,) = (x for x in node.inputs if x is not product)
                added[node] = apply_op(AFFINE, [other, *product.inputs], ())
    outputs = substituted(outputs, added)
    return attrs.evolve(graph, outputs=dict(zip(names, outputs, strict=True)))


def is_product(node: Node) -> bool:
    """Whether it is one of a vector of each row and a matrix that is the same for all."""
    if node.op.name != "contract" or not node.lead:
        return False
    (x, matrix), (left, right, result, _) = node.inputs, node.static
    return x.lead and not matrix.lead and (len(left), len(right), len(result)) == (1, 2, 1) and left != result


class _Writer:
    def __init__(self, cell: Cell, ops: Mapping[str, Writing]) -> None:
        states = cell.anatomy.states
        assert not cell.anatomy.noises, "a cell that draws random masks is another in each library"
        assert not any(isinstance(part.start, str) for part in states.values()), "a start that is learned"
        carried = {name: name for name in states}
        self.starts = {name: (part.start, part.shape) for name, part in states.items()}
        self.ops = ops
        self.plan: Plan = plan(for_speed(combined(nl.trace(cell), carried), states), carried)
        self.output = self.plan.graph.outputs["output"]
        self.states = [self.plan.graph.inputs[name] for name in self.plan.in_loop]
        self.loop, self.after, self.kept = _without_keeping_matrices(self.plan, self.output)
        every = (*self.plan.graph.inputs.values(), *self.plan.once, *self.plan.before, *self.loop, *self.after)
        self.names = identifiers(every, RESERVED)

    def lines(self) -> list[str]:
        plan, names = self.plan, self.names
        given = {**plan.graph.inputs}
        read = {x for node in (*plan.once, *plan.before, *self.loop, *self.after) for x in node.inputs}
        taken = [(name, node) for name, node in given.items() if node in read and node not in self.states]
        lines = [f"{names[node]} = {'inputs' if node.lead else 'weights'}[{name!r}]" for name, node in taken]
        lines += self._section(plan.once, 0) + self._section(plan.before, 2)
        in_step = {x for node in self.loop for x in node.inputs} - {*self.loop, *self.states}
        now = [node for node in names if node in in_step and node.lead]
        states, kept = self._tuple(self.states), self._tuple(self.kept)
        new = self._tuple(plan.carried[name] for name in plan.in_loop)
        first = ", ".join(self._first(name) for name in plan.in_loop)
        step = [f"{states} = states", *([f"{self._tuple(now)} = now"] if now else []), *self._section(self.loop, 1)]
        lines += ["def step(states, now):", *(f"    {line}" for line in (*step, f"return {new}, {kept}"))]
        lines.append(f"{kept} = scan(step, ({first},), {self._tuple(now)}, inputs['x'])")
        lines += [*self._section(self.after, 2), f"return {names[self.output]}"]
        return ["def run(weights, inputs):", *(f"    {line}" for line in lines)]

    def _tuple(self, nodes: Iterable[Node]) -> str:
        return f"({''.join(f'{self.names[node]}, ' for node in nodes).rstrip()})"

    def _first(self, state: str) -> str:
        start, shape = self.starts[state]
        return f"first(inputs['x'], {start!r}, {shape})"

    def _section(self, nodes: Sequence[Node], rows: int) -> list[str]:
        lines, done = [], set()
        parts = _parts(nodes)
        for node in nodes:
            if node in parts and node not in done:
                group = parts[node]
                done |= {*group}
                to, sizes = ", ".join(self.names[part] for part in group), [part.shape[-1] for part in group]
                lines.append(f"{to} = split({self.names[node.inputs[0]]}, {sizes})")
            elif node not in done:
                lines.append(f"{self.names[node]} = {self._value(node, rows if node.lead else 0)}")
        return lines

    def _value(self, node: Node, rows: int) -> str:
        if node.op.name in ("input", "late"):  # a state, after the loop, is its new value one step late
            name = node.static[0]
            source = node.inputs[0] if node.inputs else self.plan.carried[name]
            return f"late({self.names[source]}, {self._first(name)})"
        operands = [repr(x.static[0]) if x.op.name == "constant" else self.names[x] for x in node.inputs]
        return self.ops[node.op.name](node, operands, rows)


def _without_keeping_matrices(plan: Plan, output: Node) -> tuple[Sequence[Node], Sequence[Node], Sequence[Node]]:
    """What is in the loop, what after it, and what the loop hands on: a matrix is read where it is made."""
    if all(len(node.shape) == 1 for node in plan.kept):
        return plan.loop, plan.after, plan.kept
    moved = [node for node in plan.after if node.op.name != "input"]
    return (*plan.loop, *moved), (), (output,)


def _parts(nodes: Sequence[Node]) -> dict[Node, list[Node]]:
    """For each part of a value that is taken apart along its last axis, all of them in order."""
    groups: dict[Node, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.op.name == "slice" and node.static[0] == -1 and node.static[3] == 1:
            groups[node.inputs[0]].append(node)
    found: dict[Node, list[Node]] = {}
    for whole, group in groups.items():
        group.sort(key=lambda node: node.static[1])
        ends = [0, *(node.static[1] + node.static[2] for node in group)]
        gapless = all(node.static[1] == end for node, end in zip(group, ends, strict=False))
        if len(group) > 1 and gapless and ends[-1] == whole.shape[-1]:
            found |= dict.fromkeys(group, group)
    return found
