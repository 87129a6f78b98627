"""Packed matrix products: right for every shape, bit for bit the same whatever the batch, and within their bounds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="kernels need Numba")

from numba.core.errors import TypingError

from nanolstm.kernels import lanes, products
from nanolstm.kernels.compiled import compiled

Array = np.ndarray[Any, Any]
GUARD = 12345.0
SIZES = (1, 2, 3, 7, 17, 33, 129, 200)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@compiled(cache=False)
def product(x, x_at, x_stride, n, packed, packed_at, k, m, y, y_at, y_stride, accumulate):
    products.product(x, x_at, x_stride, n, packed, packed_at, k, m, y, y_at, y_stride, accumulate)


@compiled(cache=False)
def product_of_one(x, x_at, packed, packed_at, k, m, y, y_at, accumulate):
    products.product_of_one(x, x_at, packed, packed_at, k, m, y, y_at, accumulate)


@compiled(cache=False)
def sums_of_products(a, a_at, a_stride, m, b, b_at, b_stride, n, rows, c, c_at, c_stride, scratch, at):
    products.sums_of_products(a, a_at, a_stride, m, b, b_at, b_stride, n, rows, c, c_at, c_stride, scratch, at)


def numbers(seed: Any, shape: Any, dtype: Any) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def close(found: Array, expected: Array, scale: Array) -> None:
    """Every element within a few roundings of the sum of its products' magnitudes."""
    error = np.abs(found - expected)
    bound = 40 * np.finfo(found.dtype).eps * scale
    assert np.all(error <= bound), (error / bound).max()


def wide(array: Array) -> Array:
    return array.astype(np.longdouble)


def spread(rows: Array, at: int, stride: int) -> Array:
    """The rows in flat memory, `stride` apart from the offset `at` on, guards everywhere else."""
    n, m = rows.shape
    flat = np.full(at + n * stride + 40, GUARD, rows.dtype)
    for r in range(n):
        flat[at + r * stride : at + r * stride + m] = rows[r]
    return flat


@DTYPES
@pytest.mark.parametrize("m", SIZES)
@pytest.mark.parametrize("k", [*SIZES, 700])
def test_rows_times_a_packed_matrix(dtype: Any, k: int, m: int) -> None:
    matrix = numbers([k, m], (m, k), dtype)
    packed = np.concatenate([np.full(5, np.nan, dtype), products.pack(matrix)])
    x, start, x_stride, y_stride = numbers(k, (100, k), dtype), numbers(m, (100, m), dtype), k + 2, m + 5
    flat, scale = spread(x, 3, x_stride), np.abs(x) @ np.abs(matrix).T + np.abs(start)
    expected = wide(x) @ wide(matrix).T
    for n in (0, 1, 2, 3, 5, 6, 7, 13, 100):
        for accumulate in (False, True):
            y = spread(start[:n], 1, y_stride)
            product(flat, 3, x_stride, n, packed, 5, k, m, y, 1, y_stride, accumulate)
            found = y[1 : 1 + n * y_stride].reshape(n, y_stride)[:, :m]
            close(found, (expected + accumulate * start)[:n], scale[:n])
            np.testing.assert_array_equal(y, spread(found, 1, y_stride), strict=True)


@DTYPES
@pytest.mark.parametrize("m", [*SIZES, 600])
def test_one_row_times_a_packed_matrix(dtype: Any, m: int) -> None:
    for k in (*SIZES, 1500):
        matrix, x, start = numbers([k, m], (m, k), dtype), numbers(k, (1, k), dtype), numbers(m, (1, m), dtype)
        packed = np.concatenate([np.full(3, np.nan, dtype), products.pack(matrix)])
        expected, scale = wide(x) @ wide(matrix).T, np.abs(x) @ np.abs(matrix).T
        for accumulate in (0, 1):
            y = spread(start, 7, m)
            product_of_one(spread(x, 1, k), 1, packed, 3, k, m, y, 7, accumulate)
            close(y[None, 7 : 7 + m], expected + accumulate * start, scale + np.abs(start))
            np.testing.assert_array_equal(y, spread(y[None, 7 : 7 + m], 7, m), strict=True)


