"""Kernels without machine code: the emitted source run by Python itself, with every access to memory checked.

What a kernel's source calls stands here in NumPy. Arrays refuse a place that is negative or beyond their end, work
memory is NaN before each run.
"""

from __future__ import annotations

import builtins
import math
import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from .checked import (
    checked,
    get,
    pack,
    pack_each,
    packed_size,
    product,
    product_of_one,
    put,
    scratch_size,
    select,
    sums_of_products,
)

Array = np.ndarray[Any, np.dtype[Any]]


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
        "nanolstm.kernels.compiled": SimpleNamespace(EXACT=frozenset(), compiled=_compiled),
        "nanolstm.kernels.float32": functions,
        "nanolstm.kernels.float64": functions,
        "nanolstm.kernels.places": SimpleNamespace(get=get, put=put),
        "nanolstm.kernels.sums": SimpleNamespace(plus=operator.add, times=operator.mul),
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

    class PoisonedCall(call):  # type: ignore[misc]
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
