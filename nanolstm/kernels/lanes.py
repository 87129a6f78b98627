"""Vectors of the processor's own width: the inner loops of matrix products, as instructions for LLVM.

Every function here is an intrinsic, called from compiled code with pointers and counts. A *panel* is a strip of a
matrix that is as wide as two vectors; a *tile* is what a few rows and one panel make, held in registers.
"""

# ruff: noqa: ARG001 (an intrinsic names its arguments to be typed; most are written out elsewhere)
from __future__ import annotations

import hashlib
import os
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _bits() -> int:
    """How wide a vector is, by the processor or by NANOLSTM_VECTOR_BITS."""
    if asked := os.environ.get("NANOLSTM_VECTOR_BITS"):
        if asked not in {"128", "256", "512"}:
            raise ValueError(f"NANOLSTM_VECTOR_BITS is {asked!r}, which is none of 128, 256 and 512")
        return int(asked)
    try:
        features = llvmlite.binding.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know every platform's
        return 128
    return 512 if features.get("avx512f") else 256 if features.get("avx2") else 128


BITS = _bits()
VECTORS = 2
"""How many vectors one row of a panel has."""

ROWS = 8 if BITS == 512 else 6
"""How many rows a tile has at most: with AVX2 its twelve sums leave four of the sixteen registers to their factors."""

BESIDE = {1: 4, 2: 2, 3: 2}
"""How many panels a tile of so few rows spans: one alone would have too few sums under way to keep FMA units busy."""

GROUPS = (4, 2, 1)
"""How many panels one row is multiplied with at once; with fewer of them, more sums run side by side along k."""

IDENTITY = f"{BITS}_{hashlib.blake2b(pkgutil.get_data(__name__, 'lanes.py') or b'', digest_size=6).hexdigest()}"
"""What code compiled with these vectors is known by: Numba's cache sees neither this file nor the environment."""


def lanes(bits: int) -> int:
    """How many elements of so many bits a vector has."""
    return BITS // bits


class _Lanes:
    """Writes vector instructions for one type of element."""

    def __init__(self, context: Any, builder: Any, element: Any) -> None:
        self.context, self.builder = context, builder
        self.element = context.get_value_type(element)
        self.size = element.bitwidth // 8
        self.count = lanes(element.bitwidth)
        self.vector = ir.VectorType(self.element, self.count)

    def integer(self, value: int) -> Any:
        return ir.Constant(ir.IntType(types.intp.bitwidth), value)

    def at(self, pointer: Any, offset: Any) -> Any:
        return self.builder.gep(pointer, [offset if isinstance(offset, ir.Value) else self.integer(offset)])

    def scaled(self, count: Any, factor: int) -> Any:
        return self.builder.mul(count, self.integer(factor))

    def load(self, pointer: Any) -> Any:
        return self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.size)

    def store(self, vector: Any, pointer: Any) -> None:
        self.builder.store(vector, self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.size)

    def broadcast(self, pointer: Any) -> Any:
        undefined = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(undefined, self.builder.load(pointer), ir.IntType(32)(0))
        return self.builder.shuffle_vector(one, undefined, ir.VectorType(ir.IntType(32), self.count)(None))

    def fetch(self, pointer: Any, *, writing: bool) -> None:
        """Have what will be read or written brought into the cache while other work is under way."""
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, *[ir.IntType(32)] * 3])
        fetch = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(fetch, [pointer, *(ir.IntType(32)(flag) for flag in (int(writing), 3, 1))])

    def fused(self, a: Any, b: Any, c: Any) -> Any:
        """The sum a * b + c, rounded once where the processor can."""
        name = f"llvm.fmuladd.v{self.count}f{self.size * 8}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])

    def zeros(self, count: int) -> list[Any]:
        """So many sums; LLVM keeps them in registers."""
        sums = [cgutils.alloca_once(self.builder, self.vector) for _ in range(count)]
        for place in sums:
            self.builder.store(ir.Constant(self.vector, None), place)
        return sums

    def add_product(self, place: Any, a: Any, b: Any) -> None:
        self.builder.store(self.fused(a, b, self.builder.load(place)), place)

    @contextmanager
    def loop(self, start: Any, stop: Any, step: int = 1) -> Iterator[Any]:
        with cgutils.for_range_slice(self.builder, start, stop, self.integer(step)) as (index, _):
            yield index

    def write(self, sums: list[Any], places: list[Any], accumulate: Any) -> None:
        """Store sums, or add them to what stands there."""
        vectors = [self.builder.load(place) for place in sums]
        with self.builder.if_else(cgutils.is_true(self.builder, accumulate)) as (adding, storing):
            with adding:
                for vector, place in zip(vectors, places, strict=True):
                    self.store(self.builder.fadd(self.load(place), vector), place)
            with storing:
                for vector, place in zip(vectors, places, strict=True):
                    self.store(vector, place)

    def cases(self, value: Any, choices: tuple[int, ...]) -> Iterator[int]:
        """One block of instructions for each value, all of which join at the end; another value does nothing."""
        end = self.builder.append_basic_block("end")
        choice = self.builder.switch(value, end)
        for case in choices:
            block = self.builder.append_basic_block(f"case.{case}")
            choice.add_case(self.integer(case), block)
            self.builder.position_at_end(block)
            yield case
            self.builder.branch(end)
        self.builder.position_at_end(end)