@DTYPES
def test_a_row_has_the_same_bits_whatever_stands_beside_it(dtype: Any) -> None:
    for k, m in ((33, 40), (1030, 17)):
        x, packed = numbers(0, (130, k), dtype), products.pack(numbers(1, (m, k), dtype))
        whole, some = np.empty((130, m), dtype), np.empty((130, m), dtype)
        product(x, 0, k, 130, packed, 0, k, m, whole, 0, m, False)
        for n in range(1, 20):
            for first in range(0, 130, n):
                product(x, first * k, k, min(n, 130 - first), packed, 0, k, m, some, first * m, m, False)
            np.testing.assert_array_equal(some.view(np.uint8), whole.view(np.uint8), strict=True)


@DTYPES
def test_what_is_not_a_number_or_infinite_passes_through(dtype: Any) -> None:
    matrix = numbers(0, (21, 9), dtype)
    packed = products.pack(matrix)
    x = numbers(1, (8, 9), dtype)
    x[2, 8], x[5, 0], x[6, 3] = np.nan, np.inf, -np.inf
    y, one = np.zeros((8, 21), dtype), np.zeros(21, dtype)
    product(x, 0, 9, 8, packed, 0, 9, 21, y, 0, 21, False)
    assert np.isnan(y[2]).all()
    assert np.isfinite(y[[0, 1, 3, 4, 7]]).all()
    np.testing.assert_array_equal(y[5], np.inf * np.sign(matrix[:, 0]), strict=True)
    np.testing.assert_array_equal(y[6], -np.inf * np.sign(matrix[:, 3]), strict=True)
    for row in range(8):
        product_of_one(x, row * 9, packed, 0, 9, 21, one, 0, False)
        np.testing.assert_array_equal(np.isfinite(one), np.isfinite(y[row]))
    c, scratch = np.zeros((21, 9), dtype), np.empty(products.scratch_size(21, 9, 8, dtype), dtype)
    sums_of_products(y, 0, 21, 21, x, 0, 9, 9, 8, c, 0, 9, scratch, 0)
    assert np.isnan(c).all()


@DTYPES
def test_arrays_of_any_number_of_dimensions(dtype: Any) -> None:
    x, matrix = numbers(0, (2, 3, 4), dtype), numbers(1, (5, 4), dtype)
    y = np.zeros((1, 6, 5, 1), dtype)
    x.flags.writeable = False
    product(x, 0, 4, 6, products.pack(matrix), 0, 4, 5, y, 0, 5, True)
    close(y.reshape(6, 5), wide(x.reshape(6, 4)) @ wide(matrix).T, np.full((6, 5), 4.0))


@DTYPES
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (16, 16), (17, 3), (33, 129), (40, 8), (200, 66)])
def test_a_matrix_of_any_strides_is_packed_the_same(dtype: Any, shape: tuple[int, int]) -> None:
    matrix = numbers(0, shape, dtype)
    m, k = shape
    packed = products.pack(matrix)
    assert packed.shape == (products.packed_size(m, k, dtype),)
    assert packed.dtype == dtype
    assert packed.ctypes.data % 64 == 0
    every_other = np.full((2 * m, 3 * k), np.nan, dtype)[::2, ::3]
    every_other[...] = matrix
    unaligned = np.frombuffer(b"." + matrix.tobytes(), np.uint8)[1:].view(dtype).reshape(shape)
    fields = np.zeros(shape, [("pad", "u1"), ("value", dtype)])
    fields["value"] = matrix
    out = np.full(packed.size, np.nan, dtype)
    backwards = np.ascontiguousarray(matrix[::-1, ::-1])[::-1, ::-1]
    for other in (np.asfortranarray(matrix), every_other, backwards, unaligned, fields["value"]):
        assert products.pack(other, out) is out
        np.testing.assert_array_equal(out, packed, strict=True)
    unpacked = packed.reshape(-1, k, products.packed_size(1, 1, dtype)).transpose(0, 2, 1).reshape(-1, k)
    np.testing.assert_array_equal(unpacked[:m], matrix, strict=True)
    assert not unpacked[m:].any()


