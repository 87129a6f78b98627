"""NumPy as a target: how a node is written, and the functions that what is written calls."""

from __future__ import annotations

import linecache
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, TypeAlias

import attrs
import numpy as np

from nanolstm.compile import poison
from nanolstm.compile.combine import combined
from nanolstm.compile.emit import Source, emit
from nanolstm.compile.memory import Memory
from nanolstm.compile.plan import plan
from nanolstm.compile.source_text import printable
from nanolstm.compile.steps import Steps
from nanolstm.graph.node import Graph, Node

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

INFIX = {"np.add": "+", "np.subtract": "-", "np.multiply": "*", "np.divide": "/", "np.less": "<", "np.less_equal": "<="}


class NumPyTarget:
    """Writes nodes as NumPy expressions."""

    @property
    def names(self) -> Collection[str]:
        """What the emitted source calls."""
        return runtime().keys()

    def value(self, node: Node, operands: Sequence[str], rows: str) -> str:
        """An expression for `node`."""
        numpy = node.op.numpy
        if not isinstance(numpy, str):
            return numpy(node, operands).replace("{rows}", rows)
        first = node.op.name == "where"  # whose condition is no number
        numbers = node.inputs[first:]
        if all(x.op.name == "constant" for x in numbers):  # among themselves, numbers would become float64
            typed = [word if x.boolean else f"real({word})" for word, x in zip(operands[first:], numbers, strict=True)]
            operands = [*operands[:first], *typed]
        if node.boolean and numpy == "np.positive":  # which takes no mask
            return operands[0]
        if numpy in INFIX:
            return f"{operands[0]} {INFIX[numpy]} {operands[1]}"
        return f"{numpy}({', '.join(operands)})"

    def within(self, node: Node, operands: Sequence[str], place: str) -> str:
        """An expression for `node` that puts it into the array `place`; "" if there is none."""
        numpy = node.op.numpy
        if not isinstance(numpy, str) or node.op.name == "where" or any(x.boolean for x in node.inputs):
            return ""
        return f"{numpy}({', '.join(operands)}, out={place})"

    def into(self, node: Node, operands: Sequence[str], rows: str, place: str) -> str:
        """A statement that puts `node` into the array `place`."""
        if isinstance(node.op.numpy, str) and node.op.name != "where":
            return f"{node.op.numpy}({', '.join(operands)}, out={place})"
        return f"{place}[...] = {self.value(node, operands, rows)}"


@attrs.frozen(eq=False)
class Program:
    """A graph that runs.

    Attributes:
        source: what was emitted.
        function: the same, compiled.
    """

    source: Source
    function: Callable[..., tuple[Any, ...]]

    def __call__(
        self,
        steps: Steps,
        dtype: np.dtype[Any],
        given: Mapping[str, Any],
        memory: Memory | None = None,
    ) -> dict[str, Any]:
        """Its outputs by name, last states as "last h"; what is of all rows may be of `memory`."""
        memory, rows = memory or Memory(), steps.rows

        def room(shape: tuple[int, ...]) -> Array:
            return memory.take((rows, *shape), dtype)

        with np.errstate(all="ignore"):  # what is not finite is looked for in the results, not in between
            answer = self.function(steps.pairs, rows, dtype, room, *(given[name] for name in self.source.inputs))
        return dict(zip(self.source.outputs, answer, strict=True))


def program(graph: Graph, carried: Mapping[str, str]) -> Program:
    """`graph` as a program, in which the input `state` becomes the output `carried[state]` from step to step."""
    source = emit(plan(combined(graph, carried), carried), NumPyTarget())
    # Registered as a file, so that a traceback and a debugger show the line.
    file = f"<nanolstm {printable(graph.title)} {hash(source.text) & 0xFFFFFFFF:08x}>"
    linecache.cache[file] = (len(source.text), None, source.text.splitlines(keepends=True), file)
    names: dict[str, Any] = {**runtime()}
    exec(compile(source.text, file, "exec"), names)
    weakref.finalize(names["run"], linecache.cache.pop, file, None)
    return Program(source, names["run"])


