"""Graphs as kernels: a file of Python for Numba, and in it for each graph a function that is called as a program is.

What concerns rows is in compiled functions, `forward_steps` and `backward_steps`: the time loop, and what is added up
over the rows. The function `forward` itself is plain Python. It binds one of these to arrays, and says what is done
each time: `before`, matrices of parameters are put together and packed; `after`, the sums are taken apart.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import attrs

from nanolstm.compile.combine import for_kernels
from nanolstm.compile.emit import Source, constant, identifiers
from nanolstm.compile.kernel_sums import KernelWriter
from nanolstm.compile.members import over_members
from nanolstm.compile.numpy_target import NumPyTarget
from nanolstm.compile.schedule import Schedule, schedule
from nanolstm.compile.source_text import comment, docstring
from nanolstm.compile.task import VIEWS
from nanolstm.compile.verify import check_order
from nanolstm.compile.writer import FUNCTIONS, PLACES, PRODUCTS, SUMS, WORDS, MustBeStoredError, Wanted
from nanolstm.errors import KernelError
from nanolstm.graph.node import Node, in_order, input_node

ABOUT = """\
Names are the author's, and t1, t2, ... where there is none; `c_2` is another value of the name c, `before_c` is c as
it comes in, `d_c` the derivative of the loss by it. `c_r` is a row of the array c, `c_j` one element of it.

The batch is cut into slices, of which a thread computes those from `first` up to `last`, after it has announced to
the others that it begins. The rows of a slice stand together, step by step, in each step the longest sequence first:
the n rows of step t from bounds[part, t] up to bounds[part, t + 1]. p is the slice's first sequence, and q the model
whose parameters it reads: where several of one shape run side by side, each has slices of its own.

    [g + r]   an array of all steps
    [p + r]   a state, or what is needed within one step: a row for each sequence
    [b + r]   what stands there for the rows of a block of steps, for each thread: it is added up, or read elsewhere
    [part]    such a sum, of one slice
    [q]       parameters, and what is made of them alone: a row for each model

Steps are run in blocks, from `begin` up to `end`, whose rows (at most `room`) begin at `top`. Where rows are narrow,
what depends on no state is computed for all of them ahead of the time loop, and what no state depends on behind it;
there get and put read and write single elements, counted through the whole array. Then sums grow. `alone`: the batch
is one sequence. Before a row where `restart` is set, states start anew; where `cut` is, no gradient goes
back to the states before it. Both may be empty, for nowhere.

plus and times add terms up in any order; all else rounds as it is written.

product(x, its first element and stride, rows, packed matrix, its first element, inputs, outputs, y, its first element
and stride, whether it is added to y); product_of_one is that of one row. sums_of_products(x, its first element,
stride and width, y likewise, rows, sum, its first element and stride, memory to work in, its first element) adds the
products of each element of x with each of y.
"""
"""What a reader of a file has to know about it."""

_ON_ARRAYS = r"\b(?=(sigmoid|erf|softplus|placed|contracted)\()"
"""Functions that bear one name in kernels, for a number, and in plain Python, for arrays."""


def written(runs: Sequence[Wanted], dtype: str) -> tuple[str, list[Source]]:
    """One file with a function for each of `runs`, and what each of them takes and returns.

    Raises:
        KernelError: no kernel can be written for one of the graphs; the text says why.
    """
    constants: dict[str, str] = {}
    try:
        functions = [_function(run, dtype, constants) for run in runs]
    except NotImplementedError as error:
        raise KernelError(f"no kernel for {runs[0].graph.title}: {error}") from error
    used = set().union(*(function.used for function in functions))
    body = "\n".join(function.source.text for function in functions)
    about = f"{runs[0].graph.title} in {dtype}: written by nanolstm from the step, which is plain NumPy."
    head = [
        docstring(about, "", *ABOUT.splitlines(), ""),
        "",
        "import numpy as np",
        f"from numpy import {dtype} as real",
        "",
    ]
    if "on_arrays." in body:
        head.append("from nanolstm.compile.numpy_target import on_arrays")
    head.append("from nanolstm.kernels.compiled import EXACT, compiled")
    for module, names in ((dtype, FUNCTIONS | {"select"}), ("places", PLACES), ("products", PRODUCTS), ("sums", SUMS)):
        if used & names:
            head.append(f"from nanolstm.kernels.{module} import {', '.join(sorted(used & names))}")
    head.append("from nanolstm.kernels.signals import announce")
    if constants:
        head += ["", *(f"{name} = {value}" for name, value in sorted(constants.items()))]
    return "\n".join(head) + "\n" + body, [function.source for function in functions]


def written_for_members(run: Wanted, dtype: str) -> str:
    """The plain function of `run` for several models side by side, which calls the same compiled ones.

    Raises:
        NotImplementedError: it computes something of parameters alone that cannot be had of several at once.
    """
    return _function(run, dtype, {}).binding.of_members()


@attrs.frozen
class _Function:
    """The text of a graph's functions, what the plain one takes and returns, what they call, who wrote the latter."""

    source: Source
    used: set[str]
    binding: _Binding