def test_what_cannot_be_packed_is_refused() -> None:
    for matrix in (np.zeros((2, 2), np.float16), np.zeros((2, 2), ">f4"), np.zeros(2), np.zeros((2, 2, 2))):
        with pytest.raises(TypeError, match="float32 or float64 matrix"):
            products.pack(matrix)
    for out in (np.zeros(3), np.zeros(products.packed_size(2, 2, float), np.float32), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="out must be"):
            products.pack(np.zeros((2, 2)), out)


@DTYPES
@pytest.mark.parametrize(
    ("m", "n", "rows"),
    [
        *[(m, n, rows) for m in (1, 3, 17, 129) for n in (1, 2, 7, 33, 200) for rows in (1, 2, 33)],
        (12, 3, 522),
        (3, 12, 1100),
        (5, 7, 0),
        (200, 129, 600),
        (30, 1100, 20),
        (1100, 30, 20),
        (64, 1, 3000),
    ],
)
def test_sums_of_products_are_added_to_what_there_is(dtype: Any, m: int, n: int, rows: int) -> None:
    a, b = numbers([rows, m], (rows, m), dtype), numbers([rows, n], (rows, n), dtype)
    flat_a, flat_b = spread(a, 2, m + 3)[: 2 + rows * (m + 3)], spread(b, 1, n + 1)[: 1 + rows * (n + 1)]
    size = products.scratch_size(m, n, rows, dtype)
    before = numbers([m, n], (m, n), dtype)
    c, scratch = spread(before, 4, n + 2), np.full(size + 14, GUARD, dtype)
    sums_of_products(flat_a, 2, m + 3, m, flat_b, 1, n + 1, n, rows, c, 4, n + 2, scratch, 7)
    assert (scratch[:7] == GUARD).all()
    assert (scratch[-7:] == GUARD).all()
    found = c[4 : 4 + m * (n + 2)].reshape(m, n + 2)[:, :n]
    np.testing.assert_array_equal(c, spread(found, 4, n + 2), strict=True)
    close(found, wide(a).T @ wide(b) + before, np.abs(a).T @ np.abs(b) + np.abs(before))


def test_arrays_of_two_dtypes_of_integers_or_with_strides_are_refused() -> None:
    y = np.zeros((3, 3))
    for x in (np.zeros((3, 3), np.float32), np.zeros((3, 6))[:, ::2]):
        with pytest.raises(TypingError, match="contiguous arrays of float32, or of float64"):
            product(x, 0, 3, 3, y, 0, 3, 3, y, 0, 3, False)
    whole = np.zeros((3, 3), int)
    with pytest.raises(TypingError, match="contiguous arrays of float32, or of float64"):
        product(whole, 0, 3, 3, whole, 0, 3, 3, whole, 0, 3, False)


@pytest.mark.skipif("NANOLSTM_VECTOR_BITS" in os.environ, reason="is the process that is started here")
@pytest.mark.parametrize("bits", [bits for bits in (128, 256, 512) if bits != lanes.BITS])
def test_vectors_of_another_width(bits: int) -> None:
    chosen = "same_bits or packed_the_same or passes_through or 129 or 522 or 1100"
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "-k", chosen, str(Path(__file__))],
        env=os.environ | {"NANOLSTM_VECTOR_BITS": str(bits)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]


def test_a_width_that_there_is_not() -> None:
    code = "import nanolstm.kernels.products"
    environment = os.environ | {"NANOLSTM_VECTOR_BITS": "100"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "none of 128, 256 and 512" in ran.stderr
