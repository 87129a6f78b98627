"""Memory of kernels whose every access is checked, and in NumPy what emitted source calls to work on it.

Matrices are packed in a way of their own, so that reading one in any other layout, or before it is written, gives NaN
or a wrong number at every size.
"""

from __future__ import annotations

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
        return int(self.shape[0])

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
    """How many elements of memory `sums_of_products` needs; here one, whatever plain loops may need."""
    return 1


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
    found: Array = packed.part(at, packed_size(m, k), "a packed matrix")[_places(m, k)]
    return found


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
