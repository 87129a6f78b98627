"""The programs of a step: forward, backward, and both in a direction. All are derived from one graph.

With F the step, the backward program is the reverse-mode derivative of F, a step too: its states are the cotangents of
F's states, and it runs from the last time step to the first. The program of a Hessian-vector product is the
forward-mode derivative of the two together (forward over reverse).

Names: "d h" is the cotangent of h (the derivative of the loss by it), "v h" its tangent (how it changes along the
direction that was asked for), "v d h" the tangent of its cotangent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

import attrs

from nanolstm.compile.backend import Runnable, made
from nanolstm.compile.kernel_steps import CUT, RESTART
from nanolstm.compile.members import side_by_side
from nanolstm.compile.numpy_target import program
from nanolstm.compile.parts import CHEAP
from nanolstm.compile.writer import Wanted
from nanolstm.errors import KernelError
from nanolstm.graph.derive import forward, reverse
from nanolstm.graph.node import Graph, Node, apply, constant, depending_on, in_order, input_node, replaced
from nanolstm.graph.ops import expand, reshaped, total, where
from nanolstm.graph.simplify import simplified

BACK = ("d ", "v d ")
"""How the names of cotangents and of their tangents begin."""

_Made = TypeVar("_Made")


@attrs.frozen
class Variant:
    """What a program is asked for.

    Attributes:
        restarts: whether states are set to their start at rows of the input `RESTART`.
        cuts: whether the gradient stops at rows of the input `CUT`.
        wrt: the inputs whose cotangents are asked for, beside those of the states.
        along: the inputs that change in the direction that is asked for, beside the states; None for no direction.
        kernel: the dtype of a program that is compiled, or "" for one that NumPy runs. A kernel is told itself at which
            rows states start anew and gradients stop; its graph says nothing of it, unless the gradient by the start
            is asked for.
        record: whether the values of gates, states and local variables are asked for, as "value name".
        firsts: whether the cotangents of first states are asked for. Without them a state goes back only as far as
            something else needs its cotangent: of one that only hands on an input, the input's, if at all.
    """

    restarts: bool = False
    cuts: bool = False
    wrt: frozenset[str] = frozenset()
    along: frozenset[str] | None = None
    kernel: str = ""
    record: bool = False
    firsts: bool = True


@attrs.frozen(eq=False)
class Pair:
    """A forward program, and the backward program that goes on from what the first kept.

    Attributes:
        forward: its outputs are those of the step, their tangents, and `kept`.
        backward: its inputs are those of the step, `kept`, and "d output".
        kept: the names of what the first hands over to the second, for each row.
    """

    forward: Runnable
    backward: Runnable
    kept: tuple[str, ...]


@attrs.frozen(eq=False)
class Halves:
    """A loss in kernels: what is added up over all rows, and what each row gets of these sums.

    Attributes:
        add: from "prediction" and "target" to the sums.
        spread: from these, the sums, "count" and "d loss" to "loss" and "d prediction".
        sums: the sums, by name.
        columns: how many columns a target has.
    """

    add: Runnable
    spread: Runnable
    sums: Mapping[str, Node]
    columns: int


@attrs.define(eq=False)
class Programs:
    """Every program of one graph, made when it is first asked for.

    Attributes:
        graph: a step: its outputs are "output" and the new value of each state, by the state's name.
        states: the names of those of its inputs that are states.
        values: what a recording of it holds, by name.
    """

    graph: Graph
    states: tuple[str, ...] = ()
    values: Mapping[str, Node] = attrs.field(factory=dict)
    _made: dict[tuple[str, Variant], Any] = attrs.field(factory=dict, init=False, repr=False)

    def forward(self, variant: Variant) -> Runnable:
        """From inputs to outputs and last states; with `variant.along`, to their tangents too.

        Raises:
            KernelError: of a variant for a kernel, that there is none, and why; so do the others.
        """

        def make() -> Runnable:
            graph = self._surrounded(variant)
            outputs = _simpler(self._with_tangents(graph, graph.outputs, variant, {}))
            return made([self._wanted("forward", outputs, variant)], variant.kernel)[0]

        return self._once("forward", variant, make)

    def pair(self, variant: Variant) -> Pair:
        """The forward and the backward program; the latter gives "d name" for each name of `variant.wrt`."""

        def make() -> Pair:
            wanted, kept = self.wanted_pair(variant)
            forward, backward = made(wanted, variant.kernel)
            return Pair(forward, backward, kept)

        return self._once("pair", variant, make)

    def joint(self, variant: Variant) -> Runnable:
        """Both in one program, for a graph without states: "d output" is among its inputs, as for the backward one."""

        def make() -> Runnable:
            _, both = self._both(variant)
            return made([self._wanted("joint", both, variant)], variant.kernel)[0]

        return self._once("joint", variant, make)

    def halves(self, variant: Variant) -> Halves:
        """The graph of a loss, and its derivative by the prediction, in kernels, whose rows know nothing of each other.

        Raises:
            KernelError: what is added up depends on such a sum itself, or on a product; or no kernel can be had.
        """

        def make() -> Halves:
            _, both = self._both(variant)
            nodes = in_order(both.values())
            if any(node.op.name == "contract" for node in nodes):
                raise KernelError(f"{self.graph.title} multiplies matrices, which may follow each other over all rows")
            known = {node: input_node("count", node.shape, lead=False) for node in nodes if node.op.name == "count"}
            both = dict(zip(both, replaced(list(both.values()), known), strict=True))
            nodes = in_order(both.values())
            found = [node for node in nodes if not node.lead and any(x.lead for x in node.inputs)]
            sums = {f"sum {number}": node for number, node in enumerate(found, start=1)}
            given = {node: input_node(name, node.shape, lead=False) for name, node in sums.items()}
            rest = dict(zip(both, replaced(list(both.values()), given), strict=True))
            # The order of steps is nothing to a loss: what adds up is written as what runs backward.
            add, spread = made(
                [self._of_rows("add", sums, backward=True), self._of_rows("spread", rest)], variant.kernel
            )
            return Halves(add, spread, sums, self.graph.inputs["target"].shape[-1])

        return self._once("halves", variant, make)

    def joint_of_members(self, variant: Variant, rows: int) -> Runnable:
        """The joint program of several models at once, each with so many rows, in NumPy; it is not kept.

        Everything that it is given and answers with has one axis more, for the models, and that of the rows behind it.

        Raises:
            NotImplementedError: the graph has an operation that cannot be had of several models at once.
        """
        _, both = self._both(variant)
        return program(side_by_side(self._wanted("joint", both, variant).graph, rows), {})

    def _once(self, kind: str, variant: Variant, make: Callable[[], _Made]) -> _Made:
        """What was made before, or failed to be; else it is made now."""
        found = self._made.get((kind, variant))
        if found is None:
            try:
                found = make()
            except KernelError as error:
                found = error
            self._made[kind, variant] = found
        if isinstance(found, KernelError):
            raise KernelError(str(found))
        return cast("_Made", found)

    def _both(self, variant: Variant) -> tuple[Graph, dict[str, Node]]:
        """The outputs of the graph, the cotangents that are asked for, and the tangents of all."""
        graph = self._surrounded(variant)
        cotangents = {f"d {name}": input_node(f"d {name}", y.shape, lead=y.lead) for name, y in graph.outputs.items()}
        given: dict[Node, list[Node | None]] = {}
        for name, node in graph.outputs.items():  # of which two may be one node
            given.setdefault(node, []).append(cotangents[f"d {name}"])
        names = [*self.states, *sorted(variant.wrt)]
        sources = [graph.inputs[name] for name in names]
        found = reverse({node: cast("Node", total(parts)) for node, parts in given.items()}, sources)
        back = {f"d {n}": _or_zero(g, x) for n, g, x in zip(names, found, sources, strict=True)}
        return graph, _simpler(self._with_tangents(graph, {**graph.outputs, **back}, variant, cotangents))

    def wanted_pair(self, variant: Variant) -> tuple[list[Wanted], tuple[str, ...]]:
        """The two graphs of a pair, and the names of what the first hands over to the second."""
        _, both = self._both(variant)
        ahead = {name: node for name, node in both.items() if not name.startswith(BACK)}
        back = {name: node for name, node in both.items() if name.startswith(BACK)}
        if not variant.firsts:
            back = _without_idle(back, self._carried(variant, "d "))
        kept = kept_nodes(list(ahead.values()), list(back.values()), {*self._carried(variant, "")})
        labels = _labels(kept, {x.name for x in _inputs(both.values()).values()} | ahead.keys())
        for label, node in labels.items():
            if not node.name:  # so that both programs call it the same
                node.name = label
        instead = {
            node: attrs.evolve(input_node(label, node.shape, lead=True), boolean=node.boolean)
            for label, node in labels.items()
        }
        back = dict(zip(back, replaced(list(back.values()), instead), strict=True))
        runs = [self._wanted("forward", {**ahead, **labels}, variant), self._wanted("backward", back, variant)]
        return runs, tuple(labels)

    def _wanted(self, name: str, outputs: Mapping[str, Node], variant: Variant) -> Wanted:
        backward = name == "backward"
        title = f"{self.graph.title}, backward" if backward else self.graph.title
        carried = [name for name in self._carried(variant, "d " if backward else "") if name in outputs]
        # A state is an input even where nothing reads it.
        idle = {name: input_node(name, outputs[name].shape, lead=True) for name in carried}
        graph = Graph(title, {**idle, **_inputs(outputs.values())}, outputs)
        names = {name: name for name in carried}
        return Wanted(name, graph, names, backward)

    def _of_rows(self, name: str, outputs: Mapping[str, Node], *, backward: bool = False) -> Wanted:
        """A part of the graph that has no states."""
        return Wanted(name, Graph(self.graph.title, _inputs(outputs.values()), outputs), {}, backward)

    def _carried(self, variant: Variant, of: str) -> list[str]:
        prefixes = (of,) if variant.along is None else (of, f"v {of}")
        return [f"{prefix}{state}" for prefix in prefixes for state in self.states]

    def _surrounded(self, variant: Variant) -> Graph:
        """The graph whose states pass what may happen to them between two steps: a new start, an end of the gradient.

        Both are chosen by `where`, so that their derivatives follow from it, and never by a product: 0 * -inf is NaN.
        """
        inputs, entered = dict(self.graph.inputs), {}
        for state in self.states:
            node = value = inputs[state]
            ones = (1,) * len(node.shape)
            if variant.cuts:
                cut = inputs.setdefault(CUT, _mask(CUT))
                value = where(reshaped(cut, ones), apply("stop", value), value)
            if variant.restarts:
                restart = inputs.setdefault(RESTART, _mask(RESTART))
                inputs[f"start {state}"] = start = input_node(f"start {state}", node.shape, lead=False)
                value = where(reshaped(restart, ones), start, value)
            entered[node] = value
        wanted = dict(self.graph.outputs)
        if variant.record:
            wanted |= {f"value {name}": expand(node, node.shape, lead=True) for name, node in self.values.items()}
        outputs = replaced(list(wanted.values()), entered)
        return Graph(self.graph.title, inputs, dict(zip(wanted, outputs, strict=True)))

    def _with_tangents(
        self, graph: Graph, outputs: Mapping[str, Node], variant: Variant, cotangents: Mapping[str, Node]
    ) -> dict[str, Node]:
        """`outputs` and, where a direction is asked for, the tangent of each as "v name"."""
        if variant.along is None:
            return dict(outputs)
        changing = {name: graph.inputs[name] for name in (*self.states, *sorted(variant.along))} | dict(cotangents)
        tangents = {x: input_node(f"v {name}", x.shape, lead=x.lead) for name, x in changing.items()}
        found = forward(list(outputs.values()), tangents)
        pairs = zip(outputs.items(), found, strict=True)
        return {**outputs, **{f"v {name}": _or_zero(t, node) for (name, node), t in pairs}}


def kept_nodes(ahead: Sequence[Node], back: Sequence[Node], states: Collection[str]) -> list[Node]:
    """The nodes that the forward program keeps for the backward one; the rest is computed again.

    Kept is what is dear (products, transcendental functions) or cannot be had from what is at hand; what is cheap and
    follows from it, or from parameters, or from the inputs of the row, is computed again. Not so that of which the
    largest is taken: the derivative looks where the largest stands, and finds it only among the very same numbers.
    """
    first, nodes = in_order(ahead), in_order(back)
    known = set(first)
    searched = {node.inputs[0] for node in first if node.op.name == "max"}
    turned = depending_on((x for x in nodes if x.op.name == "input" and x.name.startswith(BACK)), nodes)
    # What the backward program reads: operands of what only it computes.
    read = {x for node in nodes if node in turned or node not in known for x in node.inputs} | set(back)
    read = {node for node in read if node in known and node.lead}
    at_hand: set[Node] = set()
    kept: list[Node] = []
    for node in first:
        free = not node.lead or (node.op.name == "input" and node.name not in states)
        cheap = node.op.name in CHEAP and node not in searched and at_hand.issuperset(node.inputs)
        if free or cheap or node in read:
            at_hand.add(node)
            if not (free or cheap):
                kept.append(node)
    return kept


def _without_idle(back: Mapping[str, Node], carried: Sequence[str]) -> dict[str, Node]:
    """`back` without those of the `carried` cotangents from which nothing else is computed."""
    used = back.keys() - carried
    while more := {name for name in carried if name in _inputs(back[name] for name in used)} - used:
        used |= more
    return {name: node for name, node in back.items() if name in used}


def _inputs(outputs: Iterable[Node]) -> dict[str, Node]:
    return {node.name: node for node in in_order(outputs) if node.op.name == "input"}


def _simpler(outputs: Mapping[str, Node]) -> dict[str, Node]:
    return dict(zip(outputs, simplified(list(outputs.values())), strict=True))


def _mask(name: str) -> Node:
    return attrs.evolve(input_node(name, (1,), lead=True), boolean=True)


def _or_zero(node: Node | None, like: Node) -> Node:
    return expand(constant(0.0), like.shape, like.lead) if node is None else node


def _labels(nodes: Sequence[Node], taken: Collection[str]) -> dict[str, Node]:
    """A name for each of `nodes`, by which one program hands it to the other: the author's, as far as it is free."""
    found: dict[str, Node] = {}
    for node in nodes:
        word = "before " + node.name if node.op.name == "input" else node.name or "value"
        label, again = word, 1
        while label in taken or label in found:
            again += 1
            label = f"{word} {again}"
        found[label] = node
    return found
