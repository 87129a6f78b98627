"""A program that runs in kernels: bound to arrays once, and run as often as wanted on what stands in these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from types import ModuleType
from typing import Any, Protocol, TypeAlias, cast

import attrs
import numpy as np

from nanolstm.compile.cache import loaded
from nanolstm.compile.emit import Source
from nanolstm.compile.kernel_steps import CUT, RESTART
from nanolstm.compile.memory import Memory
from nanolstm.compile.numba_target import written, written_for_members
from nanolstm.compile.numpy_target import on_arrays
from nanolstm.compile.source_text import file_stem
from nanolstm.compile.steps import Steps
from nanolstm.compile.writer import Wanted
from nanolstm.errors import KernelError, WorkspaceError, one_line
from nanolstm.kernels.products import DEPTH, pack, pack_each, packed_size, scratch_size
from nanolstm.kernels.threads import NO_SIGNALS, Task, get_num_threads, run_all

Array = np.ndarray[Any, np.dtype[Any]]

NONE = np.zeros(0, bool)

BLOCK = 1 << 20
"""Bytes of what is to be added up that stay in the second cache, beside what else passes through it."""

WORTH_A_THREAD = 4_000_000
"""Operations (about 0.3 ms of them) below which another thread costs more than it saves."""


Bind: TypeAlias = Callable[..., tuple[tuple[Array, ...], Callable[[], tuple[Any, ...]]]]
"""The plain function of a kernel: from a call and its arrays to outputs, and what gives the sums in the end."""


@attrs.define(eq=False)
class Call:
    """What the source of a program calls while it is bound: its rows, the memory that it works in, what is to be done.

    Attributes:
        steps: which rows belong to which time step.
        memory: where work arrays come from.
        restart: for each row, whether states start anew before it; empty where none does.
        cut: for each row, whether no gradient goes back from it; empty where none does.
        room: how many rows are computed before they are added up.
        scratch: what each thread works in while it does so.
        starting: puts states back to where they start.
        preparing: computes what depends on parameters alone.
        kernel: the time loop, with what is added up over the rows.
        expected: at which row the kernel reads or writes each array, and how wide it is.
        arrays: what it is given.
        totals: what is added up over the rows.
        known: what was computed of parameters alone and is needed with these.
        work: about how many operations a row takes.
    """

    steps: Steps
    dtype: np.dtype[Any]
    memory: Memory
    restart: Array = NONE
    cut: Array = NONE
    rows: int = attrs.field(init=False)
    alone: bool = attrs.field(init=False)
    threads: int = attrs.field(init=False)
    room: int = attrs.field(default=0, init=False)
    scratch: Array = attrs.field(default=NONE, init=False)
    starting: list[tuple[Array, Array]] = attrs.field(factory=list, init=False)
    preparing: list[Callable[[], None]] = attrs.field(factory=list, init=False)
    kernel: Callable[..., None] = attrs.field(init=False)
    expected: tuple[tuple[str, int] | None, ...] = attrs.field(default=(), init=False)
    arrays: tuple[Any, ...] = attrs.field(init=False)
    totals: list[Array] = attrs.field(factory=list, init=False)
    known: tuple[Any, ...] = attrs.field(default=(), init=False)
    work: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.steps.check()
        self.rows, self.alone = self.steps.rows, self.steps.alone
        self.threads = min(get_num_threads(), self.steps.slices)

    def state(self, first: Array) -> Array:
        """A state that goes on from `first`, (batch, width)."""
        state = self.memory.lasting(first.shape, self.dtype)
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

    def of_one_block(self, width: int, kind: type | None = None) -> Array:
        """Room for something of the steps that a thread adds up next."""
        return self.memory.take((self.threads * self.room, width), kind or self.dtype)

    def blocks(self, width: int, products: Sequence[tuple[int, int]]) -> None:
        """What is `width` wide is added up after so many rows that it is still in the cache then.

        `products` are the shapes of those sums that are products.
        """
        rows = BLOCK // max(width * self.dtype.itemsize, 1)
        self.room = max(self.steps.widest, min(max(rows, DEPTH // 4), DEPTH))
        # Plain loops for a small product need its own size, whatever the number of rows.
        size = max((max(m * n, scratch_size(m, n, self.room, self.dtype)) for m, n in products), default=1)
        self.scratch = self.memory.take((self.threads, size), self.dtype)

    def total(self, width: int) -> Array:
        """Room for sums over the rows, of each slice by itself."""
        self.totals.append(self.memory.take((self.steps.slices, width), self.dtype))
        return self.totals[-1]

    def summed(self, total: Array) -> Array:
        """Such sums over all slices, of each model if there are several."""
        if self.steps.members is not None:
            of_each = total.reshape(self.steps.members, -1, total.shape[1])
            return of_each[:, 0] if of_each.shape[1] == 1 else of_each.sum(axis=1)
        whole: Array = total[0] if len(total) == 1 else total.sum(axis=0)
        return whole

    def packed(self, *shape: int) -> Array:
        """Room for a matrix, or one for each head, as products expect it."""
        *heads, m, k = shape
        size = packed_size(m, k, self.dtype) * (heads[0] if heads else 1)
        return self.memory.take((self.steps.models, size), self.dtype)

    def given(self, array: Array) -> Array:
        """An input of all rows, as kernels expect it."""
        return np.ascontiguousarray(array).reshape(self.rows, -1)

    def vector(self, array: Array) -> Array:
        """Parameters that are read as they are: in their own memory, or copied each time where that is scattered."""
        if array.flags.c_contiguous:
            return array.reshape(self.steps.models, -1)
        flat = self.memory.lasting(array.shape, array.dtype)
        self.preparing.append(lambda: np.copyto(flat, array))
        return flat.reshape(self.steps.models, -1)

    def of_each(self, width: int, kind: type | None = None) -> Array:
        """Room for something of each model."""
        return self.memory.lasting((self.steps.models, width), kind or self.dtype)

    def repeated(self, vector: Array) -> Array:
        """What is the same for all models."""
        return np.tile(vector, (self.steps.models, 1))

    def pack(self, matrix: Array, room: Array, *, columns_if_alone: bool = False) -> None:
        """Put a matrix, or several, one for each head or model, into `room`, in the layout of its `PackedMatrix`."""
        if columns_if_alone and self.alone:
            columns = matrix.swapaxes(-1, -2)
            room[:, : columns.size // len(room)].reshape(columns.shape)[...] = columns
        elif matrix.ndim == 2:
            pack(matrix, room[0])
        else:
            matrices = matrix.reshape(-1, *matrix.shape[-2:])
            pack_each(matrices, room.reshape(len(matrices), -1))

    def expect(self, *arrays: tuple[str, int] | None) -> None:
        """The row at which the kernel reads or writes each array that `loop` gives it, and how wide it is."""
        self.expected = arrays

    def _check_sizes(self) -> None:
        """Check that arrays have a row wherever the kernel looks for one, each as wide as it expects.

        Raises:
            WorkspaceError: one has not.
        """
        steps = self.steps
        count = {
            "g + r": self.rows,
            "p + r": steps.batch,
            "b + r": self.threads * self.room,
            "thread": self.threads,
            "part": steps.slices,
            "q": steps.models,
        }
        for array, expected in zip(self.arrays, self.expected, strict=True):
            if expected is None:
                continue
            row, width = expected
            if array.ndim != 2 or len(array) < count[row] or array.shape[1] != width:
                raise WorkspaceError(
                    f"a kernel reads [{row}] in an array of shape {array.shape}; it expects {(count[row], width)}: "
                    "a fault of nanolstm; please report it with the cell and the shapes of the call"
                )

    def before(self, prepare: Callable[[], None]) -> None:
        """Do this before each run."""
        self.preparing.append(prepare)

    def loop(self, kernel: Callable[..., None], work: int, *arrays: Any) -> None:
        """Run this, which takes about so much `work` (operations for each row)."""
        self.kernel, self.work, self.arrays = kernel, work, arrays
        self._check_sizes()


class Bound:
    """A kernel with its arrays.

    Attributes:
        rows: its outputs of all rows and its last states, by name: always the same arrays.
        work: about how many operations a run takes.
        threads: for how many threads it has memory.
        stay: whether `sums` are always the same arrays; None as long as nobody asked for them.
        here: runs everything from the states as they are, on the thread that calls it.
    """

    def __init__(
        self, kernel: Kernel, steps: Steps, dtype: np.dtype[Any], given: Mapping[str, Any], memory: Memory
    ) -> None:
        """Of `kernel`, whose inputs are `given`: what stands in these arrays is looked at each time."""
        restart, cut = (np.ravel(given.get(name, NONE)) for name in (RESTART, CUT))
        call = Call(steps, dtype, memory, restart, cut)
        bind = kernel.bind if steps.members is None else kernel.bind_members()
        found, self._after = bind(call, *(given[name] for name in kernel.source.inputs))
        outputs = kernel.source.outputs
        self.rows: dict[str, Array] = dict(zip(outputs, found, strict=False))
        self._sums, self._totals = outputs[len(found) :], call.totals
        self._found: dict[str, Any] | None = None
        self.stay: bool | None = None
        self._starting, self._preparing = call.starting, call.preparing
        self._kernel, self._before = call.kernel, (steps.bounds, steps.sequences, steps.owners)
        self.threads = call.threads
        self._behind = (call.alone, restart, cut, *call.arrays)
        self.here = partial(self.of(0, steps.slices, 0), NO_SIGNALS)
        self.work = call.rows * call.work
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

    def of(self, first: int, last: int, thread: int) -> Task:
        """What runs the slices from `first` to `last` from the states as they are."""
        return partial(self._kernel, *self._before, first, last, thread, *self._behind)

    def sums(self) -> dict[str, Any]:
        """What was added up over the rows, by name; where it turns out to `stay`, in the same arrays each time."""
        if self._found is None or not self.stay:
            found = self._found = dict(zip(self._sums, self._after(), strict=True))
            if self.stay is None:  # of one slice there may be nothing left to compute
                memory = self._totals
                self.stay = all(any(np.may_share_memory(value, m) for m in memory) for value in found.values())
        return self._found


class Runs(Protocol):
    """What runs slice by slice: a kernel with its arrays, and what brings it these.

    Attributes:
        work: about how many operations that takes.
        threads: for how many threads it has memory.
    """

    work: int
    threads: int

    def of(self, first: int, last: int, thread: int) -> Task:
        """What runs the slices from `first` to `last`."""


def divided(bounds: Sequence[Runs], slices: int, then: Callable[[int, int], None] | None = None) -> list[Task]:
    """What each thread does of kernels that run one on the other: all of them, for its own slices of the batch.

    In the end it calls `then` with the numbers of these, from and to.
    """
    most = min(
        (bound.threads for bound in bounds), default=1
    )  # which may have been bound when more were allowed, or fewer
    threads = min(most, get_num_threads(), slices, 1 + sum(bound.work for bound in bounds) // WORTH_A_THREAD)

    def task(thread: int) -> Task:
        first, last = slices * thread // threads, slices * (thread + 1) // threads
        runs = [bound.of(first, last, thread) for bound in bounds]

        def run(signals: Array) -> None:
            for one in runs:
                one(signals)
                signals = NO_SIGNALS
            if then is not None:
                then(first, last)

        return run

    return [task(thread) for thread in range(threads)]


@attrs.frozen(eq=False)
class Kernel:
    """A graph that runs compiled; called as a `Program` is.

    Attributes:
        source: its text, the order of what it takes and returns.
        bind: binds it to arrays.
        bind_members: answers with a function that binds it to those of several models side by side.
    """

    source: Source
    bind: Bind
    bind_members: Callable[[], Bind]

    def __call__(
        self, steps: Steps, dtype: np.dtype[Any], given: Mapping[str, Any], memory: Memory | None = None
    ) -> dict[str, Any]:
        """Its outputs by name, last states as "last h"; what is of all rows is of `memory`."""
        memory = memory or Memory()
        bound = Bound(self, steps, np.dtype(dtype), given, memory)
        run_all(divided([bound], steps.slices))
        memory.check()
        return bound.rows | bound.sums()


def compiled_kernels(runs: Sequence[Wanted], dtype: str) -> list[Kernel]:
    """The graphs of one file, compiled.

    Raises:
        KernelError: no kernel can be written, or Numba does not compile it.
    """
    text, sources = written(runs, dtype)
    title = runs[0].graph.title
    try:
        module = loaded(f"{file_stem(title)}_{dtype}", text)
    except Exception as error:  # whatever Numba stumbles over, NumPy runs
        raise KernelError(f"Numba does not compile {title}: {one_line(error)[:300]}") from error
    return [
        Kernel(source, getattr(module, run.name), cache(partial(_for_members, run, dtype, module)))
        for run, source in zip(runs, sources, strict=True)
    ]


def _for_members(run: Wanted, dtype: str, module: ModuleType) -> Bind:
    """The plain function for several models, which calls what is compiled in `module`.

    Raises:
        NotImplementedError: there is none.
    """
    names = {**vars(module), "on_arrays": on_arrays}
    exec(compile(written_for_members(run, dtype), f"<{module.__name__} of several models>", "exec"), names)
    return cast("Bind", names[run.name])
