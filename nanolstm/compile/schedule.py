"""In which order a step is computed for the rows of one thread: products of matrices, and fused loops between them.

All that is not a product with a matrix of parameters concerns one row alone. It is put into as few loops over features
as possible, each over one shape: a value that is read at the place where it is computed stays a local variable, and
only what is read elsewhere, or after the step, is written to memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import attrs

from nanolstm.compile.parts import parts_of
from nanolstm.compile.task import VIEWS, Task, bare, is_product, origin, reads, tasks_of
from nanolstm.graph.node import Graph, Node, Shape, apply, depending_on, in_order


@attrs.define(eq=False)
class Nest:
    """Tasks in one loop over `shape`; of shape (), no loop."""

    shape: Shape
    tasks: list[Task] = attrs.field(factory=list)


@attrs.define(eq=False)
class Stage:
    """Products of all rows, then what is done row by row."""

    products: list[Node] = attrs.field(factory=list)
    nests: list[Nest] = attrs.field(factory=list)


@attrs.frozen(eq=False)
class Schedule:
    """What is computed where.

    Attributes:
        inputs: of the graph, by name.
        answers: its outputs by name, without new states.
        states: for each state, by the name of its input, its new value.
        once: nodes of parameters alone.
        ahead: what is computed for all rows of a block of steps before its time loop, in order.
        stages: the step, in order.
        behind: what is computed for all rows of a block of steps after its time loop, in order.
        kept: nodes whose values at all rows are written down.
        passing: nodes that stand in memory for a block of steps: they are added up over its rows, or read in another
            of the three parts.
        sums: nodes that add up over the rows.
        after: nodes computed from these.
        place: where each node of the step is complete: (stage, nest); a product at nest -1.
        readers: where each is read, and whether element for element.
        stored: nodes that stand in memory during a step.
    """

    inputs: Mapping[str, Node]
    answers: Mapping[str, Node]
    states: Mapping[str, Node]
    once: Sequence[Node]
    ahead: Sequence[Stage]
    stages: Sequence[Stage]
    behind: Sequence[Stage]
    kept: Sequence[Node]
    passing: Sequence[Node]
    sums: Sequence[Node]
    after: Sequence[Node]
    place: Mapping[Node, tuple[int, int]]
    readers: Mapping[Node, Sequence[tuple[tuple[int, int], bool]]]
    stored: frozenset[Node]

    @property
    def in_blocks(self) -> bool:
        """Whether steps are run in blocks, at whose beginning or end something is done for all their rows."""
        return bool(self.sums or self.ahead or self.behind)

    @property
    def everywhere(self) -> Sequence[Stage]:
        """All stages, in order."""
        return (*self.ahead, *self.stages, *self.behind)


def schedule(graph: Graph, carried: Mapping[str, str], must: frozenset[Node] = frozenset()) -> Schedule:
    """Order the nodes of `graph`, in which the input `state` becomes the output `carried[state]`.

    `must` are nodes that have to stand in memory, whatever they are.

    Raises:
        NotImplementedError: a value of all rows goes into a value of one row, as in the gradient of a loss.
    """
    answers = {name: as_rows(node, name) if node.lead else node for name, node in graph.outputs.items()}
    nodes = in_order(answers.values())
    with_rows = depending_on([node for node in nodes if node.lead], nodes)
    sums = [node for node in nodes if not node.lead and any(x.lead for x in node.inputs)]
    if any(node.lead for node in depending_on(sums, nodes)):
        raise NotImplementedError("a value of all rows goes into a value of one row")
    placing = _Placing(must)
    computed = [node for node in nodes if node.lead and node.op.name != "input"]
    entering, new_states = [graph.inputs[state] for state in carried], [answers[name] for name in carried.values()]
    ahead, loop, behind = parts_of(computed, entering, new_states, must)
    for node in ahead:
        placing.add(node)
    begin = placing.next_part()
    for node in loop:
        placing.add(node)
    states: dict[str, Node] = {}
    for state, name in carried.items():
        new = answers[name]
        if new in states.values() or new in ahead or not placing.in_place(graph.inputs[state], new):
            new = placing.at_the_end(new)
        states[state] = new
    end = placing.next_part()
    for node in behind:
        placing.add(node)
    rows = {name: node for name, node in answers.items() if node.lead and name not in carried.values()}
    summed = [origin(x, must)[0] for node in sums for x in node.inputs if x.lead]
    if any(node.op.name == "input" and node.name in carried for node in summed):
        raise NotImplementedError("a state is added up as it comes in")
    kept = dict.fromkeys(rows.values())
    passing = [node for node in summed if node.op.name != "input"] + placing.crossing(begin, end)
    return Schedule(
        inputs=graph.inputs,
        answers={name: node for name, node in answers.items() if name not in carried.values()},
        states=states,
        once=tuple(n for n in nodes if n not in with_rows and n.op.name not in ("input", "constant")),
        ahead=tuple(placing.stages[:begin]),
        stages=tuple(placing.stages[begin:end]),
        behind=tuple(placing.stages[end:]),
        kept=tuple(kept),
        passing=tuple(dict.fromkeys(node for node in passing if node not in kept)),
        sums=tuple(sums),
        after=tuple(n for n in nodes if not n.lead and n in with_rows and n not in sums),
        place=placing.place,
        readers=placing.readers,
        stored=frozenset({*placing.stored, *kept, *passing, *states.values(), *must}),
    )


def as_rows(node: Node, name: str) -> Node:
    """A value of rows that is computed in the step, and not only handed through or seen otherwise."""
    if node.op.name not in ("input", "constant") and node.op.name not in VIEWS:
        return node
    copy = apply("stop", node)
    copy.name = name
    return copy


@attrs.define(eq=False)
class _Placing:
    """Finds for one node after the other where it can be computed first.

    Attributes:
        must: nodes that have to stand in memory whatever they are.
        begin: the first stage of the part that is being placed.
        place: where each node is complete: (stage, nest), a product at nest -1.
        first: where its first task is.
        stored: nodes that are read elsewhere than where they are computed.
        readers: of each node that was read as it is: where, and whether element for element.
    """

    must: frozenset[Node]
    begin: int = 0
    stages: list[Stage] = attrs.field(factory=list)
    place: dict[Node, tuple[int, int]] = attrs.field(factory=dict)
    first: dict[Node, tuple[int, int]] = attrs.field(factory=dict)
    stored: set[Node] = attrs.field(factory=set)
    readers: dict[Node, list[tuple[tuple[int, int], bool]]] = attrs.field(factory=lambda: defaultdict(list))

    def add(self, node: Node) -> None:
        """Place `node`, whose operands are placed."""
        if node.op.name in VIEWS and node not in self.must:
            return
        if is_product(node):
            self._product(node)
            return
        tasks = tasks_of(node)
        # What is begun in one stage and ended in a later one would be begun for all rows before it is ended for any.
        operands = (origin(x, self.must)[0] for x in node.inputs) if len(tasks) > 1 else ()
        stage = max((self.begin, *(self.place[x][0] for x in operands if x in self.place)))
        for task in tasks:
            self._put(task, stage)

    def next_part(self) -> int:
        """What is placed from now on comes after all that is there: from which stage on."""
        self.begin = len(self.stages)
        return self.begin

    def crossing(self, begin: int, end: int) -> list[Node]:
        """What is read in another of three parts than it is in, or otherwise than at one row after the other.

        The second part, from stage `begin` up to `end`, is the time loop, which has memory for this.
        """

        def part(stage: int) -> int:
            return (stage >= begin) + (stage >= end)

        found = []
        for node, (stage, _) in self.place.items():
            read = {at[0] for at, _ in self.readers[node]}
            far = node in self.stored and (is_product(node) or read - {stage}) and part(stage) != 1
            if far or any(part(other) != part(stage) for other in read):
                found.append(node)
        return found

    def in_place(self, state: Node, new: Node) -> bool:
        """Whether the new value of a state can be written where the old one stands: whether that is read no more."""
        first = self.first[new]
        alone = is_product(new) or len(tasks_of(new)) == 1
        return all(
            at < first or (at == first == self.place[new] and aligned and alone and not is_product(new))
            for at, aligned in self.readers[state]
        )

    def at_the_end(self, node: Node) -> Node:
        """A copy of `node` after everything else."""
        last = max(len(self.stages) - 1, self.begin)
        task = Task("each", apply("stop", node))
        self._stage(last).nests.append(Nest(task.shape, [task]))
        self.place[task.node] = self.first[task.node] = (last, len(self.stages[last].nests) - 1)
        self.stored.add(node)
        self.readers[node].append((self.place[task.node], True))
        return task.node

    def _stage(self, number: int) -> Stage:
        while len(self.stages) <= number:
            self.stages.append(Stage())
        return self.stages[number]

    def _product(self, node: Node) -> None:
        vectors = [origin(x, self.must)[0] for x in node.inputs if x.lead]
        stage = max((self.begin, *(self.place[x][0] + 1 for x in vectors if x in self.place)))
        self._stage(stage).products.append(node)
        self.place[node] = self.first[node] = (stage, -1)
        self.stored |= {node, *vectors}
        for x in vectors:
            self.readers[x].append(((stage, -1), False))

    def _put(self, task: Task, stage: int) -> None:
        at = (stage, 0)
        if task.node in self.place:  # a task of it that comes before this one
            stage, nest = self.place[task.node]
            at = (stage, nest if task.kind == "part" and task.at else nest + 1)
        found = [*reads(task, self.must)]
        for base, aligned in found:
            if base in self.place:
                stage, nest = self.place[base]
                together = aligned and nest >= 0 and len(tasks_of(base)) == 1 and base.op.name not in ("sum", "max")
                at = max(at, (stage, nest if together else nest + 1))
        stage, nest = at
        nests = self._stage(stage).nests
        fits = (i for i in range(nest, len(nests)) if nests[i].shape == task.shape and task.kind != "contract")
        nest = next((i for i in fits if all(t.kind != "contract" for t in nests[i].tasks)), len(nests))
        if nest == len(nests):
            nests.append(Nest(task.shape))
        nests[nest].tasks.append(task)
        here = (stage, nest)
        self.first.setdefault(task.node, here)
        self.place[task.node] = max(here, self.place.get(task.node, here))
        if task.kind != "each" and not (task.kind == "reduce" and not bare(task.node.shape)):
            self.stored.add(task.node)
        for base, aligned in found:
            self.readers[base].append((here, aligned))
            if base in self.place and not (self.place[base] == here and aligned):
                one = not bare(base.shape) and self.place[base][0] == stage
                if not one:
                    self.stored.add(base)
