"""The same graph in fewer and larger pieces: what can be done side by side is done at once.

A gate's product is small, and four of them take four calls; matrices that multiply the same vector are therefore
stacked into one. What is then done to each part of the result in the same way is done to all of it, and what does not
depend on the state is taken out of sums and products first, so that it can be computed before the loop. Nothing here
changes a value beyond the rounding that another order of summation brings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from nanolstm.graph.node import Graph, Node, Op, apply, apply_op, depending_on, in_order
from nanolstm.graph.ops import contract, contract_shape, nothing, sliced
from nanolstm.graph.simplify import simplified

Replacement = dict[Node, Node]


def for_kernels(graph: Graph, carried: Mapping[str, str]) -> Graph:
    """`graph` with its products combined; what is done element by element, a kernel puts into one loop anyway."""
    names, outputs = list(graph.outputs), list(graph.outputs.values())
    states = [graph.inputs[name] for name in carried]
    for rule in (joined_sums, stacked_products, added_products, stacked_gradients, sums_of_joined):
        outputs = simplified(substituted(outputs, rule(View(outputs, states))))
    return attrs.evolve(graph, outputs=dict(zip(names, outputs, strict=True)))


def combined(graph: Graph, carried: Mapping[str, str]) -> Graph:
    """`graph` with its pieces combined; `carried` are its states, as in `plan`."""
    names, outputs = list(graph.outputs), list(graph.outputs.values())
    nodes = in_order(outputs)
    reduced = {node for node in depending_on([n for n in nodes if n.lead], nodes) if not node.lead}
    if any(node.lead and not reduced.isdisjoint(node.inputs) for node in nodes):
        return (
            graph  # a loss: a value of all rows goes into each of them, and what looks alike may be one after the other
        )
    states = [graph.inputs[name] for name in carried]
    for rule in (fixed_first, stacked_products, joined_sums):
        outputs = simplified(substituted(outputs, rule(View(outputs, states))))
    while found := side_by_side(View(outputs, states)):  # each time one operation further
        outputs = simplified(substituted(outputs, found))
    for rule in (stacked_gradients, sums_of_joined):
        outputs = simplified(substituted(outputs, rule(View(outputs, states))))
    return attrs.evolve(graph, outputs=dict(zip(names, outputs, strict=True)))


class View:
    """What the rules ask of a graph: its nodes in order, which of them change with the state, and who reads them."""

    def __init__(self, outputs: Sequence[Node], states: Sequence[Node]) -> None:
        """Of the graph of `outputs`."""
        self.nodes = in_order(outputs)
        self.place = {node: i for i, node in enumerate(self.nodes)}
        self.changing = depending_on(states, self.nodes)
        self.readers: dict[Node, list[Node]] = defaultdict(list)
        for node in self.nodes:
            for operand in node.inputs:
                self.readers[operand].append(node)
        self.outputs = set(outputs)

    def used_once(self, node: Node) -> bool:
        """Whether one other node reads it, and nobody else."""
        return len(self.readers[node]) == 1 and node not in self.outputs

    def terms(self, node: Node) -> list[Node]:
        """The terms of a sum of sums (or the factors of a product of products), each of which nothing else reads."""
        found: list[Node] = []
        stack = list(reversed(node.inputs))
        while stack:
            operand = stack.pop()
            if operand.op is node.op and self.used_once(operand) and operand.shape == node.shape:
                stack.extend(reversed(operand.inputs))
            else:
                found.append(operand)
        return found

    def is_top(self, node: Node) -> bool:
        """Whether a sum (or product) is not itself a term of one."""
        return not (
            self.used_once(node) and self.readers[node][0].op is node.op and self.readers[node][0].shape == node.shape
        )

    def purpose(self, node: Node) -> tuple[str, int]:
        """What becomes of a product: the first operation on it that is not a sum, and where that is."""
        while self.used_once(node) and self.readers[node][0].op.name in ("add", "sub"):
            node = self.readers[node][0]
        reader = self.readers[node][0] if self.readers[node] else node
        return (reader.op.name if reader.op.elementwise else "", self.place[reader])


def substituted(outputs: Sequence[Node], replacement: Replacement) -> list[Node]:
    """`outputs` with the keys of `replacement` computed as its values are, in these too."""
    new: dict[Node, Node] = {}
    entered: set[Node] = set()
    stack = list(outputs)
    while stack:
        node = stack[-1]
        meant = replacement.get(node, node)
        missing = [operand for operand in meant.inputs if operand not in new]
        if missing:
            assert node not in entered, f"{node} would be computed from itself"
            entered.add(node)
            stack.extend(missing)
            continue
        stack.pop()
        inputs = tuple(new[operand] for operand in meant.inputs)
        same = all(a is b for a, b in zip(inputs, meant.inputs, strict=True))
        new[node] = meant if same else attrs.evolve(meant, inputs=inputs)
        if node.name and not new[node].name:
            new[node].name = node.name
    return [new[node] for node in outputs]


def fixed_first(view: View) -> Replacement:
    """Terms and factors that do not change with the state are put together before those that do."""
    found: Replacement = {}
    for node in view.nodes:
        if node.op.name in ("add", "mul") and node in view.changing and view.is_top(node):
            terms = view.terms(node)
            fixed = [term for term in terms if term not in view.changing]
            if len(fixed) > 1 and len(terms) > len(fixed):
                others = [term for term in terms if term in view.changing]
                found[node] = _chain(node.op.name, [_chain(node.op.name, others), _chain(node.op.name, fixed)])
    return found


def _chain(op: str, terms: Sequence[Node]) -> Node:
    result = terms[0]
    for term in terms[1:]:
        result = apply(op, result, term)
    return result


def _groups(nodes: Iterable[Node], key: Callable[[Node], object]) -> list[list[Node]]:
    """`nodes` of equal key, two or more, in their order."""
    groups: dict[object, list[Node]] = defaultdict(list)
    for node in nodes:
        groups[key(node)].append(node)
    return [group for group in groups.values() if len(group) > 1]


def _is_product_with_a_matrix(node: Node) -> bool:
    """`x @ A.T` or `x @ A` of a vector of each row with a matrix that is the same for all."""
    if node.op.name != "contract" or not node.lead:
        return False
    (x, matrix), (left, right, result, _) = node.inputs, node.static
    return x.lead and not matrix.lead and (len(left), len(right), len(result)) == (1, 2, 1) and left != result


def _as_rows(node: Node) -> Node:
    """The matrix of a product, its rows being the features of the result."""
    matrix, (_, right, result, _) = node.inputs[1], node.static
    return matrix if right[0] == result else apply("transpose", matrix, static=(1, 0))


def _parts(whole: Node, sizes: Sequence[int], axis: int) -> list[Node]:
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [sliced(whole, axis, start, size) for start, size in zip(starts, sizes, strict=True)]


def _joined(nodes: Sequence[Node], axis: int) -> Node:
    return apply("concat", *nodes, static=(axis,))


def stacked_products(view: View) -> Replacement:
    """Matrices that multiply the same vector become one."""
    found: Replacement = {}
    # What is handed out as it is goes to its own place in memory, and would have to be copied there.
    products = [node for node in view.nodes if _is_product_with_a_matrix(node) and node not in view.outputs]
    for group in _groups(products, lambda node: node.inputs[0]):
        ordered = sorted(group, key=view.purpose)
        matrix = _joined([_as_rows(node) for node in ordered], -2)
        whole = contract(ordered[0].inputs[0], matrix, "k", "jk", "j")
        found |= dict(zip(ordered, _parts(whole, [node.shape[0] for node in ordered], -1), strict=True))
    return found


def joined_sums(view: View) -> Replacement:
    """A sum of products is the product of what is joined: the cotangent of h is one product for all gates."""
    found: Replacement = {}
    for node in view.nodes:
        if node.op.name == "add" and node.lead and view.is_top(node):
            terms = view.terms(node)
            products = [t for t in terms if _is_product_with_a_matrix(t) and view.used_once(t) and t in view.changing]
            if len(products) > 1:
                products.sort(key=lambda product: view.place[product.inputs[0]])
                vector = _joined([product.inputs[0] for product in products], -1)
                matrix = _joined([_as_rows(product) for product in products], -1)
                rest = [term for term in terms if term not in products]
                found[node] = _chain("add", [*rest, contract(vector, matrix, "k", "jk", "j")])
    return found


PRODUCTS = Op(
    "products",
    "",
    lambda operands, static: contract_shape(operands[:2], static[0]),
    lambda *_: [],
    nothing,
)
"""The sum of several products: operands are vector, matrix, vector, matrix...; static: of each, that of `contract`."""


def added_products(view: View) -> Replacement:
    """Products whose parts are added to each other, part for part, are added up as a whole."""

    def sums(product: Node) -> tuple[tuple[tuple[Any, ...], Node], ...]:
        """For each part of a product that is read, which it is and the sum that it is a term of; () if one is not."""
        whole = all(reader.op.name == "add" for reader in view.readers[product])
        found = []
        for part in [product] if whole else view.readers[product]:
            if not view.used_once(part) or (part is not product and part.op.name != "slice"):
                return ()
            top = view.readers[part][0]
            if top.op.name != "add" or top.shape != part.shape:
                return ()
            while not view.is_top(top):
                top = view.readers[top][0]
            found.append((() if whole else part.static, top))
        return tuple(sorted(found, key=lambda pair: (pair[0], view.place[pair[1]])))

    products = [node for node in view.nodes if _is_product_with_a_matrix(node) and node not in view.outputs]
    where = {node: parts for node in products if (parts := sums(node))}
    found: Replacement = {}
    for group in _groups(where, lambda node: (node.shape, where[node])):
        operands = [operand for node in group for operand in node.inputs]
        whole = apply_op(PRODUCTS, operands, tuple(node.static for node in group))
        added = {*group, *(part for node in group for part in view.readers[node])}
        for static, top in where[group[0]]:
            rest = [term for term in view.terms(top) if term not in added]
            found[top] = _chain("add", [apply("slice", whole, static=static) if static else whole, *rest])
    return found


def stacked_gradients(view: View) -> Replacement:
    """Gradients of matrices that multiplied the same vector are one product over all rows."""
    found: Replacement = {}
    outer = [
        node
        for node in view.nodes
        if node.op.name == "contract"
        and not node.lead
        and all(operand.lead and len(operand.shape) == 1 for operand in node.inputs)
        and sorted(node.static[2]) == sorted(node.static[0] + node.static[1])
    ]
    for group in _groups(outer, lambda node: node.inputs[1]):
        ordered = sorted(group, key=lambda node: view.place[node.inputs[0]])
        whole = contract(_joined([n.inputs[0] for n in ordered], -1), ordered[0].inputs[1], "j", "k", "jk", lead=False)
        parts = _parts(whole, [node.inputs[0].shape[0] for node in ordered], -2)
        for node, part in zip(ordered, parts, strict=True):
            turned = node.static[2] != node.static[0] + node.static[1]
            found[node] = apply("transpose", part, static=(1, 0)) if turned else part
    return found


def sums_of_joined(view: View) -> Replacement:
    """The sums over all rows of what is joined anyway are the parts of one sum."""
    found: Replacement = {}
    for whole in view.nodes:
        if whole.op.name == "concat" and whole.lead and whole.static == (-1,) and len(whole.shape) == 1:
            parts = _parts(apply("sum", whole, static=((), True)), [x.shape[0] for x in whole.inputs], -1)
            for operand, part in zip(whole.inputs, parts, strict=True):
                sums = [node for node in view.readers[operand] if node.op.name == "sum" and node.static == ((), True)]
                found |= dict.fromkeys(sums, part)
    return found


def side_by_side(view: View) -> Replacement:
    """What is done to neighbouring parts of one value in the same way is done to all of them."""

    def place(node: Node) -> tuple[Node, int] | None:
        """The value that an operand of `node` is a part of, and which operand that is."""
        if not node.op.elementwise or len(node.shape) != 1:
            return None
        for i, operand in enumerate(node.inputs):
            others = [x for x in node.inputs if x is not operand]
            part = operand.op.name == "slice" and operand.static[0] == -1 and operand.static[3] == 1
            # The others must not come from one of the group: parameters do not, nor what does not change.
            free = all(not x.lead or (node in view.changing and x not in view.changing) for x in others)
            if part and free and len(others) == len(node.inputs) - 1 and operand.shape == node.shape:
                return operand.inputs[0], i
        return None

    found: Replacement = {}
    beside: set[Node] = set()  # the other operands of what is in `found`
    places = {node: p for node in view.nodes if (p := place(node)) is not None}
    for group in _groups(places, lambda node: (node.op, *places[node], node in view.changing)):
        at = places[group[0]][1]
        group.sort(key=lambda node: node.inputs[at].static[1])
        for run in _runs(group, at):
            start = run[0].inputs[at].static[1]
            size = sum(node.shape[0] for node in run)
            operands = [_side(run, i) for i in range(len(run[0].inputs)) if i != at]
            if any(operand is None for operand in operands):
                continue
            # What is computed from one of them, as in a chain of sums, cannot be computed with them.
            others = {x for node in run for i, x in enumerate(node.inputs) if i != at}
            if depending_on({*found, *run}, view.nodes) & others or depending_on(run, view.nodes) & beside:
                continue
            beside |= others
            operands.insert(at, sliced(places[run[0]][0], -1, start, size))
            whole = apply(run[0].op.name, *(operand for operand in operands if operand is not None))
            found |= dict(zip(run, _parts(whole, [node.shape[0] for node in run], -1), strict=True))
    return found


def _runs(group: Sequence[Node], at: int) -> list[list[Node]]:
    """Neighbours among `group`, two or more."""
    runs: list[list[Node]] = []
    for node in group:
        start = node.inputs[at].static[1]
        if runs and runs[-1][-1].inputs[at].static[1] + runs[-1][-1].shape[0] == start:
            runs[-1].append(node)
        else:
            runs.append([node])
    return [run for run in runs if len(run) > 1]


def _side(run: Sequence[Node], i: int) -> Node | None:
    """Operand `i` of all nodes of `run`, side by side; None where they cannot be."""
    operands = [node.inputs[i] for node in run]
    if all(operand is operands[0] and operand.shape in ((), (1,)) for operand in operands):
        return operands[0]
    whole = all(operand.shape == node.shape for operand, node in zip(operands, run, strict=True))
    return _joined(operands, -1) if whole and len({operand.lead for operand in operands}) == 1 else None
