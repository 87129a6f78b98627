"""Matrix products for recurrent kernels: compiled once per machine, called from any compiled function.

A matrix that multiplies many vectors is packed first: cut into panels of a few columns, which a kernel reads from
beginning to end. Every function here exists as a symbol of the process, so that a caller holds no copy of it; it must
be imported before a caller is loaded from Numba's cache.
"""

# ruff: noqa: ARG001 (an intrinsic takes the typing context, which none here needs)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import cfunc, types
from numba.core import cgutils
from numba.core.errors import NumbaTypeError
from numba.extending import intrinsic

from nanolstm.kernels import lanes
from nanolstm.kernels.compiled import CAREFUL, compiled, entry_point
from nanolstm.kernels.lanes import ROWS, VECTORS, aligned, beyond, fetch, move, room, strip, tile, transpose, width

DEPTH = 512
"""How many products are summed before they are added to the result: the panel they read stays in the first cache."""

HEIGHT = 16 * ROWS
"""How many rows of float32 are taken at a time: they stay in the second cache while all panels pass by."""

AHEAD = 8
"""How many rows ahead of those that are packed memory is read."""

STEP = 8
"""How far apart the rows of slivers lie, so that vectors stored there cross no line of the cache."""

BREADTH = 1024
"""How many columns of a matrix are packed at a time for sums of products."""

LINE = 64
"""How many bytes a line of the cache has."""

WIDEST = lanes.lanes(32)
"""How many elements a vector has at most."""

_ELEMENTS = (types.float32, types.float64)

_SYMBOL = "nanolstm_{}_{}"
"""What a function is called for one type of element: the same for every width of vectors, since callers are cached."""


def _call(name: str, given: list[Any]) -> Any:
    """How a call of a compiled function is typed and written: an array and the offset after it are one pointer."""
    pointers = [kind for kind in given if isinstance(kind, (types.Array, types.CPointer))]
    dtype = pointers[0].dtype if pointers else None
    if dtype not in _ELEMENTS or any(kind.dtype != dtype or getattr(kind, "layout", "C") != "C" for kind in pointers):
        raise NumbaTypeError(f"{name} takes contiguous arrays of float32, or of float64, not {given}")
    symbol = _SYMBOL.format(name, dtype)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        passed = []
        rest = iter(zip(signature.args, arguments, strict=True))
        for kind, value in rest:
            if isinstance(kind, types.Array):
                data = context.make_array(kind)(context, builder, value).data
                passed.append(builder.gep(data, [next(rest)[1]]))
            else:
                passed.append(value)
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), passed)
        return context.get_dummy_value()

    return types.void(*(kind if kind in pointers else types.intp for kind in given)), emit


@intrinsic
def product(
    typing: Any,
    x: Any,
    x_at: Any,
    x_stride: Any,
    n: Any,
    packed: Any,
    packed_at: Any,
    k: Any,
    m: Any,
    y: Any,
    y_at: Any,
    y_stride: Any,
    accumulate: Any,
) -> Any:
    """The products of n rows of x with a packed matrix (m, k), written or added to n rows of y.

    Every element is a chain of k fused products and sums in order, cut at the same places whatever n is: a row's
    result does not depend on the rows beside it.
    """
    return _call("product", [x, x_at, x_stride, n, packed, packed_at, k, m, y, y_at, y_stride, accumulate])


@intrinsic
def product_of_one(
    typing: Any,
    x: Any,
    x_at: Any,
    packed: Any,
    packed_at: Any,
    k: Any,
    m: Any,
    y: Any,
    y_at: Any,
    accumulate: Any,
) -> Any:
    """The product of one row with a packed matrix (m, k), sooner than `product` and summed in another order."""
    return _call("product_of_one", [x, x_at, packed, packed_at, k, m, y, y_at, accumulate])


@intrinsic
def sums_of_products(
    typing: Any,
    a: Any,
    a_at: Any,
    a_stride: Any,
    m: Any,
    b: Any,
    b_at: Any,
    b_stride: Any,
    n: Any,
    rows: Any,
    c: Any,
    c_at: Any,
    c_stride: Any,
    scratch: Any,
    scratch_at: Any,
) -> Any:
    """Add to c (m, n) the sums over all rows of the products of a's with b's elements.

    The order of summation depends on the number of rows alone. It works in `scratch_size` elements of memory.
    """
    given = [a, a_at, a_stride, m, b, b_at, b_stride, n, rows, c, c_at, c_stride, scratch, scratch_at]
    return _call("sums_of_products", given)


