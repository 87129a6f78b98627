"""Small matrices are multiplied in plain loops, which the source shows; larger ones by functions made for them."""

import pytest

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

import nanolstm as nl
from nanolstm.compile.kernel_steps import is_small

CALLS = "product_of_one", "sums_of_products"


def calls(cell):
    """Which functions the steps of a kernel call that plain loops stand for."""
    lines = nl.kernel_source(cell).splitlines()
    return [name for name in CALLS if any(line.strip().startswith(f"{name}(") for line in lines)]


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (4, 16), (16, 4), (1, 16)])
def test_a_matrix_of_up_to_64_elements_is_small(shape):
    assert is_small(*shape)


@pytest.mark.parametrize("shape", [(5, 13), (9, 8), (1, 17), (17, 1), (32, 2)])
def test_one_of_more_elements_or_longer_than_16_is_not(shape):
    assert not is_small(*shape)


@pytest.mark.parametrize("kind", ["ToyLSTM", "LSTM", "GRU"])
def test_a_small_cell_calls_no_product_of_one_row_and_no_sum(kind, cell):
    assert calls(cell(kind)) == []
    assert calls(cell(kind, inputs=8, hidden=32)) == [*CALLS]


def test_of_two_matrices_each_is_small_by_itself(cell):
    text = nl.kernel_source(cell("Gated", inputs=2, hidden=9))
    assert "total = plus(total, times(x[g, k], " in text
    assert "total = plus(total, times(h[p, k], " not in text
    assert "product_of_one(h, " in text


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("leading", [(1100,), (1, 1100), (3, 600)])
def test_sums_over_several_blocks_of_rows_are_numpys(leading, dtype, cell, data, twins, agrees):
    models = twins(lambda: cell("ToyLSTM", dtype=dtype))
    d = data(models[0], *leading)
    # The largest weights would make the cell chaotic, and the longest of sums would measure only that.
    for model in models:
        model.parameters.flat[:] *= 0.3
    one, other = (model.value_and_grad(d.x, d.target) for model in models)
    agrees(one, other)
