"""Kernels without machine code: the emitted source run by Python itself, with every access to memory checked.

What a kernel's source calls stands here in NumPy. Arrays refuse a place that is negative or beyond their end, work
memory is NaN before each run, and packed matrices are laid out in a way of their own, so that reading one in any other
layout, or before it is written, gives NaN or a wrong number at every size.
"""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

PANEL = 5
"""How many columns of a matrix are packed together: a number that no layout of the library has."""


class OutOfBoundsError(Exception):
    """Emitted source reads or writes outside of an array."""


class Checked:
    """A contiguous array of one or two axes, or a row of one, whose places are counted from 0 up to its end."""

    __slots__ = ("array", "shape", "size")

    def __init__(self, array: Array) -> None:
        self.array, self.shape, self.size = array, array.shape, array.size

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def flat(self) -> Array:
        """All its elements, one after the other."""
        return self.array.reshape(-1)

    def _refuse(self, place: Any) -> None:
        raise OutOfBoundsError(f"place {place} of an array of shape {self.shape}")

    def __getitem__(self, place: Any) -> Any:
        shape = self.shape
        if type(place) is tuple:
            i, j = place
            if not (0 <= i < shape[0] and 0 <= j < shape[1]):
                self._refuse(place)
            return self.array[i, j]
        if not 0 <= place < shape[0]:
            self._refuse(place)
        found = self.array[place]
        return found if len(shape) == 1 else Checked(found)

    def __setitem__(self, place: Any, value: Any) -> None:
        shape = self.shape
        if type(place) is tuple:
            i, j = place
            if not (0 <= i < shape[0] and 0 <= j < shape[1]):
                self._refuse(place)
        elif len(shape) != 1 or not 0 <= place < shape[0]:
            self._refuse(place)
        self.array[place] = value

    def part(self, begin: int, count: int, what: str) -> Array:
        """`count` elements from `begin` on, of all that it has."""
        if begin < 0 or begin + count > self.size:
            raise OutOfBoundsError(f"{what}: elements {begin} to {begin + count} of {self.size}")
        return self.flat[begin : begin + count]


def checked(array: Array) -> Checked:
    """An argument of a kernel, which takes contiguous arrays only."""
    if not array.flags.c_contiguous or array.ndim > 2:
        raise OutOfBoundsError(f"an array of shape {array.shape} and strides {array.strides} is given to a kernel")
    return Checked(array)


# What emitted source calls.


def get(array: Checked, place: int) -> Any:
    """The element at a place of the whole array."""
    if not 0 <= place < array.size:
        raise OutOfBoundsError(f"get: element {place} of {array.size}")
    return array.array.item(place) if array.array.dtype == bool else array.flat[place]


def put(array: Checked, place: int, value: Any) -> None:
    """Write an element at a place of the whole array."""
    if not 0 <= place < array.size:
        raise OutOfBoundsError(f"put: element {place} of {array.size}")
    array.flat[place] = value


def select(condition: Any, this: Any, that: Any) -> Any:
    """One of two values."""
    return this if condition else that