# What the emitted source calls.


@cache
def runtime() -> dict[str, Any]:
    """The names that the source of a program may use."""
    from scipy.special import erf, expit

    return {
        "np": np,
        "sigmoid": expit,
        "erf": erf,
        "softplus": softplus,
        "empty": poison.empty,
        "placed": placed,
        "contracted": contracted,
        "resized": resized,
        "late": late,
        "ended": ended,
    }


def softplus(x: Array, out: Array | None = None) -> Array:
    """log(1 + exp(x))."""
    return np.logaddexp(x, 0.0, out=out)


def placed(x: Array, axis: int, start: int, size: int, step: int) -> Array:
    """Zeros, `size` on `axis`, with `x` from `start` on in every `step`th."""
    shape = list(x.shape)
    shape[axis] = size
    stop = start + x.shape[axis] * step
    whole = np.zeros(shape, x.dtype)
    place: Any = (..., slice(start, stop if stop >= 0 else None, step), *[slice(None)] * (-1 - axis))
    whole[place] = x
    return whole


def contracted(letters: str, a: Array, b: Array) -> Array:
    """np.einsum of two operands through np.matmul: its own loops are slow where a product has many terms."""
    words, result = letters.split("->")
    left, right = words.split(",")
    both = "".join(x for x in left if x in right and x in result)
    summed = "".join(x for x in left if x in right and x not in result)
    own, others = ("".join(x for x in word if x not in both + summed) for word in (left, right))
    size = dict(zip(left, a.shape, strict=True)) | dict(zip(right, b.shape, strict=True))

    def lengths(word: str) -> list[int]:
        return [size[x] for x in word]

    def flat(word: str) -> int:
        return int(np.prod(lengths(word), dtype=int))

    first = a.transpose([left.index(x) for x in both + own + summed])
    second = b.transpose([right.index(x) for x in both + summed + others])
    product = np.matmul(
        first.reshape(*lengths(both), flat(own), flat(summed)),
        second.reshape(*lengths(both), flat(summed), flat(others)),
    )
    order = both + own + others
    whole: Array = product.reshape(lengths(order)).transpose([order.index(x) for x in result])
    return whole


def resized(
    size: int, wanted: int, now: Sequence[Array], first: Sequence[Array], last: Sequence[Array]
) -> tuple[Array, ...]:
    """States of `wanted` rows in place of `size`: those that end go to `last`, those that begin come from `first`."""
    if wanted > size:
        return tuple(np.concatenate((n, f[size:wanted])) for n, f in zip(now, first, strict=True))
    for n, at_end in zip(now, last, strict=True):
        at_end[wanted:size] = n[wanted:]
    return tuple(n[:wanted] for n in now)


def late(value: Array, first: Array, steps: Sequence[tuple[int, int]]) -> Array:
    """`value` of all rows, one step before; `first` where a sequence begins."""
    before, old = poison.empty(value.shape, value.dtype), first[:0]
    for a, b in steps:
        size = min(len(old), b - a)
        before[a : a + size], before[a + size : b] = old[:size], first[size : b - a]
        old = value[a:b]
    return before


def ended(value: Array, first: Array, steps: Sequence[tuple[int, int]]) -> Array:
    """`value` of all rows, at the last step of each sequence; `first` of those that have none."""
    last = np.array(first)
    for (a, b), (c, d) in pairwise([*steps, (0, 0)]):
        last[d - c : b - a] = value[a + d - c : b]
    return last


def __getattr__(name: str) -> Any:
    """`on_arrays`: the same names for the source of kernels, where they alone mean something for single numbers."""
    if name == "on_arrays":
        return SimpleNamespace(**runtime())
    raise AttributeError(name)
