"""How everything here is compiled by Numba: without the GIL, without reference counts, cached where that can be."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from numba import njit
from numba.core.compiler import Compiler

CAREFUL = frozenset({"contract"})
"""Leave of the compiler to fuse a product and a sum, nothing else: signed zeros and rounding stay what is written."""

EXACT = frozenset[str]()
"""No leave: each operation rounds as NumPy's does, as a step may rely on. Sums are in `sums.py`."""


def entry_point(made: Any) -> Any:
    """What Numba calls in the end of a function of one signature, without finding out types each time.

    It is good as long as `made` is kept.
    """
    (result,) = made.overloads.values()
    return result.entry_point


class _Apart(Compiler):  # type: ignore[misc]
    """Compiles for array arguments that share no memory, which lets LLVM put loops over them into vectors."""

    def define_pipelines(self) -> Any:
        self.state.flags.noalias = True
        return super().define_pipelines()


def compiled(
    signature: Any = None,
    *,
    leave: Collection[str] = CAREFUL,
    inlined: bool = False,
    apart: bool = False,
    cache: bool = True,
) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function.

    Args:
        signature: its types, as for `numba.njit`; None for each that it is called with.
        leave: what the compiler may do to floating-point arithmetic.
        inlined: put it into each of its callers.
        apart: whether its array arguments never share memory.
        cache: keep the machine code on disk.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        options: dict[str, Any] = {
            "nogil": True,
            "_nrt": False,
            "error_model": "numpy",
            "fastmath": set(leave),
            "forceinline": inlined,
        }
        if apart:
            options["pipeline_class"] = _Apart
        args = () if signature is None else (signature,)
        if cache:
            try:
                return njit(*args, cache=True, **options)(function)
            except RuntimeError as error:  # no folder that can be written to
                if "cannot cache" not in str(error):
                    raise
        return njit(*args, **options)(function)

    return decorate