def _function(run: Wanted, dtype: str, constants: dict[str, str]) -> _Function:
    graph, must = for_kernels(run.graph, run.carried), frozenset[Node]()
    while True:
        try:
            return _written(run, schedule(graph, run.carried, must), dtype, must, constants)
        except MustBeStoredError as error:
            if error.node in must:
                raise NotImplementedError(f"{error.node} is read where it does not stand") from error
            must |= {error.node}


def _written(run: Wanted, plan: Schedule, dtype: str, must: frozenset[Node], constants: dict[str, str]) -> _Function:
    in_stages = [x for s in plan.everywhere for x in (*s.products, *(t.node for n in s.nests for t in n.tasks))]
    names = identifiers([*plan.inputs.values(), *plan.once, *in_stages, *plan.sums, *plan.after], WORDS)
    writer = KernelWriter(plan, dtype, must, names, constants, run.backward)
    kernel = writer.write(f"{run.name}_steps", f"All steps of {run.graph.title}, of the slices from first to last.")
    check_order(plan, must, writer.row_of, names)
    binding = _Binding(run, plan, writer)
    text = "\n".join(["", "", *kernel, "", "", *binding.lines()])
    source = Source(text + "\n", (*plan.inputs, *binding.starts), tuple(binding.outputs()), binding.prepared)
    return _Function(source, writer.used, binding)


@attrs.frozen(eq=False, slots=False)
class _Binding:
    """Writes the plain function.

    Attributes:
        several: what stands for values of parameters alone where it is for several models at once; else nothing.
    """

    run: Wanted
    plan: Schedule
    writer: KernelWriter
    several: Mapping[Node, Node] = attrs.field(factory=dict)

    def of_members(self) -> str:
        """The whole function for several models: parameters have one axis more, and so have sums."""
        plan = self.plan
        sums = {node: input_node(self.writer.names[node], node.shape, lead=True) for node in plan.sums}
        alone = [*plan.once, *plan.after, *(x for x in plan.answers.values() if not x.lead)]
        found = over_members(
            [*alone, *self.writer.vectors.values(), *(packed.matrix for packed in self.writer.packed.values())], sums
        )
        return "\n".join(attrs.evolve(self, several=found).lines()) + "\n"

    @property
    def starts(self) -> dict[str, str]:
        """Where states start anew: given beside the inputs, unless they are among them."""
        return {given: word for given, word in self.writer.starts.items() if given not in self.plan.inputs}

    def outputs(self) -> dict[str, str]:
        """What is handed out, by name, as source: of all rows, then last states; sums come from `after`."""
        names, plan = self.writer.names, self.plan
        rows = {name: (names[node], "rows", node.shape) for name, node in plan.answers.items() if node.lead}
        for state in plan.states:
            word = names[plan.inputs[state]]
            rows[f"last {state}"] = (word, f"len({word})", plan.inputs[state].shape)
        whole = {name: f"{word}.reshape({', '.join([first, *map(str, s)])})" for name, (word, first, s) in rows.items()}
        return whole | {name: "" for name, node in plan.answers.items() if not node.lead}

    def lines(self) -> list[str]:
        """The whole function."""
        plan, names = self.plan, self.writer.names
        given = [f"first_{names[x]}" if name in plan.states else names[x] for name, x in plan.inputs.items()]
        body = [f"rows, dtype, real = call.rows, call.dtype, np.{self.writer.dtype}"]
        body += [
            f"{names[plan.inputs[state]]} = call.state(first_{names[plan.inputs[state]]})" for state in plan.states
        ]
        body += [f"{names[x]} = call.kept({elements(x)}{', bool' if x.boolean else ''})" for x in plan.kept]
        room, before = self._before()
        known = self._known()
        if known:
            before.append(f"call.known = {', '.join(known)}{',' * (len(known) == 1)}")
        if before:
            body += [*room, "", "def before():", *(f"    {line}" for line in before), "", "call.before(before)"]
        made = self.writer.made
        if plan.in_blocks:
            body.append(f"call.blocks({sum(map(elements, plan.passing))}, {self.writer.sizes})")
            body += [f"{names[node]} = call.total({elements(node)})" for node in plan.sums]
        body += _call("call.expect(", [str(self.writer.expected.get(name)) for name in made])
        body += _call(f"call.loop({self.run.name}_steps, {self.writer.work()}", made.values())
        rows = [text for text in self.outputs().values() if text]
        sums = [node for node in plan.answers.values() if not node.lead]
        if sums:
            # Outside of `after` a sum's own name means the flat array, and in it another the sum in its shape.
            shaped = {node: f"{names[node]}_total" for node in plan.sums}
            words = names | shaped
            each = "call.steps.members, " if self.several else ""
            after = [
                f"{shaped[node]} = call.summed({names[node]}).reshape(({each}{str(node.shape)[1:]})"
                for node in plan.sums
            ]
            if known:
                after.insert(0, f"{', '.join(known)}{',' * (len(known) == 1)} = call.known")
            late = [x for x in self.plan.once if x in self._read_after - self._read_before]
            after += [f"{names[x]} = {self._value(x, words)}" for x in (*late, *plan.after)]
            derivatives = [name for name, x in plan.answers.items() if not x.lead and name.startswith(("d ", "v d "))]
            after += _comment("derivatives by", [name.removeprefix("d ") for name in derivatives])
            after += _call("return (", [_answer(x, words) for x in sums])
            body += ["", "def after():", *(f"    {line}" for line in after), ""]
        body.append(f"return ({', '.join(rows)}{',' * (len(rows) == 1)}), {'after' if sums else 'tuple'}")
        arguments = ["call", *given, *self.starts.values()]
        return [
            *_call(f"def {self.run.name}(", arguments, end="):"),
            f"    {docstring(self.run.graph.title + '.')}",
            *(f"    {line}".rstrip() for line in body),
        ]

    @cached_property
    def _read_before(self) -> set[Node]:
        """What the loop reads of parameters alone, and all that this is computed from."""
        return {*in_order([*self.writer.vectors.values(), *(packed.matrix for packed in self.writer.packed.values())])}

    @cached_property
    def _read_after(self) -> set[Node]:
        """What sums are taken apart with, as far as it is computed of parameters alone."""
        once, read = set(self.plan.once), set[Node]()
        known = once & self._read_before
        stack = [x for x in self.plan.answers.values() if not x.lead]
        while stack:
            node = stack.pop()
            if node not in read:
                read.add(node)
                stack.extend(() if node in known else node.inputs)
        return read & once

    def _known(self) -> list[str]:
        """What is computed of parameters alone before the loop, and read after it."""
        return [self.writer.names[x] for x in self.plan.once if x in self._read_after & self._read_before]

    @property
    def prepared(self) -> tuple[str, ...]:
        """The inputs that are looked at before each run: something is computed from them, or they may be copied."""
        computed = {x for node in self._read_before & set(self.plan.once) for x in node.inputs}
        computed |= {*self.writer.vectors.values(), *(packed.matrix for packed in self.writer.packed.values())}
        return tuple(name for name, node in self.plan.inputs.items() if node in computed)

    def _before(self) -> tuple[list[str], list[str]]:
        """Room for what is computed of parameters alone, and how it is computed."""
        names = self.writer.names
        once = [node for node in self.plan.once if node in self._read_before]
        room, lines = [], [f"{names[node]} = {self._value(node, names)}" for node in once]
        for name, node in self.writer.vectors.items():
            if node.op.name == "input":
                room.append(f"{name}_flat = call.vector({name})")
            elif node.op.name == "constant":
                room.append(f"{name}_flat = call.repeated({constant(node)})")
            else:
                room.append(f"{name}_flat = call.of_each({elements(node)}{', bool' if node.boolean else ''})")
                lines.append(f"{name}_flat[:] = {self._of_each(node)}.reshape({name}_flat.shape)")
        for packed in self.writer.packed.values():
            room.append(f"{packed.name} = {packed.allocate()}")
            lines.append(packed.pack(self._of_each(packed.matrix)))
        return list(dict.fromkeys(room)), list(dict.fromkeys(lines)) or (["pass"] if room else [])

    def _of_each(self, node: Node) -> str:
        """A value of parameters alone; for several models with an axis for them, which what is constant lacks."""
        name = self.writer.names[node]
        if not self.several or self.several[node].lead:
            return name
        return f"np.broadcast_to({name}, (call.steps.members, {str(node.shape)[1:]})"

    def _value(self, node: Node, names: Mapping[Node, str]) -> str:
        """A value of parameters alone as a NumPy expression."""
        if not self.several:
            return _in_numpy(node, names)
        # What stands for a node bears its name, unless it is that node itself.
        return _in_numpy(
            self.several[node], {**names, **{new: names[x] for x, new in self.several.items() if x in names}}
        )


