"""Sums whose terms LLVM may add in any order, which lets it compute them in vectors.

All other arithmetic of a kernel is done as the step says: `(a + b) - a` is not `b`, and `k / 49` no product.
"""

# ruff: noqa: ARG001 (an intrinsic names its arguments to be typed; they are written out in what it returns)
from __future__ import annotations

from typing import Any

from numba.extending import intrinsic

ANY_ORDER = ("reassoc", "nsz", "contract")
"""Flags of LLVM: regroup the terms, also where that changes the sign of a zero; fuse a product and a sum."""


@intrinsic
def plus(typing: Any, total: Any, term: Any) -> Any:
    """`total + term`, one step of a sum."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(*args, flags=ANY_ORDER)

    return total(total, total), write


@intrinsic
def times(typing: Any, a: Any, b: Any) -> Any:
    """`a * b`, a term of a sum."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(*args, flags=ANY_ORDER)

    return a(a, a), write
