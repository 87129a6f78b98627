"""The time loop of a kernel: for each time step, products of all rows, then fused loops for one row after the other."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import attrs

from nanolstm.compile.index import Affine, Index, broadcast, element, flat, is_contiguous
from nanolstm.compile.packed_matrix import PackedMatrix
from nanolstm.compile.schedule import Nest, Stage
from nanolstm.compile.task import VIEWS, Task, bare, is_outer, origin, read_by
from nanolstm.compile.verify import check_strides
from nanolstm.compile.writer import FUNCTIONS, SUMS, VARIABLES, MustBeStoredError, Spot, Writer, shifted
from nanolstm.graph.node import Node

RESTART, CUT = "at restart", "at cut"
"""Inputs that say at which rows a state starts anew, and at which no gradient goes through it."""

ARGUMENTS = {
    "bounds": "int64[:, ::1]",
    "sequences": "int64[::1]",
    "owners": "int64[::1]",
    "first": "int64",
    "last": "int64",
    "thread": "int64",
    "alone": "boolean",
    "restart": "boolean[::1]",
    "cut": "boolean[::1]",
}
"""What every time loop is given: where each step of each slice of the batch begins, the first sequence of each, whose
parameters each reads, slices from and to, which thread, whether the batch is one sequence, and at which rows states
start anew and gradients stop (or nothing)."""

SIGNALS = {"signals": "int64[:, ::1]"}
"""What it is given in the end, which alone is another in each call: whom to tell that it begins."""

INFIX = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "neg": "-{}",
    "stop": "{}",
    "less": "{} < {}",
    "less_equal": "{} <= {}",
    "equal": "{} == {}",
    "where": "select({}, {}, {})",
}
"""How elementwise operations are written that are no functions of their own name."""

LOGICAL = {"mul": "{} & {}", "minimum": "{} & {}", "add": "{} | {}", "maximum": "{} | {}", "stop": "{}"}
"""The same between masks."""

Place: TypeAlias = "tuple[str, str, int]"
"""Where a value stands: an array, the row that is computed, and the width of the array."""

LONGEST = 60
"""How long an expression may be that is not given a name."""


SMALL, NARROW = 64, 16
"""How many elements a matrix has at most, and how many rows and columns, that is multiplied in plain loops.