def packed_size(m: int, k: int, dtype: Any = None) -> int:
    """How many elements the packed form of a matrix has."""
    return -(-m // PANEL) * PANEL * k


def scratch_size(m: int, n: int, rows: int, dtype: Any = None) -> int:
    """How many elements of memory `sums_of_products` needs; small products of plain loops need m * n."""
    return m * n + 1


def _places(m: int, k: int) -> Array:
    """Where each element of a matrix (m, k) stands in its packed form: last column first."""
    column, row = np.divmod(np.arange(m), PANEL)
    inner = np.arange(k)
    return (column[:, None] * k + inner[::-1][None, :]) * PANEL + (PANEL - 1 - row)[:, None]


def pack(matrix: Array, out: Array) -> Array:
    """Pack a matrix."""
    m, k = matrix.shape
    if out.shape != (packed_size(m, k),):
        raise OutOfBoundsError(f"a matrix {matrix.shape} is packed into {out.shape}")
    out[...] = np.nan
    out[_places(m, k)] = matrix
    return out


def pack_each(matrices: Array, out: Array) -> None:
    """Pack several matrices, each into a row."""
    for matrix, room in zip(matrices, out, strict=True):
        pack(matrix, room)


def _unpacked(packed: Checked, at: int, k: int, m: int) -> Array:
    return packed.part(at, packed_size(m, k), "a packed matrix")[_places(m, k)]


def _rows(array: Checked, at: int, stride: int, width: int, rows: int, what: str) -> Array:
    """A view of rows that begin `stride` apart, each `width` wide."""
    if rows <= 0:
        return np.zeros((0, width))
    part = array.part(at, (rows - 1) * stride + width, what)
    size = part.itemsize
    return np.lib.stride_tricks.as_strided(part, (rows, width), (stride * size, size))


def product(
    x: Checked,
    x_at: int,
    x_stride: int,
    n: int,
    packed: Checked,
    packed_at: int,
    k: int,
    m: int,
    y: Checked,
    y_at: int,
    y_stride: int,
    accumulate: int,
) -> None:
    """Rows of x times a packed matrix."""
    found = _rows(x, x_at, x_stride, k, n, "x of a product") @ _unpacked(packed, packed_at, k, m).T
    goal = _rows(y, y_at, y_stride, m, n, "y of a product")
    goal[...] = goal + found if accumulate else found


def product_of_one(
    x: Checked, x_at: int, packed: Checked, packed_at: int, k: int, m: int, y: Checked, y_at: int, accumulate: int
) -> None:
    """One row times a packed matrix."""
    product(x, x_at, k, 1, packed, packed_at, k, m, y, y_at, m, accumulate)


def sums_of_products(
    a: Checked,
    a_at: int,
    a_stride: int,
    m: int,
    b: Checked,
    b_at: int,
    b_stride: int,
    n: int,
    rows: int,
    c: Checked,
    c_at: int,
    c_stride: int,
    scratch: Checked,
    scratch_at: int,
) -> None:
    """Add to c the sums over rows of the products of a's with b's elements."""
    scratch.part(scratch_at, scratch_size(m, n, rows), "scratch")[...] = np.nan
    left, right = _rows(a, a_at, a_stride, m, rows, "a of a sum"), _rows(b, b_at, b_stride, n, rows, "b of a sum")
    goal = _rows(c, c_at, c_stride, n, m, "c of a sum")
    goal += left.T @ right


def _functions() -> dict[str, Any]:
    from scipy.special import erf, expit

    named = ("exp", "expm1", "log", "log1p", "tanh", "logaddexp", "sqrt", "absolute", "sign", "floor", "maximum")
    found = {name: getattr(np, name) for name in (*named, "minimum", "power", "mod", "sin", "cos")}
    found |= {"sigmoid": expit, "erf": erf, "softplus": lambda x: np.logaddexp(x, 0.0), "select": select}
    return found


def _compiled(*_: Any, **__: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """In the place of the decorator that compiles: a function whose arrays are checked."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        def run(*arguments: Any) -> None:
            function(*(checked(a) if isinstance(a, np.ndarray) else a for a in arguments))

        return run

    return decorate


@contextmanager
def interpreted() -> Iterator[None]:
    """Within the block kernels that are bound are interpreted, on one thread after the other."""
    from nanolstm.compile import kernel

    functions = SimpleNamespace(**_functions())
    standing_in = {
        "nanolstm.kernels.compiled": SimpleNamespace(QUICK=frozenset(), compiled=_compiled),
        "nanolstm.kernels.float32": functions,
        "nanolstm.kernels.float64": functions,
        "nanolstm.kernels.places": SimpleNamespace(get=get, put=put),
        "nanolstm.kernels.products": SimpleNamespace(
            product=product, product_of_one=product_of_one, sums_of_products=sums_of_products
        ),
        "nanolstm.kernels.signals": SimpleNamespace(announce=lambda signals: None),
    }

    def imported(name: str, *rest: Any) -> Any:
        return standing_in[name] if name in standing_in else builtins.__import__(name, *rest)

    def loaded(name: str, text: str) -> ModuleType:
        module = ModuleType(f"interpreted_{name}")
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": imported}
        exec(compile(text, f"<kernels of {name}>", "exec"), module.__dict__)
        return module

    def one_after_the_other(tasks: Any) -> None:
        for task in tasks:
            task(np.zeros((0, 16), np.int64))

    with ExitStack() as stack:
        for owner, name, value in (
            (kernel, "loaded", loaded),
            (kernel, "pack", pack),
            (kernel, "pack_each", pack_each),
            (kernel, "packed_size", packed_size),
            (kernel, "scratch_size", scratch_size),
            (kernel, "Call", poisoned(kernel.Call)),
            *((module, "run_all", one_after_the_other) for module in _that_run_tasks()),
        ):
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


def _that_run_tasks() -> list[ModuleType]:
    """The modules that hand tasks to threads, which would begin before the first of them has spoilt work memory."""
    import nanolstm.gradient.bound
    import nanolstm.gradient.side_by_side  # noqa: F401

    mine = [module for name, module in sys.modules.items() if name.startswith("nanolstm.") and module is not None]
    return [module for module in mine if "run_all" in vars(module)]


def poisoned(call: Any) -> Any:
    """A kind of `call` whose work memory holds nothing that could be mistaken for a result when a kernel begins."""

    class PoisonedCall(call):
        def __attrs_post_init__(self) -> None:
            self.work_arrays: list[Array] = []
            super().__attrs_post_init__()

        def _worked_in(self, array: Array) -> Array:
            self.work_arrays.append(array)
            return array

        def kept(self, *args: Any) -> Array:
            return self._worked_in(super().kept(*args))

        def of_one_row(self, *args: Any) -> Array:
            return self._worked_in(super().of_one_row(*args))

        def of_one_step(self, *args: Any) -> Array:
            return self._worked_in(super().of_one_step(*args))

        def of_one_block(self, *args: Any) -> Array:
            return self._worked_in(super().of_one_block(*args))

        def total(self, *args: Any) -> Array:
            return self._worked_in(super().total(*args))

        def packed(self, *args: Any) -> Array:
            room: Array = super().packed(*args)
            room[...] = math.nan
            return room

        def loop(self, steps: Callable[..., None], work: int, *arrays: Any) -> None:
            def run(bounds: Array, sequences: Array, owners: Array, first: int, *rest: Any) -> None:
                if first == 0:  # the first thread's
                    for array in (*self.work_arrays, self.scratch):
                        spoil(array)
                steps(bounds, sequences, owners, first, *rest)

            super().loop(run, work, *arrays)

    return PoisonedCall


def spoil(array: Array) -> None:
    """Fill an array with what cannot be mistaken for a result."""
    array[...] = True if array.dtype == bool else math.nan
