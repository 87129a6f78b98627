"""A plan as straight-line Python source: emitted once, instead of walking the graph at every time step.

The order of things and their names are decided here, for any target; how one node is written is the target's.

A value that exists for all rows bears its plain name, and `_t` is its part at the step that is run: `f` and `f_t`. Rows
are ordered by time, so that a step is a slice of them, `a` to `b`; sequences that have ended are not in it.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Sequence
from typing import Protocol

import attrs

from nanolstm.compile.plan import VIEWS, Plan
from nanolstm.graph.node import Node

RESERVED = {"np", "steps", "rows", "dtype", "real", "a", "b", "size", "inf", "nan", "len", "bool", "run"}
"""Words of the emitted function itself."""


class Target(Protocol):
    """How single nodes are written."""

    @property
    def names(self) -> Collection[str]:
        """What the emitted source finds outside of itself."""

    def value(self, node: Node, operands: Sequence[str], rows: str) -> str:
        """An expression for `node`; `rows` is one for how many rows there are."""

    def into(self, node: Node, operands: Sequence[str], rows: str, place: str) -> str:
        """A statement that puts `node` into the array `place`."""


@attrs.frozen
class Source:
    """What was emitted: Python source of a function `run`, and the order of what it takes and returns."""

    text: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def emit(plan: Plan, target: Target) -> Source:
    """The source of `plan`: a function of (steps, rows, dtype, *inputs), which answers with a tuple of the outputs.

    Inputs are parameters as they are, values of rows (rows, ...), and first states (batch, ...), longest sequences
    first; outputs are values of rows, last states, and sums over the rows.
    """
    names = identifiers(plan, target.names)
    inputs, outputs = plan.graph.inputs, plan.graph.outputs
    arguments = [f"first_{names[node]}" if name in plan.carried else names[node] for name, node in inputs.items()]
    lines = [f"def run(steps, rows, dtype, {', '.join(arguments)}):", f'    """{plan.graph.title}."""']

    def operands(node: Node, step: bool) -> list[str]:
        return [constant(x) if x.op.name == "constant" else (in_loop if step else names)[x] for x in node.inputs]

    def all_rows(nodes: Sequence[Node], about: str) -> None:
        if nodes:
            lines.append(f"    # {about}")
        for node in nodes:
            if node.op.name in ("late", "input"):  # a state, after the loop, is its new value one step late
                source = node.inputs[0] if node.inputs else plan.carried[node.name]
                value = f"late({names[source]}, first_{names[inputs[node.static[0]]]}, steps)"
            else:
                value = target.value(node, operands(node, False), "rows")
            lines.append(f"    {names[node]} = {value}")

    all_rows(plan.once, "once: parameters alone")
    all_rows(plan.before, "before the loop: for all rows at once")
    in_loop = dict(names)
    if plan.in_loop:
        states = [inputs[name] for name in plan.in_loop]
        own = {*states, *plan.loop}
        lines.append("    # the loop")
        for node in plan.kept:
            kind = "bool" if node.boolean else "dtype"
            lines.append(f"    {names[node]} = np.empty({_with_rows(node)}, {kind})")
        read = {x for node in (*plan.loop, *(plan.carried[s] for s in plan.in_loop)) for x in (node, *node.inputs)}
        sliced = [node for node in names if node in read and node not in own and node.lead]
        in_loop |= {node: f"{names[node]}_t" for node in (*states, *plan.kept, *sliced)}
        lines += [f"    last_{names[node]} = np.array(first_{names[node]})" for node in states]
        now, first, last = (
            ", ".join(word.format(names[x]) for x in states) for word in ("{}_t", "first_{}", "last_{}")
        )
        lines += [f"    size = len(first_{names[states[0]]})", f"    {now} = {first}", "    for a, b in steps:"]
        lines += ["        if b - a != size:"]
        lines += [
            f"            {now}{',' * (len(states) == 1)} = resized(size, b - a, ({now},), ({first},), ({last},))"
        ]
        lines += ["            size = b - a"]
        lines += [f"        {names[node]}_t = {names[node]}[a:b]" for node in sliced]
        lines += [f"        {names[node]}[a:b] = {names[node]}_t" for node in plan.kept if node in states]
        places = _places(plan, in_loop)
        opened: set[str] = set()
        for node in plan.loop:
            whole, place = places.get(node, (node, in_loop[node]))
            if node not in plan.kept and node not in places:
                lines.append(f"        {in_loop[node]} = {target.value(node, operands(node, True), 'size')}")
                continue
            if in_loop[whole] not in opened:
                opened.add(in_loop[whole])
                lines.append(f"        {in_loop[whole]} = {names[whole]}[a:b]")
            if whole is not node:
                lines.append(f"        {in_loop[node]} = {place}")
            if not (node.op.name == "concat" and all(places.get(x, (x,))[0] is node for x in node.inputs)):
                lines.append(f"        {target.into(node, operands(node, True), 'size', in_loop[node])}")
        lines.append(f"        {now} = {', '.join(in_loop[plan.carried[name]] for name in plan.in_loop)}")
        lines += [f"    last_{names[node]}[:size] = {names[node]}_t" for node in states]
    all_rows(plan.after, "after the loop: for all rows at once")
    answers = {name: _fresh(node, names, plan) for name, node in outputs.items()}
    for state, node in plan.carried.items():
        answers[f"last {state}"] = (
            f"last_{names[inputs[state]]}"
            if state in plan.in_loop
            else f"ended({_fresh(node, names, plan)}, first_{names[inputs[state]]}, steps)"
        )
    lines.append(f"    return {', '.join([*answers.values(), ''])}".rstrip())
    if any("real(" in line for line in lines):
        lines.insert(2, "    real = dtype.type")
    return Source("\n".join(lines) + "\n", tuple(inputs), tuple(answers))


def _places(plan: Plan, in_loop: dict[Node, str]) -> dict[Node, tuple[Node, str]]:
    """Where the operands of a kept concatenation are computed: in their place in it, not to be copied there."""
    found: dict[Node, tuple[Node, str]] = {}
    for whole in plan.kept:
        if whole.op.name == "concat" and whole.static == (-1,):
            start = 0
            for node in whole.inputs:
                end = start + node.shape[-1]
                if node.op.elementwise and node in plan.loop and node not in plan.kept and node not in found:
                    found[node] = (whole, f"{in_loop[whole]}[..., {start}:{end}]")
                start = end
            if any(found.get(node, (None,))[0] is not whole for node in whole.inputs):
                found = {node: place for node, place in found.items() if place[0] is not whole}
    return found


def _with_rows(node: Node) -> str:
    return f"(rows, {str(node.shape)[1:]}"


def _fresh(node: Node, names: dict[Node, str], plan: Plan) -> str:
    """A variable to be handed out: not what was handed in, and not a view that repeats one number."""
    if node.op.name == "constant":
        return f"np.array({constant(node)}, dtype)"
    base = node
    while base.op.name in VIEWS:
        base = base.inputs[0]
    given = base.op.name in ("input", "expand") and base not in plan.after
    return f"np.array({names[node]})" if given else names[node]


def constant(node: Node) -> str:
    """A number, which takes the type of what it meets; or a vector."""
    value = node.static[0]
    kind = "bool" if node.boolean else "dtype"
    return f"np.array({list(value)}, {kind})" if isinstance(value, tuple) else repr(value)


def identifiers(plan: Plan, outside: Collection[str]) -> dict[Node, str]:
    """A variable for each node: the author's word for it, as far as Python and the emitted source allow."""
    taken, found, count = {*RESERVED, *outside}, {}, 0
    for node in dict.fromkeys([*plan.graph.inputs.values(), *plan.once, *plan.before, *plan.loop, *plan.after]):
        count += not node.name
        word = re.sub(r"\W+", "_", node.name).strip("_") or f"t{count}"
        if word.endswith("_t") or word.startswith(("first_", "last_")):  # which mean something here
            word = f"own_{word}_"
        name, again = word, 1
        while name in taken or keyword.iskeyword(name):
            again += 1
            name = f"{word}_{again}"
        taken.add(name)
        found[node] = name
    return found