def _answer(node: Node, names: Mapping[Node, str]) -> str:
    """A value of parameters alone as it is handed out: not what was handed in, and not one number that is repeated."""
    if node.op.name == "constant":
        return f"np.array({constant(node)}, dtype)"
    base = node
    while base.op.name in VIEWS:
        base = base.inputs[0]
    return f"np.array({names[node]})" if base.op.name == "input" or node.op.name == "expand" else names[node]


def elements(node: Node) -> int:
    """How many numbers a value has."""
    return math.prod(node.shape)


def _in_numpy(node: Node, names: Mapping[Node, str]) -> str:
    """A value of parameters alone as a NumPy expression."""
    words = [
        constant(x) if x.op.name == "constant" else names[x] if x in names else f"({_in_numpy(x, names)})"
        for x in node.inputs
    ]
    return re.sub(_ON_ARRAYS, "on_arrays.", NumPyTarget().value(node, words, "call.steps.members"))


def _comment(head: str, words: Sequence[str]) -> list[str]:
    return [] if not words else [comment(line) for line in textwrap.wrap(f"{head} {', '.join(words)}", 100)]


def _call(head: str, words: Iterable[str], end: str = ")") -> list[str]:
    """A call with so many arguments that each line holds a few."""
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) > 100:
            lines.append(f"    {line.strip()}")
            line = ""
        line += f" {word},"
    lines.append(f"    {line.strip()}")
    return [head if head.endswith("(") else f"{head},", *lines, end]
