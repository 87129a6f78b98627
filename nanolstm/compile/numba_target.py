"""A step as a kernel: Python source for Numba, with the whole time loop inside.

What concerns rows is in the kernel `steps`: for each time step, the stages of the schedule. What is added up over the
rows is in `sums`, which follows it. Both are called from `run`, which does in NumPy what concerns parameters alone.

Names: `f` is an array with a row for each time step and example; `f_r` is the row that is computed and `f_j` an element
of it. Arrays of states have a row for each example, in which the state goes on from step to step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from nanolstm.compile.emit import Source, constant, identifiers
from nanolstm.compile.index import Affine, Index, broadcast, element, flat
from nanolstm.compile.numpy_target import NumPyTarget
from nanolstm.compile.schedule import (
    VIEWS,
    Nest,
    Schedule,
    Stage,
    Task,
    bare,
    is_outer,
    is_product,
    origin,
    read_by,
    schedule,
)
from nanolstm.graph.node import Graph, Node

RESTART, CUT = "at restart", "at cut"

VARIABLES = ("j", "k", "l", "m", "o", "u", "v", "w")

INFIX = {
    **{"add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "div": "{} / {}", "neg": "-{}", "stop": "{}"},
    **{"less": "{} < {}", "less_equal": "{} <= {}", "equal": "{} == {}", "where": "select({}, {}, {})"},
}
"""How elementwise operations are written that are no functions of their own name."""

LOGICAL = {"mul": "{} & {}", "minimum": "{} & {}", "add": "{} | {}", "maximum": "{} | {}", "stop": "{}"}
"""The same between masks."""

_ON_ARRAYS = r"\b(?=(sigmoid|erf|softplus|placed|contracted)\()"
"""Functions that bear one name in kernels, for a number, and another in `run`, for arrays."""

FUNCTIONS = {
    *("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf", "sqrt", "absolute", "sign", "sin", "cos"),
    *("floor", "power", "mod", "logaddexp", "maximum", "minimum"),
}
"""Those that are: they stand in `nanolstm.kernels.float32` and `float64`."""

PRODUCTS = {"product", "product_of_one", "sums_of_products"}
"""Products: they stand in `nanolstm.kernels.products`."""

KERNEL_WORDS = {
    *("bounds", "backward", "p", "q", "part", "parts", "alone", "restart", "cut", "n", "g", "r", "t", "s", "T", "call"),
    *("real", "select", "product", "product_of_one", "sums_of_products", "scratch", "low", "high", "head", "compiled"),
    *(
        "on_arrays",
        "forward",
        "backward",
        "np",
        "rows",
        "dtype",
        "range",
        "len",
        "True",
        "False",
        "QUICK",
        "float32",
        "float64",
    ),
    *VARIABLES,
    *FUNCTIONS,
}
"""Words of the emitted source itself."""


class _MustBeStored(Exception):
    """A value is read in a way that only memory allows."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.node = node


@attrs.frozen(eq=False)
class Wanted:
    """A graph to be written as a function `name`, in which the input `state` becomes the output `carried[state]`.

    `backward` is whether the last time step is run first.
    """

    name: str
    graph: Graph
    carried: Mapping[str, str]
    backward: bool = False


def kernel_file(runs: Sequence[Wanted], dtype: str) -> tuple[str, list[Source]]:
    """One file with a function for each of `runs`, and what each of them takes and returns.

    Raises:
        NotImplementedError: see [`schedule`][nanolstm.compile.schedule.schedule].
    """
    writers = [_written(run, dtype) for run in runs]
    used = set().union(*(writer.used for writer in writers))
    text = "\n".join(line for writer in writers for line in writer.text)
    title = runs[0].graph.title
    head = [
        f'"""{title}, {dtype}; written by nanolstm from the step, which is plain NumPy."""',
        "",
        "import numpy as np",
        f"from numpy import {dtype} as real",
        "",
    ]
    if "on_arrays." in text:
        head.append("from nanolstm.compile.numpy_target import on_arrays")
    head.append("from nanolstm.kernels.compiled import QUICK, compiled")
    for module, names in ((dtype, FUNCTIONS | {"select"}), ("products", PRODUCTS)):
        if used & names:
            head.append(f"from nanolstm.kernels.{module} import {', '.join(sorted(used & names))}")
    return "\n".join([*head, text]) + "\n", [writer.source for writer in writers]


def _written(run: Wanted, dtype: str) -> _Writer:
    must: frozenset[Node] = frozenset()
    while True:
        try:
            return _Writer(run, schedule(run.graph, run.carried, must), dtype, must)
        except _MustBeStored as error:
            assert error.node not in must, error.node
            must |= {error.node}


