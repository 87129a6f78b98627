"""What every part of a kernel's source needs: lines, arrays and the types of these, and how a value is read.

Names: `f` is an array with a row for each time step and example; `f_r` is the row that is computed and `f_j` an element
of it. Arrays of states have a row for each example, in which the state goes on from step to step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from nanolstm.compile.index import Affine, Index, broadcast, element, flat
from nanolstm.compile.packed_matrix import PackedMatrix
from nanolstm.compile.schedule import Schedule
from nanolstm.compile.source_text import comment, docstring
from nanolstm.compile.source_text import number as literal
from nanolstm.compile.task import VIEWS, bare, is_product
from nanolstm.compile.verify import PlanFault, check_within
from nanolstm.graph.node import Graph, Node

VARIABLES = ("j", "k", "l", "m", "o", "u", "v", "w")
"""Loop variables over features, from the first axis on."""

FUNCTIONS = {
    *("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf", "sqrt", "absolute", "sign", "sin", "cos"),
    *("floor", "power", "mod", "logaddexp", "maximum", "minimum"),
}
"""Elementwise operations that are functions: they stand in `nanolstm.kernels.float32` and `float64`."""

PLACES = {"get", "put"}
"""What reads and writes single elements: they stand in `nanolstm.kernels.places`."""

SUMS = {"plus", "times"}
"""What adds up in any order: it stands in `nanolstm.kernels.sums`."""

PRODUCTS = {"product", "product_of_one", "sums_of_products"}
"""Products: they stand in `nanolstm.kernels.products`."""

WORDS = {
    *(
        "announce",
        "signals",
        "bounds",
        "sequences",
        "owners",
        "q",
        "first",
        "last",
        "thread",
        "part",
        "p",
        "alone",
        "restart",
        "cut",
        "n",
        "g",
        "r",
        "t",
        "call",
        "before",
        "after",
    ),
    *("real", "select", "scratch", "room", "begin", "end", "top", "b", "head", "total", "compiled", "np", "rows"),
    *("dtype", "on_arrays"),
    *("range", "len", "min", "bool", "tuple", "True", "False", "None", "EXACT", "float32", "float64"),
    *("forward", "backward", "joint", "add", "spread"),
    *VARIABLES,
    *FUNCTIONS,
    *PLACES,
    *PRODUCTS,
    *SUMS,
}
"""Words of the source itself, which no variable may be called."""


class MustBeStoredError(Exception):
    """A value is read in a way that only memory allows."""

    def __init__(self, node: Node) -> None:
        """Of `node`."""
        super().__init__(node)
        self.node = node


@attrs.frozen
class Spot:
    """An element in memory, or a variable.

    Attributes:
        text: how it is read.
        counted: the array and the place in it, if it is read and written by `get` and `put`.
    """

    text: str
    counted: str = ""

    def set(self, value: str) -> str:
        """A line that lets it be `value`."""
        return f"put({self.counted}, {value})" if self.counted else f"{self.text} = {value}"

    def add(self, value: str) -> str:
        """A line that adds `value` to it."""
        return self.set(f"plus({self.text}, {value})")


@attrs.frozen(eq=False)
class Wanted:
    """A graph to be written as a function `name`, in which the input `state` becomes the output `carried[state]`.

    `backward` is whether the last time step is run first.
    """

    name: str
    graph: Graph
    carried: Mapping[str, str]
    backward: bool = False


@attrs.define(eq=False)
class Writer:
    """Lines of one function.

    Attributes:
        plan: what it computes.
        dtype: float32 or float64.
        must: nodes that have to stand in memory.
        names: the variable of each node.
        lines: what is written so far.
        arrays: the function's array arguments by name, each with its type.
        made: for each of these, the expression by which it is had outside of the function.
        packed: matrices that are packed, by the name of their array.
        vectors: nodes of parameters alone that are read as they are, by name.
        owned: arrays with a row for each model, of which a slice reads its own model's.
        expected: the row of an array that is read or written, and how wide it is, by the array's name.
        used: functions that it calls.
        constants: numbers by the names that stand for them, in the whole file.
    """

    plan: Schedule
    dtype: str
    must: frozenset[Node]
    names: dict[Node, str]
    constants: dict[str, str]
    lines: list[str] = attrs.field(factory=list, init=False)
    arrays: dict[str, str] = attrs.field(factory=dict, init=False)
    made: dict[str, str] = attrs.field(factory=dict, init=False)
    packed: dict[str, PackedMatrix] = attrs.field(factory=dict, init=False)
    vectors: dict[str, Node] = attrs.field(factory=dict, init=False)
    owned: list[str] = attrs.field(factory=list, init=False)
    expected: dict[str, tuple[str, int]] = attrs.field(factory=dict, init=False)
    used: set[str] = attrs.field(factory=set, init=False)
    depth: int = attrs.field(default=1, init=False)
    # Of the loop that is being written: whether over all rows of a block, where it is, its variables, up to where
    # variables run, which values stand in variables, rows in use.
    over_rows: bool = attrs.field(default=False, init=False)
    at: tuple[int, int] = attrs.field(default=(0, 0), init=False)
    variables: Sequence[str] = attrs.field(default=(), init=False)
    ranges: dict[str, int] = attrs.field(factory=dict, init=False)
    here: dict[Node, str] = attrs.field(factory=dict, init=False)
    views: dict[str, str] = attrs.field(factory=dict, init=False)
    done: set[Node] = attrs.field(factory=set, init=False)

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append("    " * self.depth + text)

    def comment(self, text: str) -> None:
        """Write a comment on a line of its own."""
        self.line(comment(text))

    @contextmanager
    def block(self, *heads: str) -> Iterator[None]:
        """Write lines that each begin a block, one in the other; what is written meanwhile stands in the last."""
        for head in heads:
            self.line(head)
            self.depth += 1
        yield
        self.depth -= len(heads)

    @contextmanager
    def loops(self, sizes: Sequence[int], variables: Sequence[str]) -> Iterator[None]:
        """Write loops, one in the other."""
        heads = [f"for {name} in range({size}):" for name, size in zip(variables, sizes, strict=True)]
        with self.ranging(sizes, variables), self.block(*heads):
            yield

    @contextmanager
    def ranging(self, sizes: Sequence[int], variables: Sequence[str]) -> Iterator[None]:
        """What is written meanwhile stands in loops over `variables`."""
        outside = self.ranges
        self.ranges = {**outside, **dict(zip(variables, sizes, strict=True))}
        yield
        self.ranges = outside

    def function(self, name: str, first: Mapping[str, str], about: str, last: Mapping[str, str]) -> list[str]:
        """All lines, as a compiled function of arguments `first`, all arrays, and arguments `last`."""
        whole = {**first, **self.arrays, **last}
        types, names = (_wrapped(words, 116) for words in (whole.values(), whole))
        return [
            "@compiled(",
            *(
                f'    "{"void(" * (i == 0)}{line}{")" * (i == len(types) - 1)}"{"," * (i == len(types) - 1)}'
                for i, line in enumerate(types)
            ),
            "    leave=EXACT,",
            "    apart=True,",
            ")",
            f"def {name}(",
            *(f"    {line}" for line in names),
            "):",
            f"    {docstring(about)}",
            *self.lines,
        ]

    # Where things stand.

    def declare(self, name: str, kind: str, made: str) -> str:
        """An array argument."""
        self.arrays.setdefault(name, kind)
        self.made.setdefault(name, made)
        return name

    def of_state(self, state: str) -> str:
        """The array of a state."""
        name = self.names[self.plan.inputs[state]]
        return self.declare(name, f"{self.dtype}[:, ::1]", name)

    def memory(self, node: Node) -> tuple[str, str, int]:
        """The array in which a value of rows stands, its row, and the width of the array."""
        plan, width, row = self.plan, math.prod(node.shape), self.row_of(node)
        states = [node.name] if node.op.name == "input" else [name for name, new in plan.states.items() if new is node]
        if row == "p + r" and states and states[0] in plan.states:
            return self.stands(self.of_state(states[0]), row, width), row, width
        name, size = self.names[node], f"{width}, bool" if node.boolean else str(width)
        if node.op.name == "input":
            made = f"call.given({name})"
        else:
            made = {"g + r": name, "b + r": f"call.of_one_block({size})", "thread": f"call.of_one_row({size})"}.get(
                row, f"call.of_one_step({size})"
            )
        kind = f"{'boolean' if node.boolean else self.dtype}[:, ::1]"
        return self.stands(self.declare(name, kind, made), row, width), row, width

    def stands(self, name: str, row: str, width: int) -> str:
        """An array that is read or written at `row`, which is so wide; whoever binds the kernel checks it."""
        if self.expected.setdefault(name, (row, width)) != (row, width):
            raise PlanFault(f"{name} is read at [{row}], {width} wide, and at {self.expected[name]}")
        return name

    def row_of(self, node: Node) -> str:
        """The row of its array in which a value of rows stands."""
        plan = self.plan
        if node.op.name == "input":
            return "p + r" if node.name in plan.states else "g + r"
        if node in plan.passing:
            return "b + r"
        if node in plan.kept:
            return "g + r"
        is_state = any(new is node for new in plan.states.values())
        in_one_stage = all(at[0] == plan.place[node][0] for at, _ in plan.readers[node])
        return "thread" if in_one_stage and not is_state and not is_product(node) else "p + r"

    def places(self, node: Node) -> list[tuple[str, str]]:
        """Every array and row that a value is written to: what is kept of all rows may be a state as well."""
        array, row, _ = self.memory(node)
        states = (self.of_state(state) for state, new in self.plan.states.items() if new is node)
        return [(array, row), *((state, "p + r") for state in states if state != array)]

    def spot(self, array: str, row: str, width: int, place: Affine) -> Spot:
        """The element at `place` of a row of an array, which is `width` wide, in a loop over rows."""
        check_within(place, width, self.ranges, array)
        if self.over_rows and row != "thread":
            self.used |= PLACES
            counted = self.counted(array, row.removesuffix(" + r"), width, place)
            return Spot(f"get({counted})", counted)
        self.views.setdefault(f"{array}_r", f"{array}[{row}]")
        return Spot(f"{array}_r[{place}]")

    def counted(self, array: str, first: str, width: int, place: Affine) -> str:
        """An array and, counted through all of it, the element at `place` of row r behind the `first`."""
        check_within(place, width, self.ranges, array)
        self.views.setdefault(f"{array}_at", f"{first} * {width}")
        return f"{array}, {array}_at + {Affine(0, {'r': width}) + place}"

    def address(self, node: Node, index: Index) -> tuple[Node, Affine]:
        """What in memory a value is, or is seen from, and the place there of its element `index`."""
        if node in self.plan.stored or node.op.name == "input" or not node.lead:
            return node, flat(index, node.shape)
        if node.op.name not in VIEWS or not node.inputs[0].lead:  # what is one for all rows has no row in memory
            raise MustBeStoredError(node)
        return self.address(node.inputs[0], self.seen(node, index))

    def seen(self, node: Node, index: Index) -> Index:
        """The element of a view's operand that is the view's element `index`."""
        operand = node.inputs[0]
        if node.op.name == "expand":
            return broadcast(index, operand.shape)
        if node.op.name == "transpose":
            return tuple(index[node.static.index(axis)] for axis in range(len(index)))
        if node.op.name == "slice":
            axis, start, _, step = node.static
            return shifted(index, axis, start, step)
        if bare(node.shape) == bare(operand.shape):
            kept = iter([where for where, size in zip(index, node.shape, strict=True) if size != 1])
            return tuple(Affine() if size == 1 else next(kept) for size in operand.shape)
        if len(bare(operand.shape)) == 1:
            place = flat(index, node.shape)
            return tuple(Affine() if size == 1 else place for size in operand.shape)
        raise MustBeStoredError(node if operand in self.plan.stored or operand.op.name == "input" else operand)

    # How a value is read.

    def read(self, node: Node, index: Index) -> str:
        """The element `index` of a value, where the writer is."""
        if node.op.name == "constant" and not isinstance(node.static[0], tuple):
            return self.number(node.static[0])
        word = self.here.get(node)
        if word is not None and (not bare(node.shape) or index == element(self.variables, node.shape)):
            return word
        if not node.lead:
            place = flat(index, node.shape)
            check_within(place, math.prod(node.shape), self.ranges, node.name or node.op.name)
            return f"{self.vector(node)}[{place}]"
        computed_here = self.plan.place.get(node) == self.at and node not in self.done
        if (node.op.name == "input" or node in self.plan.stored) and not computed_here:
            return self.spot(*self.memory(node), flat(index, node.shape)).text
        if node.op.name in VIEWS and node not in self.must:
            return self.through(node, index)
        raise MustBeStoredError(node)

    def through(self, node: Node, index: Index) -> str:
        """The element `index` of a view, read where it stands."""
        operand = node.inputs[0]
        in_memory = operand.op.name == "input" or operand in self.plan.stored
        if node.op.name == "reshape" and in_memory and bare(node.shape) != bare(operand.shape):
            return self.spot(*self.memory(operand), flat(index, node.shape)).text
        return self.read(operand, self.seen(node, index))

    def read_as(self, node: Node, index: Index, *, boolean: bool = False) -> str:
        """A value as it is; a mask as the numbers 1 and 0, unless it is wanted as one."""
        word = self.read(node, index)
        if node.boolean and not boolean:
            self.used.add("select")
            return f"select({word}, {self.number(1.0)}, {self.number(0.0)})"
        return word

    def number(self, value: float) -> str:
        """A number, as a name that stands for it in its own type: Numba takes the numbers of Python for float64."""
        if isinstance(value, bool):
            return repr(value)
        word = re.sub(r"\W", "_", f"real_{value:g}".replace("-", "minus_").replace("+", ""))
        if self.constants.setdefault(word, f"real({literal(value)})") != f"real({literal(value)})":
            word = f"{word}_{len(self.constants)}"  # of two that differ further behind
            self.constants[word] = f"real({literal(value)})"
        return word

    def term(self, factors: Sequence[str]) -> str:
        """A product of `factors` as a term of a sum."""
        self.used |= SUMS
        term, *others = factors
        for factor in others:
            term = f"times({term}, {factor})"
        return term

    def own(self, name: str, kind: str, made: str) -> str:
        """The row of an array with one for each model that is that of the slice's own."""
        if name not in self.owned:
            self.owned.append(self.declare(name, f"{kind}[:, ::1]", made))
        return f"{name}_r"

    def vector(self, node: Node) -> str:
        """A value of parameters alone, as a vector."""
        if node not in self.names:  # a vector that is a constant
            self.names[node] = f"constant_{len(self.names)}"
        name = self.names[node]
        self.vectors[name] = node
        self.stands(name, "q", math.prod(node.shape))
        return self.own(name, "boolean" if node.boolean else self.dtype, f"{name}_flat")


def shifted(index: Index, axis: int, start: int, step: int) -> Index:
    """`index` with every `step`th place from `start` on, on the negative `axis`."""
    at = len(index) + axis
    return (*index[:at], index[at].times(step) + Affine(start), *index[at + 1 :])


def _wrapped(words: Collection[str], width: int) -> list[str]:
    """`words` with commas between them, on lines of at most `width`."""
    lines, line = [], ""
    for i, word in enumerate(words):
        text = word + ("," if i < len(words) - 1 else "")
        if line and len(line) + 1 + len(text) > width:
            lines.append(line)
            line = ""
        line += f" {text}" if line else text
    return [*lines, line]
