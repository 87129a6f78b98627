"""Interpreted kernels: what stands in for compiled code computes the same, and refuses what that would not notice."""

import numpy as np
import pytest

from .case import case_of
from .checked import (
    Checked,
    OutOfBoundsError,
    checked,
    get,
    pack,
    packed_size,
    product,
    put,
    sums_of_products,
)
from .compare import compare
from .modes import INTERPRETED, replaced

pytest.importorskip("numba", reason="kernels are interpreted as they are written for Numba")

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("place", [-1, 3, (0, 2), (3, 0), (-1, 0), (0, -1)])
def test_a_place_outside_of_an_array_is_refused(place):
    array = Checked(np.zeros((3, 2)))
    with pytest.raises(OutOfBoundsError, match="place"):
        array[place]
    with pytest.raises(OutOfBoundsError, match="place"):
        array[place] = 1.0


@pytest.mark.parametrize("place", [-1, 6])
def test_counted_places_are_refused_likewise(place):
    array = Checked(np.zeros((3, 2)))
    with pytest.raises(OutOfBoundsError):
        get(array, place)
    with pytest.raises(OutOfBoundsError):
        put(array, place, 1.0)


def test_an_array_that_is_not_contiguous_is_refused():
    with pytest.raises(OutOfBoundsError, match="strides"):
        checked(np.zeros((4, 4))[:, ::2])


@pytest.mark.parametrize(("m", "k"), [(1, 1), (3, 4), (5, 2), (8, 8), (11, 3)])
@pytest.mark.parametrize("accumulate", [0, 1])
def test_a_product_is_that_of_numpy(m, k, accumulate):
    matrix, x, y = RNG.normal(size=(m, k)), RNG.normal(size=(3, k + 2)), RNG.normal(size=(3, m))
    expected = x[:, 1 : k + 1] @ matrix.T + accumulate * y
    packed = pack(matrix, np.empty(packed_size(m, k)))
    product(Checked(x), 1, k + 2, 3, Checked(packed), 0, k, m, Checked(y), 0, m, accumulate)
    np.testing.assert_allclose(y, expected, rtol=1e-14)


def test_a_product_beyond_the_end_of_a_row_is_refused():
    packed = pack(np.ones((2, 3)), np.empty(packed_size(2, 3)))
    with pytest.raises(OutOfBoundsError, match="x of a product"):
        product(Checked(np.ones((2, 3))), 1, 3, 2, Checked(packed), 0, 3, 2, Checked(np.ones((2, 2))), 0, 2, 0)


def test_sums_of_products_are_those_of_numpy():
    a, b, c = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2)), RNG.normal(size=(3, 2))
    expected = c + a.T @ b
    sums_of_products(Checked(a), 0, 3, 3, Checked(b), 0, 2, 2, 5, Checked(c), 0, 2, Checked(np.zeros((1, 8))), 0)
    np.testing.assert_allclose(c, expected, rtol=1e-14)


def test_a_buffer_that_is_too_small_is_found(monkeypatch):
    from nanolstm.compile import kernel

    own = kernel.Call.of_one_block
    monkeypatch.setattr(kernel.Call, "of_one_block", lambda call, *args: own(call, *args)[:-1])
    monkeypatch.setattr(kernel.Call, "_check_sizes", lambda call: None)
    assert any("OutOfBoundsError" in failure.detail for failure in failures_of(range(40)))


def test_a_matrix_that_is_packed_for_another_reader_is_found(monkeypatch):
    from nanolstm.compile import kernel

    own = kernel.Call.pack
    monkeypatch.setattr(
        kernel.Call, "pack", lambda call, matrix, room, **_: own(call, matrix, room, columns_if_alone=call.alone)
    )
    assert any("off by" in failure.detail for failure in failures_of(range(40)))


def failures_of(seeds):
    """What fails in interpreted kernels, one seed after the other."""
    for seed in seeds:
        yield from compare(case_of(seed), (INTERPRETED,)).failures


def test_a_name_that_the_library_has_no_more_is_told():
    with pytest.raises(AttributeError), replaced("nanolstm.compile.kernel.NO_SUCH_NAME", 1):
        pass
