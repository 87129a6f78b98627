"""A program that runs in kernels: what its source calls, on one batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np

from nanolstm.compile.cache import loaded
from nanolstm.compile.combine import for_kernels
from nanolstm.compile.emit import Source
from nanolstm.compile.memory import Memory
from nanolstm.compile.numba_target import CUT, RESTART, Wanted, kernel_file
from nanolstm.compile.steps import Steps
from nanolstm.errors import KernelError, one_line
from nanolstm.kernels.products import pack, packed_size, scratch_size
from nanolstm.kernels.threads import get_num_threads, run_all

Array = np.ndarray[Any, np.dtype[Any]]

NONE = np.zeros(0, bool)

WORTH_A_THREAD = 4_000_000
"""Operations (about 0.3 ms of them) below which another thread costs more than it saves."""


@attrs.define(eq=False)
class Call:
    """One call of a program: its rows, and the memory that it works in.

    Attributes:
        restart: for each row, whether states start anew before it; empty where none does.
        cut: for each row, whether no gradient goes back from it; empty where none does.
    """

    steps: Steps
    dtype: np.dtype[Any]
    memory: Memory
    restart: Array
    cut: Array
    rows: int = attrs.field(init=False)
    threads: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rows = int(self.steps.bounds[-1])
        self.threads = get_num_threads()

    def state(self, first: Array) -> Array:
        """A state that goes on from `first`, (batch, width)."""
        return np.array(first, self.dtype, order="C").reshape(len(first), -1)

    def kept(self, width: int, kind: Any = None) -> Array:
        """Something of all rows."""
        return self.memory.take((self.rows, width), kind or self.dtype)

    def given(self, array: Array) -> Array:
        """An input of all rows, as kernels expect it."""
        return np.ascontiguousarray(array).reshape(self.rows, -1)

    def vector(self, array: Array) -> Array:
        """A parameter, as kernels expect it."""
        return np.ascontiguousarray(array).reshape(-1)

    def pack(self, matrix: Array) -> Array:
        """A matrix of parameters, as products expect it; of three axes, one for each head."""
        if matrix.ndim == 2:
            return pack(matrix, self.memory.take((packed_size(*matrix.shape, self.dtype),), self.dtype))
        return np.concatenate([pack(head) for head in matrix])

    def of_one_row(self, width: int, kind: Any = None) -> Array:
        """Room for something of the row that a thread is at."""
        return self.memory.take((self.threads, width), kind or self.dtype)

    def of_one_step(self, width: int, kind: Any = None) -> Array:
        """Room for something of the step that a thread is at."""
        return self.memory.take((self.steps.batch, width), kind or self.dtype)

    def loop(self, kernel: Callable[..., None], work: int, *arrays: Array) -> None:
        """Run the time loop; where there is enough `work` (operations for each row), in slices of the batch."""
        steps = self.steps
        common = (steps.batch == 1, self.restart, self.cut, *arrays)
        parts = min(self.threads, steps.batch, 1 + self.rows * work // WORTH_A_THREAD)
        if parts == 1:
            kernel(steps.bounds, 0, steps.batch, 0, *common)
            return
        borders = self._borders(parts)
        run_all(
            [
                partial(kernel, steps.bounds, p, q, part, *common)
                for part, (p, q) in enumerate(zip(borders[:-1], borders[1:], strict=True))
                if p < q
            ]
        )

    def _borders(self, parts: int) -> list[int]:
        """Sequences from each of these to the next have about the same number of steps in all."""
        size = int(self.steps.bounds[1])
        if self.rows == size * (len(self.steps.bounds) - 1):
            return [size * part // parts for part in range(parts + 1)]
        widths = np.diff(self.steps.bounds)
        lengths = np.cumsum([np.count_nonzero(widths > place) for place in range(size)])
        inner = np.searchsorted(lengths, lengths[-1] * np.arange(1, parts) / parts, side="right")
        return [0, *np.maximum.accumulate(np.clip(inner, 1, size)).tolist(), size]

    def sums(self, kernel: Callable[..., None], sizes: Sequence[tuple[int, int]], *arrays: Array) -> None:
        """Add up over the rows; `sizes` are those of the products that are."""
        work = sum(2 * m * n for m, n in sizes)
        parts = min(self.threads, 1 + self.rows * work // WORTH_A_THREAD)
        room = max((scratch_size(m, n, self.rows, self.dtype) for m, n in sizes), default=1)
        scratch = self.memory.take((parts, room), self.dtype)
        if parts == 1:
            kernel(self.rows, 0, 1, scratch[0], *arrays)
            return
        run_all([partial(kernel, self.rows, part, parts, scratch[part], *arrays) for part in range(parts)])


@attrs.frozen(eq=False)
class Kernel:
    """A graph that runs compiled; called as a `Program` is."""

    source: Source
    function: Callable[..., tuple[Any, ...]]

    def __call__(
        self, steps: Steps, dtype: np.dtype[Any], given: Mapping[str, Any], memory: Memory | None = None
    ) -> dict[str, Any]:
        """Its outputs by name, last states as "last h"; what is not a state or a sum is of `memory`."""
        restart, cut = (np.ravel(given.get(name, NONE)) for name in (RESTART, CUT))
        call = Call(steps, np.dtype(dtype), memory or Memory(), restart, cut)
        answer = self.function(call, *(given[name] for name in self.source.inputs))
        return dict(zip(self.source.outputs, answer, strict=True))


class Bound:
    """A kernel with its arrays: run by calling each of `calls`, as often as wanted, on what stands in its inputs.

    Its states go on from call to call. `answers` are its outputs by name, always the same arrays.
    """

    def __init__(self, kernel: Kernel, steps: Steps, dtype: np.dtype[Any], given: Mapping[str, Any]) -> None:
        """Of `kernel`, whose inputs are `given`: contiguous arrays, which are looked at each time."""
        self.calls: list[Callable[[], None]] = []

        class Held(Call):
            def loop(held, kernel: Callable[..., None], work: int, *arrays: Array) -> None:  # noqa: N805
                self.calls.append(
                    partial(kernel, steps.bounds, 0, steps.batch, 0, steps.batch == 1, NONE, NONE, *arrays)
                )

        answer = kernel.function(
            Held(steps, np.dtype(dtype), Memory(), NONE, NONE), *(given[name] for name in kernel.source.inputs)
        )
        self.answers = dict(zip(kernel.source.outputs, answer, strict=True))


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


def written(runs: Sequence[Wanted], dtype: str) -> tuple[str, list[Source]]:
    """The source of `runs` as one file, and what each of them takes and returns.

    Raises:
        KernelError: no kernel can be written.
    """
    try:
        return kernel_file([attrs.evolve(run, graph=for_kernels(run.graph, run.carried)) for run in runs], dtype)
    except NotImplementedError as error:
        raise KernelError(f"no kernel for {runs[0].graph.title}: {error}") from error
