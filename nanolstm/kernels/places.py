"""Single elements of arrays, by their place in the one vector that an array is in memory.

Numba counts negative places from the end, and tells LLVM nothing of where an array ends. For loops over rows, each of
which is a few elements wide, LLVM has to know that places do not wrap around: only then it computes several rows at
once.
"""

# ruff: noqa: ARG001 (an intrinsic names its arguments to be typed; they are written out in what it returns)
from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


def _pointer(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [place], inbounds=True)


@intrinsic
def get(typing: Any, array: Any, place: Any) -> Any:
    """The element of a contiguous `array` at `place`, which is from 0 on."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        return context.unpack_value(builder, kind.dtype, _pointer(context, builder, kind, *args))

    return array.dtype(array, types.int64), write


@intrinsic
def put(typing: Any, array: Any, place: Any, value: Any) -> Any:
    """Let the element of a contiguous `array` at `place`, which is from 0 on, be `value`."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        context.pack_value(builder, kind.dtype, args[2], _pointer(context, builder, kind, *args[:2]))

    return types.void(array, types.int64, array.dtype), write