@intrinsic
def beyond(typing: Any, pointer: Any, offset: Any) -> Any:
    """The pointer so many elements further."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.intp), emit


@intrinsic
def width(typing: Any, pointer: Any) -> Any:
    """How many elements a vector has, a constant."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, lanes(pointer.dtype.bitwidth))

    return types.intp(pointer), emit


@intrinsic
def aligned(typing: Any, pointer: Any) -> Any:
    """The next place that begins a line of the cache."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Lanes(context, builder, pointer.dtype)
        address = builder.ptrtoint(arguments[0], write.integer(0).type)
        missing = builder.and_(builder.neg(address), write.integer(63))
        return write.at(arguments[0], builder.udiv(missing, write.integer(write.size)))

    return pointer(pointer), emit


@intrinsic
def room(typing: Any, pointer: Any) -> Any:
    """Memory for one tile, on the stack."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Lanes(context, builder, pointer.dtype)
        place = cgutils.alloca_once(builder, write.vector, size=ROWS * VECTORS)
        return builder.bitcast(place, context.get_value_type(pointer))

    return pointer(pointer), emit


@intrinsic
def tile(
    typing: Any,
    rows: Any,
    panels: Any,
    x: Any,
    x_stride: Any,
    x_step: Any,
    panel: Any,
    panel_stride: Any,
    k: Any,
    y: Any,
    y_stride: Any,
    accumulate: Any,
) -> Any:
    """A few rows times a panel, or times as many as BESIDE says.

    Every element is one chain of k products and sums, in order, however many rows and panels there are.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Lanes(context, builder, x.dtype)
        rows, panels, x_, x_stride, x_step, panel, panel_stride, k, y, y_stride, accumulate = arguments
        shapes = [(count, 1) for count in range(1, ROWS + 1)] + list(BESIDE.items())
        shape = builder.add(rows, write.scaled(panels, 2 * ROWS))
        for case in write.cases(shape, tuple(count + 2 * ROWS * group for count, group in shapes)):
            group, count = divmod(case, 2 * ROWS)
            starts = [write.at(x_, write.scaled(x_stride, row)) for row in range(count)]
            strips = [write.at(panel, write.scaled(panel_stride, p)) for p in range(group)]
            lines = [write.at(y, write.scaled(y_stride, row)) for row in range(count)]
            sums = {
                (row, column): place
                for row in range(count)
                for column, place in enumerate(write.zeros(group * VECTORS))
            }
            for line in lines:
                write.fetch(line, writing=True)
            with write.loop(write.integer(0), k) as i:
                along, down = builder.mul(i, x_step), write.scaled(i, VECTORS * write.count)
                factors: dict[int, Any] = {}
                for p in range(group):  # in an order in which few registers hold what is still to be used
                    line = write.at(strips[p], down)
                    vectors = [write.load(write.at(line, v * write.count)) for v in range(VECTORS)]
                    for row, start in enumerate(starts):
                        if p == 0:
                            factors[row] = write.broadcast(write.at(start, along))
                        for v, vector in enumerate(vectors):
                            write.add_product(sums[row, p * VECTORS + v], factors[row], vector)
            places = [write.at(lines[row], column * write.count) for row, column in sums]
            write.write(list(sums.values()), places, accumulate)
        return context.get_dummy_value()

    integer = types.intp
    kinds = [integer, integer, x, integer, integer, panel, integer, integer, y, integer, integer]
    return types.void(*kinds), emit


@intrinsic
def strip(typing: Any, panels: Any, x: Any, panel: Any, panel_stride: Any, k: Any, y: Any, accumulate: Any) -> Any:
    """One row times a few panels, with at least as many sums under way as an FMA unit needs to stay busy."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Lanes(context, builder, x.dtype)
        panels, x_, panel, panel_stride, k, y, accumulate = arguments
        for count in write.cases(panels, GROUPS):
            sets, size = max(GROUPS) // count, count * VECTORS
            sums = [write.zeros(size) for _ in range(sets)]
            starts = [write.at(panel, write.scaled(panel_stride, p)) for p in range(count)]

            def add(into: list[Any], i: Any, starts: list[Any] = starts) -> None:
                factor = write.broadcast(write.at(x_, i))
                offset = write.scaled(i, VECTORS * write.count)
                for p, start in enumerate(starts):
                    line = write.at(start, offset)
                    for v in range(VECTORS):
                        write.add_product(into[p * VECTORS + v], factor, write.load(write.at(line, v * write.count)))

            whole = builder.and_(k, write.integer(-sets))
            with write.loop(write.integer(0), whole, sets) as i:
                for s in range(sets):
                    add(sums[s], builder.add(i, write.integer(s)))
            with write.loop(whole, k) as i:
                add(sums[0], i)
            for one in zip(*sums, strict=True):
                total = builder.load(one[0])
                for other in one[1:]:
                    total = builder.fadd(total, builder.load(other))
                builder.store(total, one[0])
            write.write(sums[0], [write.at(y, v * write.count) for v in range(size)], accumulate)
        return context.get_dummy_value()

    return types.void(types.intp, x, panel, types.intp, types.intp, y, types.intp), emit


