"""A program that runs in kernels: bound to arrays once, and run as often as wanted on what stands in these."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import attrs
import numpy as np

from nanolstm.compile.cache import loaded
from nanolstm.compile.emit import Source
from nanolstm.compile.kernel_steps import CUT, RESTART
from nanolstm.compile.memory import Memory
from nanolstm.compile.numba_target import written
from nanolstm.compile.steps import Steps
from nanolstm.compile.writer import Wanted
from nanolstm.errors import KernelError, one_line
from nanolstm.kernels.products import pack, packed_size, scratch_size
from nanolstm.kernels.threads import NO_SIGNALS, Task, get_num_threads, run_all

Array = np.ndarray[Any, np.dtype[Any]]

NONE = np.zeros(0, bool)

WORTH_A_THREAD = 4_000_000
"""Operations (about 0.3 ms of them) below which another thread costs more than it saves."""


@attrs.define(eq=False)
class Call:
    """What the source of a program calls while it is bound: its rows, the memory that it works in, what is to be done.

    Attributes:
        steps: which rows belong to which time step.
        memory: where work arrays come from.
        restart: for each row, whether states start anew before it; empty where none does.
        cut: for each row, whether no gradient goes back from it; empty where none does.
        starting: puts states back to where they start.
        preparing: computes what depends on parameters alone.
        running: the time loop, then what is added up over the rows.
    """

    steps: Steps
    dtype: np.dtype[Any]
    memory: Memory
    restart: Array = NONE
    cut: Array = NONE
    rows: int = attrs.field(init=False)
    threads: int = attrs.field(init=False)
    starting: list[tuple[Array, Array]] = attrs.field(factory=list, init=False)
    preparing: list[Callable[[], None]] = attrs.field(factory=list, init=False)
    running: list[Callable[[], None]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.rows = int(self.steps.bounds[-1])
        self.threads = get_num_threads()

    def state(self, first: Array) -> Array:
        """A state that goes on from `first`, (batch, width)."""
        state = np.empty(first.shape, self.dtype)
        self.starting.append((state, first))
        return state.reshape(len(first), -1)

    def kept(self, width: int, kind: type | None = None) -> Array:
        """Room for something of all rows."""
        return self.memory.take((self.rows, width), kind or self.dtype)

    def of_one_row(self, width: int, kind: type | None = None) -> Array:
        """Room for something of the row that a thread is at."""
        return self.memory.take((self.threads, width), kind or self.dtype)

    def of_one_step(self, width: int, kind: type | None = None) -> Array:
        """Room for something of the step that a thread is at."""
        return self.memory.take((self.steps.batch, width), kind or self.dtype)

    def packed(self, *shape: int) -> Array:
        """Room for a matrix, or one for each head, as products expect it."""
        *heads, m, k = shape
        return self.memory.take((packed_size(m, k, self.dtype) * (heads[0] if heads else 1),), self.dtype)

    def given(self, array: Array) -> Array:
        """An input of all rows, as kernels expect it."""
        return np.ascontiguousarray(array).reshape(self.rows, -1)

    def vector(self, array: Array) -> Array:
        """Parameters that are read as they are: in their own memory, or copied each time where that is scattered."""
        if array.flags.c_contiguous:
            return array.reshape(-1)
        flat = np.empty(array.size, array.dtype)
        self.preparing.append(lambda: np.copyto(flat.reshape(array.shape), array))
        return flat

    def pack(self, matrix: Array, room: Array) -> None:
        """Put a matrix, or one for each head, as products expect it into `room`."""
        if matrix.ndim == 2:
            pack(matrix, room)
        else:
            for head, its_room in zip(matrix, room.reshape(len(matrix), -1), strict=True):
                pack(head, its_room)

    def before(self, prepare: Callable[[], None]) -> None:
        """Do this before each run."""
        self.preparing.append(prepare)

    def loop(self, kernel: Callable[..., None], work: int, *arrays: Array) -> None:
        """Run this time loop; where there is enough `work` (operations for each row), in slices of the batch."""
        steps, common = self.steps, (self.steps.batch == 1, self.restart, self.cut, *arrays)
        parts = min(self.threads, steps.batch, 1 + self.rows * work // WORTH_A_THREAD)
        slices = list(pairwise(self._borders(parts))) if parts > 1 else [(0, steps.batch)]
        self._do(kernel, [(steps.bounds, p, q, i, *common) for i, (p, q) in enumerate(slices) if p < q])

    def sums(self, kernel: Callable[..., None], sizes: Sequence[tuple[int, int]], *arrays: Array) -> None:
        """Add this up over the rows; `sizes` are those of the products that are."""
        work = sum(2 * m * n for m, n in sizes)
        parts = min(self.threads, 1 + self.rows * work // WORTH_A_THREAD)
        room = max((scratch_size(m, n, self.rows, self.dtype) for m, n in sizes), default=1)
        scratch = self.memory.take((parts, room), self.dtype)
        self._do(kernel, [(self.rows, part, parts, scratch[part], *arrays) for part in range(parts)])

    def _do(self, kernel: Callable[..., None], slices: list[tuple[Any, ...]]) -> None:
        if len(slices) == 1:
            self.running.append(partial(kernel, NO_SIGNALS, *slices[0]))
        else:
            self.running.append(partial(run_all, [_called(kernel, arguments) for arguments in slices]))

    def _borders(self, parts: int) -> list[int]:
        """Sequences from each of these to the next have about the same number of steps in all."""
        size = int(self.steps.bounds[1])
        if self.rows == size * (len(self.steps.bounds) - 1):
            return [size * part // parts for part in range(parts + 1)]
        widths = np.diff(self.steps.bounds)
        lengths = np.cumsum([np.count_nonzero(widths > place) for place in range(size)])
        inner = np.searchsorted(lengths, lengths[-1] * np.arange(1, parts) / parts, side="right")
        return [0, *np.maximum.accumulate(np.clip(inner, 1, size)).tolist(), size]


def _called(kernel: Callable[..., None], arguments: tuple[Any, ...]) -> Task:
    def task(signals: Array) -> None:
        kernel(signals, *arguments)

    return task


class Bound:
    """A kernel with its arrays.

    Attributes:
        rows: its outputs of all rows and its last states, by name: always the same arrays.
        running: what is called one after the other for a run from the states as they are.
    """

    def __init__(
        self, kernel: Kernel, steps: Steps, dtype: np.dtype[Any], given: Mapping[str, Any], memory: Memory
    ) -> None:
        """Of `kernel`, whose inputs are `given`: what stands in these arrays is looked at each time."""
        restart, cut = (np.ravel(given.get(name, NONE)) for name in (RESTART, CUT))
        call = Call(steps, dtype, memory, restart, cut)
        found, self._after = kernel.bind(call, *(given[name] for name in kernel.source.inputs))
        outputs = kernel.source.outputs
        self.rows: dict[str, Array] = dict(zip(outputs, found, strict=False))
        self._sums = outputs[len(found) :]
        self._starting, self._preparing, self.running = call.starting, call.preparing, call.running
        self.restart()
        self.prepare()

    def restart(self) -> None:
        """Put the states back to where they start."""
        for state, first in self._starting:
            state[...] = first

    def prepare(self) -> None:
        """Look at the parameters again."""
        for prepare in self._preparing:
            prepare()

    def go_on(self) -> None:
        """Run from the states as they are."""
        for run in self.running:
            run()

    def sums(self) -> dict[str, Any]:
        """What was added up over the rows, by name."""
        return dict(zip(self._sums, self._after(), strict=True))


@attrs.frozen(eq=False)
class Kernel:
    """A graph that runs compiled; called as a `Program` is.

    Attributes:
        source: its text, the order of what it takes and returns.
        bind: binds it to arrays.
    """

    source: Source
    bind: Callable[..., tuple[tuple[Array, ...], Callable[[], tuple[Any, ...]]]]

    def __call__(
        self, steps: Steps, dtype: np.dtype[Any], given: Mapping[str, Any], memory: Memory | None = None
    ) -> dict[str, Any]:
        """Its outputs by name, last states as "last h"; what is of all rows is of `memory`."""
        bound = Bound(self, steps, np.dtype(dtype), given, memory or Memory())
        bound.go_on()
        return bound.rows | bound.sums()


def compiled_kernels(runs: Sequence[Wanted], dtype: str) -> list[Kernel]:
    """The graphs of one file, compiled.

    Raises:
        KernelError: no kernel can be written, or Numba does not compile it.
    """
    text, sources = written(runs, dtype)
    title = runs[0].graph.title
    try:
        module = loaded(re.sub(r"\W+", "_", f"{title} {dtype}").strip("_"), text)
    except Exception as error:  # whatever Numba stumbles over, NumPy runs
        raise KernelError(f"Numba does not compile {title}: {one_line(error)[:300]}") from error
    return [Kernel(source, getattr(module, run.name)) for run, source in zip(runs, sources, strict=True)]
