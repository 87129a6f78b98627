"""What of a step is computed ahead of the time loop, in it, and behind it: for a block of steps at once, or for each.

Where rows are narrower than a vector of the processor, what does not depend on the state is computed ahead of the time
loop, for a block of steps at once, and what no new state needs, behind it: such loops run over rows, and not features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nanolstm.compile.task import VIEWS, is_product, origin, tasks_of
from nanolstm.graph.node import Node, depending_on, in_order

CHEAP = {
    *("add", "sub", "mul", "neg", "abs", "sign", "stop", "minimum", "maximum", "where", "less", "less_equal", "equal"),
    *("expand", "reshape", "transpose", "slice", "place", "concat"),
}
"""Operations that cost less to do again than to keep the result of, if their operands are at hand."""

EXCHANGE, DEAR = 1.5, 10
"""How many operations it costs to hand a number over from one loop to another, and how many a function takes."""

NARROW = 7
"""How many elements a row has at most that leaves a vector of AVX2 in float32 unfilled."""


def parts_of(
    nodes: Sequence[Node], states: Sequence[Node], new: Sequence[Node], must: frozenset[Node]
) -> tuple[list[Node], list[Node], list[Node]]:
    """What is computed ahead of the time loop, in it, and behind it; all of it in the loop where rows are wide.

    `nodes` are those of all rows, operands first, `states` the inputs that `new` follow from step to step, and `must`
    what has to stand in memory.
    """
    if any(math.prod(task.shape) > NARROW for node in nodes if not is_product(node) for task in tasks_of(node)):
        return [], list(nodes), []
    changing = depending_on(states, [*states, *nodes])
    # A state stands in memory from one step to the next: only the step itself can read it, and write it.
    inside = {*new, *(node for node in nodes if any(origin(x, must)[0] in states for x in node.inputs))}
    needed = {*in_order(inside)}
    copied = {node for node in new if node.op.name == "stop"}
    ahead = [node for node in nodes if node in needed and node not in changing and node not in copied]
    behind = [node for node in nodes if node not in needed]
    loop = _others(nodes, [*ahead, *behind])
    if loop and not _is_worth_it(ahead, read_by=[*loop, *behind], must=must):
        ahead, loop = [], _others(nodes, behind)
    if loop and not _is_worth_it(behind, read_from=loop, must=must):
        behind, loop = [], _others(nodes, ahead)
    return ahead, loop, behind


def _others(nodes: Sequence[Node], some: Sequence[Node]) -> list[Node]:
    without = set(some)
    return [node for node in nodes if node not in without]


def _is_worth_it(
    nodes: Sequence[Node], must: frozenset[Node], read_by: Sequence[Node] = (), read_from: Sequence[Node] = ()
) -> bool:
    """Whether it pays to take `nodes` out of the time loop, which then finds in memory what they exchange with it."""
    inside, outside = set(nodes), set(read_from)
    exchanged = {origin(x, must)[0] for node in read_by for x in node.inputs} & inside
    exchanged |= {origin(x, must)[0] for node in nodes for x in node.inputs} & outside
    return sum(map(_work, nodes)) > EXCHANGE * sum(math.prod(node.shape) for node in exchanged)


def _work(node: Node) -> int:
    """About how many operations a value takes in a loop over rows, where a function that is dear is one of many."""
    if node.op.name in (*VIEWS, "concat", "place", "stop"):
        return 0
    if is_product(node):
        return sum(math.prod(x.shape) for x in node.inputs if not x.lead)
    return math.prod(node.shape) * (1 if node.op.name in CHEAP else DEAR)