@attrs.define(eq=False)
class _Writer:
    """Writes one file."""

    run: Wanted
    plan: Schedule
    dtype: str
    must: frozenset[Node]
    text: list[str] = attrs.field(init=False)
    source: Source = attrs.field(init=False)
    names: dict[Node, str] = attrs.field(init=False)
    lines: list[str] = attrs.field(factory=list, init=False)
    depth: int = attrs.field(default=0, init=False)
    # Of the function that is being written: its arrays with their types, the rows in use, what stands in variables.
    arrays: dict[str, str] = attrs.field(factory=dict, init=False)
    given: dict[str, str] = attrs.field(factory=dict, init=False)
    views: dict[str, str] = attrs.field(factory=dict, init=False)
    here: dict[Node, str] = attrs.field(factory=dict, init=False)
    used: set[str] = attrs.field(factory=set, init=False)
    steps: set[str] = attrs.field(factory=set, init=False)
    stage: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        plan = self.plan
        in_stages = [x for s in plan.stages for x in (*s.products, *(t.node for n in s.nests for t in n.tasks))]
        nodes = dict.fromkeys([*plan.inputs.values(), *plan.once, *in_stages, *plan.sums, *plan.after])
        self.names = identifiers(nodes, KERNEL_WORDS)
        self._write()

    def line(self, text: str = "") -> None:
        self.lines.append("    " * self.depth + text if text else "")

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        self.line(head)
        self.depth += 1
        yield
        self.depth -= 1

    def _write(self) -> None:
        steps = self.steps_kernel()
        sums = self.sums_kernel()
        function, outputs = self.run_function(summing=bool(sums))
        parts = [part for part in (steps, sums, function) if part]
        self.text = [line for part in parts for line in ("", "", *part)]
        extra = [g for name, g in self.steps_given.items() if name.startswith("start_") and g not in self.plan.inputs]
        self.source = Source("\n".join(self.text), (*self.plan.inputs, *extra), tuple(outputs))

    # The time loop.

    def steps_kernel(self) -> list[str]:
        self._begin()
        self.depth = 1
        self._loop()
        self.steps_given = self.given
        return self._kernel(
            f"{self.run.name}_steps", "bounds, p, q, part, alone, restart, cut", self._STEPS, f"{self.run.graph.title}."
        )

    _STEPS = "int64[::1], int64, int64, int64, boolean, boolean[::1], boolean[::1]"

    def _begin(self) -> None:
        self.lines, self.arrays, self.given = [], {}, {}

    def _kernel(self, name: str, arguments: str, types: str, about: str) -> list[str]:
        kinds = ", ".join([types, *self.arrays.values()])
        names = ", ".join([arguments, *self.arrays])
        return [
            f'@compiled("void({kinds})", leave=QUICK, apart=True)',
            f"def {name}({names}):",
            f'    """{about}"""',
            *self.lines,
        ]

    def _loop(self) -> None:
        plan, order = self.plan, "range(len(bounds) - 2, -1, -1)" if self.run.backward else "range(len(bounds) - 1)"
        with self.block(f"for t in {order}:"):
            self.line("g = bounds[t] + p")
            self.line("n = min(q, bounds[t + 1] - bounds[t]) - p")
            with self.block("if n <= 0:"):
                self.line("continue")
            if not self.run.backward:
                self._between(entering=True)
            for number, stage in enumerate(plan.stages):
                self.stage = number
                self._stage(stage)
            if self.run.backward:
                self._between(entering=False)

    def _between(self, *, entering: bool) -> None:
        """What happens to states between two steps: a new start where a sequence begins anew, no gradient through."""
        if RESTART in self.plan.inputs or CUT in self.plan.inputs:  # where the graph itself says it
            return
        for state in self.plan.states:
            node = self.plan.inputs[state]
            array, size = self._array_of_state(state), math.prod(node.shape)
            start = f"start_{self.names[node]}" if entering else ""
            flags = ["restart", "cut"] if not entering or state.startswith("v ") else ["restart"]
            for flag in flags:
                with self.block(f"if len({flag}):"), self.block("for r in range(n):"), self.block(f"if {flag}[g + r]:"):
                    with self.block(f"for j in range({size}):"):
                        if start and flag == "restart":
                            self.arrays[start] = f"{self.dtype}[::1]"
                            self.given[start] = f"v start {state[2:]}" if state.startswith("v ") else f"start {state}"
                            value = f"{start}[j]"
                        else:
                            value = "real(0)"
                        self.line(f"{array}[p + r, j] = {value}")

    def _stage(self, stage: Stage) -> None:
        for node in stage.products:
            self._product(node)
        if stage.nests:
            self.views, self.here = {}, {}
            mark = len(self.lines)
            with self.block("for r in range(n):"):
                self.depth += 0
                inside = len(self.lines)
                for number, nest in enumerate(stage.nests):
                    self._nest(nest, (self.stage, number))
                rows = ["    " * self.depth + f"{view} = {value}" for view, value in self.views.items()]
            self.lines[inside:inside] = rows
            assert mark < len(self.lines)

    # Where things stand.

    def _declare(self, name: str, kind: str, given: str) -> str:
        self.arrays.setdefault(name, kind)
        self.given.setdefault(name, given)
        return name

    def _array_of_state(self, state: str) -> str:
        node = self.plan.inputs[state]
        return self._declare(f"{self.names[node]}", f"{self.dtype}[:, ::1]", f"state {state}")

    def _kind(self, node: Node) -> str:
        return f"{'boolean' if node.boolean else self.dtype}[:, ::1]"

    def _memory(self, node: Node, *, write: bool = False) -> tuple[str, str, int]:
        """The array in which a value of rows stands, its row, and the width of the array."""
        plan, width = self.plan, math.prod(node.shape)
        size = f"{width}, bool" if node.boolean else str(width)
        if node.op.name == "input":
            if node.name in plan.states:
                return self._array_of_state(node.name), "p + r", width
            return self._declare(self.names[node], self._kind(node), f"input {node.name}"), "g + r", width
        if node in plan.kept:
            return self._declare(self.names[node], self._kind(node), "kept"), "g + r", width
        state = next((name for name, new in plan.states.items() if new is node), None)
        if state is not None:
            return self._array_of_state(state), "p + r", width
        if all(at[0] == plan.place[node][0] for at, _ in plan.readers[node]) and not is_product(node):
            return self._declare(self.names[node], self._kind(node), f"of one row {size}"), "part", width
        return self._declare(self.names[node], self._kind(node), f"of one step {size}"), "p + r", width

    def _address(self, node: Node, index: Index) -> tuple[Node, Affine]:
        """What in memory a value is, or is seen from, and the place there of its element `index`."""
        stored = node in self.plan.stored or node.op.name == "input" or not node.lead
        if stored and node not in self.here:
            return node, flat(index, node.shape)
        if stored:
            return node, flat(index, node.shape)
        if node.op.name not in VIEWS:
            raise _MustBeStored(node)
        return self._address(node.inputs[0], self._seen(node, index))

    def _seen(self, node: Node, index: Index) -> Index:
        """The element of a view's operand that is the view's element `index`."""
        operand = node.inputs[0]
        if node.op.name == "expand":
            return broadcast(index, operand.shape)
        if node.op.name == "transpose":
            return tuple(index[node.static.index(axis)] for axis in range(len(index)))
        if node.op.name == "slice":
            axis, start, _, step = node.static
            at = len(index) + axis
            return (*index[:at], index[at].times(step) + Affine(start), *index[at + 1 :])
        if bare(node.shape) == bare(operand.shape):
            kept = iter([where for where, size in zip(index, node.shape, strict=True) if size != 1])
            return tuple(Affine() if size == 1 else next(kept) for size in operand.shape)
        if len(bare(operand.shape)) == 1:
            place = flat(index, node.shape)
            return tuple(Affine() if size == 1 else place for size in operand.shape)
        raise _MustBeStored(node if operand in self.plan.stored or operand.op.name == "input" else operand)

    def _row(self, node: Node) -> str:
        """The row of an array, as a variable."""
        array, row, _ = self._memory(node)
        self.views.setdefault(f"{array}_r", f"{array}[{row}]")
        return f"{array}_r"

    def _read(self, node: Node, index: Index) -> str:
        if node.op.name == "constant" and not isinstance(node.static[0], tuple):
            return self._number(node)
        word = self.here.get(node)
        if word is not None and index == element(self.variables, node.shape):
            return word
        if word is not None and not bare(node.shape):
            return word
        if not node.lead:
            name = self.names.get(node) or self._vector_name(node)
            self._declare(name, f"{'boolean' if node.boolean else self.dtype}[::1]", "vector")
            self.vectors[name] = node
            return f"{name}[{flat(index, node.shape)}]"
        in_memory = node.op.name == "input" or node in self.plan.stored
        if in_memory and not (node in self.plan.place and self.plan.place[node] == self.at and node not in self.done):
            return f"{self._row(node)}[{flat(index, node.shape)}]"
        if node.op.name in VIEWS and node not in self.must:
            return self._through(node, index)
        raise _MustBeStored(node)

    def _through(self, node: Node, index: Index) -> str:
        """What a view shows, read where it stands."""
        operand = node.inputs[0]
        in_memory = operand.op.name == "input" or operand in self.plan.stored
        if node.op.name == "reshape" and in_memory and bare(node.shape) != bare(operand.shape):
            return f"{self._row(operand)}[{flat(index, node.shape)}]"
        return self._read(operand, self._seen(node, index))

    variables: Sequence[str] = ()
    at: tuple[int, int] = (0, 0)
    done: set[Node] = attrs.field(factory=set, init=False)
    vectors: dict[str, Node] = attrs.field(factory=dict, init=False)

    def _vector_name(self, node: Node) -> str:
        self.names[node] = f"vector_{sum(name.startswith('vector_') for name in self.names.values())}"
        return self.names[node]

    def _number(self, node: Node) -> str:
        value = node.static[0]
        if node.boolean:
            return repr(bool(value))
        if math.isfinite(value):
            return f"real({value!r})"
        return "real(np.nan)" if math.isnan(value) else f"real({'-' if value < 0 else ''}np.inf)"

    # One loop.

    def _nest(self, nest: Nest, at: tuple[int, int]) -> None:
        self.variables, self.at = VARIABLES[: len(nest.shape)], at
        if nest.tasks and nest.tasks[0].kind == "contract":
            self._contract(nest.tasks[0].node)
            self.done.add(nest.tasks[0].node)
            return
        body: list[str] = []
        stores: list[str] = []
        for task in nest.tasks:
            if task.kind == "reduce" and not bare(task.node.shape):
                start = "real(0)" if task.node.op.name == "sum" else "real(-np.inf)"
                self.line(f"{self.names[task.node]}_j = {start}")
        readers = self._read_here(nest)
        for task in nest.tasks:
            self._task(task, readers, body, stores)
        with self._loops(nest.shape):
            for text in (*body, *stores):
                self.line(text)
        for task in nest.tasks:
            node = task.node
            self.done.add(node)
            if bare(node.shape) and node in self.here:
                del self.here[node]
            if task.kind == "reduce" and not bare(node.shape):
                self.here[node] = f"{self.names[node]}_j"
                if node in self.plan.stored:
                    for array, row in self._targets(node):
                        self.line(f"{self._view(array, row)}[0] = {self.names[node]}_j")

    @contextmanager
    def _loops(self, shape: Sequence[int], variables: Sequence[str] | None = None) -> Iterator[None]:
        for variable, size in zip(variables or VARIABLES, shape, strict=False):
            self.line(f"for {variable} in range({size}):")
            self.depth += 1
        yield
        self.depth -= len(shape)

    def _read_here(self, nest: Nest) -> dict[Node, int]:
        """How often the nodes of a nest are read in it."""
        count: dict[Node, int] = {}
        for task in nest.tasks:
            for operand in read_by(task):
                base, _ = origin(operand, self.must)
                count[base] = count.get(base, 0) + 1
        return count

    def _task(self, task: Task, readers: Mapping[Node, int], body: list[str], stores: list[str]) -> None:
        node = task.node
        index = element(self.variables, node.inputs[task.at].shape if task.kind in ("part", "reduce") else node.shape)
        if task.kind == "each":
            value = self._expression(node, index)
            stored = node in self.plan.stored
            if not stored and not node.name and readers.get(node) == 1 and len(value) < 60 and bare(node.shape):
                plain = node.op.name in FUNCTIONS or re.fullmatch(r"\w+(\[[^\[\]]*\])?", value)
                self.here[node] = value if plain else f"({value})"
                return
            word = f"{self.names[node]}_j"
            body.append(f"{word} = {value}")
            self.here[node] = word
            if stored:
                place = flat(index, node.shape)
                stores += [f"{self._view(*target)}[{place}] = {word}" for target in self._targets(node)]
        elif task.kind == "blank":
            place = flat(index, node.shape)
            value = "real(-np.inf)" if node.op.name == "max" else "real(0)"
            for target in self._targets(node):
                stores.append(f"{self._view(*target)}[{place}] = {value}")
        elif task.kind == "part":
            operand = node.inputs[task.at]
            if node.op.name == "concat":
                (axis,) = node.static
                step, start = 1, sum(x.shape[axis] for x in node.inputs[: task.at])
            else:
                axis, start, _, step = node.static
            at = len(index) + axis
            inside = (*index[:at], index[at].times(step) + Affine(start), *index[at + 1 :])
            value = self._read_as(operand, index, node.boolean)
            for target in self._targets(node):
                stores.append(f"{self._view(*target)}[{flat(inside, node.shape)}] = {value}")
        else:
            value = self._read_as(node.inputs[0], index, False)
            if bare(node.shape):
                place = flat(broadcast(index, node.shape), node.shape)
                for target in self._targets(node):
                    word = f"{self._view(*target)}[{place}]"
                    body.append(f"{word} = {self._added(node, word, value)}")
            else:
                word = f"{self.names[node]}_j"
                body.append(f"{word} = {self._added(node, word, value)}")

    def _added(self, node: Node, word: str, value: str) -> str:
        if node.op.name == "sum":
            return f"{word} + {value}"
        self.used.add("maximum")
        return f"maximum({word}, {value})"

    def _targets(self, node: Node) -> list[tuple[str, str]]:
        """Everywhere that a value is written to: what is kept of all rows may be a state as well."""
        array, row, _ = self._memory(node)
        targets = [(array, row)]
        for state, new in self.plan.states.items():
            if new is node and array != self._array_of_state(state):
                targets.append((self._array_of_state(state), "p + r"))
        return targets

    def _view(self, array: str, row: str) -> str:
        self.views.setdefault(f"{array}_r", f"{array}[{row}]")
        return f"{array}_r"

    def _read_as(self, node: Node, index: Index, boolean: bool) -> str:
        """A value as it is, or a mask as the numbers 1 and 0."""
        word = self._read(node, index)
        if node.boolean and not boolean:
            self.used.add("select")
            return f"select({word}, real(1), real(0))"
        return word

    def _expression(self, node: Node, index: Index) -> str:
        name = node.op.name
        if is_outer(node):
            left, right, result, _ = node.static
            where = dict(zip(result, index, strict=True))
            a, b = (
                self._read_as(x, tuple(where[letter] for letter in letters), False)
                for x, letters in zip(node.inputs, (left, right), strict=True)
            )
            return f"{a} * {b}"
        if name in VIEWS:  # that has to stand in memory
            return self._through(node, index)
        masks = [x.boolean for x in node.inputs]
        words = []
        for i, x in enumerate(node.inputs):
            keep = x.boolean and ((name == "where" and (i == 0 or node.boolean)) or all(masks))
            words.append(self._read_as(x, broadcast(index, x.shape), keep))
        if name == "where":
            self.used.add("select")
        if node.boolean and all(masks) and name in LOGICAL:
            return LOGICAL[name].format(*words)
        if name in INFIX:
            return INFIX[name].format(*words)
        name = "absolute" if name == "abs" else name
        if name not in FUNCTIONS:
            raise NotImplementedError(f"no kernel computes {name}")
        self.used.add(name)
        return f"{name}({', '.join(_bare_word(word) for word in words)})"

    def _contract(self, node: Node) -> None:
        """A product within one row: of two of its values, or of one and parameters in a form that is not packed."""
        left, right, result, _ = node.static
        a, b = node.inputs
        size = dict(zip(left, a.shape, strict=True)) | dict(zip(right, b.shape, strict=True))
        letters = [*result, *(x for x in left if x not in result)]
        longest = max((left, right), key=lambda word: math.prod(size[x] for x in word))
        inner = longest[-1]
        order = [*(x for x in letters if x != inner), inner]
        names = dict(zip(letters, VARIABLES, strict=False))
        where = {x: Affine() if size[x] == 1 else Affine(0, {names[x]: 1}) for x in letters}
        self.variables = ()
        words = [
            self._read_as(x, tuple(where[letter] for letter in word), False) for x, word in ((a, left), (b, right))
        ]
        target = self._view(*self._targets(node)[0])
        place = flat(tuple(where[x] for x in result), node.shape)
        mark = self.depth
        for letter in order[:-1]:
            if size[letter] != 1:
                self.line(f"for {names[letter]} in range({size[letter]}):")
                self.depth += 1
        loop = f"for {names[inner]} in range({size[inner]}):"
        if inner in result:
            with self.block(loop):
                self.line(f"{target}[{place}] += {words[0]} * {words[1]}")
        else:
            self.line("total = real(0)")
            with self.block(loop):
                self.line(f"total += {words[0]} * {words[1]}")
            self.line(f"{target}[{place}] += total")
        self.depth = mark
        for array, row in self._targets(node)[1:]:
            with self.block(f"for j in range({math.prod(node.shape)}):"):
                self.line(f"{self._view(array, row)}[j] = {target}[j]")

    # Products of all rows.

    def _product(self, node: Node) -> None:
        targets = self._targets(node)
        array, row, width = self._memory(node)
        pairs = [
            (node.inputs[i], node.inputs[i + 1], *letters)
            for i, letters in zip(
                range(0, len(node.inputs), 2), [node.static] if node.op.name == "contract" else node.static, strict=True
            )
        ]
        for number, (x, matrix, left, right, result, _) in enumerate(pairs):
            self._one_product(x, matrix, left, right, result, array, row, width, number > 0)
        for other, its_row in targets[1:]:
            with self.block("for r in range(n):"), self.block(f"for j in range({width}):"):
                self.line(f"{other}[{its_row}, j] = {array}[{row}, j]")

    def _one_product(
        self, x: Node, matrix: Node, left: str, right: str, result: str, array: str, row: str, width: int, more: bool
    ) -> None:
        index = tuple(
            Affine(0, {letter: 1}) if size != 1 else Affine() for letter, size in zip(left, x.shape, strict=True)
        )
        base, at = self._address(x, index)
        from_array, from_row, from_width = self._memory(base)
        k, m = x.shape[-1], node_size(matrix, right, result[-1])
        count = x.shape[0] if len(left) == 2 else 1
        heads = len(left) == 2 and left[0] in right
        unit = at.terms.get(left[-1], 1) == 1
        outer = at.terms.get(left[0], k) if len(left) == 2 else k
        if not unit or set(at.terms) - set(left):
            raise _MustBeStored(x)
        if len(left) == 2 and not heads and (outer != k or from_width != count * k):
            raise _MustBeStored(x)
        name = self.names.get(matrix) or self._vector_name(matrix)
        turned = right[-1] != left[-1]
        packed = f"{name}_packed" + ("_turned" if turned else "")
        self._declare(packed, f"{self.dtype}[::1]", "packed")
        self.packed[packed] = (matrix, turned)
        first, to = from_row.replace("r", "0").replace(" + 0", ""), row.replace("r", "0").replace(" + 0", "")
        if from_row == "part" or row == "part":
            raise NotImplementedError("a product reads a value of one row")
        self.line(f"# {self._about(x)} times {self._about(matrix)}")
        start = (
            f"{first} * {from_width}"
            if False
            else f"({first}) * {from_width}"
            if "+" in first
            else f"{first} * {from_width}"
        )
        start += f" + {at.const}" if at.const else ""
        goal = f"{to} * {width}"
        self.used |= {"product", "product_of_one"}
        if heads:
            size = self._head_size(k, m)
            with self.block(f"for head in range({count}):"):
                self.line(
                    f"product({from_array}, {start} + head * {outer}, {from_width}, n, {packed}, head * {size}, {k}, {m}, "
                    f"{array}, {goal} + head * {m}, {width}, {more})"
                )
        elif count > 1:
            self.line(
                f"product({from_array}, {start}, {k}, n * {count}, {packed}, 0, {k}, {m}, {array}, {goal}, {m}, {more})"
            )
        else:
            with self.block("if alone:"):
                self.line(f"product_of_one({from_array}, {start}, {packed}, 0, {k}, {m}, {array}, {goal}, {more})")
            with self.block("else:"):
                self.line(
                    f"product({from_array}, {start}, {from_width}, n, {packed}, 0, {k}, {m}, "
                    f"{array}, {goal}, {width}, {more})"
                )

    packed: dict[str, tuple[Node, bool]] = attrs.field(factory=dict, init=False)

    def _head_size(self, k: int, m: int) -> int:
        from nanolstm.kernels.products import packed_size

        return packed_size(m, k, self.dtype)

    def _about(self, node: Node) -> str:
        if node.op.name == "concat":
            return f"[{', '.join(self._about(x) for x in node.inputs)}]"
        return node.name or self.names.get(node, node.op.name)

    # What is added up over the rows.

    def sums_kernel(self) -> list[str]:
        if not self.plan.sums:
            return []
        self._begin()
        self.depth = 1
        for node in self.plan.sums:
            if node.op.name == "contract":
                self._sum_of_products(node)
            else:
                self._sum_of_rows(node)
        self.sum_given = self.given
        return self._kernel(
            f"{self.run.name}_sums",
            "rows, part, parts, scratch",
            f"int64, int64, int64, {self.dtype}[::1]",
            "What is added up over all rows.",
        )

    sum_given: dict[str, str] = attrs.field(factory=dict, init=False)
    scratch: list[tuple[int, int]] = attrs.field(factory=list, init=False)

    def _whole(self, node: Node, index: Index, letter: str) -> tuple[str, int, Affine, int]:
        """The array of a value that is added up over rows, its width, where it begins there, and the axis's stride."""
        base, at = self._address(node, index)
        array, row, width = self._memory(base)
        if row != "g + r":
            raise NotImplementedError("what is added up over all rows is not kept")
        return array, width, at, at.terms.get(letter, 1)

    def _sum_of_products(self, node: Node) -> None:
        left, right, result, _ = node.static
        a, b = node.inputs
        total = self._declare(self.names[node], f"{self.dtype}[::1]", f"total {math.prod(node.shape)}")
        heads = [x for x in left if x in right and x in result]
        summed = [x for x in left if x in right and x not in result]
        own, new = [x for x in left if x not in right], [x for x in right if x not in left]
        size = dict(zip(left, a.shape, strict=True)) | dict(zip(right, b.shape, strict=True))
        where = {x: Affine() if size[x] == 1 else Affine(0, {x.upper(): 1}) for x in size}
        plain = (
            a.lead
            and b.lead
            and not summed
            and len(own) <= 1
            and len(new) <= 1
            and len(heads) <= 1
            and (own or new)
            and (not heads or (own and new))
        )
        if plain and list(result) in ([*heads, *own, *new], [*heads, *new, *own]):
            if list(result) == [*heads, *new, *own] and own and new:
                a, b, left, right, own, new = b, a, right, left, new, own
            (x, x_width, x_at, x_step), (y, y_width, y_at, y_step) = (
                self._whole(operand, tuple(where[z] for z in word), (letters or ["?"])[0].upper())
                for operand, word, letters in ((a, left, own), (b, right, new))
            )
            m, n = (size[letters[0]] if letters else 1 for letters in (own, new))
            if x_step == 1 and y_step == 1:
                self.used.add("sums_of_products")
                self.scratch.append((m, n))
                starts = [str(x_at.const), str(y_at.const), "0"]
                mark = self.depth
                if heads:
                    head = heads[0].upper()
                    self.line(f"for head in range({size[heads[0]]}):")
                    self.depth += 1
                    starts = [
                        f"{x_at.const} + head * {x_at.terms.get(head, 0)}",
                        f"{y_at.const} + head * {y_at.terms.get(head, 0)}",
                        f"head * {m * n}",
                    ]
                self.line(
                    f"sums_of_products({x}, {starts[0]}, {x_width}, {m}, {y}, {starts[1]}, {y_width}, {n}, rows, "
                    f"{total}, {starts[2]}, {n}, part, parts, scratch, 0)"
                )
                self.depth = mark
                return
        self._sum_over(node, total, [(a, left), (b, right)], result)

    def _sum_of_rows(self, node: Node) -> None:
        (x,) = node.inputs
        total = self._declare(self.names[node], f"{self.dtype}[::1]", f"total {math.prod(node.shape)}")
        if node.op.name != "sum":
            raise NotImplementedError(f"no kernel computes {node.op.name} over all rows")
        letters = "".join(chr(ord("a") + i) for i in range(len(x.shape)))
        result = "".join(letter for i, letter in enumerate(letters) if node.shape and node.shape[i] == x.shape[i])
        self._sum_over(node, total, [(x, letters)], result)

    def _sum_over(self, node: Node, total: str, operands: Sequence[tuple[Node, str]], result: str) -> None:
        """Row after row; each thread has its share of the last axis of the result."""
        size: dict[str, int] = {}
        for x, word in operands:
            size |= dict(zip(word, x.shape, strict=True))
        shape = tuple(size[letter] for letter in result)
        letters = [*result, *(letter for letter in size if letter not in result)]
        names = dict(zip(letters, VARIABLES, strict=False))
        where = {x: Affine() if size[x] == 1 else Affine(0, {names[x]: 1}) for x in letters}
        shared = result[-1] if result and size[result[-1]] > 1 else None
        mark = self.depth
        if shared:
            self.line(f"low, high = part * {size[shared]} // parts, (part + 1) * {size[shared]} // parts")
        else:
            self.line("if part == 0:")
            self.depth += 1
        loops = [(names[x], "low, high" if x == shared else str(size[x])) for x in letters if size[x] != 1]

        def nested(chosen: Sequence[tuple[str, str]], text: str) -> None:
            depth = self.depth
            for name, bound in chosen:
                self.line(f"for {name} in range({bound}):")
                self.depth += 1
            self.line(text)
            self.depth = depth

        place = flat(tuple(where[x] for x in result), shape)
        of_result = [(names[x], "low, high" if x == shared else str(size[x])) for x in result if size[x] != 1]
        nested(of_result, f"{total}[{place}] = real(0)")
        self.line("for g in range(rows):")
        self.depth += 1
        words, views = [], {}
        for x, word in operands:
            index = tuple(where[letter] for letter in word)
            if not x.lead:
                words.append(self._read(x, index))
                continue
            base, at = self._address(x, index)
            array, row, _ = self._memory(base)
            if row != "g + r":
                raise NotImplementedError("what is added up over all rows is not kept")
            views[f"{array}_r"] = f"{array}[g]"
            word = f"{array}_r[{at}]"
            words.append(f"select({word}, real(1), real(0))" if x.boolean else word)
            self.used |= {"select"} if x.boolean else set()
        for view, value in views.items():
            self.line(f"{view} = {value}")
        nested(
            [*[pair for pair in loops if pair not in of_result], *of_result], f"{total}[{place}] += {' * '.join(words)}"
        )
        self.depth = mark

    # Around the kernels: what concerns parameters alone, in NumPy.

    def run_function(self, summing: bool) -> tuple[list[str], list[str]]:
        plan, numpy, names = self.plan, NumPyTarget(), self.names
        self.lines, self.depth = [], 1
        arguments = [
            f"first_{names[node]}" if name in plan.states else names[node] for name, node in plan.inputs.items()
        ]

        def compute(nodes: Sequence[Node], about: str) -> None:
            if nodes:
                self.line(f"# {about}")
            for node in nodes:
                words = [constant(x) if x.op.name == "constant" else names[x] for x in node.inputs]
                value = numpy.value(node, words, "rows")
                self.line(f"{names[node]} = {re.sub(_ON_ARRAYS, 'on_arrays.', value)}")

        self.line("real, rows, dtype = call.dtype.type, call.rows, call.dtype")
        compute(plan.once, "once: parameters alone")
        for state in plan.states:
            array = names[plan.inputs[state]]
            self.line(f"{array} = call.state(first_{array})")
        for node in plan.kept:
            kind = ", bool" if node.boolean else ""
            self.line(f"{names[node]} = call.kept({math.prod(node.shape)}{kind})")
        self.line(
            f"call.loop({self.run.name}_steps, {self._work()}, {', '.join(self._argument(name) for name in self.steps_given)})"
        )
        if summing:
            totals = [node for node in plan.sums]
            for node in totals:
                self.line(f"{names[node]} = np.empty({math.prod(node.shape)}, dtype)")
            scratch = ", ".join(f"({m}, {n})" for m, n in self.scratch)
            self.line(
                f"call.sums({self.run.name}_sums, [{scratch}], {', '.join(self._argument(name) for name in self.sum_given)})"
            )
            for node in totals:
                self.line(f"{names[node]} = {names[node]}.reshape({node.shape})")
        compute(plan.after, "after: from what was added up")
        answers = {}
        for name, node in plan.answers.items():
            answers[name] = self._answer(node)
        for state in plan.states:
            node = plan.inputs[state]
            answers[f"last {state}"] = f"{names[node]}.reshape({('len(' + names[node] + ')', *node.shape)})".replace(
                "'", ""
            )
        self.line(f"return {', '.join(answers.values())},")
        extra = [
            name for name in self.steps_given if name.startswith("start_") and self.steps_given[name] not in plan.inputs
        ]
        head = [
            f"def {self.run.name}({', '.join(['call', *arguments, *extra])}):",
            f'    """{self.run.graph.title}."""',
        ]
        return [*head, *self.lines], list(answers)

    steps_given: dict[str, str] = attrs.field(factory=dict, init=False)

    def _work(self) -> int:
        """About how many operations a row takes."""
        work = 0
        for stage in self.plan.stages:
            work += sum(2 * math.prod(x.shape) for node in stage.products for x in node.inputs if not x.lead)
            work += sum(5 * math.prod(nest.shape) * len(nest.tasks) for nest in stage.nests)
        return work

    def _answer(self, node: Node) -> str:
        names = self.names
        if node.lead:
            shape = ", ".join(["rows", *map(str, node.shape)])
            return f"{names[node]}.reshape(({shape},))"
        if node.op.name == "constant":
            return f"np.array({constant(node)}, dtype)"
        base = node
        while base.op.name in VIEWS:
            base = base.inputs[0]
        return f"np.array({names[node]})" if base.op.name == "input" or node.op.name == "expand" else names[node]

    def _argument(self, name: str) -> str:
        """What stands in `run` for an array of a kernel."""
        if name in self.packed:
            matrix, turned = self.packed[name]
            word = self.names[matrix]
            turn = ".T" if len(matrix.shape) == 2 else ".transpose(0, 2, 1)"
            return f"call.pack({word}{turn if turned else ''})"
        if name in self.vectors:
            node = self.vectors[name]
            return f"call.vector({constant(node) if node.op.name == 'constant' else name})"
        given = self.steps_given.get(name) or self.sum_given[name]
        if given.startswith("input "):
            return f"call.given({name})"
        if given.startswith("of one row "):
            return f"call.of_one_row({given.removeprefix('of one row ')})"
        if given.startswith("of one step "):
            return f"call.of_one_step({given.removeprefix('of one step ')})"
        if name.startswith("start_"):
            return f"call.vector({name})"
        return name


def node_size(matrix: Node, letters: str, letter: str) -> int:
    """The length of an axis of a matrix."""
    return matrix.shape[letters.index(letter)]


def _bare_word(word: str) -> str:
    """An expression without parentheses that are not needed as an argument."""
    if word.startswith("(") and word.endswith(")"):
        depth = 0
        for i, letter in enumerate(word):
            depth += (letter == "(") - (letter == ")")
            if depth == 0:
                return word[1:-1] if i == len(word) - 1 else word
    return word