@intrinsic
def move(typing: Any, source: Any, target: Any) -> Any:
    """Copy one vector."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Lanes(context, builder, source.dtype)
        write.store(write.load(arguments[0]), arguments[1])
        return context.get_dummy_value()

    return types.void(source, target), emit


@intrinsic
def fetch(typing: Any, pointer: Any) -> Any:
    """Have what is there brought into the cache, if it is memory at all."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _Lanes(context, builder, pointer.dtype).fetch(arguments[0], writing=False)
        return context.get_dummy_value()

    return types.void(pointer), emit


@intrinsic
def transpose(typing: Any, source: Any, stride: Any, target: Any, target_stride: Any) -> Any:
    """Copy a square of as many rows as a vector has elements, rows becoming columns."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Lanes(context, builder, source.dtype)
        source_, stride, target, target_stride = arguments
        count, half = write.count, write.count // 2
        lines = [write.load(write.at(source_, write.scaled(stride, i))) for i in range(count)]
        # To interleave the first half with the second, as often as the count can be halved, is to transpose.
        low, high = ([start + i // 2 + i % 2 * count for i in range(count)] for start in (0, half))
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), count), mask) for mask in (low, high)]
        for _ in range(count.bit_length() - 1):
            pairs = zip(lines[:half], lines[half:], strict=True)
            lines = [builder.shuffle_vector(a, b, mask) for a, b in pairs for mask in masks]
        for i, line in enumerate(lines):
            write.store(line, write.at(target, write.scaled(target_stride, i)))
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), emit
