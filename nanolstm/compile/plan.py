"""The three-way split: what is computed before the time loop, in it, and after it.

One question sorts every node: does it depend on the state? What does not is computed for all rows at once before the
loop (and once, if it depends on parameters alone); what does, but is needed for no new state, for all rows at once
after it. A derivative that runs backward in time is a step as well, whose states are cotangents, and is planned alike:
that is how every parameter's gradient comes to be computed after the loop.

A state whose new value depends on no state only comes one step late. It is no reason for a loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from nanolstm.graph.node import Graph, Node, Op, depending_on, in_order, replaced

LATE = Op("late", "", lambda operands, _: operands[0].shape, lambda *_: [], lambda *_: None)
"""What its operand was one step before; static: the name of the state, which it is in the first step."""

VIEWS = ("slice", "reshape", "transpose")
"""Operations that cost nothing: what they answer with is their operand's own memory, seen otherwise."""


@attrs.frozen(eq=False)
class Plan:
    """What is computed when.

    Attributes:
        graph: what is computed; states that are only late are replaced by what they are late of.
        carried: for each state, by the name of its input, its new value.
        in_loop: those of `carried` that need a loop.
        once: nodes of parameters alone.
        before: nodes of all rows, before the loop.
        loop: nodes of one step.
        after: nodes of all rows, after the loop; a state among them is its new value, one step late.
        kept: nodes of the loop, and states as they come in, whose values at all rows it writes down.
    """

    graph: Graph
    carried: Mapping[str, Node]
    in_loop: tuple[str, ...]
    once: tuple[Node, ...]
    before: tuple[Node, ...]
    loop: tuple[Node, ...]
    after: tuple[Node, ...]
    kept: tuple[Node, ...]


def plan(graph: Graph, carried: Mapping[str, str]) -> Plan:
    """Sort the nodes of `graph`, in which the input `state` becomes the output `carried[state]` from step to step."""
    graph, new, in_loop = without_delays(graph, carried)
    graph = attrs.evolve(graph, outputs={k: node for k, node in graph.outputs.items() if k not in carried.values()})
    nodes = in_order([*graph.outputs.values(), *new.values()])
    states = {graph.inputs[name]: new[name] for name in in_loop}
    changing = depending_on(states, nodes) if in_loop else set()
    needed = set(in_order(states.values()))
    computed = [node for node in nodes if node.op.name not in ("input", "constant")]
    loop = [node for node in computed if node in changing and node in needed]
    after = [node for node in computed if node in changing and node not in needed]
    fixed = [node for node in computed if node not in changing]
    with_rows = depending_on((node for node in nodes if node.lead or node.op.name == "count"), nodes)
    kept, again = kept_and_found_again(
        states, loop, {*graph.outputs.values(), *(operand for node in after for operand in node.inputs)}
    )
    return Plan(
        graph=graph,
        carried=new,
        in_loop=tuple(in_loop),
        once=tuple(node for node in fixed if node not in with_rows),
        before=tuple(node for node in fixed if node in with_rows),
        loop=tuple(loop),
        after=(*again, *after),
        kept=tuple(kept),
    )


def kept_and_found_again(
    states: Mapping[Node, Node], loop: Sequence[Node], read: set[Node]
) -> tuple[list[Node], list[Node]]:
    """What the loop writes down of what is `read` after it, and what of it follows from that without a loop.

    A part of a value is a part of it at all rows as well, and a state is its new value one step later.
    """
    read = set(read)
    again: list[Node] = []
    for node in reversed(loop):
        if node in read and node.op.name in VIEWS and node.inputs[0] in loop:
            again.insert(0, node)
            read.add(node.inputs[0])
    found = set(again)
    late = [state for state, value in states.items() if state in read and value in loop]
    for state in late:
        value = states[state]
        if value not in found:
            read.add(value)
    kept = [node for node in [*states, *loop] if node in read and node not in found and node not in late]
    return kept, [*again, *late]


def without_delays(graph: Graph, carried: Mapping[str, str]) -> tuple[Graph, dict[str, Node], list[str]]:
    """The graph without states that are only late, the new value of each state, and the states that are left."""
    names, outputs = list(graph.outputs), list(graph.outputs.values())
    in_loop = list(carried)
    while True:
        new = dict(zip(names, outputs, strict=True))
        nodes = in_order(outputs)
        changing = depending_on([graph.inputs[state] for state in in_loop], nodes)
        late = next((state for state in in_loop if new[carried[state]] not in changing), None)
        if late is None:
            break
        in_loop.remove(late)
        old, source = graph.inputs[late], new[carried[late]]
        outputs = replaced(outputs, {old: Node(LATE, (source,), (late,), old.shape, lead=True, name=late)})
    outs = dict(zip(names, outputs, strict=True))
    return attrs.evolve(graph, outputs=outs), {state: outs[name] for state, name in carried.items()}, in_loop
