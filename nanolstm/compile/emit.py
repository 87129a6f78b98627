"""A plan as straight-line Python source: emitted once, instead of walking the graph at every time step.

The order of things and their names are decided here, for any target; how one node is written is the target's.

A value that exists for all rows bears its plain name, and `_t` is its part at the step that is run: `f` and `f_t`. Rows
are ordered by time, so that a step is a slice of them, `a` to `b`; sequences that have ended are not in it.
"""

from __future__ import annotations

import keyword
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import attrs

from nanolstm.compile.plan import VIEWS, Plan
from nanolstm.compile.source_text import comment, docstring, identifier, number
from nanolstm.graph.node import Node

RESERVED = {"np", "room", "steps", "rows", "dtype", "real", "a", "b", "size", "len", "bool", "run"}
"""Words of the emitted function itself."""


_BEGINNINGS = ("first_", "last_", "start_", "real_", "constant_")
_ENDINGS = ("_t", "_r", "_j", "_flat", "_packed", "_turned", "_small", "_total", "_at", "_steps")


class Target(Protocol):
    """How single nodes are written."""

    @property
    def names(self) -> Collection[str]:
        """What the emitted source finds outside of itself."""

    def value(self, node: Node, operands: Sequence[str], rows: str) -> str:
        """An expression for `node`; `rows` is one for how many rows there are."""

    def within(self, node: Node, operands: Sequence[str], place: str) -> str:
        """An expression for `node` that puts it into the array `place`; "" if there is none."""

    def into(self, node: Node, operands: Sequence[str], rows: str, place: str) -> str:
        """A statement that puts `node` into the array `place`."""


@attrs.frozen
class Source:
    """What was emitted: Python source of a function `run`, and the order of what it takes and returns.

    `prepared` are those of a kernel's inputs that are looked at before each run.
    """

    text: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    prepared: tuple[str, ...] = ()


def emit(plan: Plan, target: Target) -> Source:
    """The source of `plan`: a function of (steps, rows, dtype, room, *inputs) to a tuple of the outputs.

    Inputs are parameters as they are, values of rows (rows, ...), and first states (batch, ...), longest sequences
    first; outputs are values of rows, last states, and sums over the rows.
    """
    nodes = [*plan.graph.inputs.values(), *plan.once, *plan.before, *plan.loop, *plan.after]
    writer = _Writer(plan, target, identifiers(nodes, {*RESERVED, *target.names}))
    writer.all_rows(plan.once, "once: parameters alone")
    writer.all_rows(plan.before, "before the loop: for all rows at once")
    if plan.in_loop:
        writer.loop()
    writer.all_rows(plan.after, "after the loop: for all rows at once")
    answers = writer.answers()
    about = docstring(f"{plan.graph.title}.")
    head = [f"def run(steps, rows, dtype, room, {', '.join(writer.arguments())}):", f"    {about}"]
    if any("real(" in line for line in writer.lines):
        head.append("    real = dtype.type")
    lines = [
        *head,
        *(f"    {line}" for line in writer.lines),
        f"    return ({', '.join(answers.values())}{',' * (len(answers) == 1)})",
    ]
    return Source("\n".join(lines) + "\n", tuple(plan.graph.inputs), tuple(answers))