@intrinsic
def _panels(
    typing: Any,
    x: Any,
    x_stride: Any,
    x_step: Any,
    n: Any,
    packed: Any,
    packed_stride: Any,
    k: Any,
    m: Any,
    y: Any,
    y_stride: Any,
    y_step: Any,
    accumulate: Any,
) -> Any:
    return _call("panels", [x, x_stride, x_step, n, packed, packed_stride, k, m, y, y_stride, y_step, accumulate])


@intrinsic
def _panels_of(typing: Any, b: Any, b_stride: Any, k: Any, n: Any, panels: Any, readable: Any) -> Any:
    return _call("panels_of", [b, b_stride, k, n, panels, readable])


@intrinsic
def _slivers_of(typing: Any, a: Any, a_stride: Any, k: Any, m: Any, slivers: Any, sliver: Any, readable: Any) -> Any:
    return _call("slivers_of", [a, a_stride, k, m, slivers, sliver, readable])


def _write_panels(
    x: Any,
    x_stride: int,
    x_step: int,
    n: int,
    packed: Any,
    packed_stride: int,
    k: int,
    m: int,
    y: Any,
    y_stride: int,
    y_step: int,
    accumulate: int,
) -> None:
    """All rows times all panels; with an `x_step` of 0 the rows of each tile are packed, `x_stride` apart."""
    columns = VECTORS * width(x)
    tiles = (n + ROWS - 1) // ROWS
    rows = n // max(tiles, 1)
    higher = n - rows * tiles  # so many tiles have one row more
    beside = 4 if n == 1 else 2 if n <= 3 else 1
    edge = room(y)
    first = 0
    while first < m:
        panels = beside if first + (beside - 1) * columns < m else 1
        breadth = panels * columns
        whole = y_step == 1 and first + breadth <= m
        panel = beyond(packed, first // columns * packed_stride)
        i = 0
        for t in range(tiles):
            count = rows + (t < higher)
            start, stride, step = beyond(x, i * x_stride), x_stride, x_step
            if x_step == 0:
                start, stride, step = beyond(x, t * x_stride), 1, STEP
            line = beyond(y, i * y_stride + first * y_step)
            target, line_stride, add = (line, y_stride, accumulate) if whole else (edge, breadth, 0)
            tile(count, panels, start, stride, step, panel, packed_stride, k, target, line_stride, add)
            if not whole:
                for row in range(count):
                    for j in range(min(breadth, m - first)):
                        place, value = row * y_stride + j * y_step, edge[row * breadth + j]
                        line[place] = line[place] + value if accumulate else value
            i += count
        first += breadth


def _write_product(
    x: Any, x_stride: int, n: int, packed: Any, k: int, m: int, y: Any, y_stride: int, accumulate: int
) -> None:
    """All rows times a packed matrix, in blocks of k and of rows."""
    columns = VECTORS * width(x)
    blocks = max(1, (k + DEPTH - 1) // DEPTH)
    height = HEIGHT * width(x) // WIDEST
    for block in range(blocks):
        start, stop = k * block // blocks, k * (block + 1) // blocks
        add = accumulate or block > 0
        part = beyond(packed, start * columns)
        for first in range(0, n, height):
            count = min(height, n - first)
            rows, target = beyond(x, first * x_stride + start), beyond(y, first * y_stride)
            _panels(rows, x_stride, 1, count, part, k * columns, stop - start, m, target, y_stride, 1, add)


def _write_product_of_one(x: Any, packed: Any, k: int, m: int, y: Any, accumulate: int) -> None:
    """One row times a packed matrix, several panels at once."""
    columns = VECTORS * width(x)
    edge = room(y)
    first = 0
    while first < m:
        left = (m - first) // columns
        whole = left > 0
        group = 4 if left >= 4 else 2 if left >= 2 else 1
        panel, line = beyond(packed, first * k), beyond(y, first)
        strip(group, x, panel, k * columns, k, line if whole else edge, accumulate * whole)
        if not whole:
            for j in range(m - first):
                line[j] = line[j] + edge[j] if accumulate else edge[j]
        first += group * columns


def _write_packed(matrix: Any, row_stride: int, column_stride: int, m: int, k: int, packed: Any) -> None:
    """Pack a matrix (m, k) of any strides, with zeros where the last panel has no column."""
    one = width(matrix)
    columns = VECTORS * one
    squares = k - k % one if column_stride == 1 else 0
    begin = 0
    if row_stride == 1:
        begin = m - m % columns
        _panels_of(matrix, column_stride, k, begin, packed, 0)
    for first in range(begin, (m + columns - 1) // columns * columns, one):
        source = beyond(matrix, first * row_stride)
        target = beyond(packed, first // columns * columns * k + first % columns)
        there = min(one, max(0, m - first))
        square = squares if there == one else 0
        for i in range(0, square, one):
            transpose(beyond(source, i), row_stride, beyond(target, i * columns), columns)
        for i in range(square, k):
            for j in range(one):
                target[i * columns + j] = source[j * row_stride + i * column_stride] if j < there else 0


def _write_sums_of_products(
    a: Any,
    a_stride: int,
    m: int,
    b: Any,
    b_stride: int,
    n: int,
    rows: int,
    c: Any,
    c_stride: int,
    scratch: Any,
) -> None:
    """Add a.T @ b: in blocks of rows, whose part of b and of a is packed before it is multiplied."""
    columns = VECTORS * width(a)
    c_step = 1
    upright = (n + columns - 1) // columns * max(m, 4)  # how long tiles take: fewer rows than four are no faster
    lying = (m + columns - 1) // columns * max(n, 4)
    if 4 * lying < 3 * upright:  # then b.T @ a, which is the same transposed
        a, a_stride, m, b, b_stride, n, c_stride, c_step = b, b_stride, n, a, a_stride, m, 1, c_stride
    height = HEIGHT * width(a) // WIDEST
    blocks = max(1, (rows + DEPTH - 1) // DEPTH)
    panels = aligned(scratch)
    for block in range(blocks):
        start, stop = rows * block // blocks, rows * (block + 1) // blocks
        k = stop - start
        for column in range(0, n, BREADTH):
            breadth = min(BREADTH, n - column)
            source = beyond(b, start * b_stride + column)
            _panels_of(source, b_stride, k, breadth, panels, (rows - start - 1) * b_stride + n - column)
            slivers = beyond(panels, (breadth + columns - 1) // columns * columns * k)
            for row in range(0, m, height):
                count = min(height, m - row)
                source = beyond(a, start * a_stride + row)
                target = beyond(c, row * c_stride + column * c_step)
                stride, step = 1, a_stride
                if breadth > columns:  # for a single panel packing would cost as much as the product
                    readable = (rows - start - 1) * a_stride + m - row
                    _slivers_of(source, a_stride, k, count, slivers, STEP * k + STEP, readable)
                    source, stride, step = slivers, STEP * k + STEP, 0
                _panels(source, stride, step, count, panels, columns * k, k, breadth, target, c_stride, c_step, 1)


def _write_panels_of(b: Any, b_stride: int, k: int, n: int, panels: Any, readable: int) -> None:
    """Pack n columns of b, row by row; what fills the last panel up is never looked at."""
    one = width(b)
    columns = VECTORS * one
    padded = (n + columns - 1) // columns * columns
    for r in range(k):
        source, target = beyond(b, r * b_stride), beyond(panels, r * columns)
        safe = r * b_stride + padded <= readable  # beyond a row's end lies the next one
        for j in range(0, padded if safe else n - n % columns, columns):
            move(beyond(source, j), beyond(target, j * k))
            move(beyond(source, j + one), beyond(target, j * k + one))
        if not safe:
            for j in range(n - n % columns, n):
                target[j // columns * columns * k + j % columns] = source[j]


def _write_slivers_of(a: Any, a_stride: int, k: int, m: int, slivers: Any, sliver: int, readable: int) -> None:
    """Pack m columns of a as the rows of tiles, `sliver` apart; what is copied beyond them is never looked at."""
    one = width(a)
    tiles = (m + ROWS - 1) // ROWS
    rows = m // max(tiles, 1)
    higher = m - rows * tiles
    for r in range(k):
        source, target = beyond(a, r * a_stride), beyond(slivers, r * STEP)
        safe = r * a_stride + m + STEP + one <= readable
        for t in range(tiles):
            fetch(beyond(source, AHEAD * a_stride))
            if safe:
                move(source, target)
                if one < ROWS:
                    move(beyond(source, one), beyond(target, one))
                if 2 * one < ROWS:
                    move(beyond(source, 2 * one), beyond(target, 2 * one))
            else:
                for j in range(rows + (t < higher)):
                    target[j] = source[j]
            source, target = beyond(source, rows + (t < higher)), beyond(target, sliver)


def _registered(name: str, function: Any, element: Any) -> Any:
    """The compiled function, which is a symbol of the process from now on."""
    notes = [note for argument, note in function.__annotations__.items() if argument != "return"]
    signature = types.void(*(types.CPointer(element) if note == "Any" else types.intp for note in notes))
    options: dict[str, Any] = {"nogil": True, "_nrt": False, "error_model": "numpy", "fastmath": set(CAREFUL)}
    function.__qualname__ = f"{name}_{lanes.IDENTITY}"  # the cache's key
    try:
        made = cfunc(signature, cache=True, **options)(function)
    except RuntimeError as error:  # no folder that can be written to
        if "cannot cache" not in str(error):
            raise
        made = cfunc(signature, **options)(function)
    llvmlite.binding.add_symbol(_SYMBOL.format(name, element), made.address)
    return made


_COMPILED = {
    (name, np.dtype(element.name)): _registered(name, function, element)
    for element in _ELEMENTS
    for name, function in (
        ("panels_of", _write_panels_of),
        ("slivers_of", _write_slivers_of),
        ("pack", _write_packed),
        ("panels", _write_panels),
        ("product", _write_product),
        ("product_of_one", _write_product_of_one),
        ("sums_of_products", _write_sums_of_products),
    )
}
"""Every function for every type of element, each after those that it calls."""


@intrinsic
def _pack(typing: Any, matrix: Any, packed: Any) -> Any:
    """Pack a matrix of any strides, in compiled code."""
    symbol = _SYMBOL.format("pack", matrix.dtype)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, target = (context.make_array(k)(context, builder, v) for k, v in zip(signature.args, arguments))  # noqa: B905
        sizes = cgutils.unpack_tuple(builder, source.shape, 2)
        strides = [builder.sdiv(x, source.itemsize) for x in cgutils.unpack_tuple(builder, source.strides, 2)]
        passed = [source.data, *strides, *sizes, target.data]
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), passed)
        return context.get_dummy_value()

    return types.void(matrix, packed), emit


def _pack_any(matrix: Any, packed: Any) -> None:
    _pack(matrix, packed)


def _pack_each(matrices: Any, packed: Any) -> None:
    for i in range(len(matrices)):
        _pack(matrices[i], packed[i])


def _entered(function: Callable[..., None], signature: str) -> dict[np.dtype[Any], Any]:
    """The compiled function for each dtype, as it is called."""
    found = {}
    for element in ("float32", "float64"):
        made = compiled(signature.format(element))(function)
        _ALIVE.append(made)
        found[np.dtype(element)] = entry_point(made)
    return found


_ALIVE: list[Any] = []
_PACK = _entered(_pack_any, "void({0}[:, :], {0}[::1])")
_PACK_EACH = _entered(_pack_each, "void({0}[:, :, :], {0}[:, ::1])")


def _columns(dtype: Any) -> int:
    return VECTORS * lanes.lanes(np.dtype(dtype).itemsize * 8)


def packed_size(m: int, k: int, dtype: Any) -> int:
    """How many elements the packed form of a matrix (m, k) has."""
    columns = _columns(dtype)
    return -(-m // columns) * columns * k


def scratch_size(m: int, n: int, rows: int, dtype: Any) -> int:
    """How many elements of memory `sums_of_products` needs."""
    columns = _columns(dtype)
    depth, size = min(rows, DEPTH), 0
    for high, wide in ((m, n), (n, m)):
        panels = -(-min(wide, BREADTH) // columns) * columns * depth
        slivers = -(-min(high, HEIGHT) // ROWS) * (STEP * depth + STEP)
        size = max(size, panels + slivers)
    return size + LINE // int(np.dtype(dtype).itemsize)


def pack(matrix: np.ndarray[Any, Any], out: np.ndarray[Any, Any] | None = None) -> np.ndarray[Any, Any]:
    """The packed form of a matrix (m, k) of any strides, as a flat array, which begins a line of the cache if new."""
    write = _PACK.get(matrix.dtype)
    if write is None or matrix.ndim != 2:
        raise TypeError(f"pack takes a float32 or float64 matrix, not {matrix.dtype} of shape {matrix.shape}")
    size, (m, k) = matrix.itemsize, matrix.shape
    row_stride, column_stride = matrix.strides
    if not matrix.flags.aligned or row_stride % size or column_stride % size:
        matrix = matrix.copy()
    count = packed_size(m, k, matrix.dtype)
    if out is None:
        memory = np.empty(count + LINE // size, matrix.dtype)
        start = -memory.__array_interface__["data"][0] % LINE // size
        out = memory[start : start + count]
    elif out.dtype != matrix.dtype or out.shape != (count,) or not out.flags.carray:
        raise ValueError(f"out must be a contiguous {matrix.dtype} array of shape ({count},) that can be written to")
    write(matrix, out)
    return out


def pack_each(matrices: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> None:
    """Put the packed form of each of several matrices (n, m, k) of any strides into a row of `out`."""
    write, (n, m, k) = _PACK_EACH[matrices.dtype], matrices.shape
    if not matrices.flags.aligned or any(stride % matrices.itemsize for stride in matrices.strides):
        matrices = matrices.copy()
    shape = (n, packed_size(m, k, matrices.dtype))
    if out.dtype != matrices.dtype or out.shape != shape or not out.flags.carray:
        raise ValueError(f"out must be a contiguous {matrices.dtype} array of shape {shape} that can be written to")
    write(matrices, out)