LLVM unrolls loops over so few constants, and what is needed again stays in registers. A call takes longer than such a
product, and what it writes in vectors as wide as the processor's cannot be read back at once.
"""


def is_small(m: int, n: int) -> bool:
    """Whether a matrix of this shape is multiplied in plain loops: with the one row of a step, and in sums."""
    return m * n <= SMALL and max(m, n) <= NARROW


@attrs.define(eq=False)
class StepsWriter(Writer):
    """Writes the time loop.

    Attributes:
        backward: whether the last time step is run first.
        starts: the arrays in which states start anew, by the names under which a program is given them.
    """

    backward: bool
    starts: dict[str, str] = attrs.field(factory=dict, init=False)

    def write(self, name: str, about: str) -> list[str]:
        """The whole function."""
        self.line("announce(signals)")
        with self.block("for part in range(first, last):"):
            self.line("p = sequences[part]")
            mark, indent = len(self.lines), "    " * self.depth
            self.steps()
            self.lines[mark:mark] = [f"{indent}{line}" for line in self._own()]
        return self.function(name, ARGUMENTS, about, SIGNALS)

    def _own(self) -> list[str]:
        """Where the parameters that a slice reads are found."""
        rows = [f"{name}_r = {name}[q]" for name in self.owned]
        return ["q = owners[part]", *rows] if rows or self.packed else []

    def steps(self) -> None:
        """All steps of a slice."""
        self.loop("range(bounds.shape[1] - 2, -1, -1)" if self.backward else "range(bounds.shape[1] - 1)")

    def loop(self, order: str) -> None:
        """The steps of a slice that `order` says."""
        with self.block(f"for t in {order}:"):
            self.line("g = bounds[part, t]  # the first row of this step")
            self.line("n = bounds[part, t + 1] - g  # and how many there are")
            if self.plan.in_blocks:
                self.line("b = thread * room + g - top  # where they are in what stands there for a block of steps")
            with self.block("if n == 0:"):
                self.line("continue")
            if not self.backward:
                self._between()
            self.stages(self.plan.stages, len(self.plan.ahead))
            if self.backward:
                self._between()

    def work(self) -> int:
        """About how many operations a row takes."""
        work = 0
        for stage in self.plan.everywhere:
            work += sum(2 * math.prod(x.shape) for node in stage.products for x in node.inputs if not x.lead)
            work += sum(5 * math.prod(nest.shape) * len(nest.tasks) for nest in stage.nests)
        return work

    def _between(self) -> None:
        """What happens to states between two steps: forward they may start anew, backward a gradient may stop."""
        if RESTART in self.plan.inputs or CUT in self.plan.inputs:  # where the graph itself says it
            return
        entering: dict[str, list[str]] = {"restart": [], "cut": []}
        for state in self.plan.states:
            array, size = self.of_state(state), math.prod(self.plan.inputs[state].shape)
            start = zero = self.number(0.0)
            if not self.backward:
                word = f"start_{array}"
                self.starts[f"v start {state[2:]}" if state.startswith("v ") else f"start {state}"] = word
                start = f"{self.own(word, self.dtype, f'call.vector({word})')}[j]"
                self.stands(word, "q", size)
            self.stands(array, "p + r", size)
            entering["restart"] += [f"for j in range({size}):", f"    {array}[p + r, j] = {start}"]
            if self.backward or state.startswith("v "):
                entering["cut"] += [f"for j in range({size}):", f"    {array}[p + r, j] = {zero}"]
        for flag, lines in entering.items():
            if lines:
                with self.block(f"for r in range(n if len({flag}) else 0):", f"if {flag}[g + r]:"):
                    for line in lines:
                        self.line(line)

    def stages(self, stages: Sequence[Stage], first: int) -> None:
        """What is done one after the other, from the stage of number `first` on."""
        for number, stage in enumerate(stages, first):
            for node in stage.products:
                self._product(node)
            if stage.nests:
                self.here = {}
                with self.each_row():
                    for place, nest in enumerate(stage.nests):
                        self._nest(nest, (number, place))

    @contextmanager
    def each_row(self, number: str = "n") -> Iterator[None]:
        """A loop over so many rows, before which it is said where they stand."""
        self.views = {}
        mark, before, inside = len(self.lines), "    " * self.depth, "    " * (self.depth + 1)
        with self.block(f"for r in range({number}):"):
            yield
        views = [(view, value, view.endswith("_at")) for view, value in self.views.items()]
        self.lines[mark + 1 : mark + 1] = [f"{inside}{view} = {value}" for view, value, every in views if not every]
        self.lines[mark:mark] = [f"{before}{view} = {value}" for view, value, every in views if every]

    # Products of all rows.

    def _product(self, node: Node) -> None:
        (array, row, width), others = self.memory(node), self.places(node)[1:]
        statics = [node.static] if node.op.name == "contract" else node.static
        for number, letters in enumerate(statics):
            vector, matrix = node.inputs[2 * number : 2 * number + 2]
            self._add_product(vector, matrix, letters[:3], (array, row, width), accumulate=number > 0)
        for other, its_row in others:
            with self.block("for r in range(n):", f"for j in range({width}):"):
                self.line(f"{other}[{its_row}, j] = {array}[{row}, j]")

    def _add_product(
        self, x: Node, matrix: Node, letters: Sequence[str], to: tuple[str, str, int], *, accumulate: bool
    ) -> None:
        """One product: of a vector of each row, of several (`count`), or of one for each head."""
        left, right, _ = letters
        sizes = zip(left, x.shape, strict=True)
        base, at = self.address(x, tuple(Affine(0, {z: 1}) if size != 1 else Affine() for z, size in sizes))
        array, row, width = self.memory(base)
        k, m = x.shape[-1], next(size for z, size in zip(right, matrix.shape, strict=True) if z not in left)
        count = x.shape[0] if len(left) == 2 else 1
        heads = count > 1 and left[0] in right
        stride = at.stride(left[0]) if count > 1 else k
        whole = stride == k and width == count * k
        if not is_contiguous(at, left[-1], k) or set(at.terms) - set(left) or (count > 1 and not heads and not whole):
            raise MustBeStoredError(x)
        strides = [stride, 1] if len(left) == 2 else [1]
        check_strides(lambda index: self.address(x, index)[1], x.shape, at.const, strides, width, array)
        plain = count == 1 and is_small(m, k)
        (target, its_row, its_width), more = to, str(accumulate)
        word = x.name or self.names[base]
        self.comment(f"{target} {'+=' if accumulate else '='} {word} times {self._about(matrix)}")
        if plain and self.over_rows:
            self._loops_of_rows((array, row, width), at.const, (matrix, right, left[-1]), to, add=accumulate)
            return
        packed = self._packed(matrix, transposed=right[-1] != left[-1], columns_if_alone=plain)
        start, goal = _first(row, width, at.const), _first(its_row, its_width)
        self.used.add("product")
        ahead, size = f"product({array}, {start}", f"{k}, {m}"
        if heads:
            with self.block(f"for head in range({count}):"):
                self.line(f"{ahead} + head * {stride}, {width}, n, {packed.panels('head', alone=None)}, {size},")
                self.line(f"        {target}, {goal} + head * {m}, {its_width}, {more})")
        elif count > 1:
            panels = packed.panels(alone=None)
            self.line(f"{ahead}, {k}, n * {count}, {panels}, {size}, {target}, {goal}, {m}, {more})")
        elif self.over_rows:
            panels = packed.panels(alone=None)
            self.line(f"{ahead}, {width}, n, {panels}, {size}, {target}, {goal}, {its_width}, {more})")
        else:
            with self.block("if alone:"):
                if plain:
                    place = Affine(at.const, {"k": 1})
                    factor = f"{array}[{row.removesuffix(' + r')}, {place}]"
                    self._loops_of_one(factor, packed, (k, m), (target, its_row.removesuffix(" + r")), add=accumulate)
                else:
                    panels = packed.panels(alone=True)
                    self.used.add("product_of_one")
                    self.line(f"product_of_one({array}, {start}, {panels}, {size}, {target}, {goal}, {more})")
            with self.block("else:"):
                panels = packed.panels(alone=False)
                self.line(f"{ahead}, {width}, n, {panels}, {size}, {target}, {goal}, {its_width}, {more})")

    def _loops_of_one(
        self, factor: str, matrix: PackedMatrix, sizes: tuple[int, int], to: tuple[str, str], *, add: bool
    ) -> None:
        """The product of one row with a small matrix."""
        k, m = sizes
        with self.loops([m], ["j"]):
            self.line(f"total = {self.number(0.0)}")
            with self.loops([k], ["k"]):
                self.line(f"total = plus(total, {self.term([factor, matrix.in_columns('j', 'k', alone=True)])})")
            self.line(f"{to[0]}[{to[1]}, j] {'+=' if add else '='} total")

    def _loops_of_rows(self, x: Place, offset: int, by: tuple[Node, str, str], to: Place, *, add: bool) -> None:
        """The products of all rows of a block with a small matrix, `by`, whose letter for the sum is the last of it."""
        matrix, letters, summed = by
        words = dict.fromkeys(letters, "j") | {summed: "k"}
        shape = dict(zip(letters, matrix.shape, strict=True))
        index = tuple(Affine() if shape[z] == 1 else Affine(0, {words[z]: 1}) for z in letters)
        outputs = math.prod(matrix.shape) // shape[summed]
        with self.each_row(), self.loops([outputs], ["j"]):
            self.line(f"total = {self.number(0.0)}")
            with self.loops([shape[summed]], ["k"]):
                term = self.term([self.spot(*x, Affine(offset, {"k": 1})).text, self.read(matrix, index)])
                self.line(f"total = plus(total, {term})")
            goal = self.spot(*to, Affine(0, {"j": 1}))
            self.line(goal.add("total") if add else goal.set("total"))

    def _packed(self, matrix: Node, *, transposed: bool, columns_if_alone: bool) -> PackedMatrix:
        name = f"{self.names[matrix]}_packed{'_turned' if transposed else ''}{'_small' if columns_if_alone else ''}"
        self.packed[name] = PackedMatrix(name, matrix, transposed, columns_if_alone)
        self.declare(name, f"{self.dtype}[:, ::1]", name)
        return self.packed[name]

    def _about(self, node: Node) -> str:
        """The author's words for a value."""
        if node.op.name in ("concat", "transpose"):
            words = [self._about(x) for x in node.inputs]
            turned = " transposed" if node.op.name == "transpose" else ""
            return f"{words[0]}{turned}" if len(words) == 1 else f"[{', '.join(words)}]"
        return node.name or self.names[node]

    # One fused loop.

    def _nest(self, nest: Nest, at: tuple[int, int]) -> None:
        self.variables, self.at = VARIABLES[: len(nest.shape)], at
        if nest.tasks[0].kind == "contract":
            self._contract(nest.tasks[0].node)
        else:
            self._fused(nest)
        self.done.update(task.node for task in nest.tasks)

    def _fused(self, nest: Nest) -> None:
        for task in nest.tasks:
            if _is_number(task):
                self.line(f"{self.names[task.node]}_j = {self._neutral(task.node)}")
        read = [origin(x, self.must)[0] for task in nest.tasks for x in read_by(task)]
        body, stores = [], []
        with self.ranging(nest.shape, self.variables):
            for task in nest.tasks:
                lines, writes = self._task(task, once=read.count(task.node) == 1)
                body += lines
                stores += writes
        with self.loops(nest.shape, self.variables):
            for text in (*body, *stores):  # what is written may stand where something that is read stood
                self.line(text)
        for task in nest.tasks:
            if bare(task.node.shape):
                self.here.pop(task.node, None)
            elif _is_number(task):
                self.here[task.node] = f"{self.names[task.node]}_j"
                if task.node in self.plan.stored:
                    for place in self.places(task.node):
                        self.line(self.spot(*place, 1, Affine()).set(f"{self.names[task.node]}_j"))

    def _task(self, task: Task, *, once: bool) -> tuple[list[str], list[str]]:
        """The lines of a task, and what it writes to memory; `once` is whether one other task reads it."""
        node = task.node
        index = element(self.variables, node.inputs[task.at].shape if task.kind in ("part", "reduce") else node.shape)
        if task.kind == "each":
            return self._each(node, index, once=once)
        if task.kind == "blank":
            return [], [place.set(self._neutral(node)) for place in self._elements(node, index)]
        value = self.read_as(node.inputs[task.at], index, boolean=node.boolean)
        if task.kind == "part":
            if node.op.name == "concat":
                (axis,) = node.static
                inside = shifted(index, axis, sum(x.shape[axis] for x in node.inputs[: task.at]), 1)
            else:
                axis, start, _, step = node.static
                inside = shifted(index, axis, start, step)
            # Written at once: what it reads may be a state that is written to at the end of the loop.
            return [place.set(value) for place in self._elements(node, inside)], []
        words = [Spot(f"{self.names[node]}_j")]
        if not _is_number(task):
            words = self._elements(node, broadcast(index, node.shape))
        if node.op.name == "sum":
            self.used |= SUMS
            return [word.add(value) for word in words], []
        self.used.add("maximum")
        return [word.set(f"maximum({word.text}, {value})") for word in words], []

    def _elements(self, node: Node, index: Index) -> list[Spot]:
        """An element of `node` wherever it is written to."""
        width = math.prod(node.shape)
        return [self.spot(*place, width, flat(index, node.shape)) for place in self.places(node)]

    def _each(self, node: Node, index: Index, *, once: bool) -> tuple[list[str], list[str]]:
        value, stored = self._expression(node, index), node in self.plan.stored
        if once and not stored and not node.name and len(value) < LONGEST and bare(node.shape):
            alone = node.op.name in FUNCTIONS or re.fullmatch(r"\w+(\[[^\[\]]*\])?", value)
            self.here[node] = value if alone else f"({value})"
            return [], []
        word = self.here[node] = f"{self.names[node]}_j"
        return [f"{word} = {value}"], [place.set(word) for place in self._elements(node, index)] if stored else []

    def _expression(self, node: Node, index: Index) -> str:
        name = node.op.name
        if is_outer(node):
            left, right, result, _ = node.static
            where = dict(zip(result, index, strict=True))
            pairs = zip(node.inputs, (left, right), strict=True)
            return " * ".join(self.read_as(x, tuple(where[z] for z in letters)) for x, letters in pairs)
        if name in VIEWS:  # that has to stand in memory
            return self.through(node, index)
        masks = all(x.boolean for x in node.inputs)
        words = [
            self.read_as(x, broadcast(index, x.shape), boolean=masks or (name == "where" and (i == 0 or node.boolean)))
            for i, x in enumerate(node.inputs)
        ]
        form = LOGICAL.get(name) if node.boolean and masks else None
        form = form or INFIX.get(name)
        if form is None:
            name = "absolute" if name == "abs" else name
            if name not in FUNCTIONS:
                raise NotImplementedError(f"no kernel computes {name}")
            self.used.add(name)
            return f"{name}({', '.join(map(_without_parentheses, words))})"
        if name == "where":
            self.used.add("select")
        return form.format(*words)

    def _neutral(self, node: Node) -> str:
        """What a reduction begins with."""
        return self.number(-math.inf if node.op.name == "max" else 0.0)

    def _contract(self, node: Node) -> None:
        """A product within one row: of two of its values, or of one and parameters in a form that is not packed."""
        left, right, result, _ = node.static
        size = {z: n for word, x in zip((left, right), node.inputs, strict=True) for z, n in zip(word, x.shape)}  # noqa: B905
        letters = [*result, *(z for z in size if z not in result)]
        inner = max((left, right), key=lambda word: math.prod(size[z] for z in word))[-1]
        names = dict(zip(letters, VARIABLES, strict=False))
        where = {z: Affine() if size[z] == 1 else Affine(0, {names[z]: 1}) for z in letters}
        self.variables = ()
        pairs = zip(node.inputs, (left, right), strict=True)
        with self.ranging([size[z] for z in names], [*names.values()]):
            value = self.term([self.read_as(x, tuple(where[z] for z in word)) for x, word in pairs])
            first, *others = self._elements(node, tuple(where[z] for z in result))
        outer = [z for z in letters if z != inner and size[z] != 1]
        loop = f"for {names[inner]} in range({size[inner]}):"
        with self.loops([size[z] for z in outer], [names[z] for z in outer]):
            if inner in result:
                with self.block(loop):
                    self.line(first.add(value))
            else:
                self.line(f"total = {self.number(0.0)}")
                with self.block(loop):
                    self.line(f"total = plus(total, {value})")
                self.line(first.add("total"))
        whole = [z for z in result if size[z] != 1]
        with self.loops([size[z] for z in whole], [names[z] for z in whole]) if others else self.block():
            for other in others:
                self.line(other.set(first.text))


def _is_number(task: Task) -> bool:
    """Whether a task adds up to one number for the row."""
    return task.kind == "reduce" and not bare(task.node.shape)


def _first(row: str, width: int, offset: int = 0) -> str:
    """The place of the first element of the first row of a step, in an array of `width`."""
    if row == "thread":
        raise NotImplementedError("a product of a value of one row")
    return f"{row.removesuffix(' + r')} * {width}" + (f" + {offset}" if offset else "")


def _without_parentheses(word: str) -> str:
    """An expression without the parentheses around all of it."""
    if not (word.startswith("(") and word.endswith(")")):
        return word
    depth = [word[: i + 1].count("(") - word[: i + 1].count(")") for i in range(len(word))]
    return word[1:-1] if 0 not in depth[:-1] else word