@attrs.define
class _Writer:
    """The body of the function, line by line.

    Attributes:
        names: the variable of each node, for all rows where it is one of rows.
        lines: what is written so far.
    """

    plan: Plan
    target: Target
    names: dict[Node, str]
    lines: list[str] = attrs.field(factory=list)

    def arguments(self) -> list[str]:
        """Of the function; a state comes as its first value."""
        given = self.plan.graph.inputs
        return [self.first(name) if name in self.plan.carried else self.names[node] for name, node in given.items()]

    def first(self, state: str) -> str:
        """The variable of the first value of a state."""
        return f"first_{self.names[self.plan.graph.inputs[state]]}"

    def all_rows(self, nodes: Sequence[Node], about: str) -> None:
        """Write nodes outside of the loop."""
        if nodes:
            self.lines.append(comment(about))
        for node in nodes:
            if node.op.name in ("late", "input"):  # a state, after the loop, is its new value one step late
                source = node.inputs[0] if node.inputs else self.plan.carried[node.name]
                value = f"late({self.names[source]}, {self.first(node.static[0])}, steps)"
            else:
                value = self.target.value(node, _words(node, self.names), "rows")
                if node.lead and not node.boolean and node.op.elementwise:
                    place = f"room({node.shape})"
                    value = self.target.within(node, _words(node, self.names), place) or value
            self.lines.append(f"{self.names[node]} = {value}")

    def loop(self) -> None:
        """Write the loop, and what it needs before and after it."""
        plan, names = self.plan, self.names
        states = [plan.graph.inputs[name] for name in plan.in_loop]
        now, first, last = (
            ", ".join(word.format(names[x]) for x in states) for word in ("{}_t", "first_{}", "last_{}")
        )
        self.lines.append(comment("the loop"))
        for node in plan.kept:
            shape, kind = f"(rows, {str(node.shape)[1:]}", "bool" if node.boolean else "dtype"
            self.lines.append(f"{names[node]} = empty({shape}, {kind})")
        self.lines += [f"last_{names[node]} = np.array(first_{names[node]})" for node in states]
        self.lines += [f"size = len(first_{names[states[0]]})", f"{now} = {first}", "for a, b in steps:"]
        comma = "," * (len(states) == 1)
        step = ["if b - a != size:", f"    {now}{comma} = resized(size, b - a, ({now},), ({first},), ({last},))"]
        self.lines += [f"    {line}" for line in (*step, "    size = b - a", *self.step(states))]
        self.lines += [f"last_{names[node]}[:size] = {names[node]}_t" for node in states]

    def step(self, states: Sequence[Node]) -> list[str]:
        """The lines of one step, after its states are there."""
        plan, names, target = self.plan, self.names, self.target
        computed = {*states, *plan.loop}
        read = {x for node in (*plan.loop, *(plan.carried[s] for s in plan.in_loop)) for x in (node, *node.inputs)}
        sliced = [node for node in names if node in read and node not in computed and node.lead]
        here = names | {node: f"{names[node]}_t" for node in (*states, *plan.kept, *sliced)}
        lines = [f"{here[node]} = {names[node]}[a:b]" for node in sliced]
        lines += [f"{names[node]}[a:b] = {here[node]}" for node in plan.kept if node in states]
        places = _places(plan, here)
        opened: set[Node] = set()
        for node in plan.loop:
            words = _words(node, here)
            whole, place = places.get(node, (node, here[node]))
            if node not in plan.kept and whole is node:
                lines.append(f"{here[node]} = {target.value(node, words, 'size')}")
                continue
            if whole not in opened:
                opened.add(whole)
                lines.append(f"{here[whole]} = {names[whole]}[a:b]")
            if whole is not node:
                lines.append(f"{here[node]} = {place}")
            if not (node.op.name == "concat" and all(places.get(x, (x,))[0] is node for x in node.inputs)):
                lines.append(target.into(node, words, "size", here[node]))
        new = ", ".join(here[plan.carried[name]] for name in plan.in_loop)
        return [*lines, f"{', '.join(here[node] for node in states)} = {new}"]

    def answers(self) -> dict[str, str]:
        """What the function returns, by name."""
        plan = self.plan
        answers = {name: _fresh(node, self.names, plan) for name, node in plan.graph.outputs.items()}
        for state, node in plan.carried.items():
            if state in plan.in_loop:
                answers[f"last {state}"] = f"last_{self.names[plan.graph.inputs[state]]}"
            else:
                answers[f"last {state}"] = f"ended({_fresh(node, self.names, plan)}, {self.first(state)}, steps)"
        return answers


def _words(node: Node, names: Mapping[Node, str]) -> list[str]:
    """The operands of `node` as source."""
    return [constant(x) if x.op.name == "constant" else names[x] for x in node.inputs]


def _places(plan: Plan, in_loop: dict[Node, str]) -> dict[Node, tuple[Node, str]]:
    """Where the operands of a kept concatenation are computed: in their place in it, not to be copied there."""
    found: dict[Node, tuple[Node, str]] = {}
    for whole in plan.kept:
        # An operand that occurs twice stands in two places.
        if whole.op.name == "concat" and whole.static == (-1,) and len({*whole.inputs}) == len(whole.inputs):
            start = 0
            for node in whole.inputs:
                end = start + node.shape[-1]
                if node.op.elementwise and node in plan.loop and node not in plan.kept and node not in found:
                    found[node] = (whole, f"{in_loop[whole]}[..., {start}:{end}]")
                start = end
            if any(found.get(node, (None,))[0] is not whole for node in whole.inputs):
                found = {node: place for node, place in found.items() if place[0] is not whole}
    return found


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
    return f"np.array([{', '.join(map(number, value))}], {kind})" if isinstance(value, tuple) else number(value)


def identifiers(nodes: Iterable[Node], reserved: Collection[str]) -> dict[Node, str]:
    """A variable for each node: the author's word for it, as far as Python and the emitted source allow."""
    taken, found, count = set(reserved), {}, 0
    for node in dict.fromkeys(nodes):
        count += not node.name
        word = identifier(node.name) or f"t{count}"
        # What these beginnings and ends mean here, a name with a number behind it must not mean either.
        if word[0].isdigit() or word.endswith(_ENDINGS) or f"{word}_".startswith(_BEGINNINGS):
            word = f"own_{word}_"
        name, again = word, 1
        while name in taken or keyword.iskeyword(name):
            again += 1
            name = f"{word}_{again}"
        taken.add(name)
        found[node] = name
    return found
